//! Metrics and thresholds against scikit-learn, `NumPy` and plain definitions:
//! `golden/metrics.py` writes the numbers.
#![allow(clippy::unwrap_used, reason = "tests")]

use qualm::calibrate::{Calibration, ThresholdRule};
use qualm::stats::Metrics;
use serde::Deserialize;

/// Both sides sum in float64, in another order.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Golden {
    metrics: Vec<MetricsCase>,
    thresholds: Vec<ThresholdCase>,
}

#[derive(Deserialize)]
struct MetricsCase {
    name: String,
    scores: Vec<f64>,
    outlier: Vec<u8>,
    expected: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct ThresholdCase {
    scores: Vec<String>,
    contaminations: Vec<String>,
    thresholds: Vec<String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("metrics.json")).unwrap()
}

#[test]
fn metrics_agree_with_scikit_learn() {
    let cases = golden().metrics;
    assert_eq!(cases.len(), 10);
    for case in cases {
        let outlier: Vec<bool> = case.outlier.iter().map(|&label| label == 1).collect();
        let metrics = Metrics::compute(&case.scores, &outlier).unwrap();
        let found = serde_json::to_value(metrics).unwrap();
        assert_eq!(found.as_object().unwrap().len(), case.expected.len());
        for (key, expected) in &case.expected {
            let (found, expected) = (found[key].as_f64().unwrap(), expected.as_f64().unwrap());
            assert!(
                (found - expected).abs() < TOLERANCE,
                "{}: {key} is {found}, expected {expected}",
                case.name
            );
        }
    }
}

#[test]
fn thresholds_agree_with_numpy_to_the_bit() {
    let numbers =
        |texts: &[String]| -> Vec<f64> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    for case in golden().thresholds {
        let calibration = Calibration::new(numbers(&case.scores)).unwrap();
        let contaminations = numbers(&case.contaminations);
        for (contamination, expected) in contaminations.into_iter().zip(numbers(&case.thresholds)) {
            let cut = ThresholdRule::Contamination(contamination);
            let found = calibration.threshold(cut).unwrap();
            assert_eq!(
                found.to_bits(),
                expected.to_bits(),
                "n = {}, {cut:?}: {found}, expected {expected}",
                calibration.n()
            );
        }
    }
}
