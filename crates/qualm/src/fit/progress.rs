//! What a long fit tells its caller, and what the caller can tell it.

use crate::error::{Error, Result};
use crate::fit::checkpoint::Checkpoint;

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
    /// Whether networks were trained before it, so that a [`Checkpoint`] would keep them.
    pub resumable: bool,
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

    /// Called now and then during work without training steps. Unless it is
    /// [resumable](Work::resumable) there is nothing to go on from: [`Signal::Save`] counts as
    /// [`Signal::Continue`], and [`Signal::Stop`] ends the fit with [`crate::Error::Stopped`].
    /// Calls may come from different threads, one at a time.
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

/// Reports work without training steps, such as a search or a solver, to the listener of a fit.
///
/// ```
/// use qualm::fit::Meter;
///
/// let mut nobody = ();
/// let mut meter = Meter::new(&mut nobody);
/// for done in 0..10 {
///     meter.work("rows", done, 10)?;
/// }
/// # Ok::<(), qualm::Error>(())
/// ```
pub struct Meter<'a> {
    progress: &'a mut dyn Progress,
    /// The networks that were trained before, if there are any, and the steps of all together.
    trained: Option<(&'a Checkpoint, u64)>,
}

impl<'a> Meter<'a> {
    /// A meter that reports to `progress`.
    pub fn new(progress: &'a mut dyn Progress) -> Self {
        Self {
            progress,
            trained: None,
        }
    }

    /// A meter of work after the networks of a checkpoint were trained.
    pub(super) fn after(
        trained: &'a Checkpoint,
        steps: u64,
        progress: &'a mut dyn Progress,
    ) -> Self {
        Self {
            progress,
            trained: Some((trained, steps)),
        }
    }

    pub(super) fn reborrow(&mut self) -> Meter<'_> {
        Meter {
            progress: &mut *self.progress,
            trained: self.trained,
        }
    }

    /// Reports that `done` of `total` units of work are done.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the listener answers [`Signal::Stop`]; [`Error::Interrupted`]
    /// instead once the networks trained before were handed out as a checkpoint.
    pub fn work(&mut self, what: &'static str, done: u64, total: u64) -> Result<()> {
        let signal = self.progress.work(&Work {
            what,
            done,
            total,
            resumable: self.trained.is_some(),
        });
        match (signal, self.trained) {
            (Signal::Continue, _) | (Signal::Save, None) => Ok(()),
            (Signal::Save, Some((trained, _))) => self.progress.save(trained),
            (Signal::Stop, None) => Err(Error::Stopped { what, done, total }),
            (Signal::Stop, Some((trained, steps))) => {
                self.progress.save(trained)?;
                Err(trained.interrupted(steps))
            }
        }
    }
}

impl std::fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meter")
    }
}
