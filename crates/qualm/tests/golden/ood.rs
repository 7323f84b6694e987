//! Out-of-distribution scores against pytorch-ood: `golden/ood.py` writes the numbers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use qualm::Matrix;
use qualm::ood::{Activations, OodFitted, OodSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::common::keys;

#[derive(Deserialize)]
struct Golden {
    d: [usize; 2],
    c: usize,
    labels: Vec<i64>,
    rows: Arrays,
    new: Arrays,
    scores: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct Arrays {
    first: Vec<f32>,
    features: Vec<f32>,
    logits: Vec<f32>,
}

/// The arrays of some rows.
struct Sample {
    first: Matrix,
    features: Matrix,
    logits: Matrix,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("ood.json")).unwrap()
    }

    fn sample(&self, arrays: &Arrays) -> Sample {
        Sample {
            first: Matrix::new(arrays.first.clone(), self.d[0]).unwrap(),
            features: Matrix::new(arrays.features.clone(), self.d[1]).unwrap(),
            logits: Matrix::new(arrays.logits.clone(), self.c).unwrap(),
        }
    }

    /// The largest difference from the golden scores, in units of their spread, once ours were
    /// multiplied and moved.
    fn distance(&self, name: &str, ours: &[f64], times: f64, plus: f64) -> f64 {
        let theirs = &self.scores[name];
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let spread = theirs.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            - theirs.iter().copied().fold(f64::INFINITY, f64::min);
        let pairs = ours.iter().zip(theirs);
        pairs.fold(0.0, |most, (ours, theirs)| {
            f64::max(most, (times * ours + plus - theirs).abs() / spread)
        })
    }
}

impl Sample {
    fn all(&self) -> Activations<'_> {
        Activations::of_features(self.features.rows()).with_logits(self.logits.rows())
    }

    fn layers(&self) -> Activations<'_> {
        Activations::of_layers(vec![self.first.rows(), self.features.rows()])
    }
}

fn fit(detector: &str, changes: Value, sample: &Activations<'_>) -> OodFitted {
    let spec = OodSpec::new(detector).unwrap().with(keys(changes)).unwrap();
    spec.fit(sample, 0, &mut ()).unwrap()
}

#[test]
fn scores_are_those_of_pytorch_ood() {
    let golden = Golden::read();
    let (rows, new) = (golden.sample(&golden.rows), golden.sample(&golden.new));
    let labelled = rows.all().with_labels(&golden.labels);
    let (n, c) = (golden.labels.len() as f64, golden.c as f64);
    // What their score is of ours: a factor and a shift. ViM is float32 there.
    for (name, detector, changes, times, plus, tolerance) in [
        ("msp", "msp", json!({}), 1.0, -1.0, 1e-7),
        ("msp_warm", "msp", json!({"t": 3.0}), 1.0, -1.0, 1e-7),
        ("energy", "energy", json!({}), 1.0, 0.0, 1e-7),
        ("energy_warm", "energy", json!({"t": 3.0}), 1.0, 0.0, 1e-7),
        ("gen", "gen", json!({}), 1.0 / c, 0.0, 1e-7),
        (
            "gen_two",
            "gen",
            json!({"gamma": 0.5, "M": 2}),
            0.5,
            0.0,
            1e-7,
        ),
        ("mahalanobis", "mahalanobis", json!({}), 0.5 / n, 0.0, 1e-6),
        (
            "mahalanobis_unit",
            "mahalanobis",
            json!({"normalise": true}),
            0.5 / n,
            0.0,
            1e-4,
        ),
        ("rmds", "rmds", json!({}), 1.0 / n, 0.0, 1e-6),
        (
            "rmds_unit",
            "rmds",
            json!({"normalise": true}),
            1.0 / n,
            0.0,
            1e-4,
        ),
        ("knn", "knn", json!({"k": 20}), 1.0, 0.0, 1e-6),
        (
            "knn_raw",
            "knn",
            json!({"k": 20, "normalize": false}),
            1.0,
            0.0,
            1e-6,
        ),
        ("vim", "vim", json!({"d": 5}), 1.0, 0.0, 1e-5),
    ] {
        let fitted = fit(detector, changes, &labelled);
        let scores = fitted.score(&new.all()).unwrap();
        let distance = golden.distance(name, &scores, times, plus);
        assert!(distance < tolerance, "{name}: {distance:e}");
    }
}

#[test]
fn layers_are_summed_as_pytorch_ood_and_weighed_as_scikit_learn_does() {
    let golden = Golden::read();
    let (rows, new) = (golden.sample(&golden.rows), golden.sample(&golden.new));
    let labelled = rows.layers().with_labels(&golden.labels);
    let fitted = fit("mahalanobis", json!({}), &labelled);
    let scores = fitted.score(&new.layers()).unwrap();
    let n = golden.labels.len() as f64;
    let distance = golden.distance("mahalanobis_layers", &scores, 0.5 / n, 0.0);
    assert!(distance < 1e-6, "{distance:e}");

    // The first half of the new rows are known outliers.
    let join = |rows: &Matrix, new: &Matrix| {
        let (rows, new) = (rows.rows(), new.rows());
        let half = new.slice(0..new.n_rows() / 2).unwrap();
        Matrix::new([rows.as_slice(), half.as_slice()].concat(), rows.n_cols()).unwrap()
    };
    let first = join(&rows.first, &new.first);
    let features = join(&rows.features, &new.features);
    let mut labels = golden.labels.clone();
    labels.resize(features.rows().n_rows(), -1);
    let known = Activations::of_layers(vec![first.rows(), features.rows()]).with_labels(&labels);
    let fitted = fit("mahalanobis", json!({"combine": "logistic"}), &known);
    let scores = fitted.score(&new.layers()).unwrap();
    let distance = golden.distance("mahalanobis_weighed", &scores, 1.0, 0.0);
    assert!(distance < 1e-5, "{distance:e}");
}
