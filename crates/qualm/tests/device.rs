//! A graphics card against the processor, on whatever card this machine has; a software
//! Vulkan driver is one. Run with `--features wgpu`, `--features cuda` or both.
#![cfg(any(feature = "cuda", feature = "wgpu"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use crate::common::{blob_matrix, contents, keys, small};
use qualm::fit::{Signal, Step};
use qualm::{Checkpoint, Device, DeviceError, Error, Fitted, Progress, Result, Spec};
use serde_json::{Value, json};

const N: usize = 200;
const D: usize = 6;
const STEPS: u64 = 20;

/// What agreement is asked for: a thousandth of the largest value.
const PARITY: f64 = 1e-3;

/// The devices of this build that this machine has.
fn devices() -> Vec<Device> {
    let built = [
        (Device::Cuda, cfg!(feature = "cuda")),
        (Device::Wgpu, cfg!(feature = "wgpu")),
    ];
    let mut found = Vec::new();
    for (device, _) in built.into_iter().filter(|(_, built)| *built) {
        match device.check() {
            Ok(()) => found.push(device),
            Err(error) => eprintln!("skipped: {error}"),
        }
    }
    found
}

/// The four forms of the objective, with a bound and without.
fn forms() -> Vec<Value> {
    let mut forms = Vec::new();
    for objective in ["dot", "cosine"] {
        for covariance in ["diagonal", "circular"] {
            // Without a bound in small steps, which keep what rounding decides small: see
            // `variation`.
            for (bound, rate) in [(0.0, 1e-4), (2.0, 1e-3)] {
                forms.push(json!({
                    "objective": objective, "covariance": covariance,
                    "log_variance_bound": bound, "learning_rate": rate, "weight_decay": 0.01,
                }));
            }
        }
    }
    forms
}

fn spec(changes: Value, device: Device) -> Spec {
    let steps = json!({
        "space": "sphere", "min_steps": STEPS, "max_steps": STEPS, "device": device.name(),
    });
    small(changes).with(keys(steps)).unwrap()
}

/// Hears every loss, and may stop at a step with a checkpoint.
#[derive(Default)]
struct Listener {
    losses: Vec<f64>,
    stop_at: u64,
    kept: Option<Checkpoint>,
}

impl Progress for Listener {
    fn step(&mut self, step: &Step) -> Signal {
        self.losses.push(step.loss);
        if step.step == self.stop_at {
            Signal::Stop
        } else {
            Signal::Continue
        }
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.kept = Some(checkpoint.clone());
        Ok(())
    }
}

fn fit(spec: &Spec) -> (Fitted, Vec<f64>) {
    let mut listener = Listener::default();
    let rows = blob_matrix(1, N, D);
    let fitted = spec.fit(rows.rows(), 0, &mut listener).unwrap();
    (fitted, listener.losses)
}

/// All parameters of a model.
fn params(fitted: &Fitted) -> Vec<f64> {
    let tensors = contents(&fitted.to_bytes().unwrap()).tensors;
    let networks = tensors.iter().filter(|(name, _)| name.contains("network"));
    let values = networks.flat_map(|(_, (_, _, bytes))| bytes.as_chunks::<4>().0);
    values.map(|b| f64::from(f32::from_le_bytes(*b))).collect()
}

fn scores(fitted: &Fitted) -> Vec<f64> {
    fitted.score(blob_matrix(2, 300, D).rows()).unwrap()
}

/// Log-variances around the mean of each dimension.
///
/// A bag's weights do not change when all its log-variances move together. So without a
/// bound the objective leaves their level open: the gradient of whatever moves it is zero in
/// exact arithmetic, and what Adam makes of its rounding is nobody's to reproduce.
fn variation(fitted: &Fitted) -> Vec<f64> {
    let rows = blob_matrix(2, 300, D);
    let variances = fitted.log_variances(rows.rows()).unwrap().unwrap();
    let log: Vec<f64> = variances.values.iter().map(|s| f64::from(*s)).collect();
    let mut mean = vec![0.0; variances.width];
    for row in log.chunks_exact(variances.width) {
        for (mean, s) in mean.iter_mut().zip(row) {
            *mean += s / 300.0;
        }
    }
    log.iter()
        .zip(mean.iter().cycle())
        .map(|(s, mean)| s - mean)
        .collect()
}

/// The largest difference, in units of the largest expected value.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    difference / expected.iter().fold(0.0, |max: f64, x| max.max(x.abs()))
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], what: &str) {
    let apart = apart(found, expected);
    eprintln!("{what}: {apart:.1e}");
    assert!(apart < PARITY, "{what}: {apart}");
}

