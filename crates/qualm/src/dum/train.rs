//! Training one network: batches of bags, steps of Adam, a curve of losses.
//!
//! Each step is a function of (seed, member, step number) and of the state so far, so an
//! interrupted training goes on from its [`Training`] and ends with the same bits.

use rand::seq::SliceRandom;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::cells::{self, Cells};
use super::engine::Engine;
use super::spec::{BagSize, Bags, Device, DumSpec};
use crate::data::Rows;
use crate::error::{Error, Result};
use crate::nn::{AdamState, Mlp, Threads, attended};
use crate::progress::{Progress, Signal, Step, Warning};
use crate::rng::{Purpose, stream};
use crate::space::Space;

/// Vectors of all rows are kept through the training when they take at most this many
/// values (256 MiB); otherwise each batch makes its own.
pub(super) const CACHED: usize = 64 << 20;

/// Values that one thread copies before another is asked to help.
const COPIED: usize = 1 << 16;

/// Points on the stored loss curve, at most.
const CURVE_POINTS: u64 = 100;

/// The arithmetic of a training run: who fits in a batch, how many steps there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) bag_size: usize,
    pub(crate) batch_rows: usize,
    pub(crate) steps_per_epoch: u64,
    pub(crate) steps: u64,
}

/// A training run between two steps: all that is needed to go on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Training {
    pub(crate) network: Mlp,
    pub(crate) adam: AdamState,
    pub(crate) curve: Curve,
}

/// Mean loss and effective bag size over equal windows of steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Curve {
    pub(crate) losses: Vec<f64>,
    pub(crate) effective_rows: Vec<f64>,
    /// Sums of the window under way: loss, effective rows, steps.
    pub(crate) open: [f64; 3],
}

impl Plan {
    /// # Errors
    /// [`Error::TooFewRows`] when two bags do not fit into the rows.
    pub(crate) fn new(spec: &DumSpec, n_rows: usize) -> Result<Self> {
        let least = match spec.bag_size {
            BagSize::Rows(m) => 2 * m,
            BagSize::Half(_) => 4,
        };
        if n_rows < least {
            return Err(Error::TooFewRows {
                found: n_rows,
                expected: least,
                why: "two bags of bag_size rows",
            });
        }
        let batch = spec.batch_size.min(n_rows);
        let bag_size = match spec.bag_size {
            BagSize::Rows(m) => m,
            BagSize::Half(_) => batch / 2,
        };
        let batch_rows = batch / (2 * bag_size) * 2 * bag_size;
        let steps_per_epoch = (n_rows / batch_rows).max(1) as u64;
        let most = if spec.max_steps == 0 {
            u64::MAX
        } else {
            spec.max_steps
        };
        Ok(Self {
            bag_size,
            batch_rows,
            steps_per_epoch,
            steps: spec
                .epochs
                .saturating_mul(steps_per_epoch)
                .max(spec.min_steps)
                .min(most),
        })
    }

    fn window(&self) -> u64 {
        self.steps.div_ceil(CURVE_POINTS)
    }

    /// What the user should know about this plan.
    pub(crate) fn warning(&self, spec: &DumSpec, n_rows: usize) -> Option<Warning> {
        (n_rows < spec.batch_size).then_some(Warning::SmallBatch {
            n_rows,
            batch_rows: self.batch_rows,
            batch_size: spec.batch_size,
        })
    }
}

impl Training {
    /// Before the first step.
    pub(crate) fn start(spec: &DumSpec, space: &Space, seed: u64, member: usize) -> Self {
        let mut rng = stream(seed, Purpose::Init, [member as u64, 0]);
        let network = Mlp::new(&spec.layer_sizes(space.n_out()), &mut rng);
        Self {
            adam: AdamState::new(network.params().len()),
            curve: Curve::default(),
            network,
        }
    }

    /// Refuses a checkpoint whose network is not the one that the Spec asks for.
    pub(crate) fn check(&self, sizes: &[usize]) -> Result<()> {
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
    fn push(&mut self, loss: f64, effective: f64, step: u64, plan: &Plan) {
        for (sum, v) in self.open.iter_mut().zip([loss, effective, 1.0]) {
            *sum += v;
        }
        if step.is_multiple_of(plan.window()) || step == plan.steps {
            let [loss, effective, n] = std::mem::take(&mut self.open);
            self.losses.push(loss / n);
            self.effective_rows.push(effective / n);
        }
    }
}

/// Everything a training run reads but does not change.
#[derive(Debug)]
pub(crate) struct Trainer<'a> {
    pub(crate) spec: &'a DumSpec,
    pub(crate) space: &'a Space,
    pub(crate) rows: Rows<'a>,
    pub(crate) plan: Plan,
    pub(crate) seed: u64,
    pub(crate) member: usize,
}

