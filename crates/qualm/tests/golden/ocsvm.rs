//! Scores against scikit-learn's: `tests/golden/ocsvm_ee.py` writes the numbers.

use serde_json::{Value, json};

use crate::Spec;
use crate::baselines::ee::golden::golden;
use crate::rows::Rows;
use crate::stats::Metrics;

fn scores(rows: Rows<'_>, keys: Value) -> Vec<f64> {
    let spec = Spec::preset("ocsvm", "default").unwrap();
    let Value::Object(keys) = keys else {
        panic!("{keys} are no keys");
    };
    let fitted = spec.with(keys).unwrap().fit(rows, 0, &mut ()).unwrap();
    fitted.score(rows).unwrap()
}

fn assert_close(name: &str, found: &[f64], expected: &[f64], most: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error < most,
            "{name}, row {i}: {found}, expected {expected}"
        );
    }
}

/// Spearman's rank correlation, of scores that are all but without ties.
fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |scores: &[f64]| {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|i, j| scores[*i].total_cmp(&scores[*j]));
        let mut ranks = vec![0.0; scores.len()];
        for (rank, i) in order.into_iter().enumerate() {
            ranks[i] = rank as f64;
        }
        ranks
    };
    let (a, b, n) = (ranks(a), ranks(b), a.len() as f64);
    let squares: f64 = a.iter().zip(&b).map(|(x, y)| (x - y).powi(2)).sum();
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

#[test]
fn decision_values_agree() {
    let made = golden().made;
    let rows = made.matrix();
    for case in &made.ocsvm {
        let expected: Vec<f64> = serde_json::from_value(case["scores"].clone()).unwrap();
        let keys = json!({"nu": case["nu"], "gamma": case["gamma"], "tolerance": 1e-6});
        let name = keys.to_string();
        assert_close(&name, &scores(rows.rows(), keys), &expected, 5e-5);
        // As sharp as the default is.
        let keys = json!({"nu": case["nu"], "gamma": case["gamma"]});
        assert_close(&name, &scores(rows.rows(), keys), &expected, 2e-3);
    }
}

#[test]
fn decision_values_on_real_sets_agree() {
    for set in golden().real {
        let Some((rows, labels)) = set.read() else {
            return;
        };
        let found = scores(rows.rows(), json!({}));
        let correlation = rank_correlation(&found, &set.ocsvm);
        assert!(correlation > 0.999, "{correlation}");
        let auroc = Metrics::compute(&found, &labels).unwrap().auroc;
        assert!((auroc - set.ocsvm_auroc).abs() < 0.002, "{auroc}");
        let found = scores(rows.rows(), json!({"tolerance": 1e-6}));
        assert_close("real", &found, &set.ocsvm, 1e-3);
    }
}
