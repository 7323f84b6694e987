//! The space `robust` against NumPy: `golden/whitened.py` writes the numbers.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use crate::common::baseline;
use qualm::Matrix;
use serde::Deserialize;
use serde_json::json;

/// Our rows are scaled and mapped first, each rounded to float32.
const ROUNDED: f64 = 2e-5;

#[derive(Deserialize)]
struct Golden {
    k: usize,
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    d: usize,
    rows: Vec<f32>,
    new: Vec<f32>,
    /// By the word of the key `reference`.
    scores: BTreeMap<String, Vec<f64>>,
}

#[test]
fn distances_in_the_robust_space_are_those_of_numpy() {
    let golden: Golden = serde_json::from_slice(include_bytes!("whitened.json")).unwrap();
    for set in golden.sets {
        let rows = Matrix::new(set.rows, set.d).unwrap();
        let new = Matrix::new(set.new, set.d).unwrap();
        for (reference, expected) in set.scores {
            let keys = json!({
                "space": "robust", "reference": reference, "method": "mean",
                "n_neighbors": golden.k,
            });
            let fitted = baseline("knn", keys).fit(rows.rows(), 0, &mut ()).unwrap();
            let found = fitted.score(new.rows()).unwrap();
            assert_eq!(found.len(), expected.len());
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert!(
                    (found - expected).abs() <= ROUNDED * expected,
                    "{reference}, d = {}, row {i}: {found}, {expected}",
                    set.d
                );
            }
        }
    }
}
