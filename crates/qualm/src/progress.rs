//! What a long fit tells its caller, and what the caller can tell it.

use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::error::Result;

/// One training step, just taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The ensemble member being trained, from 0.
    pub member: usize,
    /// How many members there are.
    pub members: usize,
    /// Steps taken by this member.
    pub step: u64,
    /// Steps it will take.
    pub steps: u64,
    /// Its rows a step.
    pub batch_rows: usize,
    /// The loss of this step.
    pub loss: f64,
}

/// A stretch of work that takes no training steps: distances, trees, a solver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// What is done, such as `"neighbours"`.
    pub what: &'static str,
    /// How much of it, in units of its own.
    pub done: u64,
    /// How much there is; an estimate where the work can end early.
    pub total: u64,
}

/// The caller's answer to a [`Step`] or to [`Work`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Go on.
    Continue,
    /// Hand out a [`Checkpoint`], then go on.
    Save,
    /// Hand out a [`Checkpoint`], then stop with [`crate::Error::Interrupted`].
    Stop,
}

/// Something about a fit that its user should know; it is kept in the model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// In almost every bag one row has all the weight.
    #[error(
        "bags have collapsed: {effective_rows:.2} of {bag_size} rows decide a bag's mean \
         (1 = a single row); try covariance=circular, objective=cosine or a smaller bag_size"
    )]
    CollapsedBags {
        /// Mean effective number of rows, over the last tenth of training.
        effective_rows: f64,
        /// Rows in a bag.
        bag_size: usize,
    },
    /// The batch was cut to the rows there are.
    #[error("only {n_rows} rows: batches have {batch_rows} rows instead of {batch_size}")]
    SmallBatch {
        /// Rows given.
        n_rows: usize,
        /// Rows used in a batch.
        batch_rows: usize,
        /// Rows asked for.
        batch_size: usize,
    },
    /// A subsample asked for is larger than the data.
    #[error("{key} = {asked}, but there are only {n_rows} rows: all of them are taken")]
    FewerRows {
        /// The hyper-parameter.
        key: String,
        /// Its value.
        asked: usize,
        /// Rows given.
        n_rows: usize,
    },
    /// A covariance without an inverse.
    #[error(
        "the covariance is singular (rank {rank} of {n_features}): distances are measured in the \
         {rank} directions that vary, deviations in the others do not count"
    )]
    SingularCovariance {
        /// Directions that vary.
        rank: usize,
        /// Columns.
        n_features: usize,
    },
    /// An approximation stands in for the exact method.
    #[error("{n_rows} rows: {what} instead of the exact method, which is for at most {most}")]
    Approximated {
        /// Rows given.
        n_rows: usize,
        /// Rows that the exact method takes.
        most: usize,
        /// What stands in for it.
        what: String,
    },
    /// An iteration that was cut off.
    #[error("{what} stopped after {iterations} iterations before it converged")]
    NotConverged {
        /// The iteration.
        what: String,
        /// How many there were.
        iterations: u64,
    },
    /// Many rows have the very same score.
    #[error("{distinct} distinct scores over {n_rows} rows: most rows cannot be told apart")]
    FewDistinctScores {
        /// Distinct scores of the reference rows.
        distinct: usize,
        /// Reference rows.
        n_rows: usize,
    },
}

impl Warning {
    /// That there are fewer rows than a subsample was to have, if so.
    pub(crate) fn fewer_rows(key: &str, asked: usize, n_rows: usize) -> Option<Self> {
        (n_rows < asked).then(|| Self::FewerRows {
            key: key.to_owned(),
            asked,
            n_rows,
        })
    }
}

/// Receives the progress of a fit. Every method has a default that does nothing, and
/// `()` is a receiver that listens to nothing.
///
/// It is called from one thread at a time, but not from the one that called fit: training
/// runs inside the thread pool.
pub trait Progress: Send {
    /// Called after each training step.
    fn step(&mut self, step: &Step) -> Signal {
        let _ = step;
        Signal::Continue
    }

    /// Called now and then during work without training steps. There is nothing to go on
    /// from: [`Signal::Save`] counts as [`Signal::Continue`], and [`Signal::Stop`] ends the
    /// fit with [`crate::Error::Stopped`].
    fn work(&mut self, work: &Work) -> Signal {
        let _ = work;
        Signal::Continue
    }

    /// Called when a [`Signal`] asked for a checkpoint.
    ///
    /// # Errors
    /// Whatever went wrong in keeping it; the fit stops with that error.
    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let _ = checkpoint;
        Ok(())
    }
}

impl Progress for () {}
