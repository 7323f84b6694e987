//! The house battery: what every detector promises, whatever its specification.
//!
//! One table, [`cases`], drives every test. A new detector is a new row of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod broken;
pub mod cases;
#[path = "../../examples/detector.rs"]
#[allow(unreachable_pub, reason = "an example")]
mod dummy;
mod far;

use crate::common::{
    baseline, bits, blob, blob_matrix, contents, edited, keys, normals, rank_correlation, small,
};
use cases::{Case, Planted, Seed, cases};
use qualm::calibrate::ThresholdRule;
use qualm::contract::check_detector;
use qualm::{Error, Fitted, ReferenceRows};
use qualm::{Matrix, Rows};
use serde_json::json;

/// Columns of the fitted rows.
const D: usize = 6;
/// The fitted rows without the outlier.
const N: usize = 300;
/// Where the outlier stands, and which column is odd in [`Planted::Column`].
const OUTLIER: usize = 100;
const ODD: usize = 2;

fn fit(case: &Case, rows: Rows<'_>, seed: u64) -> Fitted {
    let fitted = case.spec.fit(rows, seed, &mut ());
    fitted.unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap().install(work)
}

/// Rows are checked where they are made, before any detector sees them.
#[test]
fn empty_and_non_finite_rows_are_refused() {
    assert!(matches!(Rows::new(&[], D), Err(Error::Empty { .. })));
    assert!(matches!(Rows::new(&[1.0], 0), Err(Error::Empty { .. })));
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut data = blob(1, N, D);
        data[7 * D + 4] = poison;
        let error = Matrix::new(data, D).unwrap_err();
        let Error::NotFinite { at, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!((at.row, at.column.as_deref()), (Some(8), Some("5")));
    }
}

#[test]
fn rows_of_another_width_are_refused_with_both_widths() {
    let rows = blob_matrix(1, N, D);
    let wide = blob_matrix(2, 10, D + 1);
    for case in cases() {
        let mut fitted = fit(&case, rows.rows(), 0);
        assert_eq!(fitted.n_features(), D, "{}", case.name);
        let errors = [
            fitted.score(wide.rows()).unwrap_err(),
            fitted.log_variances(wide.rows()).unwrap_err(),
            fitted.explain(wide.rows(), 1).unwrap_err(),
            fitted.calibrate(wide.rows()).unwrap_err(),
        ];
        for error in errors {
            let right = matches!(
                error,
                Error::Width {
                    found: 7,
                    expected: 6,
                    ..
                }
            );
            assert!(right, "{}: {error}", case.name);
        }
        let short = fitted.score_into(rows.rows(), &mut [0.0; N - 1]);
        assert!(
            matches!(short, Err(Error::OutputLength { .. })),
            "{}",
            case.name
        );
    }
}

/// Holds a batch against its rows one by one and against chunks around every size at which
/// scoring changes its way of working.
fn assert_batch_is_row_by_row(name: &str, fitted: &Fitted) {
    let rows = blob_matrix(3, 3000, D);
    let whole = bits(&fitted.score(rows.rows()).unwrap());
    for size in [7, 64, 65, 1023, 1024, 1025] {
        let chunks = rows.rows().blocks(size);
        let scores: Vec<f64> = chunks.flat_map(|c| fitted.score(c).unwrap()).collect();
        assert!(bits(&scores) == whole, "{name}: chunks of {size}");
    }
    // Each of the first rows, and then one in sixteen.
    for i in (0..200).chain((200..3000).step_by(16)) {
        let row = Rows::new(rows.rows().get(i).unwrap(), D).unwrap();
        assert_eq!(
            bits(&fitted.score(row).unwrap()),
            whole[i..=i],
            "{name}: row {i}"
        );
    }
}

/// What the public battery promises of any detector.
#[test]
fn every_detector_keeps_the_contract() {
    for case in cases() {
        let kept = check_detector(case.spec.hyper_parameters());
        assert_eq!(kept, Ok(()), "{}", case.name);
    }
}

#[test]
fn a_detector_of_ones_own_keeps_it_too() {
    dummy::main().unwrap();
}

/// One that does not: its scores depend on the rows beside them, and it saves nothing.
#[test]
fn a_broken_detector_is_told_what_is_broken() {
    let broken = check_detector(&broken::RankSpec).unwrap_err();
    for promise in ["the rows beside it", "saved and read back", "lacks tensors"] {
        assert!(broken.contains(promise), "{broken}");
    }
    assert!(!broken.contains("threads"), "{broken}");
}

