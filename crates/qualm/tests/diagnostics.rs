//! What a fit says about itself without labels.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "tests")]

use crate::common::{baseline, blob_matrix, rank_correlation, sealed, small};
use qualm::{Diagnostics, Fitted, Spec};
use safetensors::SafeTensors;
use serde_json::{Value, json};

fn diagnostics(fitted: &Fitted) -> Diagnostics {
    fitted.provenance().diagnostics.unwrap()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn bags_and_members_are_those_of_the_deep_uncertainty_model() {
    let rows = blob_matrix(1, 200, 5);
    let one = small(json!({"bag_size": 3, "members": 1})).fit(rows.rows(), 0, &mut ());
    let one = one.unwrap();
    let told = diagnostics(&one);
    assert_eq!(told.bag_size, Some(3));
    assert_eq!(told.member_agreement, None);
    assert_eq!(told.half_agreement, None);

    let spec = small(json!({"bag_size": 3, "members": 3}));
    let three = spec.fit(rows.rows(), 0, &mut ()).unwrap();
    let told = diagnostics(&three);
    let curves = &three.provenance().effective_rows;
    let last = curves
        .iter()
        .map(|c| mean(&c[c.len() - c.len().div_ceil(10)..]));
    let expected = mean(&last.collect::<Vec<_>>());
    assert!((told.effective_rows.unwrap() - expected).abs() < 1e-12);
    assert!((1.0..=3.0).contains(&expected), "{expected}");
    let agreement = told.member_agreement.unwrap();
    assert!((-1.0..1.0).contains(&agreement), "{agreement}");
}

#[test]
fn two_members_agree_as_their_scores_do() {
    // Without random features nothing but the network and the bags differs by member, and a
    // member alone is the whole model of the same seed: member 0.
    let rows = blob_matrix(2, 150, 4);
    let two = small(json!({"space": "sphere", "members": 2}));
    let two = two.fit(rows.rows(), 5, &mut ()).unwrap();
    let first = small(json!({"space": "sphere", "members": 1})).fit(rows.rows(), 5, &mut ());
    let (both, first) = (two.fitted_scores().unwrap(), first.unwrap());
    // In units of the first member's spread the mean of two is half way to the second.
    let first = first.fitted_scores().unwrap();
    let standard = |scores: &[f64]| -> Vec<f64> {
        let centre = mean(scores);
        let square = mean(
            &scores
                .iter()
                .map(|s| (s - centre).powi(2))
                .collect::<Vec<_>>(),
        );
        scores
            .iter()
            .map(|s| (s - centre) / square.sqrt())
            .collect()
    };
    // mean = c (z1 + z2), and z2 has length 1: c follows from |mean / c - z1| = |z1|.
    let (z, sum) = (standard(first), both);
    let centre = mean(sum);
    let sum: Vec<f64> = sum.iter().map(|s| s - centre).collect();
    let dot: f64 = sum.iter().zip(&z).map(|(a, b)| a * b).sum();
    let scale = sum.iter().map(|s| s * s).sum::<f64>() / (2.0 * dot);
    let second: Vec<f64> = sum.iter().zip(&z).map(|(s, z)| s / scale - z).collect();
    let expected = rank_correlation(first, &second);
    let found = diagnostics(&two).member_agreement.unwrap();
    assert!(
        (found - expected).abs() < 1e-3,
        "{found}, expected {expected}"
    );
}

#[test]
fn every_detector_has_what_its_scores_tell() {
    let rows = blob_matrix(3, 120, 4);
    for detector in Spec::DETECTORS.iter().filter(|name| **name != "dum") {
        let fitted = baseline(detector, json!({})).fit(rows.rows(), 0, &mut ());
        let told = diagnostics(&fitted.unwrap());
        assert_eq!(told.bag_size, None, "{detector}");
        assert_eq!(told.effective_rows, None, "{detector}");
        assert_eq!(told.member_agreement, None, "{detector}");
        let entropy = told.score_entropy.unwrap();
        assert!(entropy > 0.2 && entropy <= 1.0, "{detector}: {entropy}");
        let distinct = told.distinct_scores.unwrap();
        assert!(distinct > 0.2 && distinct <= 1.0, "{detector}: {distinct}");
    }
}

#[test]
fn they_tell_of_the_fitted_rows_whatever_calibrates() {
    let rows = blob_matrix(4, 120, 4);
    let mut fitted = baseline("knn", json!({}))
        .fit(rows.rows(), 0, &mut ())
        .unwrap();
    let before = diagnostics(&fitted);
    fitted.calibrate(blob_matrix(5, 50, 4).rows()).unwrap();
    assert_eq!(diagnostics(&fitted), before);
}

#[test]
fn a_file_keeps_them_and_one_without_still_loads() {
    let rows = blob_matrix(1, 120, 4);
    let spec = small(json!({"members": 2}));
    let half = spec.half_agreement(rows.rows(), 7, &mut ()).unwrap();
    let fitted = spec.fit(rows.rows(), 7, &mut ()).unwrap();
    let fitted = fitted.with_half_agreement(half);
    let bytes = fitted.to_bytes().unwrap();
    let loaded = Fitted::from_bytes(&bytes).unwrap();
    assert_eq!(diagnostics(&loaded), diagnostics(&fitted));
    assert_eq!(diagnostics(&loaded).half_agreement, Some(half));

    let old = Fitted::from_bytes(&without_diagnostics(&bytes)).unwrap();
    assert_eq!(old.provenance().diagnostics, None);
    assert_eq!(
        old.score(rows.rows()).unwrap(),
        fitted.score(rows.rows()).unwrap()
    );
    let late = old.with_half_agreement(0.5);
    assert_eq!(diagnostics(&late).half_agreement, Some(0.5));
    assert_eq!(diagnostics(&late).score_entropy, None);
}

/// The file as a version that knew of no diagnostics would have written it.
fn without_diagnostics(bytes: &[u8]) -> Vec<u8> {
    let (length, _) = SafeTensors::read_metadata(bytes).unwrap();
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let text = header["__metadata__"]["qualm"].as_str().unwrap();
    let mut json: Value = serde_json::from_str(text).unwrap();
    let provenance = json["provenance"].as_object_mut().unwrap();
    assert!(provenance.remove("diagnostics").is_some());
    header["__metadata__"]["qualm"] = json.to_string().into();
    sealed(header, &bytes[8 + length..])
}

#[test]
fn halves_agree_on_structure_and_not_on_chance() {
    let rows = blob_matrix(6, 400, 4);
    let agreement = |spec: &Spec| spec.half_agreement(rows.rows(), 0, &mut ()).unwrap();
    // Distances in a robust covariance of two hundred rows are those of the next two hundred.
    let steady = agreement(&baseline("ee", json!({})));
    // A single row to be near to, another one in each half.
    let fickle = agreement(&baseline("sp", json!({"subset_size": 1})));
    assert!(steady > 0.9, "{steady}");
    assert!(fickle < 0.8 * steady, "{fickle}");
}
