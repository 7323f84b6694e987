//! What the detectors with a small network share: `ae` and `repen`.

use rayon::prelude::*;

use crate::container::{Reader, Writer};
use crate::detector::{Outcome, require};
use crate::error::Result;
use crate::fit::{Curve, Learner, Schedule, Session, StepOutcome};
use crate::nn::{Adam, Mlp, PADDED, Scratch, Threads, TrainingState, Workspace};
use crate::rows::Rows;

/// Rows that a thread takes through a network at a time.
const BLOCK: usize = 1024;

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

/// A learner of one network: its loss decides everything but the bookkeeping.
pub(super) struct NetworkLearner<L> {
    state: TrainingState,
    loss: L,
}

/// What a step of a network does.
pub(super) trait NetworkLoss: Send {
    /// Takes a step, counted from 0, and returns the loss before it.
    fn step(&mut self, state: &mut TrainingState, step: u64) -> f64;
}

impl<L: NetworkLoss> NetworkLearner<L> {
    /// Before the first step.
    pub(super) fn new(state: TrainingState, loss: L) -> Self {
        Self { state, loss }
    }

    /// Trains the network and returns it with its loss curve.
    ///
    /// # Errors
    /// As [`Session::train`]; [`crate::Error::Diverged`] when a parameter is not finite.
    pub(super) fn train(
        mut self,
        schedule: &Schedule,
        session: &mut Session<'_>,
    ) -> Result<(Mlp, Curve)> {
        let curve = session.train(schedule, &mut self)?;
        Ok((self.state.into_network()?, curve))
    }
}

impl<L: NetworkLoss> Learner for NetworkLearner<L> {
    fn step(&mut self, step: u64) -> Result<StepOutcome> {
        Ok(StepOutcome {
            loss: self.loss.step(&mut self.state, step),
            effective_rows: None,
        })
    }

    fn save(&mut self, writer: &mut Writer) -> Result<()> {
        self.state.save(writer);
        Ok(())
    }

    fn restore(&mut self, steps: u64, reader: &mut Reader) -> Result<()> {
        let sizes = self.state.network.sizes().to_vec();
        self.state = TrainingState::restore(&sizes, steps, reader)?;
        Ok(())
    }
}

/// Keys that every training has; their documentation is in the specifications.
pub(super) struct TrainingKeys {
    pub(super) epochs: u64,
    pub(super) batch_size: usize,
    pub(super) learning_rate: f64,
    pub(super) weight_decay: f64,
}

impl TrainingKeys {
    pub(super) fn adam(&self) -> Adam {
        Adam {
            learning_rate: self.learning_rate as f32,
            weight_decay: self.weight_decay as f32,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let Adam {
            learning_rate: rate,
            weight_decay: decay,
        } = self.adam();
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

impl<D> Outcome<D> {
    /// A detector that was trained.
    pub(super) fn trained(detector: D, steps: u64, curve: Curve) -> Self {
        Self {
            steps,
            curves: vec![curve],
            ..Self::new(detector)
        }
    }
}
