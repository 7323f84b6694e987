//! The format's promise: a model file of version 1 stays readable for ever.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use crate::common::{blob_matrix, small};
use qualm::Fitted;
use qualm::{Features, Matrix};
use serde_json::{Value, json};

/// Columns of the committed model.
const D: usize = 4;

/// A committed model, which scores the eight rows beside it as when it was written.
fn scores_as_before(name: &str) -> Fitted {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let expected = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let numbers =
        |key: &str| -> Vec<f64> { serde_json::from_value(expected[key].clone()).unwrap() };
    let fitted = Fitted::load(folder.join(format!("{name}.qualm"))).unwrap();
    let rows = numbers("rows").iter().map(|x| *x as f32).collect();
    let rows = Matrix::new(rows, fitted.n_features()).unwrap();
    let scores = numbers("scores");
    assert_eq!(scores.len(), 8);
    for (found, expected) in fitted.score(rows.rows()).unwrap().iter().zip(scores) {
        // Another processor or another libm rounds otherwise.
        assert!(
            (found - expected).abs() < 1e-5,
            "{found}, expected {expected}"
        );
    }
    let threshold = expected["threshold"].as_f64().unwrap();
    assert!((fitted.threshold().unwrap() - threshold).abs() < 1e-12);
    fitted
}

/// A multilayer perceptron whose reach is of covariances alone, as it was before
/// `dum/extremes.rs`: written by the revision before that, which no later one can do again.
#[test]
fn a_reach_of_covariances_alone_stays_readable() {
    scores_as_before("v1_two_distances");
}

/// The committed version 1 file, the rows beside it and the scores they had.
///
/// `QUALM_BLESS=1 cargo test -p qualm --test main version_1` writes all of it anew. After
/// the first release that must never be needed: a change that makes this test fail breaks
/// the models of users, and needs a new format version instead.
#[test]
fn version_1_stays_readable_for_ever() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let (model, scores) = (folder.join("v1.qualm"), folder.join("v1.json"));
    let rows = blob_matrix(77, 8, D);
    if std::env::var_os("QUALM_BLESS").is_some() {
        let spec = small(json!({"hidden": 16, "fourier_features": 32, "members": 2}));
        let fitted = spec.fit(blob_matrix(1, 60, D).rows(), 0, &mut ()).unwrap();
        let names = ["temperature", "pressure", "flow", "power"].map(str::to_owned);
        let fitted = fitted.with_features(Features::Columns(names.to_vec()));
        let fitted = fitted.unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        fitted.save(&model).unwrap();
        let json = json!({
            "rows": rows.rows().as_slice(),
            "scores": fitted.score(rows.rows()).unwrap(),
            "threshold": fitted.threshold().unwrap(),
        });
        std::fs::write(&scores, format!("{json:#}\n")).unwrap();
    }
    let fitted = scores_as_before("v1");
    assert_eq!(fitted.provenance().n_rows, 60);
    // Written before there was a choice.
    let spec = serde_json::to_value(fitted.spec()).unwrap();
    assert_eq!(spec["metric"], "euclidean");
    assert_eq!(spec["reference"], "mixed");
    assert_eq!(fitted.provenance().losses.len(), 2);
    let right = matches!(fitted.features(), Features::Columns(c) if c[3] == "power");
    assert!(right, "{:?}", fitted.features());
}
