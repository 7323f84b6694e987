//! The warning of columns whose scales decide the scores.
#![allow(clippy::unwrap_used, reason = "tests")]

use qualm::{Features, Fitted, Matrix, Spec, Warning};
use serde_json::{Value, json};

use crate::common::{baseline, blob, small};

const D: usize = 4;

/// Rows whose third column has a unit of its own.
fn rows(unit: f32) -> Matrix {
    let mut rows = blob(1, 300, D);
    rows.iter_mut().skip(2).step_by(D).for_each(|x| *x *= unit);
    Matrix::new(rows, D).unwrap()
}

fn warnings(spec: &Spec, rows: &Matrix) -> Vec<Warning> {
    let fitted = spec.fit(rows.rows(), 0, &mut ()).unwrap();
    let warnings = fitted.provenance().warnings.iter();
    let scales = warnings.filter(|warning| matches!(warning, Warning::Scales { .. }));
    scales.cloned().collect()
}

#[test]
fn detectors_that_depend_on_scale_warn_where_nothing_scales_the_columns() {
    for detector in Spec::DETECTORS.iter().filter(|name| **name != "dum") {
        let scale_free = ["iforest", "ee", "ecod"].contains(detector);
        let spec = |space: &str| baseline(detector, json!({"space": space}));
        for (space, warned) in [
            ("identity", !scale_free),
            ("unit", true),
            ("minmax", false),
            ("standardise", false),
            ("sphere", false),
            ("robust", false),
        ] {
            let found = warnings(&spec(space), &rows(1e5));
            assert_eq!(found.len(), usize::from(warned), "{detector}: {space}");
            assert!(
                warnings(&spec(space), &rows(100.0)).is_empty(),
                "{detector}: {space}"
            );
        }
        // What it is by default: only the autoencoder scales.
        let found = warnings(&baseline(detector, json!({})), &rows(1e5));
        let scales = scale_free || *detector == "ae";
        assert_eq!(found.is_empty(), scales, "{detector}");
    }
    assert!(warnings(&small(json!({})), &rows(1e5)).is_empty());
}

#[test]
fn it_names_the_columns_as_soon_as_they_have_names() {
    let spec = baseline("knn", json!({}));
    let fitted = spec.fit(rows(1e5).rows(), 0, &mut ()).unwrap();
    let said = |fitted: &Fitted| fitted.provenance().warnings[0].to_string();
    assert!(
        said(&fitted).contains("column 'x[2]' varies "),
        "{}",
        said(&fitted)
    );
    let names = ["flow", "heat", "pressure", "power"].map(str::to_owned);
    let fitted = fitted
        .with_features(Features::Columns(names.to_vec()))
        .unwrap();
    let found = said(&fitted);
    for words in [
        "column 'pressure' varies 3",
        " times as much as column 'flow'",
        "space = standardise or space = robust",
    ] {
        assert!(found.contains(words), "{found}");
    }
    let again = Fitted::from_bytes(&fitted.to_bytes().unwrap()).unwrap();
    assert_eq!(said(&again), found);
    let Value::Object(kept) = json!(again.provenance().warnings[0]) else {
        unreachable!();
    };
    assert_eq!(
        (&kept["kind"], &kept["widest"]),
        (&json!("scales"), &json!("pressure"))
    );
}
