//! The training of a flow, in float32, by the mean negative log-likelihood of whitened rows.
//!
//! A coupling with `b' = (b - t) exp(-s)`, `s = tanh(u)`, and the network's outputs `(u, t)` of the
//! kept half a:
//!
//! ```text
//! by b:  g exp(-s)      by t:  -g exp(-s)      by u:  (1/n - g b') (1 - s^2)
//! ```
//!
//! with g the gradient by `b'`, and `1/n` from `sum s`, the coupling's part of the loss. The
//! network carries the last two on to its parameters and to a.

use rand::seq::SliceRandom;

use super::flow::{Flow, Shape};
use crate::error::{Error, Result};
use crate::fit::Shuffled;
use crate::fit::watch::{Halt, Ticks};
use crate::nn::{Adam, Head, HeadLayout, HeadPass};
use crate::rng::{Purpose, stream};

/// How the flows of a layer are trained.
#[derive(Debug, Clone, Copy)]
pub(super) struct Training {
    pub(super) shape: Shape,
    pub(super) epochs: usize,
    pub(super) batch_size: usize,
    pub(super) learning_rate: f64,
    pub(super) seed: u64,
}

/// A coupling in training.
struct Coupling {
    head: Head,
    pass: HeadPass,
    /// Adam's memory.
    m: Vec<f32>,
    v: Vec<f32>,
    gradient: Vec<f32>,
    kept: Vec<usize>,
    changed: Vec<usize>,
    /// `(n, kept)`: the network's input.
    input: Vec<f32>,
    /// `(n, 2 changed)`: the gradient by the network's output.
    by_output: Vec<f32>,
    /// `(n, changed)` each, of the last pass forward: s and b'.
    s: Vec<f32>,
    moved: Vec<f32>,
}

impl Training {
    /// Multiplications of a training with so many rows.
    pub(super) fn products(&self, n_rows: usize) -> u64 {
        let [batch_rows, steps] = self.steps(n_rows);
        (steps as u64).saturating_mul(self.products_of_step(batch_rows) as u64)
    }

    fn products_of_step(&self, batch_rows: usize) -> usize {
        // Forward, and twice that back.
        batch_rows * self.shape.all_parameters() * 3
    }

    /// Rows of a batch, and steps.
    fn steps(&self, n_rows: usize) -> [usize; 2] {
        let batch_rows = self.batch_size.min(n_rows).max(1);
        [batch_rows, self.epochs * (n_rows / batch_rows)]
    }

    /// Trains a flow.
    ///
    /// # Shapes
    /// `rows`: `(n, rank)`, whitened.
    ///
    /// # Errors
    /// [`Halt`]; within, [`Error::Diverged`].
    ///
    /// # Seed
    /// The same seed, number of the flow and rows give the same bits at any number of threads.
    pub(super) fn run(
        &self,
        rows: &[f32],
        member: u64,
        ticks: &mut Ticks<'_, '_>,
    ) -> Result<Result<Flow>, Halt> {
        let shape = self.shape;
        let mut flow = self.start(member);
        let mut couplings: Vec<Coupling> = (0..shape.couplings)
            .map(|k| self.coupling(&flow, k, member))
            .collect();
        let [batch_rows, steps] = self.steps(rows.len() / shape.rank);
        let mut order = Shuffled::new(rows.len() / shape.rank, batch_rows);
        let adam = Adam {
            learning_rate: self.learning_rate as f32,
            weight_decay: 0.0,
        };
        let steps = if couplings.is_empty() { 0 } else { steps };
        let mut z = Vec::new();
        for step in 0..steps as u64 {
            z.clear();
            for row in order.batch(self.seed, member as usize, step) {
                z.extend_from_slice(&rows[row * shape.rank..][..shape.rank]);
            }
            match step_of(&mut couplings, &mut z, shape.rank) {
                Ok(loss) if loss.is_finite() => {}
                Ok(loss) => {
                    let step = step + 1;
                    return Ok(Err(Error::Diverged { step, loss }));
                }
                Err(error) => return Ok(Err(error)),
            }
            let adam = adam.at(step + 1);
            for coupling in &mut couplings {
                let (head, gradient) = (&mut coupling.head, &coupling.gradient);
                adam.update(
                    head.params_mut(),
                    gradient,
                    &mut coupling.m,
                    &mut coupling.v,
                );
            }
            ticks.add(self.products_of_step(batch_rows))?;
        }
        flow.parameters = couplings
            .iter()
            .flat_map(|c| c.head.params().to_vec())
            .collect();
        Ok(Ok(flow))
    }

