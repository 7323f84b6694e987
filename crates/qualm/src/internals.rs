//! The engine one stretch of steps at a time, for `bench/engine`. Behind the feature
//! `internals`, and no part of the library's promises.

use crate::detector::{Detector, DetectorSpec};
use crate::dum::engine::Engine;
use crate::dum::model::{Dum, Network};
use crate::dum::plan::Plan;
use crate::dum::train::Trainer;
use crate::dum::{DumSpec, device};
use crate::error::Result;
use crate::fit::{Curve, Meter, Progress, Signal, Step};
use crate::nn::{Mat, Threads, TrainingState, matmul};
use crate::rows::{Matrix, Rows};
use crate::space::Space;

/// A training run that stops and goes on as it is told.
#[derive(Debug)]
pub struct Run {
    spec: DumSpec,
    rows: Matrix,
    space: Space,
    plan: Plan,
    done: u64,
    curve: Curve,
    engine: Box<dyn Engine>,
}

impl Run {
    /// Before the first step.
    ///
    /// # Errors
    /// As [`crate::Spec::fit`].
    pub fn new(spec: DumSpec, rows: Matrix) -> Result<Self> {
        spec.validate()?;
        let options = spec.space_options();
        let space = Space::fit(options, rows.rows(), 0, 0, &mut Meter::new(&mut ()))?;
        let plan = Plan::new(&spec, rows.rows().n_rows())?;
        let state = TrainingState::new(&spec.layer_sizes(space.n_out()), 0, 0);
        Ok(Self {
            engine: device::engine(&spec, plan, state)?,
            spec,
            rows,
            space,
            plan,
            done: 0,
            curve: Curve::default(),
        })
    }

    /// All parameters: each layer's weight, `(in, out)`, and bias.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub fn params(&self) -> Result<Vec<f32>> {
        Ok(self.engine.state()?.network.params().to_vec())
    }

    /// Row numbers of the batch of a step, counted from 0, in bag order.
    ///
    /// # Errors
    /// None, but of the work that a listener could stop.
    pub fn batch(&self, step: u64) -> Result<Vec<usize>> {
        trainer(&self.spec, &self.space, &self.rows, self.plan).picked(step)
    }

    /// Takes `n` steps and returns their losses.
    ///
    /// # Errors
    /// As [`crate::Spec::fit`].
    pub fn train(&mut self, n: u64) -> Result<Vec<f64>> {
        struct Losses(Vec<f64>);
        impl Progress for Losses {
            fn step(&mut self, step: &Step) -> Signal {
                self.0.push(step.loss);
                Signal::Continue
            }
        }
        let mut losses = Losses(Vec::new());
        let plan = Plan {
            steps: self.done + n,
            ..self.plan
        };
        let trainer = trainer(&self.spec, &self.space, &self.rows, plan);
        let mut learner = trainer.learner(self.engine.as_mut(), &mut Meter::new(&mut ()))?;
        trainer.course().run(
            self.done,
            &mut self.curve,
            &mut learner,
            &mut losses,
            &mut |_, _, _, _| Ok(()),
        )?;
        self.done += n;
        Ok(losses.0)
    }

    /// A model of the network as it stands, on the device of the Spec.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub fn model(&self) -> Result<Model> {
        let network = self.engine.state()?.network.clone();
        let network = Network::Mlp {
            network,
            remote: None,
        };
        let dum = Dum::new(&self.spec, vec![(self.space.clone(), network)])?;
        Ok(Model(dum))
    }
}

/// A model that scores.
#[derive(Debug)]
pub struct Model(Dum);

impl Model {
    /// Scores rows, `(n, d)`, into `(n,)`.
    ///
    /// # Errors
    /// As [`crate::Fitted::score_into`].
    pub fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        self.0.score_into(rows, out)
    }
}

fn trainer<'a>(spec: &'a DumSpec, space: &'a Space, rows: &'a Matrix, plan: Plan) -> Trainer<'a> {
    Trainer {
        spec,
        space,
        rows: rows.rows(),
        views: None,
        plan,
        seed: 0,
        member: 0,
    }
}

/// A matrix product of the engine on all threads: `(m, k)` times `(k, n)`, row-major.
pub fn product(out: &mut [f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) {
    matmul(out, Mat::new(a, m, k), Mat::new(b, k, n), Threads::All);
}
