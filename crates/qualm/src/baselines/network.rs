//! What the detectors with a small network share: `ae` and `repen`.

use rayon::prelude::*;

use super::spaced::Fit;
use crate::data::Rows;
use crate::detector::require;
use crate::error::{Error, Result};
use crate::nn::{Mlp, Scratch, Threads, Workspace};
use crate::training::Curve;

/// Rows that a thread takes through a network at a time.
const BLOCK: usize = 1024;

/// Fewer rows than this are padded with zeros: above 64 the matrix products give a row the
/// same bits whatever stands beside it (see [`crate::nn`]).
const PADDED: usize = 96;

/// Calls `work` with blocks of rows, what the network makes of them, and their part of `out`,
/// on all threads.
///
/// # Shapes
/// `rows`: `(n, sizes[0])`; `out`: `(n, k)` for any k.
pub(super) fn for_outputs<T: Send>(
    network: &Mlp,
    rows: Rows<'_>,
    out: &mut [T],
    work: impl Fn(Rows<'_>, &[f32], &mut [T]) + Sync,
) {
    let per_row = out.len() / rows.n_rows();
    let blocks: Vec<_> = rows.blocks(BLOCK).collect();
    blocks
        .into_par_iter()
        .zip(out.par_chunks_mut(BLOCK * per_row))
        .for_each_init(
            || (Scratch::default(), Vec::new()),
            |(scratch, padded), (rows, out)| {
                let mut vectors = rows.as_slice();
                if rows.n_rows() < PADDED {
                    padded.clear();
                    padded.extend_from_slice(vectors);
                    padded.resize(PADDED * rows.n_cols(), 0.0);
                    vectors = padded;
                }
                work(rows, network.infer(vectors, scratch, Threads::One), out);
            },
        );
}

/// Refuses scores that are not finite.
pub(super) fn check_finite(scores: &[f64]) -> Result<()> {
    match scores.iter().position(|s| !s.is_finite()) {
        Some(i) => Err(Error::ScoreNotFinite {
            row: i + 1,
            score: scores[i],
        }),
        None => Ok(()),
    }
}

/// Keys that every training has.
pub(super) struct TrainingKeys {
    pub(super) epochs: u64,
    pub(super) batch_size: usize,
    pub(super) learning_rate: f64,
    pub(super) weight_decay: f64,
}

impl TrainingKeys {
    pub(super) fn check(&self) -> Result<()> {
        let rate = self.learning_rate as f32;
        let decay = self.weight_decay as f32;
        require("epochs", self.epochs, self.epochs >= 1, "at least 1")?;
        let batch = (1..=1 << 24).contains(&self.batch_size);
        require("batch_size", self.batch_size, batch, "1 to 16777216")?;
        require(
            "learning_rate",
            self.learning_rate,
            rate.is_finite() && rate > 0.0,
            "a number above 0 that float32 can hold",
        )?;
        require(
            "weight_decay",
            self.weight_decay,
            decay.is_finite() && self.weight_decay >= 0.0,
            "0 or above",
        )
    }
}

/// Bytes of a training: parameters, Adam's memory and the buffers of a step.
pub(super) fn training_memory(sizes: &[usize], batch_rows: usize) -> u64 {
    let params = Mlp::n_params(sizes).map_or(u64::MAX, |n| n as u64);
    let step = Workspace::values(sizes).saturating_mul(batch_rows as u64);
    params
        .saturating_mul(3)
        .saturating_add(step)
        .saturating_mul(4)
}

impl<D> Fit<D> {
    /// A detector that was trained.
    pub(super) fn trained(detector: D, steps: u64, curve: Curve) -> Self {
        Self {
            steps,
            curves: vec![curve],
            ..Self::new(detector)
        }
    }
}