    /// A flow with its splits, and without parameters.
    fn start(&self, member: u64) -> Flow {
        let rank = self.shape.rank;
        let mut rng = stream(self.seed, Purpose::INIT, [member, 1]);
        let splits = (0..self.shape.couplings.div_ceil(2)).flat_map(|_| {
            let mut order: Vec<u32> = (0..rank as u32).collect();
            order.shuffle(&mut rng);
            order
        });
        Flow {
            splits: splits.collect(),
            parameters: Vec::new(),
        }
    }

    fn coupling(&self, flow: &Flow, k: usize, member: u64) -> Coupling {
        let layout = HeadLayout {
            sizes: self.shape.sizes(k).to_vec(),
            hidden_norm: false,
            last_norm: false,
        };
        // Number 1 is the splits'.
        let mut rng = stream(self.seed, Purpose::INIT, [member, 2 + k as u64]);
        let mut head = Head::new(&layout, &mut rng);
        for part in head.parts().iter().rev().take(2) {
            head.params_mut()[part.range.clone()].fill(0.0);
        }
        let n = head.params().len();
        let places = |columns: &[u32]| columns.iter().map(|j| *j as usize).collect();
        let [kept, changed] = flow.split(&self.shape, k);
        Coupling {
            head,
            pass: HeadPass::default(),
            m: vec![0.0; n],
            v: vec![0.0; n],
            gradient: vec![0.0; n],
            kept: places(kept),
            changed: places(changed),
            input: Vec::new(),
            by_output: Vec::new(),
            s: Vec::new(),
            moved: Vec::new(),
        }
    }
}

/// The loss of a batch, and its gradients by all parameters; `z`, `(n, rank)`, is used up.
fn step_of(couplings: &mut [Coupling], z: &mut [f32], rank: usize) -> Result<f64> {
    let n = z.len() / rank;
    let mut loss = 0.0;
    for coupling in &mut *couplings {
        loss += coupling.forward(z, rank)?;
    }
    loss += z.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / 2.0;
    for v in z.iter_mut() {
        *v /= n as f32;
    }
    for coupling in couplings.iter_mut().rev() {
        coupling.backward(z, rank)?;
    }
    Ok(loss / n as f64)
}

impl Coupling {
    /// Changes one half of the rows; returns the sum of s.
    fn forward(&mut self, z: &mut [f32], rank: usize) -> Result<f64> {
        let (kept, changed) = (&self.kept, &self.changed);
        let rows = z.chunks_exact(rank);
        self.input.clear();
        self.input
            .extend(rows.flat_map(|row| kept.iter().map(|j| row[*j])));
        self.head.forward(&self.input, &mut self.pass)?;
        let outputs = self.pass.output().chunks_exact(2 * changed.len());
        self.s.clear();
        self.moved.clear();
        let mut sum = 0.0;
        for (row, output) in z.chunks_exact_mut(rank).zip(outputs) {
            let (u, t) = output.split_at(changed.len());
            for (j, (u, t)) in changed.iter().zip(u.iter().zip(t)) {
                let s = u.tanh();
                row[*j] = (row[*j] - t) * (-s).exp();
                sum += f64::from(s);
                self.s.push(s);
                self.moved.push(row[*j]);
            }
        }
        Ok(sum)
    }

