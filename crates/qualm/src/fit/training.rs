//! The loop of training steps that every network shares.
//!
//! A step is a function of (seed, member, step number) and of the state so far, so an
//! interrupted training goes on from its checkpoint and ends with the same bits.

use super::progress::{Progress, Signal, Step};
use super::state::{Curve, StepOutcome};
use crate::container::{Reader, Writer};
use crate::error::{Error, Result};
use crate::nn::keep_pool_awake;

/// A network in training with its optimiser. It owns its state, wherever that is held.
///
/// `examples/learner.rs` trains a small model of its own with it, checkpoints included.
pub trait Learner: Send {
    /// Takes a step, counted from 0. A loss that is not finite leaves the parameters as
    /// they were.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    fn step(&mut self, step: u64) -> Result<StepOutcome>;

    /// Writes parameters and optimiser: all that the next step depends on.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    fn save(&mut self, writer: &mut Writer) -> Result<()>;

    /// Goes on from what [`Learner::save`] wrote after so many steps.
    ///
    /// # Errors
    /// [`Error::CorruptModel`] when a tensor is missing or of another shape.
    fn restore(&mut self, steps: u64, reader: &mut Reader) -> Result<()>;

    /// Whether the threads of the pool do the work, and not a device.
    fn uses_thread_pool(&self) -> bool {
        true
    }
}

/// Which network is trained, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The ensemble member, from 0.
    pub member: usize,
    /// How many members there are.
    pub members: usize,
    /// Steps in all.
    pub steps: u64,
    /// Rows a step.
    pub batch_rows: usize,
}

/// Called when a checkpoint is due: with the learner, its steps and curve so far, and the
/// listener that will keep it.
pub(crate) type Keep<'a> =
    dyn FnMut(&mut dyn Learner, u64, &Curve, &mut dyn Progress) -> Result<()> + Send + 'a;

impl Schedule {
    /// Takes the steps after `done`. `keep` is called whenever the listener asks for a
    /// checkpoint.
    ///
    /// # Errors
    /// [`Error::Diverged`] on a loss that is not finite; [`Error::Interrupted`]; whatever
    /// `keep` and the learner return.
    pub(crate) fn run(
        &self,
        done: u64,
        curve: &mut Curve,
        learner: &mut dyn Learner,
        progress: &mut dyn Progress,
        keep: &mut Keep<'_>,
    ) -> Result<()> {
        if !learner.uses_thread_pool() {
            return self.take_steps(done, curve, learner, progress, keep);
        }
        // On a thread of the pool from start to end: otherwise each part of each step would
        // have to be handed over to one.
        keep_pool_awake(|| self.take_steps(done, curve, learner, progress, keep))
    }

    fn take_steps(
        &self,
        done: u64,
        curve: &mut Curve,
        learner: &mut dyn Learner,
        progress: &mut dyn Progress,
        keep: &mut Keep<'_>,
    ) -> Result<()> {
        for step in done + 1..=self.steps {
            let outcome = learner.step(step - 1)?;
            if !outcome.loss.is_finite() {
                return Err(Error::Diverged {
                    step,
                    loss: outcome.loss,
                });
            }
            curve.push(outcome, step, self.steps);
            let signal = progress.step(&Step {
                member: self.member,
                members: self.members,
                step,
                steps: self.steps,
                batch_rows: self.batch_rows,
                loss: outcome.loss,
            });
            if signal != Signal::Continue {
                keep(learner, step, curve, progress)?;
            }
            if signal == Signal::Stop {
                return Err(Error::Interrupted {
                    step: self.member as u64 * self.steps + step,
                    steps: self.members as u64 * self.steps,
                });
            }
        }
        Ok(())
    }
}