/// The same at the widths of the default, where the matrix products block differently.
#[test]
fn a_batch_is_scored_row_by_row_at_default_widths() {
    for changes in [
        json!({"hidden": 256, "fourier_features": 512}),
        json!({"hidden": 100, "space": "sphere", "covariance": "diagonal"}),
    ] {
        let spec = small(changes).with(keys(json!({"min_steps": 5, "max_steps": 5})));
        let fitted = spec.unwrap().fit(blob_matrix(1, N, D).rows(), 0, &mut ());
        assert_batch_is_row_by_row("wide", &fitted.unwrap());
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_at_any_number_of_threads() {
    let rows = blob_matrix(1, N, D);
    let new = blob_matrix(2, 1100, D);
    for case in cases() {
        let run = |threads| {
            in_pool(threads, || {
                let fitted = fit(&case, rows.rows(), 5);
                let scores = fitted.score(new.rows()).unwrap();
                (contents(&fitted.to_bytes().unwrap()), bits(&scores))
            })
        };
        let (model, scores) = run(1);
        for threads in [1, 2, 3] {
            let (other, again) = run(threads);
            assert!(other == model, "{}: fit, {threads} threads", case.name);
            assert!(again == scores, "{}: scores, {threads} threads", case.name);
        }
        let other = fit(&case, rows.rows(), 6).score(new.rows()).unwrap();
        let same = bits(&other) == scores;
        match case.seed {
            Seed::Matters => assert!(!same, "{}: another seed", case.name),
            Seed::DoesNot => assert!(same, "{}: another seed", case.name),
            Seed::May => {}
        }
    }
}

#[test]
fn a_saved_model_is_the_model_bit_for_bit() {
    let rows = blob_matrix(1, N, D);
    let folder = tempfile::tempdir().unwrap();
    for case in cases() {
        let mut fitted = fit(&case, rows.rows(), 0);
        fitted.calibrate(blob_matrix(4, 99, D).rows()).unwrap();
        fitted
            .set_threshold_rule(ThresholdRule::Contamination(0.125))
            .unwrap();
        let path = folder.path().join("model.qualm");
        fitted.save(&path).unwrap();
        let bytes = fitted.to_bytes().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{}", case.name);

        for loaded in [Fitted::load(&path), Fitted::from_bytes(&bytes)] {
            let loaded = loaded.unwrap();
            assert_eq!(loaded.to_bytes().unwrap(), bytes, "{}", case.name);
            assert_eq!(loaded.spec(), fitted.spec());
            assert_eq!(loaded.threshold_rule(), ThresholdRule::Contamination(0.125));
            assert_eq!(loaded.provenance(), fitted.provenance());
            assert_eq!(loaded.calibration(), fitted.calibration());
            let scores = [&fitted, &loaded].map(|f| bits(&f.score(rows.rows()).unwrap()));
            assert_eq!(scores[0], scores[1], "{}", case.name);
            let why = [&fitted, &loaded].map(|f| f.explain(rows.rows(), D).unwrap());
            assert_eq!(why[0], why[1], "{}", case.name);
        }
    }
}

#[test]
fn rows_however_far_away_have_finite_scores() {
    let rows = blob_matrix(1, N, D);
    for case in cases() {
        let fitted = fit(&case, rows.rows(), 0);
        for far in [1e6, 1e15, 1e30, f32::MAX] {
            for sign in [far, -far] {
                let mut row = rows.rows().get(0).unwrap().to_vec();
                row[ODD] = sign;
                row.extend([sign; D]);
                let scores = fitted.score(Rows::new(&row, D).unwrap()).unwrap();
                let finite = scores.iter().all(|score| score.is_finite());
                assert!(finite, "{}: {scores:?} at {sign}", case.name);
            }
        }
    }
}

/// The covariance then has no matrix of its own; both kinds of file read back.
#[test]
fn the_robust_space_of_fewer_rows_than_columns_keeps_its_bits() {
    let (n, d) = (24, 40);
    let (rows, new) = (blob_matrix(1, n, d), blob_matrix(2, 70, d));
    for reference in ["mixed", "clean"] {
        let keys = json!({"space": "robust", "reference": reference, "batch_size": 8});
        let dum = small(keys.clone());
        let mut keys = keys;
        keys.as_object_mut().unwrap().remove("batch_size");
        for spec in [dum, baseline("knn", keys)] {
            let fitted = spec.fit(rows.rows(), 0, &mut ()).unwrap();
            let bytes = fitted.to_bytes().unwrap();
            let loaded = Fitted::from_bytes(&bytes).unwrap();
            assert_eq!(loaded.to_bytes().unwrap(), bytes, "{}", spec.detector());
            let scores = bits(&fitted.score(new.rows()).unwrap());
            assert_eq!(bits(&loaded.score(new.rows()).unwrap()), scores);
            let alone = new.rows().blocks(1);
            let alone = alone.flat_map(|row| loaded.score(row).unwrap());
            assert_eq!(
                bits(&alone.collect::<Vec<_>>()),
                scores,
                "{}",
                spec.detector()
            );
        }
    }
}

/// Files of versions without the key hold models of rows that may hold outliers.
#[test]
fn a_file_that_does_not_name_its_reference_is_mixed() {
    let rows = blob_matrix(1, N, D);
    for detector in qualm::Spec::DETECTORS {
        let spec = if *detector == "dum" {
            small(json!({}))
        } else {
            baseline(detector, json!({}))
        };
        assert_eq!(spec.keys()["reference"], "mixed", "{detector}");
        let fitted = spec.fit(rows.rows(), 0, &mut ()).unwrap();
        let bytes = edited(&fitted.to_bytes().unwrap(), |json| {
            let spec = json["spec"].as_object_mut().unwrap();
            assert_eq!(spec.remove("reference"), Some("mixed".into()));
        });
        let old = Fitted::from_bytes(&bytes).unwrap();
        assert_eq!(old.spec(), fitted.spec(), "{detector}");
        let scores = [&old, &fitted].map(|f| bits(&f.score(rows.rows()).unwrap()));
        assert_eq!(scores[0], scores[1], "{detector}");
    }
}

/// The rows with the case's outlier among them.
fn planted(planted: &Planted) -> Matrix {
    let mut data = blob(1, N + 1, D);
    let row = &mut data[OUTLIER * D..][..D];
    match planted {
        Planted::Column { .. } => row[ODD] += 40.0,
        Planted::Row { .. } | Planted::Exempt(_) => {
            for (j, x) in row.iter_mut().enumerate() {
                *x += 1000.0 * (j + 1) as f32;
            }
        }
    }
    Matrix::new(data, D).unwrap()
}

#[test]
fn a_planted_outlier_ranks_high() {
    for case in cases() {
        let rows = planted(&case.planted);
        for seed in 0..2 {
            let fitted = fit(&case, rows.rows(), seed);
            let scores = fitted.score(rows.rows()).unwrap();
            let higher = scores.iter().filter(|s| **s > scores[OUTLIER]).count();
            match case.planted {
                Planted::Column { above } | Planted::Row { above } => {
                    assert!(higher <= above, "{}: {higher} rows are above", case.name);
                }
                Planted::Exempt(_) => {}
            }
        }
    }
}

#[test]
fn an_explanation_shares_out_the_score_and_names_the_odd_column() {
    for case in cases() {
        let rows = planted(&case.planted);
        let fitted = fit(&case, rows.rows(), 0);
        let error = fitted.explain(rows.rows(), D + 1).unwrap_err();
        let right = matches!(
            error,
            Error::TooManyExplanations {
                found: 7,
                expected: 6
            }
        );
        assert!(right, "{}: {error}", case.name);

        let all = fitted.explain(rows.rows(), D).unwrap();
        assert_eq!(all.len(), N + 1, "{}", case.name);
        for why in &all {
            let mut features: Vec<usize> = why.iter().map(|c| c.feature).collect();
            features.sort_unstable();
            assert!(features.iter().copied().eq(0..D), "{}", case.name);
            assert!(why.is_sorted_by(|a, b| a.share >= b.share), "{}", case.name);
            assert!(
                why.iter().all(|c| (0.0..=1.0).contains(&c.share)),
                "{}",
                case.name
            );
            let sum: f64 = why.iter().map(|c| c.share).sum();
            let whole = sum == 0.0 || (sum - 1.0).abs() < 1e-9;
            assert!(whole, "{}: shares sum to {sum}", case.name);
        }
        let two = fitted.explain(rows.rows(), 2).unwrap();
        assert!(two.iter().zip(&all).all(|(two, all)| two[..] == all[..2]));
        if let Planted::Column { .. } = case.planted {
            assert_eq!(all[OUTLIER][0].feature, ODD, "{}", case.name);
        }
    }
}

#[test]
fn rows_that_tell_nothing_apart_are_refused() {
    let equal = Matrix::new([1.5, -2.0, 0.0, 0.1, 1e9, 3.0].repeat(N), D).unwrap();
    let few = blob_matrix(1, 3, D);
    for case in cases() {
        let error = case.spec.fit(equal.rows(), 0, &mut ()).unwrap_err();
        let right = matches!(error, Error::NoVariance { n_rows: N });
        assert!(right, "{}: {error}", case.name);
        let fitted = case.spec.fit(few.rows(), 0, &mut ());
        if case.works_on_three {
            assert!(fitted.is_ok(), "{}: {fitted:?}", case.name);
            continue;
        }
        let error = fitted.unwrap_err();
        let right = matches!(
            error,
            Error::TooFewRows { found: 3, .. }
                | Error::KeyForRows { n_rows: 3, .. }
                // All three rows are in the sample that they are compared with.
                | Error::ConstantScores { n_rows: 3, .. }
        );
        assert!(right, "{}: {error}", case.name);
    }
}

#[test]
fn the_unit_and_the_zero_of_a_column_do_not_matter() {
    let rows = blob_matrix(1, N, D);
    let mapped = |map: fn(usize, f32) -> f32| {
        let values = rows.rows().as_slice().iter().enumerate();
        Matrix::new(values.map(|(i, x)| map(i % D, *x)).collect(), D).unwrap()
    };
    // Powers of two move the exponent and nothing else.
    let scaled = mapped(|j, x| x * [0.25, 1024.0, 1.0, 2.0, 1.0 / 65536.0, 8.0][j]);
    let moved = mapped(|j, x| {
        x * [0.3, 1000.0, 1.0, 7.7, 1e-4, 12.0][j] + [5.0, -40.0, 0.0, 1.0, 0.0, 3.0][j]
    });
    for case in cases().into_iter().filter(|case| case.scale_free) {
        let scores = |rows: &Matrix| fit(&case, rows.rows(), 0).score(rows.rows()).unwrap();
        let before = scores(&rows);
        assert_eq!(bits(&scores(&scaled)), bits(&before), "{}", case.name);
        // Anything else rounds, and training makes a little more of each rounding.
        let correlation = rank_correlation(&scores(&moved), &before);
        assert!(correlation > 0.99, "{}: {correlation}", case.name);
    }
}

#[test]
fn the_threshold_keeps_its_rate_and_calibrating_changes_no_score() {
    let rows = blob_matrix(1, N, D);
    let separate = Matrix::new(normals(9, 200 * D), D).unwrap();
    for case in cases() {
        let mut fitted = fit(&case, rows.rows(), 0);
        let before = fitted.score(rows.rows()).unwrap();
        // To the methods of neighbours a fitted row is not its own neighbour, a new one is.
        let own = fitted.fitted_scores().unwrap().to_vec();
        for fpr in [0.004, 0.01, 0.05, 0.2] {
            fitted.set_threshold_rule(ThresholdRule::Fpr(fpr)).unwrap();
            let threshold = fitted.threshold().unwrap();
            let above = own.iter().filter(|s| **s > threshold).count();
            assert!(
                above as f64 <= fpr * N as f64,
                "{}: {above} at {fpr}",
                case.name
            );
        }
        let top = own.iter().copied().fold(f64::MIN, f64::max);
        assert!(
            (fitted.p_value(top) - 2.0 / 301.0).abs() < 1e-12,
            "{}",
            case.name
        );
        assert_eq!(fitted.provenance().reference, ReferenceRows::FittedRows);

        fitted.calibrate(separate.rows()).unwrap();
        assert_eq!(fitted.provenance().reference, ReferenceRows::SeparateRows);
        let after = fitted.score(rows.rows()).unwrap();
        assert_eq!(bits(&after), bits(&before), "{}", case.name);
        assert_eq!(fitted.calibration().n(), 200, "{}", case.name);
        let reference = fitted.score(separate.rows()).unwrap();
        for score in &before {
            let at_least = reference.iter().filter(|r| *r >= score).count();
            let expected = (1 + at_least) as f64 / 201.0;
            assert!(
                (fitted.p_value(*score) - expected).abs() < 1e-12,
                "{}",
                case.name
            );
        }
    }
}
