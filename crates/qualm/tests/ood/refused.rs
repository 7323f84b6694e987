//! Bad input, and input that is merely poor: what is refused, lowered or left out, and that it is
//! said.

use super::{C, D, FIRST, Made, N, TURNED, Takes, cases, spec};
use crate::common::{bits, edited};
use qualm::ood::{Activations, OodFitted};
use qualm::{Error, Fitted, Matrix, Spec, Warning};
use serde_json::json;

#[test]
fn what_is_missing_or_of_another_width_is_named() {
    let (fitted_to, new) = (Made::new(1, N, 0.0), Made::new(2, 10, 0.0));
    let none = Activations::default();
    let wide = Matrix::new(vec![0.5; 10 * (D + 1)], D + 1).unwrap();
    for case in cases() {
        let needs = case.spec.needs();
        let missing = case.spec.fit(&none, 0, &mut ()).unwrap_err();
        assert!(
            matches!(missing, Error::MissingInput { .. }),
            "{}: {missing}",
            case.name
        );
        let fitted = case.fit(&fitted_to);
        let wide = match case.takes {
            Takes::Layers => Activations::of_layers(vec![wide.rows(), new.features.rows()])
                .with_logits(new.logits.rows()),
            Takes::One | Takes::Turned => {
                Activations::of_features(wide.rows()).with_logits(wide.rows())
            }
        };
        let error = fitted.score(&wide).unwrap_err();
        let Error::Width {
            found: 9,
            expected,
            at,
        } = error
        else {
            panic!("{}: {error}", case.name);
        };
        assert!([C, D, FIRST, TURNED].contains(&expected) && at.column.is_some());
        if needs.labels {
            let unlabelled =
                Activations::of_features(new.features.rows()).with_logits(new.logits.rows());
            let error = case.spec.fit(&unlabelled, 0, &mut ()).unwrap_err();
            assert!(
                matches!(error, Error::MissingInput { what: "labels", .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn arrays_of_different_numbers_of_rows_are_refused() {
    let (made, short) = (Made::new(1, N, 0.0), Made::new(2, N - 1, 0.0));
    let of = |labels| Activations::of_features(made.features.rows()).with_labels(labels);
    let refused = |detector: &str, sample: &Activations<'_>| {
        let error = spec(detector, json!({}))
            .fit(sample, 0, &mut ())
            .unwrap_err();
        let Error::RowsDiffer {
            what,
            found,
            expected,
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((found, expected), (N - 1, N), "{what}");
        what
    };
    assert_eq!(refused("rmds", &of(&short.labels)), "labels");
    let logits = of(&made.labels).with_logits(short.logits.rows());
    assert_eq!(refused("vim", &logits), "logits");
    let layers = vec![made.first.rows(), short.features.rows()];
    let layers = Activations::of_layers(layers).with_labels(&made.labels);
    assert_eq!(refused("mahalanobis", &layers), "features");
    let several = spec("knn", json!({})).fit(&made.layers(), 0, &mut ());
    assert!(matches!(
        several,
        Err(Error::SeveralLayers { found: 2, .. })
    ));
    let fitted = spec("mahalanobis", json!({}))
        .fit(&made.layers(), 0, &mut ())
        .unwrap();
    let one = fitted.score(&made.all());
    assert!(matches!(
        one,
        Err(Error::LayerCount {
            found: 1,
            expected: 2
        })
    ));
}

#[test]
fn a_class_that_is_too_small_is_named() {
    let mut made = Made::new(1, N, 0.0);
    made.labels[17] = 40;
    for detector in ["mahalanobis", "rmds", "residual_flow"] {
        let error = spec(detector, json!({}))
            .fit(&made.all(), 0, &mut ())
            .unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("class 40: 1 row is too few"),
            "{message}"
        );
    }
    let error = spec("gram", json!({})).fit(&made.all(), 0, &mut ());
    let message = error.unwrap_err().to_string();
    assert!(
        message.starts_with("class 40, but the logits are of 3 classes"),
        "{message}"
    );
}

#[test]
fn known_outliers_are_left_out_and_that_is_said() {
    let (usual, far) = (Made::new(1, N, 0.0), Made::new(3, 60, 30.0));
    let join = |a: &Matrix, b: &Matrix| {
        let values = [a.rows().as_slice(), b.rows().as_slice()].concat();
        Matrix::new(values, a.rows().n_cols()).unwrap()
    };
    let made = Made {
        first: join(&usual.first, &far.first),
        features: join(&usual.features, &far.features),
        logits: join(&usual.logits, &far.logits),
        turned: join(&usual.turned, &far.turned),
        labels: [usual.labels.clone(), vec![-1; 60]].concat(),
    };
    for case in cases() {
        let (alone, both) = (case.fit(&usual), case.fit(&made));
        let scores = [&alone, &both].map(|fitted| bits(fitted.calibration().scores()));
        // A detector that needs no labels is not asked for them, but heeds those that it gets.
        let said = both
            .provenance()
            .warnings
            .contains(&Warning::KnownOutliers {
                n_outliers: 60,
                used: false,
            });
        assert!(said && scores[0] == scores[1], "{}", case.name);
        assert_eq!(both.provenance().n_rows, N, "{}", case.name);
    }
    let weighed = spec("mahalanobis", json!({"combine": "logistic"}));
    let fitted = weighed.fit(&made.layers(), 0, &mut ()).unwrap();
    let scores = fitted.score(&far.layers()).unwrap();
    assert!(scores.iter().all(|s| *s > fitted.threshold().unwrap()));
    let bytes = fitted.to_bytes().unwrap();
    let again = OodFitted::from_bytes(&bytes).unwrap();
    assert_eq!(bits(&again.score(&far.layers()).unwrap()), bits(&scores));
    let none = weighed.fit(&usual.layers(), 0, &mut ());
    assert!(matches!(none, Err(Error::NoKnownOutliers)));
    let only = vec![-1; N];
    let only = usual.all().with_labels(&only);
    let only = spec("knn", json!({})).fit(&only, 0, &mut ());
    assert!(matches!(only, Err(Error::OnlyOutliers)));
}

#[test]
fn constant_features_and_few_rows() {
    let mut made = Made::new(1, N, 0.0);
    let mut values = made.features.into_vec();
    values.chunks_exact_mut(D).for_each(|row| row[4] = 0.25);
    made.features = Matrix::new(values, D).unwrap();
    for detector in ["mahalanobis", "rmds", "knn"] {
        let fitted = spec(detector, json!({}))
            .fit(&made.all(), 0, &mut ())
            .unwrap();
        let singular = Warning::SingularCovariance {
            rank: D - 1,
            n_features: D,
        };
        let said = fitted.provenance().warnings.contains(&singular);
        assert_eq!(said, detector != "knn", "{detector}");
    }
    let centres = (0..N).flat_map(|i| [(i % C) as f32; D]);
    let constant = Matrix::new(centres.collect(), D).unwrap();
    let constant = Activations::of_features(constant.rows()).with_labels(&made.labels);
    let constant = spec("rmds", json!({})).fit(&constant, 0, &mut ());
    assert!(matches!(
        constant,
        Err(Error::ConstantClasses { n_features: 8 })
    ));
    let few = Made::new(1, D, 0.0);
    let vim = spec("vim", json!({})).fit(&few.all(), 0, &mut ());
    assert!(matches!(vim, Err(Error::TooFewRows { .. })));
    let knn = spec("knn", json!({})).fit(&few.all(), 0, &mut ()).unwrap();
    assert!(
        knn.provenance().warnings[0]
            .to_string()
            .contains("7 is used")
    );
    let same = Matrix::new([1.0, 2.0, 3.0].repeat(N), C).unwrap();
    let same = spec("msp", json!({})).fit(&Activations::of_logits(same.rows()), 0, &mut ());
    assert!(matches!(same, Err(Error::ConstantScores { .. })));
}

#[test]
fn vim_refuses_features_of_another_layer_and_lowers_its_dimensions() {
    let made = Made::new(1, N, 0.0);
    let other = Activations::of_features(made.first.rows()).with_logits(made.logits.rows());
    let error = spec("vim", json!({})).fit(&other, 0, &mut ()).unwrap_err();
    assert!(matches!(error, Error::NotTheLastLayer { .. }), "{error}");
    spec("vim", json!({"origin": "mean"}))
        .fit(&other, 0, &mut ())
        .unwrap();
    let fitted = spec("vim", json!({"d": 64}))
        .fit(&made.all(), 0, &mut ())
        .unwrap();
    let said = fitted.provenance().warnings[0].to_string();
    assert_eq!(
        said,
        "n_components = 64 is not smaller than the 8 features: 4 is used"
    );
    let half = spec("vim", json!({})).fit(&made.all(), 0, &mut ()).unwrap();
    assert_eq!(fitted.spec(), half.spec());
}

#[test]
fn files_of_other_kinds_and_damaged_ones_are_refused() {
    let made = Made::new(1, N, 0.0);
    let fitted = spec("rmds", json!({}))
        .fit(&made.all(), 0, &mut ())
        .unwrap();
    let bytes = fitted.to_bytes().unwrap();
    let row_model = Spec::new("knn")
        .unwrap()
        .fit(made.features.rows(), 0, &mut ())
        .unwrap();
    for error in [
        Fitted::from_bytes(&bytes).unwrap_err(),
        OodFitted::from_bytes(&row_model.to_bytes().unwrap()).unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::CorruptModel { part, .. } if part == "format"),
            "{error}"
        );
    }
    for end in (0..bytes.len()).step_by(97) {
        assert!(OodFitted::from_bytes(&bytes[..end]).is_err(), "{end}");
    }
    for place in (0..bytes.len()).step_by(53) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 4;
        assert!(OodFitted::from_bytes(&damaged).is_err(), "{place}");
    }
    // Sealed again, and still refused: widths that the tensors do not have, another detector.
    for (key, value) in [
        ("inputs", json!({"features": [{"name": "f", "width": 7}]})),
        ("inputs", json!({"features": []})),
        ("inputs", json!({"features": [{"name": "f", "width": 0}]})),
        (
            "spec",
            json!({"detector": "vim", "n_components": 3, "origin": "head"}),
        ),
        ("spec", json!({"detector": "msp", "temperature": -1.0})),
    ] {
        let forged = edited(&bytes, |json| json[key] = value.clone());
        assert!(OodFitted::from_bytes(&forged).is_err(), "{key} {value}");
    }
}
