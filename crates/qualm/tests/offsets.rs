//! Columns whose values are large beside their differences: scores are those of the same columns
//! moved to their middle.
#![allow(clippy::unwrap_used, reason = "tests")]

use qualm::{Error, Features, Fitted, Matrix, Rounding, Warning};
use serde_json::{Value, json};

use crate::common::{baseline, bits, blob, contents, edited};
use crate::contract::cases::cases;

const D: usize = 4;

/// Rows with a planted outlier, in steps of 2^-10, so that sums with large offsets are exact.
fn rows(seed: u64, n: usize) -> Vec<f64> {
    let mut rows = blob(seed, n, D);
    rows[5 * D + 1] += 60.0;
    let step = |x: f32| f64::from((x * 1024.0).round()) / 1024.0;
    rows.into_iter().map(step).collect()
}

fn moved(rows: &[f64], by: f64) -> Vec<f64> {
    rows.iter().map(|x| x + by).collect()
}

#[test]
fn every_detector_scores_moved_columns_as_if_they_lay_at_the_origin() {
    let (rows, new) = (rows(1, 300), rows(2, 40));
    for case in cases() {
        let mut expected = None;
        for by in [1e9, -1.7e9, 1e12] {
            let matrix = Matrix::from_f64(&moved(&rows, by), D, None).unwrap();
            let near = Matrix::new(matrix.rows().as_slice().to_vec(), D).unwrap();
            let fitted = case.spec.fit(matrix.rows(), 0, &mut ()).unwrap();
            assert_eq!(fitted.rounding(), matrix.rows().rounding());
            let fitted = Fitted::from_bytes(&fitted.to_bytes().unwrap()).unwrap();
            let new = moved(&new, by);
            let new = Matrix::from_f64(&new, D, Some(fitted.rounding())).unwrap();
            let scores = fitted.score(new.rows()).unwrap();
            let expected = expected.get_or_insert_with(|| {
                let fitted = case.spec.fit(near.rows(), 0, &mut ()).unwrap();
                let new = Matrix::new(new.rows().as_slice().to_vec(), D).unwrap();
                fitted.score(new.rows()).unwrap()
            });
            assert_eq!(bits(&scores), bits(expected), "{}, {by}", case.name);
        }
    }
}

#[test]
fn values_too_large_to_be_squared_rank_as_smaller_ones() {
    for detector in ["knn", "sp", "lof", "iforest", "ae"] {
        let spec = baseline(detector, json!({}));
        let rows: Vec<f64> = rows(3, 200).iter().map(|x| x * 1e16).collect();
        // float32 rows are looked at as well.
        let plain = rows.iter().map(|x| *x as f32).collect();
        for matrix in [
            Matrix::from_f64(&rows, D, None).unwrap(),
            Matrix::new(plain, D).unwrap(),
        ] {
            let fitted = spec.fit(matrix.rows(), 0, &mut ()).unwrap();
            assert!(fitted.rounding().scale() < 1.0, "{detector}");
            let scores = fitted.score(matrix.rows()).unwrap();
            let top = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            assert_eq!(top.map(|(row, _)| row), Some(5), "{detector}");
        }
    }
}

#[test]
fn rows_that_were_rounded_otherwise_are_brought_to_the_models_rule() {
    // Multiples of 128 up to 2^31 are exact in float32, whole rows of them.
    let rows: Vec<f64> = rows(4, 200)
        .iter()
        .map(|x| 1.5e9 + 128.0 * x.round())
        .collect();
    let matrix = Matrix::from_f64(&rows, D, None).unwrap();
    let plain = Matrix::new(rows.iter().map(|x| *x as f32).collect(), D).unwrap();
    assert_eq!(matrix.rows().rounding().columns().count(), D);
    for detector in ["knn", "iforest", "dum"] {
        let fitted = baseline(detector, json!({}))
            .fit(matrix.rows(), 0, &mut ())
            .unwrap();
        let scores = |rows: &Matrix| bits(&fitted.score(rows.rows()).unwrap());
        assert_eq!(scores(&matrix), scores(&plain), "{detector}");
        let other = Matrix::from_f64(&rows[..D * 7], D, None).unwrap();
        assert_ne!(other.rows().rounding(), matrix.rows().rounding());
        assert_eq!(scores(&other), scores(&matrix)[..7], "{detector}");
        let explained = |rows: &Matrix| fitted.explain(rows.rows(), 2).unwrap();
        assert_eq!(explained(&plain)[5], explained(&matrix)[5], "{detector}");
        assert_eq!(explained(&plain)[5][0].feature, 1, "{detector}");
    }
}

#[test]
fn a_model_file_keeps_the_offsets_and_older_versions_refuse_it() {
    let near = Matrix::from_f64(&rows(5, 100), D, None).unwrap();
    let far = Matrix::from_f64(&moved(&rows(5, 100), 1e9), D, None).unwrap();
    let spec = baseline("knn", json!({}));
    let fit = |rows: &Matrix| spec.fit(rows.rows(), 0, &mut ()).unwrap();
    let header = |fitted: &Fitted| contents(&fitted.to_bytes().unwrap()).json;
    let (near, far) = (fit(&near), fit(&far));
    assert_eq!(near.rounding(), &Rounding::default());
    assert_eq!(header(&near)["format_version"], 1);
    assert!(header(&near).get("rounding").is_none());
    assert!(near.provenance().warnings.is_empty());
    assert_eq!(header(&far)["format_version"], 2);

    // The warning names the columns, as soon as they have names.
    let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let far = far.with_features(Features::Columns(names)).unwrap();
    let [warning] = &far.provenance().warnings[..] else {
        unreachable!("{:?}", far.provenance().warnings)
    };
    assert!(matches!(warning, Warning::Offsets { columns, .. } if columns.len() == D));
    assert!(
        warning.to_string().contains("'c' less 1000000"),
        "{warning}"
    );

    for bad in [
        json!({"offsets": [1.0], "scale": 1.0}),
        json!({"offsets": [1.0, 2.0, 3.0, 1e300], "scale": 1.0}),
        json!({"offsets": [], "scale": 0.0}),
        json!({"offsets": [], "scale": -1.0}),
    ] {
        let refused = Fitted::from_bytes(&with_rounding(&far.to_bytes().unwrap(), &bad));
        assert!(matches!(refused, Err(Error::CorruptModel { .. })), "{bad}");
    }
}

/// A model file that says it rounds otherwise.
fn with_rounding(bytes: &[u8], rounding: &Value) -> Vec<u8> {
    edited(bytes, |json| json["rounding"] = rounding.clone())
}
