//! The parts of the sequential test beside NumPy: `monitor.py`.

use serde::Deserialize;

use super::evidence::{Evidence, Guarantee};
use super::{Jumper, Ranks};

#[derive(Deserialize)]
struct Golden {
    reference: Vec<f64>,
    stream: Vec<f64>,
    uniforms: Vec<f64>,
    p: Vec<f64>,
    growth: Vec<f64>,
    log10_ever: Vec<f64>,
    log10_run_length: Vec<f64>,
}

fn close(found: f64, expected: f64, what: &str, row: usize) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(
        error < 1e-12,
        "{what} of row {row}: {found}, expected {expected}"
    );
}

#[test]
fn ranks_bets_and_evidence_are_those_of_numpy() {
    let golden: Golden = serde_json::from_str(include_str!("monitor.json")).unwrap();
    let mut ranks = Ranks::new(&golden.reference).unwrap();
    let mut jumper = Jumper::default();
    let guarantees = [
        Guarantee::Ever { alpha: 0.05 },
        Guarantee::RunLength { rows: 1e6 },
    ];
    let mut evidence = [Evidence::new(), Evidence::new()];
    assert_eq!(golden.stream.len(), 120);
    for (i, (&score, &u)) in golden.stream.iter().zip(&golden.uniforms).enumerate() {
        let p = ranks.p_value(score, u);
        close(p, golden.p[i], "p", i);
        let growth = jumper.bet(p);
        close(growth, golden.growth[i], "growth", i);
        let expected = [golden.log10_ever[i], golden.log10_run_length[i]];
        for ((evidence, guarantee), expected) in evidence.iter_mut().zip(guarantees).zip(expected) {
            let found = evidence.grow(growth, guarantee) / std::f64::consts::LN_10;
            close(found, expected, "evidence", i);
        }
    }
}
