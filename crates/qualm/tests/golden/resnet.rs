//! Residual networks in training and inference against PyTorch in float64: `resnet.py` writes
//! the numbers and says what is what.

#![allow(clippy::print_stdout, reason = "figures of a test that passed")]

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    architecture: String,
    open: bool,
    size: [usize; 3],
    features: Vec<f64>,
    inferred: Vec<f64>,
    running: BTreeMap<String, Vec<f64>>,
    gradients: BTreeMap<String, Vec<f64>>,
    /// Of each gradient the largest value.
    largest: BTreeMap<String, f64>,
    float32_features: f64,
    float32_gradients: f64,
}

/// The script's numbers from [-1, 1).
pub(super) fn uniform(seed: u64, n: usize) -> Vec<f64> {
    (1..=n as u64)
        .map(|i| {
            let mut x = (i + (seed << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((x ^ (x >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
        })
        .collect()
}

/// The script's weights.
pub(super) fn tensors(architecture: Architecture, open: bool) -> Tensors {
    let bottleneck = architecture.to_string().starts_with("resnet50");
    let parameters = architecture.parameters();
    let tensor = |(i, info): (usize, TensorInfo)| {
        let n: usize = info.shape.iter().product();
        let mut values = uniform(i as u64 + 1, n);
        let name = &info.name;
        let inner = (name.ends_with("bn1.bias") && name != "bn1.bias")
            || (name.ends_with("bn2.bias") && bottleneck);
        for (place, v) in values.iter_mut().enumerate() {
            *v = match info.role {
                Role::Convolution => *v * (6.0 / (n / info.shape[1]) as f64).sqrt(),
                Role::RunningMean => *v * 0.1,
                Role::Scale | Role::RunningVariance => 1.0 + *v / 4.0,
                Role::Shift if !open => *v * 0.3,
                Role::Shift if inner && place % 2 == 1 => -(7.0 + *v),
                Role::Shift => 7.0 + *v,
            };
        }
        let values = values.iter().map(|v| *v as f32).collect();
        let shape = info.shape;
        (info.name, Tensor { shape, values })
    };
    parameters.into_iter().enumerate().map(tensor).collect()
}

/// The largest difference of the values that the script kept, relative to the largest.
pub(super) fn error(found: &[f32], kept: &[f64], largest: f64) -> f64 {
    let step = (found.len() / 9).max(1);
    let picked: Vec<f32> = found.iter().copied().step_by(step).take(9).collect();
    assert_eq!(picked.len(), kept.len());
    let pairs = picked.iter().zip(kept);
    pairs.fold(0.0, |a: f64, (f, k)| a.max((f64::from(*f) - k).abs())) / largest
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |a: f64, v| a.max(v.abs()))
}

#[test]
fn training_and_inference_agree_with_pytorch() {
    let cases: BTreeMap<String, Case> = serde_json::from_str(include_str!("resnet.json")).unwrap();
    assert_eq!(cases.len(), 14);
    for (name, case) in cases {
        let architecture: Architecture = case.architecture.parse().unwrap();
        let [n, rows, cols] = case.size;
        let size = ImageSize { rows, cols };
        let images: Vec<f32> = uniform(1000, n * rows * cols * 3)
            .iter()
            .map(|v| (1.5 * v) as f32)
            .collect();
        let width = architecture.width();
        let by_features: Vec<f32> = uniform(1001, n * width).iter().map(|v| *v as f32).collect();
        let tensors = tensors(architecture, case.open);
        let mut network = TrainableResNet::from_tensors(architecture, &tensors).unwrap();
        let mut activations = Activations::default();
        network.forward(&images, size, &mut activations).unwrap();
        let features = error(
            activations.features(),
            &case.features,
            largest(&case.features),
        );

        let mut gradient = vec![f32::NAN; network.parameters().len()];
        network
            .backward(&images, &by_features, &mut activations, &mut gradient)
            .unwrap();
        // As a network, so that the gradients come in the shapes of files.
        let running = network.to_tensors();
        network.parameters_mut().copy_from_slice(&gradient);
        let by_tensor = network.to_tensors();
        let mut gradients = 0.0f64;
        let floor = 1e-3 * case.largest.values().fold(0.0, |a: f64, v| a.max(*v));
        for (tensor, kept) in &case.gradients {
            let scale = case.largest[tensor].max(floor);
            let error = error(&by_tensor[tensor].values, kept, scale);
            gradients = gradients.max(error);
            let least = if case.open { 1e-4 } else { 0.0 };
            let bound = (2.0 * case.float32_gradients).max(least);
            assert!(error <= bound, "{name}, {tensor}: {error}, bound {bound}");
        }
        let bound = (2.0 * case.float32_features).max(1e-5);
        for (tensor, kept) in &case.running {
            let error = error(&running[tensor].values, kept, largest(kept));
            assert!(error < bound, "{name}, {tensor}: {error}");
        }

        let inference = ResNet::from_tensors(architecture, &running).unwrap();
        let mut inferred = vec![f32::NAN; n * width];
        inference
            .features_into(&images, size, &mut inferred)
            .unwrap();
        let inferred = error(&inferred, &case.inferred, largest(&case.inferred));
        println!(
            "{name}: features {features:.1e} (float32 {:.1e}), inferred {inferred:.1e}, \
             gradients {gradients:.1e} (float32 {:.1e})",
            case.float32_features, case.float32_gradients
        );
        assert!(
            features < bound && inferred < 1e-5,
            "{name}: {features}, {inferred}"
        );
    }
}
