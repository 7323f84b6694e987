//! A network in training: its state between two steps, and the loop of steps that every
//! neural detector shares.
//!
//! A step is a function of (seed, member, step number) and of the state so far, so an
//! interrupted training goes on from its [`Training`] and ends with the same bits.

use rand::seq::SliceRandom;

use crate::error::{Error, Result};
use crate::fit::checkpoint::Checkpoint;
use crate::fit::progress::{Meter, Progress, Signal, Step};
use crate::nn::{AdamState, Mlp, keep_pool_awake};
use crate::rng::{Purpose, stream};

/// Points on the stored loss curve, at most.
const CURVE_POINTS: u64 = 100;

/// A training run between two steps: all that is needed to go on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Training {
    pub(crate) network: Mlp,
    pub(crate) adam: AdamState,
    pub(crate) curve: Curve,
}

/// Mean loss over equal windows of steps; for bags also their mean effective size.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Curve {
    pub(crate) losses: Vec<f64>,
    /// Empty for detectors without bags.
    pub(crate) effective_rows: Vec<f64>,
    /// Sums of the window under way: loss, effective rows, steps.
    pub(crate) open: [f64; 3],
}

/// What a step tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StepOutcome {
    pub(crate) loss: f64,
    /// Mean effective number of rows in a bag, where there are bags.
    pub(crate) effective_rows: Option<f64>,
}

/// Takes the steps of one detector's training.
pub(crate) trait Learner: Send {
    /// Takes a step, counted from 0. A loss that is not finite leaves the parameters as
    /// they were.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    fn step(&mut self, training: &mut Training, step: u64) -> Result<StepOutcome>;

    /// Brings `training` up to date with what is held elsewhere.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    fn sync(&mut self, training: &mut Training) -> Result<()> {
        let _ = training;
        Ok(())
    }

    /// Whether the work is done by the threads of the pool.
    fn on_processor(&self) -> bool {
        true
    }
}

/// Which network is trained, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The ensemble member, from 0.
    pub(crate) member: usize,
    pub(crate) members: usize,
    /// Steps in all.
    pub(crate) steps: u64,
    /// Rows a step.
    pub(crate) batch_rows: usize,
}

/// One call of fit: its seed, what an earlier call left behind, and who listens.
pub(crate) struct Session<'a> {
    pub(crate) seed: u64,
    /// What a checkpoint would hold.
    state: Checkpoint,
    pub(crate) progress: &'a mut dyn Progress,
}

impl Training {
    /// Before the first step.
    ///
    /// # Shapes
    /// `sizes`: input, hidden ..., output.
    pub(crate) fn start(sizes: &[usize], seed: u64, member: usize) -> Self {
        let network = Mlp::new(sizes, &mut stream(seed, Purpose::Init, [member as u64, 0]));
        Self {
            adam: AdamState::new(network.params().len()),
            curve: Curve::default(),
            network,
        }
    }

    /// Refuses a checkpoint whose network is not the one that the Spec asks for.
    fn check(&self, sizes: &[usize]) -> Result<()> {
        if self.network.sizes() == sizes {
            return Ok(());
        }
        Err(Error::CheckpointMismatch {
            what: "network",
            found: format!("{:?}", self.network.sizes()),
            expected: format!("{sizes:?}"),
        })
    }

    /// Mean effective number of rows in a bag over the last tenth of training.
    pub(crate) fn effective_rows(&self) -> f64 {
        let windows = &self.curve.effective_rows;
        let last = &windows[windows.len() - windows.len().div_ceil(10)..];
        last.iter().sum::<f64>() / last.len().max(1) as f64
    }
}

impl Curve {
    fn push(&mut self, taken: StepOutcome, step: u64, steps: u64) {
        let values = [taken.loss, taken.effective_rows.unwrap_or(0.0), 1.0];
        for (sum, v) in self.open.iter_mut().zip(values) {
            *sum += v;
        }
        if step.is_multiple_of(steps.div_ceil(CURVE_POINTS)) || step == steps {
            let [loss, effective, n] = std::mem::take(&mut self.open);
            self.losses.push(loss / n);
            if taken.effective_rows.is_some() {
                self.effective_rows.push(effective / n);
            }
        }
    }
}

/// Rows in an order that is drawn anew for every epoch, and handed out a batch a step. Rows
/// that do not fill a last batch wait for another epoch.
#[derive(Debug)]
pub(crate) struct Shuffled {
    batch_rows: usize,
    steps_per_epoch: u64,
    order: Vec<usize>,
    /// The epoch that `order` belongs to.
    epoch: Option<u64>,
}

