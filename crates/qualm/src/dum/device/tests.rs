//! The tensors against the processor's loops, on whatever card there is.

use rand_distr::{Distribution, StandardNormal};

use super::network::{Layers, OnDevice, Recipe};
use super::objective::value_and_gradient;
use super::tensors::{Accelerator, download, upload};
use crate::dum::objective::{Covariance, Objective, Similarity};
use crate::nn::{Adam, AdamState, Mlp, Scratch, Threads, TrainingState};
use crate::rng::{Purpose, stream};

/// Runs a check on every device of this build that this machine has.
macro_rules! on_devices {
    ($check:ident) => {
        #[cfg(feature = "wgpu")]
        match super::webgpu::open() {
            Ok(opened) => $check::<burn_wgpu::Wgpu>(&opened.device),
            Err(error) => eprintln!("skipped: {error}"),
        }
        #[cfg(feature = "cuda")]
        match super::cuda::open() {
            Ok(opened) => $check::<burn_cuda::Cuda>(&opened.device),
            Err(error) => eprintln!("skipped: {error}"),
        }
    };
}

fn normal(n: usize, scale: f32, index: u64) -> Vec<f32> {
    let mut rng = stream(5, Purpose::INIT, [index, 0]);
    let mut draw = || -> f32 { StandardNormal.sample(&mut rng) };
    (0..n).map(|_| scale * draw()).collect()
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    let largest = expected.iter().fold(1e-6f32, |max, x| max.max(x.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let apart = (found - expected).abs() / largest;
        assert!(apart < 1e-4, "{what}: found {found}, expected {expected}");
    }
}

fn the_objective_is_the_processors<B: Accelerator>(device: &B::Device) {
    let (m, d) = (3, 5);
    let n = 4 * m;
    for similarity in [Similarity::Dot, Similarity::Cosine] {
        for covariance in [Covariance::Diagonal, Covariance::Circular] {
            for extreme in [0.5, -1e4, 1e4, -3e38, 3e38] {
                let k = if covariance == Covariance::Diagonal {
                    d
                } else {
                    1
                };
                let z = normal(n * d, 1.0, 0);
                let mut s = normal(n * k, 2.0, 1);
                s[..k].fill(extreme);
                let mut expected = vec![0.0; n * k];
                let value = Objective::new(similarity, covariance, m, n, d).value_and_gradient(
                    &z,
                    &s,
                    &mut expected,
                );
                let (found, gradient) = value_and_gradient::<B>(
                    similarity,
                    m,
                    upload(&z, [n, d], device),
                    upload(&s, [n, k], device),
                );
                let what = format!("{similarity:?} {covariance:?} {extreme}");
                let expected_value = [value.loss as f32, value.effective_rows as f32];
                close(&download(found).unwrap(), &expected_value, &what);
                close(&download(gradient).unwrap(), &expected, &what);
            }
        }
    }
}

#[test]
fn objectives_agree() {
    on_devices!(the_objective_is_the_processors);
}

fn the_network_is_the_processors<B: Accelerator>(device: &B::Device) {
    // Odd sizes, so that no kernel's tiles fit.
    let sizes = [7, 33, 19, 1];
    let mut rng = stream(3, Purpose::INIT, [0, 0]);
    let network = Mlp::new(&sizes, &mut rng);
    let on_device = Layers::<B>::new(&sizes, network.params(), device);
    for n in [1, 2, 65, 300] {
        let x = normal(n * sizes[0], 1.0, n as u64);
        let mut scratch = Scratch::default();
        let expected = network.infer(&x, &mut scratch, Threads::One);
        close(
            &on_device.infer(&x).unwrap(),
            expected,
            &format!("{n} rows"),
        );
    }
}

#[test]
fn outputs_agree() {
    on_devices!(the_network_is_the_processors);
}

fn an_overflow_is_a_nan<B: Accelerator>(device: &B::Device) {
    // As on the processor: inf - inf at a hidden unit, which a maximum would turn into 0.
    let params = [3e38, -3e38, 0.0, 1.0, 0.0];
    let network = Layers::<B>::new(&[2, 1, 1], &params, device);
    assert!(network.infer(&[2.0, 2.0]).unwrap()[0].is_nan());
}

#[test]
fn overflows_are_not_hidden() {
    on_devices!(an_overflow_is_a_nan);
}

fn what_goes_up_comes_down<B: Accelerator>(device: &B::Device) {
    let sizes = [3, 4, 2];
    let n = 3 * 4 + 4 + 4 * 2 + 2;
    let params = normal(n, 1.0, 0);
    let adam = AdamState {
        m: normal(n, 1.0, 1),
        v: normal(n, 1.0, 2),
        t: 9,
    };
    let network = Mlp::from_params(&sizes, params.clone()).unwrap();
    let state = TrainingState { network, adam };
    let there = OnDevice::<B>::new(&state, device);
    assert_eq!(there.download().unwrap(), (params, state.adam));
}

#[test]
fn parameters_and_adam_survive_the_trip() {
    on_devices!(what_goes_up_comes_down);
}

fn a_first_step_has_the_size_of_the_learning_rate<B: Accelerator>(device: &B::Device) {
    let sizes = [4, 8, 1];
    let mut rng = stream(3, Purpose::INIT, [0, 0]);
    let state = TrainingState::of_network(Mlp::new(&sizes, &mut rng));
    let before = state.network.params().to_vec();
    let mut there = OnDevice::<B>::new(&state, device);
    let recipe = Recipe {
        similarity: Similarity::Dot,
        bag_size: 2,
        bound: 10.0,
        adam: Adam {
            learning_rate: 0.01,
            weight_decay: 0.0,
        },
    };
    let value = there.step(&recipe, &normal(8 * 4, 1.0, 0)).unwrap();
    assert!(value.loss.is_finite() && value.effective_rows > 1.0);
    let (after, state) = there.download().unwrap();
    assert_eq!(state.t, 1);
    let moved = before.iter().zip(&after).map(|(a, b)| (a - b).abs());
    let largest = moved.fold(0.0, f32::max);
    assert!((largest - 0.01).abs() < 1e-4, "{largest}");
}

#[test]
fn first_steps_have_the_size_of_the_learning_rate() {
    on_devices!(a_first_step_has_the_size_of_the_learning_rate);
}

#[test]
fn what_a_network_needs_is_counted() {
    use super::card::Needs;
    // The paper's network over 617 columns: 16.8 million weights in its middle layer.
    let needs = Needs::of_training(&[617, 4096, 4096, 617], 256);
    assert_eq!(needs.array, 4 * 4097 * 4096);
    assert!((300 << 20..1 << 30).contains(&needs.whole), "{needs:?}");
    let huge = Needs::of_training(&[usize::MAX - 1, usize::MAX, 1], 256);
    assert_eq!(huge.array, u64::MAX);
}