#[test]
fn training_agrees_in_every_form() {
    for device in devices() {
        for form in forms() {
            let (found, found_losses) = fit(&spec(form.clone(), device));
            let (expected, losses) = fit(&spec(form.clone(), Device::Cpu));
            let what = |part| format!("{device} {form} {part}");
            close(&found_losses[..3], &losses[..3], &what("first losses"));
            close(&found_losses, &losses, &what("losses"));
            close(
                &variation(&found),
                &variation(&expected),
                &what("variation"),
            );
            if form["log_variance_bound"] != 0.0 {
                close(&params(&found), &params(&expected), &what("parameters"));
                close(&scores(&found), &scores(&expected), &what("scores"));
            }
        }
    }
}

#[test]
fn other_spaces_bags_and_ensembles_agree() {
    for device in devices() {
        for form in [
            json!({"space": "kernel", "members": 2}),
            json!({"space": "minmax", "bag_size": "half", "covariance": "diagonal"}),
            json!({"bags": "local", "cells": 3, "layers": 1}),
            json!({"view_noise": 0.1, "layers": 5}),
        ] {
            let slow = json!({"learning_rate": 1e-4});
            let on = |device| spec(slow.clone(), device).with(keys(form.clone())).unwrap();
            let (found, _) = fit(&on(device));
            let (expected, _) = fit(&on(Device::Cpu));
            close(
                &scores(&found),
                &scores(&expected),
                &format!("{device} {form}"),
            );
        }
    }
}

#[test]
fn a_model_opens_on_the_processor_and_moves() {
    for device in devices() {
        let (fitted, _) = fit(&spec(json!({"covariance": "diagonal"}), device));
        let bytes = fitted.to_bytes().unwrap();
        let on_processor = Fitted::from_bytes(&bytes).unwrap();
        assert_eq!(on_processor.spec().device(), device);
        let expected = scores(&on_processor);
        close(&scores(&fitted), &expected, "fitted there, read here");
        let moved = on_processor.to_device(device).unwrap();
        assert_eq!(scores(&moved), scores(&fitted));
        let rows = blob_matrix(3, 20, D);
        assert_eq!(moved.explain(rows.rows(), 2).unwrap().len(), 20);
        let back = moved.to_device(Device::Cpu).unwrap();
        assert_eq!(scores(&back), expected);
        assert_eq!(back.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn a_block_of_a_device_is_no_boundary() {
    for device in devices() {
        let (fitted, _) = fit(&spec(json!({}), device));
        let rows = blob_matrix(4, 8192 + 77, D);
        let found = fitted.score(rows.rows()).unwrap();
        let fitted = fitted.to_device(Device::Cpu).unwrap();
        close(&found, &fitted.score(rows.rows()).unwrap(), "many rows");
    }
}

#[test]
fn a_fit_goes_on_on_another_device() {
    for device in devices() {
        let form = json!({"covariance": "diagonal", "members": 2});
        let rows = blob_matrix(1, N, D);
        let (whole, _) = fit(&spec(form.clone(), Device::Cpu));
        for (from, to) in [
            (device, Device::Cpu),
            (Device::Cpu, device),
            (device, device),
        ] {
            let mut listener = Listener {
                stop_at: STEPS / 2,
                ..Listener::default()
            };
            let first = spec(form.clone(), from).fit(rows.rows(), 0, &mut listener);
            assert!(matches!(first, Err(Error::Interrupted { .. })), "{first:?}");
            let checkpoint = listener.kept.unwrap();
            assert_eq!(checkpoint.step(), STEPS / 2);
            let second = spec(form.clone(), to).resume(rows.rows(), 0, checkpoint, &mut ());
            let what = format!("from {from} to {to}");
            close(&scores(&second.unwrap()), &scores(&whole), &what);
        }
    }
}

#[test]
fn a_training_that_diverges_says_so() {
    for device in devices() {
        let wild = json!({"space": "identity", "learning_rate": 1e38, "log_variance_bound": 0.0});
        let spec = spec(json!({}), device).with(keys(wild)).unwrap();
        let error = spec
            .fit(blob_matrix(1, N, D).rows(), 0, &mut ())
            .unwrap_err();
        assert!(matches!(error, Error::Diverged { .. }), "{error}");
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn a_network_too_large_for_the_card_is_refused_before_any_step() {
    if !devices().contains(&Device::Wgpu) {
        return;
    }
    let large = json!({"hidden": 32_768, "layers": 3});
    let spec = spec(json!({}), Device::Wgpu).with(keys(large)).unwrap();
    let mut listener = Listener::default();
    let rows = blob_matrix(1, N, D);
    let refused = spec.fit(rows.rows(), 0, &mut listener);
    let Err(Error::Device(DeviceError::Memory {
        needed, available, ..
    })) = refused
    else {
        panic!("{refused:?}");
    };
    assert!(needed > available && listener.losses.is_empty());
}
