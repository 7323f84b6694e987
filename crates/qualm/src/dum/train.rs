//! Training one network: the bags of each step.

use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::cells::{self, Cells};
use super::choices::Bags;
use super::engine::Engine;
use super::plan::Plan;
use super::spec::{CACHED, DumSpec};
use crate::container::{Reader, Writer};
use crate::device::Device;
use crate::error::Result;
use crate::fit::{Learner, Meter, Schedule, Shuffled, StepOutcome};
use crate::nn::{Threads, TrainingState};
use crate::rng::{Purpose, sample, stream};
use crate::rows::Rows;
use crate::space::Space;
use crate::views::Views;

/// Values that one thread copies before another is asked to help.
const COPIED: usize = 1 << 16;

/// Everything a training run reads but does not change.
#[derive(Debug)]
pub(crate) struct Trainer<'a> {
    pub(crate) spec: &'a DumSpec,
    pub(crate) space: &'a Space,
    pub(crate) rows: Rows<'a>,
    /// Which rows are views of one item, where any are.
    pub(crate) views: Option<&'a Views>,
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

    /// Layer sizes of the network.
    pub(super) fn layer_sizes(&self) -> Vec<usize> {
        self.spec.layer_sizes(self.space.n_out())
    }

    /// Takes this training's steps on an engine, once the vectors of the rows are made.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(crate) fn learner(
        &'a self,
        engine: &'a mut dyn Engine,
        meter: &mut Meter<'_>,
    ) -> Result<impl Learner + use<'a>> {
        Ok(BagLearner {
            batch: Batch::new(self, meter)?,
            trainer: self,
            engine,
        })
    }
}

/// Draws the bags of each step and hands them to an engine.
struct BagLearner<'a> {
    trainer: &'a Trainer<'a>,
    batch: Batch,
    engine: &'a mut dyn Engine,
}

impl Learner for BagLearner<'_> {
    fn step(&mut self, step: u64) -> Result<StepOutcome> {
        self.batch.draw(self.trainer, step);
        let value = self.engine.step(&self.batch.vectors)?;
        Ok(StepOutcome {
            loss: value.loss,
            effective_rows: Some(value.effective_rows),
        })
    }

    fn save(&mut self, writer: &mut Writer) -> Result<()> {
        self.engine.state()?.save(writer);
        Ok(())
    }

    fn restore(&mut self, steps: u64, reader: &mut Reader) -> Result<()> {
        let sizes = self.trainer.layer_sizes();
        self.engine
            .set_state(TrainingState::restore(&sizes, steps, reader)?);
        Ok(())
    }

    fn uses_thread_pool(&self) -> bool {
        self.trainer.spec.device == Device::Cpu
    }
}

/// Where the items of bags come from.
#[derive(Debug)]
enum Origin {
    All(Shuffled),
    Cells(Cells),
}

/// The rows of a step and their vectors.
#[derive(Debug)]
struct Batch {
    /// Numbers of items, then of their rows, in bag order, `(n,)`.
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
    fn new(trainer: &Trainer<'_>, meter: &mut Meter<'_>) -> Result<Self> {
        let n = trainer.plan.batch_rows;
        let few = trainer.rows.n_rows().saturating_mul(trainer.space.n_out()) <= CACHED;
        let all = if few && trainer.spec.view_noise == 0.0 {
            let mut all = Vec::with_capacity(trainer.rows.n_rows() * trainer.space.n_out());
            let rows: Vec<usize> = (0..trainer.rows.n_rows()).collect();
            trainer.for_blocks(&rows, "vectors of the rows", meter, |_, vectors| {
                all.extend_from_slice(vectors);
            })?;
            Some(all)
        } else {
            None
        };
        let origin = match trainer.spec.bags {
            Bags::Global => Origin::All(Shuffled::new(trainer.n_items(), n)),
            Bags::Local => Origin::Cells(trainer.cells(meter)?),
        };
        Ok(Self {
            picked: Vec::with_capacity(n),
            origin,
            all,
            scaled: vec![0.0; n * trainer.space.n_in()],
            vectors: vec![0.0; n * trainer.space.n_out()],
        })
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
                let mut rng = stream(trainer.seed, Purpose::BATCH, [member, step]);
                for _ in 0..plan.batch_rows / (2 * plan.bag_size) {
                    cells.draw(2 * plan.bag_size, &mut rng, &mut self.picked);
                }
            }
        }
        if let Some(views) = trainer.views {
            let mut rng = stream(trainer.seed, Purpose::DRAWN_VIEW, [member, step]);
            for item in &mut self.picked {
                *item = views.draw(*item, &mut rng);
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
            let mut rng = stream(trainer.seed, Purpose::VIEW, [member, step]);
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
    pub(crate) fn picked(&self, step: u64) -> Result<Vec<usize>> {
        let mut batch = Batch::new(self, &mut Meter::new(&mut ()))?;
        batch.draw(self, step);
        Ok(batch.picked)
    }
}

impl Trainer<'_> {
    /// How many items there are: all rows, unless they are views.
    fn n_items(&self) -> usize {
        self.views.map_or(self.rows.n_rows(), Views::n_items)
    }

    /// The first row of each of some items.
    fn first_rows(&self, items: impl Iterator<Item = usize>) -> Vec<usize> {
        match self.views {
            Some(views) => items
                .filter_map(|i| views.rows(i).first().copied())
                .collect(),
            None => items.collect(),
        }
    }

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
    pub(super) fn vectors(&self, picked: &[usize]) -> Vec<f32> {
        let mut scaled = vec![0.0; picked.len() * self.space.n_in()];
        self.scale(picked, &mut scaled);
        let mut out = vec![0.0; picked.len() * self.space.n_out()];
        self.space.project_into(&scaled, &mut out, Threads::All);
        out
    }

    /// Calls `then` with the number of the first and the vectors of each block of some rows.
    fn for_blocks(
        &self,
        rows: &[usize],
        what: &'static str,
        meter: &mut Meter<'_>,
        mut then: impl FnMut(usize, &[f32]),
    ) -> Result<()> {
        const BLOCK: usize = 4096;
        for (i, block) in rows.chunks(BLOCK).enumerate() {
            let start = i * BLOCK;
            meter.work(what, start as u64, rows.len() as u64)?;
            then(start, &self.vectors(block));
        }
        Ok(())
    }

    /// K-means cells over the vectors of all items, each at the place of its first row.
    fn cells(&self, meter: &mut Meter<'_>) -> Result<Cells> {
        let (n, d) = (self.n_items(), self.space.n_out());
        let rows = self.first_rows(0..n);
        let mut rng = stream(self.seed, Purpose::CELLS, [self.member as u64, 0]);
        let sample = sample(&mut rng, n, cells::SAMPLE);
        // Four pairs a cell on average, so that few cells have to be dissolved.
        let most = n.div_ceil(8 * self.plan.bag_size);
        let n_cells = self.spec.cells.of(n).min(most);
        let sample = self.first_rows(sample.into_iter());
        let centres = cells::centres(&self.vectors(&sample), d, n_cells, &mut rng, meter)?;
        let mut nearest = vec![0; n];
        self.for_blocks(&rows, "cells of the rows", meter, |start, vectors| {
            let nearest = &mut nearest[start..start + vectors.len() / d];
            cells::assign(vectors, d, &centres, nearest);
        })?;
        let cells = Cells::new(&centres, d, &nearest, 2 * self.plan.bag_size, |i, out| {
            out.copy_from_slice(&self.vectors(&[rows[i]]));
        });
        Ok(cells)
    }
}
