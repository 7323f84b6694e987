//! Mean AUROC over a hundred seeds of the detectors that draw lots, against other implementations:
//! `golden/ensembles.py` and `golden/networks.py` write the numbers. Without `QUALM_DATA` each
//! test says 'skipped'.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use qualm::Spec;
use qualm::stats::Metrics;
use qualm_data::{Batch, Batches, Selection, Source};
use serde::Deserialize;

/// As many as in the golden files: means over ten vary by up to a point themselves.
const SEEDS: u64 = 100;

/// One point of AUROC.
const TOLERANCE: f64 = 0.01;

#[derive(Deserialize)]
struct Golden {
    /// By detector and data set.
    auroc: BTreeMap<String, BTreeMap<String, Auroc>>,
}

#[derive(Deserialize)]
struct Auroc {
    mean: f64,
    deviation: f64,
}

/// A labelled set, or `None` without data.
fn read(set: &str) -> Option<Batch> {
    let folder = std::env::var_os("QUALM_DATA")?;
    let path = Path::new(&folder).join(format!("table2/{set}.parquet"));
    let selection = Selection {
        label: Some("label".to_owned()),
        read_label: true,
        ..Selection::default()
    };
    let source = Source::open(&path, &selection, None).unwrap();
    Some(source.read_all().unwrap())
}

/// Fits all seeds on each set of the golden file, labels unseen.
fn compare(detector: &str, golden: &str) {
    let golden: Golden = serde_json::from_str(golden).unwrap();
    let spec = Spec::preset(detector, "default").unwrap();
    assert_eq!(golden.auroc[detector].len(), 3);
    let mut far = Vec::new();
    for (set, expected) in &golden.auroc[detector] {
        let Some(batch) = read(set) else {
            println!("{detector} on {set}: skipped, QUALM_DATA names no folder");
            continue;
        };
        let (rows, labels) = (batch.rows.rows(), batch.labels.unwrap());
        let auroc = |seed| {
            let fitted = spec.fit(rows, seed, &mut ()).unwrap();
            let scores = fitted.fitted_scores().unwrap();
            Metrics::compute(scores, &labels).unwrap().auroc
        };
        let mean = (0..SEEDS).map(auroc).sum::<f64>() / SEEDS as f64;
        println!(
            "{detector} on {set}: {mean:.4}, expected {:.4} (deviation {:.4} a seed)",
            expected.mean, expected.deviation
        );
        far.extend(((mean - expected.mean).abs() >= TOLERANCE).then_some(set));
    }
    assert!(far.is_empty(), "{detector}: too far on {far:?}");
}

#[test]
fn isolation_forests_rank_as_those_of_scikit_learn() {
    compare("iforest", include_str!("ensembles.json"));
}

#[test]
fn lesinn_ranks_as_its_definition() {
    compare("lesinn", include_str!("ensembles.json"));
}

#[test]
fn autoencoders_rank_as_those_of_pyod() {
    compare("ae", include_str!("networks.json"));
}

#[test]
fn repen_ranks_as_its_recipe_in_pytorch() {
    compare("repen", include_str!("networks.json"));
}
