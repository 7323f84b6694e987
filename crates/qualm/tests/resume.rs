//! Checkpoints: an interrupted fit goes on and ends with the same bits as one that was
//! not, or is refused because it is not the same fit.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../examples/learner.rs"]
#[allow(unreachable_pub, reason = "an example")]
mod learner;

use std::path::Path;

use crate::common::{baseline, bits, blob_matrix, contents, keys, small};
use qualm::fit::{Signal, Step, Work};
use qualm::{Checkpoint, Error, Fitted, Progress, Result, Spec};
use serde_json::{Value, json};

const N: usize = 240;
const D: usize = 5;
const SEED: u64 = 3;

/// Stops at one step of one member and keeps the checkpoint; may save every few steps.
#[derive(Default)]
struct StopAt {
    member: usize,
    step: u64,
    /// Ask for a checkpoint at every multiple of this, without stopping; 0 for never.
    save_every: u64,
    kept: Vec<Checkpoint>,
    /// The first step heard of.
    first: Option<(usize, u64)>,
}

impl Progress for StopAt {
    fn step(&mut self, step: &Step) -> Signal {
        self.first.get_or_insert((step.member, step.step));
        if (step.member, step.step) == (self.member, self.step) {
            Signal::Stop
        } else if self.save_every > 0 && step.step.is_multiple_of(self.save_every) {
            Signal::Save
        } else {
            Signal::Continue
        }
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.kept.push(checkpoint.clone());
        Ok(())
    }
}

fn spec(changes: Value) -> Spec {
    // Several epochs of four steps, and a curve whose windows are longer than a step.
    small(changes)
        .with(keys(json!({"min_steps": 130, "max_steps": 130})))
        .unwrap()
}

/// Fits until the given step; returns the checkpoint.
fn interrupted(spec: &Spec, member: usize, step: u64) -> Checkpoint {
    let mut stop = StopAt {
        member,
        step,
        ..StopAt::default()
    };
    let rows = blob_matrix(1, N, D);
    let error = spec.fit(rows.rows(), SEED, &mut stop).unwrap_err();
    // Of all members together, 130 steps each.
    let done = member as u64 * 130 + step;
    let right = matches!(error, Error::Interrupted { step: at, steps } if at == done && steps % 130 == 0 && done <= steps);
    assert!(right, "{error}");
    assert_eq!(stop.kept.len(), 1);
    stop.kept.remove(0)
}

fn through_a_file(checkpoint: &Checkpoint, folder: &Path) -> Checkpoint {
    let path = folder.join("fit.checkpoint");
    checkpoint.save(&path).unwrap();
    Checkpoint::load(&path).unwrap()
}

fn assert_same_model(found: &Fitted, expected: &Fitted, what: &str) {
    let rows = blob_matrix(2, 300, D);
    let scores = [found, expected].map(|f| bits(&f.score(rows.rows()).unwrap()));
    assert_eq!(scores[0], scores[1], "{what}: scores");
    // Networks, spaces, reference scores, loss curves, warnings: everything but the time.
    let parts = [found, expected].map(|f| contents(&f.to_bytes().unwrap()));
    assert!(parts[0] == parts[1], "{what}: model files");
}

#[test]
fn a_resumed_fit_has_the_bits_of_one_that_was_not_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let rows = blob_matrix(1, N, D);
    for (changes, stops) in [
        // The first step, inside an epoch and a window of the curve, the last step.
        (json!({}), &[(0, 1), (0, 67), (0, 130)][..]),
        (json!({"members": 3}), &[(1, 1), (1, 67), (2, 130)]),
        (json!({"bags": "local", "cells": 3}), &[(0, 67)]),
        (
            json!({"bags": "local", "cells": 3, "members": 3, "space": "unit", "centre": true}),
            &[(1, 66)],
        ),
        (
            json!({"view_noise": 0.2, "space": "sphere", "covariance": "diagonal"}),
            &[(0, 67)],
        ),
    ] {
        let spec = spec(changes.clone());
        let whole = spec.fit(rows.rows(), SEED, &mut ()).unwrap();
        for &(member, step) in stops {
            let what = format!("{changes}, stopped at step {step} of member {member}");
            let checkpoint = interrupted(&spec, member, step);
            assert_eq!(checkpoint.step(), member as u64 * 130 + step);
            let loaded = through_a_file(&checkpoint, folder.path());
            assert_eq!(loaded, checkpoint, "{what}");
            for checkpoint in [checkpoint, loaded] {
                let mut heard = StopAt::default();
                let resumed = spec.resume(rows.rows(), SEED, checkpoint, &mut heard);
                assert_same_model(&resumed.unwrap(), &whole, &what);
                // It went on, rather than starting again.
                let next = if step < 130 {
                    Some((member, step + 1))
                } else {
                    (member + 1 < whole.provenance().losses.len()).then_some((member + 1, 1))
                };
                assert_eq!(heard.first, next, "{what}");
            }
        }
    }
}

