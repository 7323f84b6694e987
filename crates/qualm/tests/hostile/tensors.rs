//! Models without one of their tensors, and kernel networks made to lie.

use qualm::{Error, Spec};
use serde_json::json;

use crate::common::{blob_matrix, keys, sealed, small};
use crate::{D, extent, fill, parts_of, read, read_and_score};

fn model(spec: &Spec) -> Vec<u8> {
    let fitted = spec.fit(blob_matrix(1, 60, D).rows(), 0, &mut ());
    fitted.unwrap().to_bytes().unwrap()
}

fn kernel_networks(changes: serde_json::Value) -> Vec<u8> {
    let spec = Spec::preset("dum", "default").unwrap();
    model(&spec.with(keys(changes)).unwrap())
}

#[test]
fn every_tensor_is_needed_and_named_when_missing() {
    let mlp = small(json!({"hidden": 8, "fourier_features": 8, "members": 2}));
    // Two numbers of the model's, and for each member space, network, scale and what is beyond
    // the reach of the rows, which has a space and distances.
    for (model, count) in [
        (model(&mlp), 2 + 2 * (3 + 6 + 1 + 1) + 5),
        // A covariance, and the columns' knots, scores and ends.
        (
            kernel_networks(json!({})),
            2 + (2 + 2 + 3 + 1) + (2 + 4 + 3 + 1),
        ),
        (
            kernel_networks(json!({"scaling": "unit", "metric": "robust", "members": 1})),
            2 + (2 + 2 + 3 + 1 + 1) + 5,
        ),
    ] {
        let (header, body) = parts_of(&model);
        let names = header.as_object().unwrap().keys();
        let names: Vec<String> = names.filter(|n| *n != "__metadata__").cloned().collect();
        assert_eq!(names.len(), count, "{names:?}");
        for name in names {
            let mut header = header.clone();
            let tensor = header.as_object_mut().unwrap().remove(&name).unwrap();
            header["something.else"] = tensor;
            let error = read(&sealed(header, &body)).unwrap_err();
            let right = matches!(&error, Error::CorruptModel { part, .. }
                // Either form of a covariance may be there.
                if *part == name || name.contains(".metric."));
            assert!(right, "{name}: {error}");
        }
    }
}

#[test]
fn kernel_networks_that_no_fit_leaves_are_refused() {
    let model = kernel_networks(json!({}));
    let (header, body) = parts_of(&model);
    let altered = |name: &str, change: &dyn Fn(&mut [u8])| {
        let mut body = body.clone();
        change(&mut body[extent(&header, name)]);
        sealed(header.clone(), &body)
    };
    let (f32s, f64s) = (
        |x: f32| fill(x.to_le_bytes()),
        |x: f64| fill(x.to_le_bytes()),
    );
    for (name, bytes) in [
        ("weights", altered("member.0.network.weights", &f32s(0.0))),
        ("weights", altered("member.0.network.weights", &f32s(-1.0))),
        ("kernel", altered("member.0.network.kernel", &f64s(0.0))),
        (
            "kernel",
            altered("member.0.network.kernel", &f64s(f64::NAN)),
        ),
        (
            "anchors",
            altered("member.1.network.anchors", &f32s(f32::NAN)),
        ),
        (
            "columns",
            altered("member.1.columns", &fill(0u32.to_le_bytes())),
        ),
        (
            "columns",
            altered("member.1.columns", &fill(u32::MAX.to_le_bytes())),
        ),
        (
            "knots that fall",
            altered("member.1.knots", &|bytes| {
                bytes[..4].copy_from_slice(&9e9f32.to_le_bytes());
            }),
        ),
    ] {
        let error = read(&bytes).expect_err(name);
        assert!(
            matches!(error, Error::CorruptModel { .. }),
            "{name}: {error}"
        );
    }
    // Huge anchors and steep kernels are strange, and still give scores or an error.
    for bytes in [
        altered("member.0.network.anchors", &f32s(f32::MAX)),
        altered("member.0.network.kernel", &f64s(1e30)),
        altered("member.1.scores", &f32s(1e30)),
        altered("member.1.tails", &f64s(f64::MAX)),
    ] {
        read_and_score(&bytes);
    }
}
