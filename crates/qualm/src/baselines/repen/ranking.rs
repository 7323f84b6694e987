//! The ranking loss over triplets, its gradient, and the steps against it.
//!
//! With `D = margin + |q - p|^2 - |q - o|^2` for the representations q, p, o of a triplet, the
//! loss of n triplets is the mean of `max(0, D)`. Where `D > 0`,
//!
//! ```text
//! by q: 2 (o - p) / n        by p: 2 (p - q) / n        by o: 2 (q - o) / n
//! ```
//!
//! and 0 for units that the rectifier has closed.

use super::triplets::{Candidates, Triplet};
use crate::baselines::network::NetworkLoss;
use crate::neighbours::squared_distance;
use crate::nn::{Adam, TrainingState, Workspace, vectorised};
use crate::rng::{Purpose, stream};
use crate::rows::Rows;

/// What a step needs besides the rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss {
    /// Triplets a step.
    pub(super) batch_size: usize,
    pub(super) margin: f64,
    pub(super) adam: Adam,
}

/// Takes the steps of a training.
pub(super) struct Ranking<'a> {
    rows: Rows<'a>,
    candidates: Candidates,
    seed: u64,
    loss: Loss,
    /// All queries, then their inlier candidates, then their outlier candidates: `(3 n, d)`.
    batch: Vec<f32>,
    work: Workspace,
}

impl<'a> Ranking<'a> {
    /// Before the first step.
    ///
    /// # Shapes
    /// `sizes`: columns of the rows, width of the representation.
    pub(super) fn new(
        rows: Rows<'a>,
        candidates: Candidates,
        seed: u64,
        sizes: [usize; 2],
        loss: Loss,
    ) -> Self {
        let n = 3 * loss.batch_size;
        Self {
            rows,
            candidates,
            seed,
            loss,
            batch: Vec::with_capacity(n * sizes[0]),
            work: Workspace::new(&sizes, n),
        }
    }

    /// Draws the triplets of a step and gathers their rows.
    fn draw(&mut self, step: u64) {
        let mut rng = stream(self.seed, Purpose::TRIPLETS, [step, 0]);
        let triplets: Vec<Triplet> = (0..self.loss.batch_size)
            .map(|_| self.candidates.draw(&mut rng))
            .collect();
        self.batch.clear();
        for part in [Triplet::query, Triplet::inlier, Triplet::outlier] {
            let picked = triplets.iter().filter_map(|t| self.rows.get(part(t)));
            self.batch.extend(picked.flatten());
        }
    }
}

impl NetworkLoss for Ranking<'_> {
    fn step(&mut self, state: &mut TrainingState, step: u64) -> f64 {
        self.draw(step);
        let Loss { margin, adam, .. } = self.loss;
        rank(state, &self.batch, &mut self.work, margin, adam)
    }
}

/// One step on a batch: the loss before it.
///
/// # Shapes
/// `batch`: `(3 n, d)`: queries, inlier candidates, outlier candidates.
pub(in crate::baselines) fn rank(
    state: &mut TrainingState,
    batch: &[f32],
    work: &mut Workspace,
    margin: f64,
    adam: Adam,
) -> f64 {
    let network = &mut state.network;
    let width = network.sizes().last().copied().unwrap_or(1);
    network.forward(batch, work);
    let output = work.output();
    rectify(output.activations);
    let loss = loss_and_gradient(output.activations, output.deltas, width, margin);
    if loss.is_finite() {
        network.learn(batch, work, &mut state.adam, adam);
    }
    loss
}

/// The rectifier, in place. NaN stays NaN, so that an overflow shows.
pub(super) fn rectify(z: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for z in z {
                *z = if *z < 0.0 { 0.0 } else { *z };
            }
        },
    );
}

/// The loss, and its gradient by what went into the rectifier.
///
/// # Shapes
/// `z`, `gradient`: `(3 n, width)`.
fn loss_and_gradient(z: &[f32], gradient: &mut [f32], width: usize, margin: f64) -> f64 {
    let part = z.len() / 3;
    let n = part / width;
    let scale = 2.0 / n as f32;
    let (q, rest) = z.split_at(part);
    let (p, o) = rest.split_at(part);
    let (d_q, rest) = gradient.split_at_mut(part);
    let (d_p, d_o) = rest.split_at_mut(part);
    let mut loss = 0.0;
    for i in 0..n {
        let range = i * width..(i + 1) * width;
        let (q, p, o) = (&q[range.clone()], &p[range.clone()], &o[range.clone()]);
        let hinge = margin + squared_distance(q, p) - squared_distance(q, o);
        // Not `max`, which would turn NaN into 0 and hide an overflow.
        let active = hinge > 0.0 || hinge.is_nan();
        loss += if active { hinge } else { 0.0 };
        let scale = if active { scale } else { 0.0 };
        for (j, at) in range.enumerate() {
            let by = |z: f32, towards: f32| if z > 0.0 { scale * towards } else { 0.0 };
            d_q[at] = by(q[j], o[j] - p[j]);
            d_p[at] = by(p[j], p[j] - q[j]);
            d_o[at] = by(o[j], q[j] - o[j]);
        }
    }
    loss / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_gradient_by_hand() {
        // Two triplets in one dimension. First: q = 1, p = 3, o = 2, so D = 5 + 4 - 1 = 8;
        // second: q = 0 (closed), p = 0, o = 4, so D = 5 + 0 - 16 < 0.
        let z = [1.0, 0.0, 3.0, 0.0, 2.0, 4.0];
        let mut gradient = [f32::NAN; 6];
        let loss = loss_and_gradient(&z, &mut gradient, 1, 5.0);
        assert_eq!(loss, 4.0);
        // By q: 2 (o - p) / 2 = -1; by p: p - q = 2; by o: q - o = -1.
        assert_eq!(gradient, [-1.0, 0.0, 2.0, 0.0, -1.0, 0.0]);
        // With a larger margin the second counts too, but its closed units do not.
        let loss = loss_and_gradient(&z, &mut gradient, 1, 20.0);
        assert_eq!(loss, 13.5);
        assert_eq!(gradient, [-1.0, 0.0, 2.0, 0.0, -1.0, -4.0]);
    }

    #[test]
    fn an_overflow_is_not_hidden() {
        let mut z = [f32::NAN, 1.0, 1.0];
        rectify(&mut z);
        assert!(loss_and_gradient(&z, &mut [0.0; 3], 1, 1.0).is_nan());
    }
}
