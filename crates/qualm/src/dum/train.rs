//! Training one network: how many steps, and the bags of each.

use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::cells::{self, Cells};
use super::choices::{BagSize, Bags};
use super::engine::Engine;
use super::spec::DumSpec;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::fit::training::{Learner, Schedule, Shuffled, StepOutcome, Training};
use crate::fit::warning::Warning;
use crate::nn::Threads;
use crate::rng::{Purpose, sample, stream};
use crate::rows::Rows;
use crate::space::Space;

/// Vectors of all rows are kept through the training when they take at most this many
/// values (256 MiB); otherwise each batch makes its own.
pub(super) const CACHED: usize = 64 << 20;

/// Values that one thread copies before another is asked to help.
const COPIED: usize = 1 << 16;

/// The arithmetic of a training run: who fits in a batch, how many steps there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) bag_size: usize,
    pub(crate) batch_rows: usize,
    pub(crate) steps_per_epoch: u64,
    pub(crate) steps: u64,
}

impl Plan {
    /// # Errors
    /// [`Error::TooFewRows`] when two bags do not fit into the rows.
    pub(crate) fn new(spec: &DumSpec, n_rows: usize) -> Result<Self> {
        let least = match spec.bag_size {
            BagSize::Rows(m) => 2 * m,
            BagSize::Half => 4,
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
            BagSize::Half => batch / 2,
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

    /// What the user should know about this plan.
    pub(crate) fn warning(&self, spec: &DumSpec, n_rows: usize) -> Option<Warning> {
        (n_rows < spec.batch_size).then_some(Warning::SmallBatch {
            n_rows,
            batch_rows: self.batch_rows,
            batch_size: spec.batch_size,
        })
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

impl<'a> Trainer<'a> {
    /// This training among those of the ensemble.
    pub(crate) fn course(&self) -> Schedule {
        Schedule {
            member: self.member,
            members: self.spec.members,
            steps: self.plan.steps,
            batch_rows: self.plan.batch_rows,
        }
    }

    /// Takes this training's steps on an engine.
    pub(crate) fn learner(&'a self, engine: &'a mut dyn Engine) -> impl Learner {
        BagLearner {
            batch: Batch::new(self),
            trainer: self,
            engine,
        }
    }
}

/// Draws the bags of each step and hands them to an engine.
struct BagLearner<'a> {
    trainer: &'a Trainer<'a>,
    batch: Batch,
    engine: &'a mut dyn Engine,
}

impl Learner for BagLearner<'_> {
    fn step(&mut self, training: &mut Training, step: u64) -> Result<StepOutcome> {
        self.batch.draw(self.trainer, step);
        let value = self.engine.step(training, &self.batch.vectors)?;
        Ok(StepOutcome {
            loss: value.loss,
            effective_rows: Some(value.effective_rows),
        })
    }

    fn sync(&mut self, training: &mut Training) -> Result<()> {
        self.engine.sync(training)
    }

    fn on_processor(&self) -> bool {
        self.trainer.spec.device == Device::Cpu
    }
}

/// Where the rows of bags come from.
#[derive(Debug)]
enum Origin {
    All(Shuffled),
    Cells(Cells),
}

/// The rows of a step and their vectors.
#[derive(Debug)]
struct Batch {
    /// Row numbers in bag order, `(n,)`.
    picked: Vec<usize>,
    origin: Origin,
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
        let origin = match trainer.spec.bags {
            Bags::Global => Origin::All(Shuffled::new(trainer.rows.n_rows(), n)),
            Bags::Local => Origin::Cells(trainer.cells()),
        };
        Self {
            picked: Vec::with_capacity(n),
            origin,
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
        match &mut self.origin {
            Origin::All(order) => {
                let picked = order.batch(trainer.seed, trainer.member, step);
                self.picked.extend_from_slice(picked);
            }
            Origin::Cells(cells) => {
                let mut rng = stream(trainer.seed, Purpose::Batch, [member, step]);
                for _ in 0..plan.batch_rows / (2 * plan.bag_size) {
                    cells.draw(2 * plan.bag_size, &mut rng, &mut self.picked);
                }
            }
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
        let sample = sample(&mut rng, n, cells::SAMPLE);
        // Four pairs a cell on average, so that few cells have to be dissolved.
        let most = n.div_ceil(8 * self.plan.bag_size);
        let n_cells = self.spec.cells.of(n).min(most);
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
        let half = plan(BagSize::Half, 223).unwrap();
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