impl Trainer<'_> {
    /// Takes the steps that are left. `keep` gets the state, up to date, whenever the
    /// progress asks for a checkpoint.
    ///
    /// # Errors
    /// [`Error::Diverged`] on a loss that is not finite; [`Error::Interrupted`]; whatever
    /// `keep` returns.
    pub(crate) fn run(
        &self,
        training: &mut Training,
        engine: &mut dyn Engine,
        progress: &mut dyn Progress,
        keep: &mut (dyn FnMut(&Training, &mut dyn Progress) -> Result<()> + Send),
    ) -> Result<()> {
        if self.spec.device != Device::Cpu {
            return self.steps(training, engine, progress, keep);
        }
        // On a thread of the pool from start to end: otherwise each part of each step would
        // have to be handed over to one.
        attended(|| self.steps(training, engine, progress, keep))
    }

    fn steps(
        &self,
        training: &mut Training,
        engine: &mut dyn Engine,
        progress: &mut dyn Progress,
        keep: &mut dyn FnMut(&Training, &mut dyn Progress) -> Result<()>,
    ) -> Result<()> {
        let plan = self.plan;
        let mut batch = Batch::new(self);
        for step in training.adam.t + 1..=plan.steps {
            batch.draw(self, step - 1);
            let value = engine.step(training, &batch.vectors)?;
            if !value.loss.is_finite() {
                return Err(Error::Diverged {
                    step,
                    loss: value.loss,
                });
            }
            training
                .curve
                .push(value.loss, value.effective_rows, step, &plan);
            let signal = progress.step(&Step {
                member: self.member,
                members: self.spec.members,
                step,
                steps: plan.steps,
                batch_rows: plan.batch_rows,
                loss: value.loss,
            });
            if signal != Signal::Continue {
                engine.sync(training)?;
                keep(training, progress)?;
            }
            if signal == Signal::Stop {
                return Err(Error::Interrupted {
                    step,
                    steps: plan.steps,
                });
            }
        }
        engine.sync(training)?;
        if training.network.params().iter().any(|p| !p.is_finite()) {
            return Err(Error::Diverged {
                step: plan.steps,
                loss: f64::NAN,
            });
        }
        Ok(())
    }
}

/// The rows of a step and their vectors.
#[derive(Debug)]
struct Batch {
    /// Row numbers in bag order, `(n,)`.
    picked: Vec<usize>,
    /// A shuffle of all rows and the epoch it belongs to; global bags only.
    order: Vec<usize>,
    epoch: Option<u64>,
    cells: Option<Cells>,
    /// Vectors of all rows, `(n_rows, n_out)`; not with view noise or too many rows.
    all: Option<Vec<f32>>,
    /// Scaled rows, `(n, n_in)`.
    scaled: Vec<f32>,
    /// What the network sees, `(n, n_out)`.
    vectors: Vec<f32>,
}

impl Batch {
    fn new(trainer: &Trainer<'_>) -> Self {
        let n = trainer.plan.batch_rows;
        let few = trainer.rows.n_rows().saturating_mul(trainer.space.n_out()) <= CACHED;
        let all = (few && trainer.spec.view_noise == 0.0).then(|| {
            let all: Vec<usize> = (0..trainer.rows.n_rows()).collect();
            trainer.vectors(&all)
        });
        let cells = match trainer.spec.bags {
            Bags::Global => None,
            Bags::Local => Some(trainer.cells()),
        };
        Self {
            picked: Vec::with_capacity(n),
            order: Vec::new(),
            epoch: None,
            cells,
            all,
            scaled: vec![0.0; n * trainer.space.n_in()],
            vectors: vec![0.0; n * trainer.space.n_out()],
        }
    }

    /// Draws the rows of a step and makes their vectors.
    fn draw(&mut self, trainer: &Trainer<'_>, step: u64) {
        let member = trainer.member as u64;
        let plan = trainer.plan;
        self.picked.clear();
        if let Some(cells) = &self.cells {
            let mut rng = stream(trainer.seed, Purpose::Batch, [member, step]);
            for _ in 0..plan.batch_rows / (2 * plan.bag_size) {
                cells.draw(2 * plan.bag_size, &mut rng, &mut self.picked);
            }
        } else {
            let epoch = step / plan.steps_per_epoch;
            if self.epoch != Some(epoch) {
                self.epoch = Some(epoch);
                self.order.clear();
                self.order.extend(0..trainer.rows.n_rows());
                let mut rng = stream(trainer.seed, Purpose::Batch, [member, epoch]);
                self.order.shuffle(&mut rng);
            }
            let start = (step % plan.steps_per_epoch) as usize * plan.batch_rows;
            self.picked
                .extend_from_slice(&self.order[start..start + plan.batch_rows]);
        }
        if let Some(all) = &self.all {
            let d = trainer.space.n_out();
            self.vectors
                .par_chunks_exact_mut(d)
                .zip(&self.picked)
                .with_min_len((COPIED / d).max(1))
                .for_each(|(out, &i)| out.copy_from_slice(&all[i * d..(i + 1) * d]));
            return;
        }
        trainer.scale(&self.picked, &mut self.scaled);
        if trainer.spec.view_noise > 0.0 {
            let mut rng = stream(trainer.seed, Purpose::View, [member, step]);
            for v in &mut self.scaled {
                let noise: f64 = StandardNormal.sample(&mut rng);
                *v += (trainer.spec.view_noise * noise) as f32;
            }
        }
        trainer
            .space
            .project_into(&self.scaled, &mut self.vectors, Threads::All);
    }
}

