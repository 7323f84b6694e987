//! Gradients by images against PyTorch in float64: `input_gradient.py` writes the numbers.

#![allow(clippy::print_stdout, reason = "figures of a test that passed")]

use std::collections::BTreeMap;

use serde::Deserialize;

use super::golden::{error, tensors, uniform};
use super::*;

#[derive(Deserialize)]
struct Case {
    architecture: String,
    open: bool,
    size: [usize; 3],
    stage: usize,
    gradient: Vec<f64>,
    /// The largest value of all.
    largest: f64,
    /// PyTorch's own error in float32, relative to that.
    float32: f64,
}

#[test]
fn gradients_by_images_agree_with_pytorch() {
    let text = include_str!("input_gradient.json");
    let cases: BTreeMap<String, Case> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 24);
    for (name, case) in cases {
        let architecture: Architecture = case.architecture.parse().unwrap();
        let [n, rows, cols] = case.size;
        let size = ImageSize { rows, cols };
        let images = uniform(1000, n * rows * cols * 3);
        let images: Vec<f32> = images.iter().map(|v| (1.5 * v) as f32).collect();
        let tensors = tensors(architecture, case.open);
        let network = InputGradient::from_tensors(architecture, &tensors).unwrap();
        let width = network.network().stage_widths()[case.stage];
        let weights: Vec<f32> = uniform(1001, width).iter().map(|v| *v as f32).collect();
        let slope = |_: &[f32], out: &mut [f32]| {
            for row in out.chunks_exact_mut(width) {
                row.copy_from_slice(&weights);
            }
        };
        let mut gradient = vec![f32::NAN; images.len()];
        network
            .by_images(&images, size, case.stage, slope, &mut gradient)
            .unwrap();
        let error = error(&gradient, &case.gradient, case.largest);
        println!("{name}: {error:.1e} (float32 {:.1e})", case.float32);
        let least = if case.open { 1e-4 } else { 1e-6 };
        let bound = (2.0 * case.float32).max(least);
        assert!(error <= bound, "{name}: {error}, bound {bound}");
    }
}

#[test]
fn an_image_has_its_gradient_in_any_company() {
    let architecture: Architecture = "resnet8-b".parse().unwrap();
    let tensors = tensors(architecture, false);
    let network = InputGradient::from_tensors(architecture, &tensors).unwrap();
    let size = ImageSize { rows: 9, cols: 8 };
    let len = 9 * 8 * 3;
    let images: Vec<f32> = uniform(7, 11 * len).iter().map(|v| *v as f32).collect();
    let slope = |features: &[f32], out: &mut [f32]| out.copy_from_slice(features);
    let of = |images: &[f32], threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let mut gradient = vec![f32::NAN; images.len()];
        let run = || network.by_images(images, size, 2, slope, &mut gradient);
        pool.unwrap().install(run).unwrap();
        gradient
    };
    let all = of(&images, 3);
    assert_eq!(of(&images, 1), all);
    for i in [0, 4, 10] {
        assert_eq!(of(&images[i * len..][..len], 2), all[i * len..][..len]);
    }
}

#[test]
fn stages_and_slices_are_checked() {
    let architecture: Architecture = "resnet8".parse().unwrap();
    let tensors = tensors(architecture, false);
    let network = InputGradient::from_tensors(architecture, &tensors).unwrap();
    let size = ImageSize { rows: 4, cols: 4 };
    let images = [0.0; 48];
    let slope = |_: &[f32], _: &mut [f32]| {};
    let run =
        |stage, gradient: &mut [f32]| network.by_images(&images, size, stage, slope, gradient);
    assert!(matches!(
        run(3, &mut [0.0; 48]),
        Err(Error::NoSuchStage {
            found: 3,
            n_stages: 3
        })
    ));
    assert!(matches!(
        run(0, &mut [0.0; 47]),
        Err(Error::SliceLength { .. })
    ));
    assert_eq!(network.network().stage_widths(), [16, 32, 64]);
}

#[test]
fn the_means_of_the_last_stage_are_the_features_to_the_bit() {
    let architecture: Architecture = "resnet8".parse().unwrap();
    let network = ResNet::from_tensors(architecture, &tensors(architecture, false)).unwrap();
    let size = ImageSize { rows: 9, cols: 8 };
    let images: Vec<f32> = uniform(7, 11 * 9 * 8 * 3)
        .iter()
        .map(|v| *v as f32)
        .collect();
    let mut features = vec![0.0; 11 * 64];
    network.features_into(&images, size, &mut features).unwrap();
    let means = network.read_stages(&images, size, |maps| {
        let map = maps[2];
        let sums = map
            .chunks_exact(64)
            .fold(vec![0.0f32; 64], |mut sums, pixel| {
                sums.iter_mut().zip(pixel).for_each(|(s, v)| *s += v);
                sums
            });
        let n = (map.len() / 64) as f32;
        sums.iter().map(|s| s / n).collect::<Vec<f32>>()
    });
    assert_eq!(means.unwrap().concat(), features);
}
