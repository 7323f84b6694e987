//! `ecod` against `PyOD`: `golden/ecod.py` writes the numbers. Without `QUALM_DATA` the real sets
//! say 'skipped'.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::baseline;
use qualm::stats::Metrics;
use qualm::{Matrix, Rows};
use qualm_data::{Batches, Selection, Source};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Golden {
    made: Made,
    real: BTreeMap<String, Real>,
}

#[derive(Deserialize)]
struct Made {
    d: usize,
    rows: Vec<f32>,
    scores: Vec<f64>,
}

#[derive(Deserialize)]
struct Real {
    auroc: f64,
    scores: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("ecod.json")).unwrap()
}

/// Both sides work in float64; the numbers have 12 digits or more.
fn assert_scores(name: &str, rows: Rows<'_>, space: &str, expected: &[f64]) -> Vec<f64> {
    let spec = baseline("ecod", json!({"space": space}));
    let fitted = spec.fit(rows, 0, &mut ()).unwrap();
    let scores = fitted.score(rows).unwrap();
    assert_eq!(scores.len(), expected.len());
    for (found, expected) in scores.iter().zip(expected) {
        let near = (found - expected).abs() <= 1e-11 * expected;
        assert!(near, "{name}: {found}, expected {expected}");
    }
    scores
}

#[test]
fn the_scores_of_fitted_rows_are_those_of_pyod_in_any_unit() {
    let made = golden().made;
    let rows = Matrix::new(made.rows, made.d).unwrap();
    for space in ["identity", "minmax", "standardise"] {
        assert_scores(space, rows.rows(), space, &made.scores);
    }
}

#[test]
fn real_sets_have_the_scores_of_pyod() {
    let Some(folder) = std::env::var_os("QUALM_DATA") else {
        println!("ecod: skipped, QUALM_DATA names no folder");
        return;
    };
    for (name, expected) in golden().real {
        let path = Path::new(&folder).join(format!("table2/{name}.parquet"));
        let selection = Selection {
            label: Some("label".to_owned()),
            read_label: true,
            ..Selection::default()
        };
        let source = Source::open(&path, &selection, None).unwrap();
        let batch = source.read_all().unwrap();
        let scores = assert_scores(&name, batch.rows.rows(), "identity", &expected.scores);
        let metrics = Metrics::compute(&scores, &batch.labels.unwrap()).unwrap();
        // Scores that are equal but for rounding can tie on one side alone.
        let near = (metrics.auroc - expected.auroc).abs() < 1e-4;
        assert!(near, "{name}: AUROC {}", metrics.auroc);
    }
}
