//! The methods of neighbours against scikit-learn and `PyOD`: `golden/neighbours.py` writes
//! the numbers.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::Path;
use std::sync::LazyLock;

use crate::common::{baseline, rank_correlation};
use qualm::Fitted;
use qualm::stats::Metrics;
use qualm::{Matrix, Rows};
use qualm_data::{Batches, Selection, Source};
use safetensors::SafeTensors;
use serde_json::{Value, json};

/// Both sides work in float64, in another order.
const TOLERANCE: f64 = 1e-9;

static GOLDEN: LazyLock<SafeTensors<'static>> =
    LazyLock::new(|| SafeTensors::deserialize(include_bytes!("neighbours.safetensors")).unwrap());

fn scores(name: &str) -> Vec<f64> {
    let tensor = GOLDEN.tensor(name).unwrap();
    let values = tensor.data().chunks_exact(8);
    values
        .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

fn rows(name: &str) -> Matrix {
    let tensor = GOLDEN.tensor(name).unwrap();
    let values = tensor.data().chunks_exact(4);
    let values = values.map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    Matrix::new(values.collect(), tensor.shape()[1]).unwrap()
}

fn fit(detector: &str, changes: Value, rows: Rows<'_>) -> Fitted {
    baseline(detector, changes).fit(rows, 0, &mut ()).unwrap()
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= TOLERANCE * expected.abs()
}

#[test]
fn synthetic_rows_have_the_scores_of_the_peers() {
    let (all, new) = (rows("rows"), rows("new"));
    for (name, detector, changes, used) in [
        ("knn.largest", "knn", json!({}), 0..200),
        ("knn.mean", "knn", json!({"method": "mean"}), 0..200),
        ("knn.median", "knn", json!({"method": "median"}), 0..200),
        ("lof", "lof", json!({}), 0..200),
        ("abod.fast", "abod", json!({}), 0..190),
        ("abod.exact", "abod", json!({"method": "exact"}), 100..190),
    ] {
        let d = new.rows().n_cols();
        let used = &all.rows().as_slice()[used.start * d..used.end * d];
        let fitted = fit(detector, changes, Rows::new(used, d).unwrap());
        let own = fitted.fitted_scores().unwrap();
        let others = fitted.score(new.rows()).unwrap();
        for (part, found) in [("fitted", own), ("new", &others)] {
            let expected = scores(&format!("{name}.{part}"));
            assert_eq!(found.len(), expected.len());
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert!(
                    near(*found, expected),
                    "{name}.{part}, row {i}: {found}, {expected}"
                );
            }
        }
    }
}

/// Ranks and AUROC agree on real sets. Scores agree in most rows to rounding; where several
/// rows are at the distance of the last neighbour, the peers may take another of them.
#[test]
fn real_sets_are_ranked_like_the_peers_do() {
    let Some(folder) = std::env::var_os("QUALM_DATA") else {
        println!("skipped, QUALM_DATA names no folder");
        return;
    };
    let selection = Selection {
        label: Some("label".to_owned()),
        read_label: true,
        ..Selection::default()
    };
    for (set, n) in [("pima", 768), ("ionosphere", 351), ("covertype", 2000)] {
        let file = Path::new(&folder).join(format!("table2/{set}.parquet"));
        let batch = Source::open(&file, &selection, None).unwrap();
        let batch = batch.read_all().unwrap();
        let d = batch.rows.rows().n_cols();
        let used = &batch.rows.rows().as_slice()[..n * d];
        let outlier = &batch.labels.unwrap()[..n];
        let moved = used[..100 * d]
            .iter()
            .map(|x| (f64::from(*x) + 0.125) as f32);
        let moved = Matrix::new(moved.collect(), d).unwrap();
        for detector in ["knn", "lof", "abod"] {
            let fitted = fit(detector, json!({}), Rows::new(used, d).unwrap());
            let own = fitted.fitted_scores().unwrap();
            let others = fitted.score(moved.rows()).unwrap();
            for (part, found) in [("fitted", own), ("new", &others)] {
                let expected = scores(&format!("{set}.{detector}.{part}"));
                let agree = found.iter().zip(&expected);
                let agree = agree.filter(|(found, expected)| near(**found, **expected));
                let agree = agree.count() as f64 / found.len() as f64;
                let correlation = rank_correlation(found, &expected);
                println!("{set} {detector} {part}: {agree:.4} equal, Spearman {correlation:.6}");
                assert!(correlation > 0.999 && agree > 0.95);
            }
            let expected = scores(&format!("{set}.{detector}.fitted"));
            let [ours, theirs] =
                [own, &expected].map(|scores| Metrics::compute(scores, outlier).unwrap().auroc);
            println!("{set} {detector}: AUROC {ours:.5}, theirs {theirs:.5}");
            assert!((ours - theirs).abs() < 0.002);
        }
    }
}
