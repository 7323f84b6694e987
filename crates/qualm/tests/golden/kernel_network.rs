//! Kernel networks against NumPy: `golden/kernel_network.py` writes the numbers.
#![allow(clippy::unwrap_used, reason = "tests")]

use qualm::{Matrix, Spec};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Distances are of float32 vectors, from their products.
const ROUNDED: f64 = 2e-4;

#[derive(Deserialize)]
struct Golden {
    d: usize,
    rows: Vec<f32>,
    new: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    keys: Map<String, Value>,
    fitted: Vec<f64>,
    new: Vec<f64>,
}

#[test]
fn log_uncertainties_are_those_of_numpy() {
    let golden: Golden = serde_json::from_slice(include_bytes!("kernel_network.json")).unwrap();
    let rows = Matrix::new(golden.rows, golden.d).unwrap();
    let new = Matrix::new(golden.new, golden.d).unwrap();
    for mut case in golden.cases {
        case.keys.insert("members".to_owned(), 1.into());
        case.keys.insert("network".to_owned(), "kernel".into());
        case.keys.insert("scaling".to_owned(), "standardise".into());
        let spec = Spec::preset("dum", "default").unwrap();
        let fitted = spec
            .with(case.keys.clone())
            .unwrap()
            .fit(rows.rows(), 0, &mut ());
        let fitted = fitted.unwrap();
        let scored = fitted.score(new.rows()).unwrap();
        for (found, expected) in [
            (fitted.fitted_scores().unwrap(), &case.fitted),
            (&scored, &case.new),
        ] {
            assert_eq!(found.len(), expected.len());
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                let error = (found - expected).abs();
                assert!(
                    error <= ROUNDED,
                    "{:?}, row {i}: {found}, {expected}",
                    case.keys
                );
            }
        }
    }
}
