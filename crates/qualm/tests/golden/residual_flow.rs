//! Log-likelihoods of known flows against PyTorch: `residual_flow.py` writes the numbers.

use serde::Deserialize;

use super::flow::{Flow, Shape};

#[derive(Deserialize)]
struct Case {
    rank: usize,
    couplings: usize,
    hidden: usize,
    splits: Vec<u32>,
    parameters: Vec<f32>,
    rows: Vec<f32>,
    log_likelihood: Vec<f64>,
}

#[test]
fn log_likelihoods_are_those_of_pytorch() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("residual_flow.json")).unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let shape = Shape {
            rank: case.rank,
            couplings: case.couplings,
            hidden: case.hidden,
        };
        let flow = Flow {
            splits: case.splits,
            parameters: case.parameters,
        };
        assert_eq!(flow.parameters.len(), shape.all_parameters());
        let rows = case.rows.chunks_exact(case.rank);
        assert_eq!(rows.len(), case.log_likelihood.len());
        for (row, expected) in rows.zip(&case.log_likelihood) {
            let z: Vec<_> = row.iter().map(|v| [f64::from(*v); 16]).collect();
            let found = -flow.negative_log_likelihood(&shape, &z)[3];
            let error = (found - expected).abs() / expected.abs().max(1.0);
            assert!(error < 1e-8, "rank {}: {found}, {expected}", case.rank);
        }
    }
}