    /// From the gradient by the rows after the coupling to that by the rows before.
    fn backward(&mut self, gradients: &mut [f32], rank: usize) -> Result<()> {
        let (kept, changed) = (&self.kept, &self.changed);
        let n = gradients.len() / rank;
        let each = 1.0 / n as f32;
        self.by_output.resize(n * 2 * changed.len(), 0.0);
        let outputs = self.by_output.chunks_exact_mut(2 * changed.len());
        let values = self
            .s
            .chunks_exact(changed.len())
            .zip(self.moved.chunks_exact(changed.len()));
        let rows = gradients.chunks_exact_mut(rank).zip(outputs);
        for ((row, output), (s, moved)) in rows.zip(values) {
            let (by_u, by_t) = output.split_at_mut(changed.len());
            for (i, j) in changed.iter().enumerate() {
                let g = row[*j];
                row[*j] = g * (-s[i]).exp();
                by_t[i] = -row[*j];
                by_u[i] = (each - g * moved[i]) * (1.0 - s[i] * s[i]);
            }
        }
        let Self {
            head,
            pass,
            gradient,
            ..
        } = self;
        head.backward(&self.input, &self.by_output, pass, gradient)?;
        let inputs = pass.d_input().chunks_exact(kept.len());
        for (row, input) in gradients.chunks_exact_mut(rank).zip(inputs) {
            for (j, d) in kept.iter().zip(input) {
                row[*j] += d;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::watch::unwatched;

    fn training(couplings: usize, epochs: usize) -> Training {
        Training {
            shape: Shape {
                rank: 3,
                couplings,
                hidden: 5,
            },
            epochs,
            batch_size: 64,
            learning_rate: 0.01,
            seed: 1,
        }
    }

    fn loss(flow: &Flow, shape: &Shape, rows: &[f32]) -> f64 {
        let each = rows.chunks_exact(3).map(|row| {
            let z: Vec<_> = row.iter().map(|v| [f64::from(*v); 16]).collect();
            flow.negative_log_likelihood(shape, &z)[0]
        });
        each.sum::<f64>() / (rows.len() / 3) as f64
    }

    /// Rows on a bent line, which no Gaussian describes.
    fn bent(n: usize) -> Vec<f32> {
        let wave = |i: usize| (i as f32 * 0.7).sin() * 1.4;
        (0..n)
            .flat_map(|i| {
                let x = wave(i);
                [x, x * x - 1.0 + 0.1 * wave(3 * i + 1), wave(5 * i + 2)]
            })
            .collect()
    }

    #[test]
    fn a_flow_starts_as_the_identity_and_learns() {
        let rows = bent(256);
        let run = |epochs| {
            let training = training(4, epochs);
            unwatched(|watch| training.run(&rows, 0, &mut watch.ticks())).unwrap()
        };
        let shape = training(4, 0).shape;
        let normal = loss(&run(0), &training(0, 0).shape, &rows);
        assert!((loss(&run(0), &shape, &rows) - normal).abs() < 1e-12);
        let learned = loss(&run(60), &shape, &rows);
        assert!(learned < normal - 0.5, "{learned} against {normal}");
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let rows = bent(20);
        let training = training(3, 1);
        let mut flow = training.start(7);
        let mut couplings: Vec<Coupling> = (0..3).map(|k| training.coupling(&flow, k, 7)).collect();
        // Away from the start, where the last layers are 0.
        for (k, coupling) in couplings.iter_mut().enumerate() {
            let n = coupling.head.params().len();
            for (i, p) in coupling.head.params_mut().iter_mut().enumerate() {
                *p = ((i + n * k) as f32 * 1.3).sin() * 0.5;
            }
        }
        step_of(&mut couplings, &mut rows.clone(), 3).unwrap();
        let gradient: Vec<f32> = couplings.iter().flat_map(|c| c.gradient.clone()).collect();
        flow.parameters = couplings
            .iter()
            .flat_map(|c| c.head.params().to_vec())
            .collect();
        // Small, for the rectifiers' sake.
        let step = 3e-4;
        for i in (0..gradient.len()).step_by(7) {
            let mut at = |change: f32| {
                let before = flow.parameters[i];
                flow.parameters[i] = before + change;
                let loss = loss(&flow, &training.shape, &rows);
                flow.parameters[i] = before;
                loss
            };
            let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
            let found = f64::from(gradient[i]);
            assert!(
                (found - slope).abs() < 5e-3 * slope.abs().max(1.0),
                "{i}: {found}, {slope}"
            );
        }
    }
}