#[cfg(feature = "internals")]
impl Trainer<'_> {
    /// Row numbers of a step's batch.
    pub(crate) fn picked(&self, step: u64) -> Vec<usize> {
        let mut batch = Batch::new(self);
        batch.draw(self, step);
        batch.picked
    }
}

impl Trainer<'_> {
    /// Scales the picked rows: `(n,)` numbers to `(n, n_in)`.
    fn scale(&self, picked: &[usize], scaled: &mut [f32]) {
        let d = self.space.n_in();
        scaled
            .par_chunks_exact_mut(d)
            .with_min_len(32)
            .zip(picked)
            .for_each(|(out, &i)| {
                if let Some(row) = self.rows.get(i) {
                    self.space.scale_into(row, out);
                }
            });
    }

    /// The vectors of the picked rows: `(n,)` numbers to `(n, n_out)`.
    fn vectors(&self, picked: &[usize]) -> Vec<f32> {
        let mut scaled = vec![0.0; picked.len() * self.space.n_in()];
        self.scale(picked, &mut scaled);
        let mut out = vec![0.0; picked.len() * self.space.n_out()];
        self.space.project_into(&scaled, &mut out, Threads::All);
        out
    }

    /// K-means cells over the vectors of all rows.
    fn cells(&self) -> Cells {
        const BLOCK: usize = 4096;
        let (n, d) = (self.rows.n_rows(), self.space.n_out());
        let mut rng = stream(self.seed, Purpose::Cells, [self.member as u64, 0]);
        let mut sample = rand::seq::index::sample(&mut rng, n, n.min(cells::SAMPLE)).into_vec();
        sample.sort_unstable();
        // Four pairs a cell on average, so that few cells have to be dissolved.
        let n_cells = self.spec.cells.min(n.div_ceil(8 * self.plan.bag_size));
        let centres = cells::centres(&self.vectors(&sample), d, n_cells, &mut rng);
        let mut nearest = vec![0; n];
        let all: Vec<usize> = (0..n).collect();
        for (nearest, rows) in nearest.chunks_mut(BLOCK).zip(all.chunks(BLOCK)) {
            cells::assign(&self.vectors(rows), d, &centres, nearest);
        }
        Cells::new(&centres, d, &nearest, 2 * self.plan.bag_size, |i, out| {
            out.copy_from_slice(&self.vectors(&[i]));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dum::spec::Half;

    fn spec(bag_size: BagSize) -> DumSpec {
        DumSpec {
            bag_size,
            min_steps: 0,
            max_steps: 0,
            ..DumSpec::default()
        }
    }

    #[test]
    fn batches_are_whole_pairs_of_bags_that_fit_the_rows() {
        let plan = |bag_size, n_rows| Plan::new(&spec(bag_size), n_rows);
        let full = plan(BagSize::Rows(4), 1000).unwrap();
        assert_eq!((full.bag_size, full.batch_rows, full.steps), (4, 256, 90));
        let small = plan(BagSize::Rows(4), 100).unwrap();
        assert_eq!((small.bag_size, small.batch_rows, small.steps), (4, 96, 30));
        let half = plan(BagSize::Half(Half::Half), 223).unwrap();
        assert_eq!((half.bag_size, half.batch_rows), (111, 222));
        assert!(matches!(
            plan(BagSize::Rows(4), 7),
            Err(Error::TooFewRows {
                found: 7,
                expected: 8,
                ..
            })
        ));
    }

    #[test]
    fn the_number_of_steps_is_held_between_its_limits() {
        let mut spec = spec(BagSize::Rows(4));
        spec.min_steps = 500;
        spec.max_steps = 600;
        assert_eq!(Plan::new(&spec, 256).unwrap().steps, 500);
        assert_eq!(Plan::new(&spec, 1_000_000).unwrap().steps, 600);
    }
}