#[test]
fn the_baselines_with_a_network_go_on_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let rows = blob_matrix(1, N, D);
    // 130 steps each: ten a pass over the rows, and one.
    for (detector, changes) in [
        ("ae", json!({"epochs": 13, "batch_size": 24})),
        ("repen", json!({"epochs": 130, "n_components": 4})),
    ] {
        let spec = baseline(detector, changes);
        let whole = spec.fit(rows.rows(), SEED, &mut ()).unwrap();
        assert_eq!(whole.provenance().losses[0].len(), 65);
        // The first step, inside an epoch and a window of the curve, the last step.
        for step in [1, 67, 130] {
            let checkpoint = through_a_file(&interrupted(&spec, 0, step), folder.path());
            assert_eq!(checkpoint.step(), step);
            let mut heard = StopAt::default();
            let resumed = spec.resume(rows.rows(), SEED, checkpoint, &mut heard);
            assert_same_model(&resumed.unwrap(), &whole, &format!("{detector}, {step}"));
            let next = (step < 130).then_some((0, step + 1));
            assert_eq!(heard.first, next, "{detector}, {step}");
        }
    }
}

#[test]
fn a_fit_interrupted_twice_and_saved_often_still_ends_the_same() {
    let rows = blob_matrix(1, N, D);
    let spec = spec(json!({"members": 3}));
    let whole = spec.fit(rows.rows(), SEED, &mut ()).unwrap();
    let mut again = StopAt {
        member: 2,
        step: 20,
        save_every: 50,
        ..StopAt::default()
    };
    let checkpoint = interrupted(&spec, 0, 100);
    let resumed = spec.resume(rows.rows(), SEED, checkpoint, &mut again);
    assert!(matches!(
        resumed,
        Err(Error::Interrupted {
            step: 280,
            steps: 390
        })
    ));
    // Steps 50 and 100 of the second member, then the stop.
    let steps: Vec<u64> = again.kept.iter().map(Checkpoint::step).collect();
    assert_eq!(steps, [180, 230, 280]);
    for checkpoint in again.kept {
        let resumed = spec.resume(rows.rows(), SEED, checkpoint, &mut ());
        assert_same_model(&resumed.unwrap(), &whole, "interrupted twice");
    }
}

