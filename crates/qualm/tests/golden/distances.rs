//! The methods of distances under other metrics, against scikit-learn and `PyOD`:
//! `golden/distances.py` writes the numbers.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::LazyLock;

use crate::common::{baseline, bits};
use qualm::Matrix;
use serde::Deserialize;
use serde_json::{Value, json};

/// Both sides work in float64 with the same rows.
const EXACT: f64 = 1e-9;

/// Our rows are mapped first and rounded to float32.
const MAPPED: f64 = 2e-5;

#[derive(Deserialize)]
struct Golden {
    k: usize,
    sets: Vec<Set>,
    cosine_with_zero: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Set {
    d: usize,
    rows: Vec<f32>,
    new: Vec<f32>,
    metrics: Vec<Metric>,
}

#[derive(Deserialize)]
struct Metric {
    #[serde(rename = "metric")]
    name: String,
    p: f64,
    scores: Scores,
}

/// Of the fitted rows and of new ones.
#[derive(Deserialize)]
struct Scores {
    knn: [Vec<f64>; 2],
    mean: [Vec<f64>; 2],
    lof: [Vec<f64>; 2],
    abod: [Vec<f64>; 2],
}

static GOLDEN: LazyLock<Golden> =
    LazyLock::new(|| serde_json::from_slice(include_bytes!("distances.json")).unwrap());

/// Scores of the fitted rows and of new ones.
fn scores(detector: &str, changes: Value, rows: &Matrix, new: &Matrix) -> [Vec<f64>; 2] {
    let fitted = baseline(detector, changes).fit(rows.rows(), 0, &mut ());
    let fitted = fitted.unwrap();
    let own = fitted.fitted_scores().unwrap().to_vec();
    [own, fitted.score(new.rows()).unwrap()]
}

#[test]
fn every_metric_has_the_scores_of_the_peers() {
    for set in &GOLDEN.sets {
        let rows = Matrix::new(set.rows.clone(), set.d).unwrap();
        let new = Matrix::new(set.new.clone(), set.d).unwrap();
        for Metric {
            name: metric,
            p,
            scores: expected,
        } in &set.metrics
        {
            let tolerance = match metric.as_str() {
                "cosine" | "mahalanobis" => MAPPED,
                _ => EXACT,
            };
            for (detector, method, expected) in [
                ("knn", Some("largest"), &expected.knn),
                ("knn", Some("mean"), &expected.mean),
                ("lof", None, &expected.lof),
                ("abod", None, &expected.abod),
            ] {
                let mut keys = json!({"metric": metric, "p": p, "n_neighbors": GOLDEN.k});
                if let Some(method) = method {
                    keys["method"] = method.into();
                }
                let found = scores(detector, keys, &rows, &new);
                for (part, (found, expected)) in found.iter().zip(expected).enumerate() {
                    assert_eq!(found.len(), expected.len());
                    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                        assert!(
                            (found - expected).abs() <= tolerance * expected.abs(),
                            "{metric} {p} {detector}, d = {}, part {part}, row {i}: {found}, \
                             {expected}",
                            set.d
                        );
                    }
                }
            }
        }
    }
}

/// A new row is as far from one fitted row as the libraries say.
#[test]
fn the_zero_row_is_at_right_angles_to_all_others() {
    let rows = [[0.0f32, 0.0], [1.0, 2.0], [2.0, 1.0], [-3.0, 1.0]];
    for (i, row) in rows.iter().enumerate() {
        let new = Matrix::new(row.to_vec(), 2).unwrap();
        // Among all four the nearest is the row itself, and the k-th has the k-th distance.
        let all = Matrix::new(rows.concat(), 2).unwrap();
        let mut expected = GOLDEN.cosine_with_zero[i].clone();
        // For scikit-learn too, where both sides are one set.
        expected[i] = 0.0;
        expected.sort_by(f64::total_cmp);
        for k in 1..=3 {
            let keys = json!({"metric": "cosine", "n_neighbors": k});
            let [_, found] = scores("knn", keys, &all, &new);
            assert!(
                (found[0] - expected[k - 1]).abs() < 1e-7,
                "{i} {k}: {found:?}"
            );
        }
    }
}

#[test]
fn names_of_the_libraries_and_powers_are_the_same_metrics_to_the_bit() {
    let set = &GOLDEN.sets[0];
    let rows = Matrix::new(set.rows.clone(), set.d).unwrap();
    let new = Matrix::new(set.new.clone(), set.d).unwrap();
    for detector in ["knn", "lof", "abod", "sp"] {
        let of = |keys: Value| {
            let fitted = baseline(detector, keys).fit(rows.rows(), 0, &mut ());
            bits(&fitted.unwrap().score(new.rows()).unwrap())
        };
        let plain = of(json!({}));
        for same in [json!({"metric": "minkowski"}), json!({"metric": "l2"})] {
            assert_eq!(of(same), plain, "{detector}");
        }
        let manhattan = of(json!({"metric": "manhattan"}));
        assert_ne!(manhattan, plain, "{detector}");
        for same in [
            json!({"metric": "l1"}),
            json!({"metric": "cityblock"}),
            json!({"metric": "minkowski", "p": 1}),
        ] {
            assert_eq!(of(same), manhattan, "{detector}");
        }
    }
}

#[test]
fn the_default_leaves_no_trace_in_a_model_file() {
    let rows = Matrix::new(GOLDEN.sets[0].rows.clone(), GOLDEN.sets[0].d).unwrap();
    for detector in ["knn", "lof", "abod", "sp"] {
        let file = |keys: Value| {
            let fitted = baseline(detector, keys)
                .fit(rows.rows(), 0, &mut ())
                .unwrap();
            let bytes = fitted.to_bytes().unwrap();
            let loaded = qualm::Fitted::from_bytes(&bytes).unwrap();
            assert_eq!(loaded.spec().keys(), fitted.spec().keys());
            String::from_utf8_lossy(&bytes).into_owned()
        };
        // Files of versions without the key are read as what they are.
        assert!(!file(json!({})).contains("metric"), "{detector}");
        assert!(file(json!({"metric": "cosine"})).contains(r#"\"metric\":\"cosine\""#));
        let keys = baseline(detector, json!({})).keys();
        assert_eq!(
            (&keys["metric"], &keys["p"]),
            (&json!("euclidean"), &json!(2.0))
        );
    }
}

#[test]
fn powers_below_one_and_powers_of_other_metrics_are_refused() {
    let knn = qualm::Spec::preset("knn", "default").unwrap();
    for (keys, says) in [
        (json!({"metric": "minkowski", "p": 0.5}), "at least 1"),
        (json!({"p": 1}), "metric = minkowski"),
        (json!({"metric": "manhattan", "p": 3}), "metric = minkowski"),
        (json!({"metric": "hamming"}), "hamming"),
    ] {
        let error = knn.with(keys.as_object().unwrap().clone()).unwrap_err();
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        assert!(message.contains(says), "{message}");
    }
}
