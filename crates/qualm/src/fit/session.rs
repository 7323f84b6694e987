//! One call of fit: its seed, what an earlier call left behind, and who listens.

use super::checkpoint::{Checkpoint, Identity};
use super::progress::{Meter, Progress};
use super::state::{Curve, MemberState};
use super::training::{Learner, Schedule};
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::views::Views;

/// One call of fit. It trains networks one after the other and hands out checkpoints of
/// all of them together.
pub struct Session<'a> {
    seed: u64,
    /// What a checkpoint would hold.
    state: Checkpoint,
    /// Steps of all members together, once one was trained.
    steps: u64,
    /// Which rows are views of one item, where any are.
    views: Option<&'a Views>,
    progress: &'a mut dyn Progress,
}

impl<'a> Session<'a> {
    /// A fit from the start, or from a checkpoint.
    ///
    /// # Errors
    /// [`crate::Error::CheckpointMismatch`] when the checkpoint is of another fit.
    pub fn new(
        identity: Identity,
        resume: Option<Checkpoint>,
        progress: &'a mut dyn Progress,
    ) -> Result<Self> {
        if let Some(checkpoint) = &resume {
            checkpoint.check(&identity)?;
        }
        Ok(Self {
            seed: identity.seed,
            state: resume.unwrap_or_else(|| Checkpoint::new(identity)),
            steps: 0,
            views: None,
            progress,
        })
    }

    /// A fit to rows that are views of items.
    #[must_use]
    pub(crate) fn with_views(self, views: Option<&'a Views>) -> Self {
        Self { views, ..self }
    }

    /// Which rows are views of one item, where any are.
    #[must_use]
    pub fn views(&self) -> Option<&'a Views> {
        self.views
    }

    /// The seed of the fit.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Takes the steps that an earlier call has left, handing out checkpoints. Members are
    /// trained in their order.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`] on a loss that is not finite; [`crate::Error::Interrupted`]
    /// when the listener wants to stop; [`crate::Error::CorruptModel`] when the checkpoint does
    /// not hold this network; whatever the learner and the listener return.
    pub fn train(&mut self, schedule: &Schedule, learner: &mut dyn Learner) -> Result<Curve> {
        self.steps = schedule.members as u64 * schedule.steps;
        let finished = self.state.finished.get(schedule.member).cloned();
        let is_finished = finished.is_some();
        let mut done = 0;
        let mut curve = Curve::default();
        if let Some(kept) = finished.or_else(|| self.state.current.take()) {
            learner.restore(kept.step, &mut Reader::of_tensors(kept.tensors))?;
            (done, curve) = (kept.step, kept.curve);
        }
        let state = &mut self.state;
        schedule.run(
            done,
            &mut curve,
            learner,
            self.progress,
            &mut |learner, step, curve, progress| {
                state.current = Some(kept(learner, step, curve)?);
                progress.save(state)?;
                state.current = None;
                Ok(())
            },
        )?;
        if schedule.members > 1 && !is_finished {
            let done = kept(learner, schedule.steps, &curve)?;
            self.state.finished.push(done);
        }
        Ok(curve)
    }

    /// Reports work without training steps to the same listener.
    pub fn meter(&mut self) -> Meter<'_> {
        if self.state.finished.is_empty() {
            Meter::new(self.progress)
        } else {
            Meter::after(&self.state, self.steps, self.progress)
        }
    }
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("seed", &self.seed)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn kept(learner: &mut dyn Learner, step: u64, curve: &Curve) -> Result<MemberState> {
    let mut tensors = Writer::default();
    learner.save(&mut tensors)?;
    Ok(MemberState {
        step,
        curve: curve.clone(),
        tensors,
    })
}