#[test]
fn a_checkpoint_of_another_fit_is_refused() {
    let rows = blob_matrix(1, N, D);
    let spec = spec(json!({}));
    let checkpoint = interrupted(&spec, 0, 10);
    let refused = |spec: &Spec, data: &[f32], n_cols, seed| {
        let rows = qualm::Rows::new(data, n_cols).unwrap();
        match spec.resume(rows, seed, checkpoint.clone(), &mut ()) {
            Err(Error::CheckpointMismatch { what, .. }) => what,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("the fit went on"),
        }
    };
    let data = rows.rows().as_slice();
    assert_eq!(refused(&spec, data, D, SEED + 1), "seed");
    let longer = spec.with(keys(json!({"max_steps": 131}))).unwrap();
    assert_eq!(refused(&longer, data, D, SEED), "specification");
    let mut changed = data.to_vec();
    changed[17] += 1.0;
    assert_eq!(refused(&spec, &changed, D, SEED), "input");
    assert_eq!(refused(&spec, &data[..N * D - D], D, SEED), "input");
    // The same values in rows of another width.
    assert_eq!(refused(&spec, data, D + 1, SEED), "number of columns");
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fit.checkpoint");
    let spec = spec(json!({"members": 3}));
    interrupted(&spec, 1, 10).save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Checkpoint::load(&path)
    };
    assert!(load(&whole).is_ok());
    for len in [0, 7, 8, 9, 500, whole.len() / 2, whole.len() - 1] {
        let error = load(&whole[..len]).unwrap_err();
        assert!(matches!(error, Error::NotAModel { .. }), "{len}: {error}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert!(load(&longer).is_err());
    // A value that is not finite, at the very end of the last tensor.
    let mut poisoned = whole.clone();
    let end = poisoned.len() - 4;
    poisoned[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = load(&poisoned).unwrap_err();
    assert!(matches!(error, Error::CorruptModel { .. }), "{error}");
    // Neither kind of file passes for the other.
    let rows = blob_matrix(1, N, D);
    let model = spec.fit(rows.rows(), SEED, &mut ()).unwrap();
    let error = load(&model.to_bytes().unwrap()).unwrap_err();
    assert!(matches!(error, Error::CorruptModel { .. }), "{error}");
    let error = Fitted::from_bytes(&whole).unwrap_err();
    assert!(matches!(error, Error::CorruptModel { .. }), "{error}");

    let missing = Checkpoint::load(folder.path().join("missing")).unwrap_err();
    assert!(matches!(missing, Error::ReadModel { .. }), "{missing}");
}

/// Asks for a checkpoint at step 5 and cannot keep it.
struct FullDisk {
    steps: u64,
    signal: Signal,
}

impl Progress for FullDisk {
    fn step(&mut self, step: &Step) -> Signal {
        self.steps = step.step;
        if step.step == 5 {
            self.signal
        } else {
            Signal::Continue
        }
    }

    fn save(&mut self, _: &Checkpoint) -> Result<()> {
        Err(Error::TooFewRows {
            found: 0,
            expected: 42,
            why: "a full disk",
        })
    }
}

#[test]
fn an_error_in_keeping_a_checkpoint_stops_the_fit_with_that_error() {
    let rows = blob_matrix(1, N, D);
    for signal in [Signal::Save, Signal::Stop] {
        let mut progress = FullDisk { steps: 0, signal };
        let error = spec(json!({}))
            .fit(rows.rows(), SEED, &mut progress)
            .unwrap_err();
        assert!(
            matches!(error, Error::TooFewRows { expected: 42, .. }),
            "{error}"
        );
        assert_eq!(progress.steps, 5);
    }
}

/// The loop trains a network of one's own, and resumes it to the bit.
#[test]
fn a_learner_of_ones_own_goes_on() {
    learner::main().unwrap();
}

/// Stops in work without steps, the first time that it is asked after so many steps.
#[derive(Default)]
struct StopInWork {
    after: u64,
    steps: u64,
    heard: Vec<Work>,
    kept: Vec<Checkpoint>,
}

impl Progress for StopInWork {
    fn step(&mut self, _: &Step) -> Signal {
        self.steps += 1;
        Signal::Continue
    }

    fn work(&mut self, work: &Work) -> Signal {
        self.heard.push(*work);
        if self.steps >= self.after {
            Signal::Stop
        } else {
            Signal::Continue
        }
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.kept.push(checkpoint.clone());
        Ok(())
    }
}

#[test]
fn a_stop_between_two_networks_keeps_those_that_are_trained() {
    // As many rows as columns and fewer: the two ways to the robust metric.
    for (n, d) in [(N, D), (40, 60)] {
        let rows = blob_matrix(1, n, d);
        let spec = spec(json!({"members": 2, "metric": "both"}));
        let whole = spec.fit(rows.rows(), SEED, &mut ()).unwrap();
        for (after, what) in [
            (130, "robust covariance"),
            // Of the reach, once both networks are trained.
            (260, "robust covariance"),
        ] {
            let mut stop = StopInWork {
                after,
                ..StopInWork::default()
            };
            let error = spec.fit(rows.rows(), SEED, &mut stop).unwrap_err();
            assert!(
                matches!(error, Error::Interrupted { step, steps: 260 } if step == after),
                "{error}"
            );
            let last = stop.heard.last().unwrap();
            assert!(last.resumable && last.what == what, "{last:?}");
            let resumed = spec.resume(rows.rows(), SEED, stop.kept.remove(0), &mut ());
            let parts = [&resumed.unwrap(), &whole].map(|f| contents(&f.to_bytes().unwrap()));
            assert!(parts[0] == parts[1], "{n} x {d}: model files");
        }
    }
}

#[test]
fn long_work_of_every_kind_can_be_stopped() {
    for (detector, changes, what) in [
        ("dum", json!({"metric": "euclidean"}), "bandwidth"),
        ("dum", json!({}), "robust covariance"),
        ("ee", json!({}), "covariance of all rows"),
        ("abod", json!({"method": "exact"}), "angles"),
        ("iforest", json!({"n_estimators": 2}), "trees"),
    ] {
        let spec = Spec::preset(detector, "default").unwrap();
        let spec = spec.with(keys(changes)).unwrap();
        let mut stop = StopInWork::default();
        let rows = blob_matrix(1, N, D);
        let error = spec.fit(rows.rows(), SEED, &mut stop).unwrap_err();
        assert!(
            matches!(error, Error::Stopped { what: at, .. } if at == what),
            "{error}"
        );
        assert!(
            stop.kept.is_empty() && !stop.heard[0].resumable,
            "{detector}"
        );
    }
}