impl Shuffled {
    /// Of so many rows, at least one batch.
    pub(crate) fn new(n_rows: usize, batch_rows: usize) -> Self {
        Self {
            batch_rows,
            steps_per_epoch: (n_rows / batch_rows) as u64,
            order: (0..n_rows).collect(),
            epoch: None,
        }
    }

    /// The row numbers of a step, counted from 0: a function of seed, member and step alone.
    pub(crate) fn batch(&mut self, seed: u64, member: usize, step: u64) -> &[usize] {
        let epoch = step / self.steps_per_epoch;
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            // From the same order each time: a training may be resumed at any step.
            let n_rows = self.order.len();
            self.order.clear();
            self.order.extend(0..n_rows);
            let mut rng = stream(seed, Purpose::Batch, [member as u64, epoch]);
            self.order.shuffle(&mut rng);
        }
        let start = (step % self.steps_per_epoch) as usize * self.batch_rows;
        &self.order[start..start + self.batch_rows]
    }
}

impl Schedule {
    /// Takes the steps that are left. `keep` gets the state, up to date, whenever the
    /// progress asks for a checkpoint.
    ///
    /// # Errors
    /// [`Error::Diverged`] on a loss that is not finite; [`Error::Interrupted`]; whatever
    /// `keep` returns.
    pub(crate) fn run(
        &self,
        training: &mut Training,
        learner: &mut dyn Learner,
        progress: &mut dyn Progress,
        keep: &mut (dyn FnMut(&Training, &mut dyn Progress) -> Result<()> + Send),
    ) -> Result<()> {
        if !learner.on_processor() {
            return self.steps(training, learner, progress, keep);
        }
        // On a thread of the pool from start to end: otherwise each part of each step would
        // have to be handed over to one.
        keep_pool_awake(|| self.steps(training, learner, progress, keep))
    }

    fn steps(
        &self,
        training: &mut Training,
        learner: &mut dyn Learner,
        progress: &mut dyn Progress,
        keep: &mut dyn FnMut(&Training, &mut dyn Progress) -> Result<()>,
    ) -> Result<()> {
        for step in training.adam.t + 1..=self.steps {
            let taken = learner.step(training, step - 1)?;
            if !taken.loss.is_finite() {
                return Err(Error::Diverged {
                    step,
                    loss: taken.loss,
                });
            }
            training.curve.push(taken, step, self.steps);
            let signal = progress.step(&Step {
                member: self.member,
                members: self.members,
                step,
                steps: self.steps,
                batch_rows: self.batch_rows,
                loss: taken.loss,
            });
            if signal != Signal::Continue {
                learner.sync(training)?;
                keep(training, progress)?;
            }
            if signal == Signal::Stop {
                return Err(Error::Interrupted {
                    step,
                    steps: self.steps,
                });
            }
        }
        learner.sync(training)?;
        if training.network.params().iter().any(|p| !p.is_finite()) {
            return Err(Error::Diverged {
                step: self.steps,
                loss: f64::NAN,
            });
        }
        Ok(())
    }
}

impl<'a> Session<'a> {
    /// A fit from the start, or from a checkpoint that [`Checkpoint::check`] has passed.
    pub(crate) fn new(
        seed: u64,
        blank: Checkpoint,
        resume: Option<Checkpoint>,
        progress: &'a mut dyn Progress,
    ) -> Self {
        Self {
            seed,
            state: resume.unwrap_or(blank),
            progress,
        }
    }

    /// The state to go on from: of a member that is finished, under way or new.
    ///
    /// # Errors
    /// [`Error::CheckpointMismatch`] when the kept network is another one.
    pub(crate) fn begin(&mut self, course: &Schedule, sizes: &[usize]) -> Result<Training> {
        let kept = match self.state.finished.get(course.member) {
            Some(done) => Some(done.clone()),
            None => self.state.current.take(),
        };
        match kept {
            Some(training) => training.check(sizes).map(|()| training),
            None => Ok(Training::start(sizes, self.seed, course.member)),
        }
    }

    /// Takes the steps that are left, handing out checkpoints.
    ///
    /// # Errors
    /// As [`Schedule::run`].
    pub(crate) fn run(
        &mut self,
        course: &Schedule,
        training: &mut Training,
        learner: &mut dyn Learner,
    ) -> Result<()> {
        let state = &mut self.state;
        course.run(
            training,
            learner,
            self.progress,
            &mut |training, progress| {
                state.current = Some(training.clone());
                progress.save(state)?;
                state.current = None;
                Ok(())
            },
        )?;
        if course.members > 1 {
            self.state.finished.push(training.clone());
        }
        Ok(())
    }

    /// Reports work without training steps to the same listener.
    pub(crate) fn meter(&mut self) -> Meter<'_> {
        Meter::new(self.progress)
    }
}
