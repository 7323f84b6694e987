//! `InfoNCE` with a queue of keys, the loss of `MoCo` (He et al., "Momentum Contrast for
//! Unsupervised Visual Representation Learning", 2020, eq. 1 and algorithm 1).
//!
//! With unit rows, query q, its key k and the keys `c_j` of earlier batches,
//!
//! ```text
//! l = -ln( exp(q . k / t) / (exp(q . k / t) + sum_j exp(q . c_j / t)) )
//! ```
//!
//! and the loss of the batch is the mean over its queries. Keys come from a slowly moving copy of
//! the network: no gradient goes to them.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::units::Units;
use super::{n_rows, same_len, scaled_log_sum_exp};
use crate::error::Result;
use crate::nn::matmul::{Mat, Threads, matmul};
use crate::nn::simd::{dot, exp_of_negative, vectorised};

/// The keys of the latest batches, of unit length; the oldest give way.
#[derive(Debug, Clone)]
pub struct KeyQueue {
    width: usize,
    /// `(size, width)`.
    rows: Vec<f32>,
    /// The row that gives way next.
    oldest: usize,
    units: Units,
}

impl KeyQueue {
    /// A queue of so many keys, at first in random directions.
    pub fn new(size: usize, width: usize, rng: &mut impl Rng) -> Self {
        let normal = (0..size * width).map(|_| StandardNormal.sample(rng));
        let normal: Vec<f32> = normal.collect();
        let mut queue = Self::from_rows(normal, width, 0);
        queue.units.fill(&queue.rows, width);
        queue.rows.clone_from(&queue.units.rows);
        queue
    }

    /// A queue as it was, from [`KeyQueue::rows`] and [`KeyQueue::oldest`].
    #[must_use]
    pub fn from_rows(rows: Vec<f32>, width: usize, oldest: usize) -> Self {
        Self {
            width,
            rows,
            oldest,
            units: Units::default(),
        }
    }

    /// The keys, `(size, width)`, each of unit length.
    #[must_use]
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The row that gives way next.
    #[must_use]
    pub fn oldest(&self) -> usize {
        self.oldest
    }

    /// Takes up keys of any length; of more than the queue holds, the last ones.
    ///
    /// # Shapes
    /// `keys`: `(n, width)`.
    pub fn push(&mut self, keys: &[f32]) {
        self.units.fill(keys, self.width);
        let size = self.rows.len() / self.width;
        for key in self.units.rows.chunks_exact(self.width) {
            let place = self.oldest * self.width;
            self.rows[place..place + self.width].copy_from_slice(key);
            self.oldest = (self.oldest + 1) % size;
        }
    }
}

/// The loss of queries against their keys and a queue, with buffers that are reused.
#[derive(Debug, Clone)]
pub struct InfoNce {
    temperature: f32,
    queries: Units,
    keys: Units,
    /// `(n, size)`: similarities to the queue, then their gradient.
    similarities: Vec<f32>,
    /// Each query's similarity to its key, then the gradient by it, `(n,)`.
    positives: Vec<f32>,
    losses: Vec<f64>,
}

impl InfoNce {
    /// The loss at a temperature above 0.
    #[must_use]
    pub fn new(temperature: f32) -> Self {
        Self {
            temperature,
            queries: Units::default(),
            keys: Units::default(),
            similarities: Vec::new(),
            positives: Vec::new(),
            losses: Vec::new(),
        }
    }

    /// The mean loss of a batch, and its gradient by the queries.
    ///
    /// # Shapes
    /// `queries`, `keys`, `gradient`: `(n, width)`, of any length; row i of both belongs to one
    /// image. The queue has keys of the same width.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when they are no such rows.
    pub fn loss(
        &mut self,
        queries: &[f32],
        keys: &[f32],
        queue: &KeyQueue,
        gradient: &mut [f32],
    ) -> Result<f64> {
        let width = queue.width;
        let n = n_rows(queries, width)?;
        same_len(queries, keys, width)?;
        same_len(queries, gradient, width)?;
        let size = n_rows(&queue.rows, width)?;
        let scale = 1.0 / self.temperature;
        self.queries.fill(queries, width);
        self.keys.fill(keys, width);
        self.similarities.resize(n * size, 0.0);
        self.positives.resize(n, 0.0);
        self.losses.resize(n, 0.0);
        let queue = Mat::new(&queue.rows, size, width);
        let unit_queries = Mat::new(&self.queries.rows, n, width);
        matmul(
            &mut self.similarities,
            unit_queries,
            queue.t(),
            Threads::All,
        );
        let pairs = (self.queries.rows.par_chunks(width)).zip(self.keys.rows.par_chunks(width));
        (self.similarities.par_chunks_mut(size))
            .zip(&mut self.positives)
            .zip(&mut self.losses)
            .zip(pairs)
            .for_each(|(((row, positive), loss), (query, key))| {
                *positive = scale
                    * vectorised(
                        #[inline(always)]
                        || dot(query, key),
                    );
                let log_sum = scaled_log_sum_exp(row, scale, *positive);
                *loss = f64::from(log_sum - *positive);
                *positive = exp_of_negative((*positive - log_sum).min(0.0)) - 1.0;
                vectorised(
                    #[inline(always)]
                    || {
                        for s in row {
                            *s = exp_of_negative((*s - log_sum).min(0.0));
                        }
                    },
                );
            });
        let weights = Mat::new(&self.similarities, n, size);
        matmul(gradient, weights, queue, Threads::All);
        (gradient.par_chunks_mut(width))
            .zip(self.keys.rows.par_chunks(width))
            .zip(&self.positives)
            .for_each(|((d, key), weight)| {
                d.iter_mut().zip(key).for_each(|(d, k)| *d += weight * k);
            });
        self.queries.backward(gradient, width, scale / n as f32);
        Ok(self.losses.iter().sum::<f64>() / n as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    #[test]
    fn the_oldest_keys_give_way() {
        let mut queue = KeyQueue::new(3, 2, &mut stream(0, Purpose::INIT, [0, 0]));
        for row in queue.rows().chunks(2) {
            assert!((row[0].hypot(row[1]) - 1.0).abs() < 1e-6);
        }
        let kept = queue.rows()[4..].to_vec();
        queue.push(&[2.0, 0.0, 0.0, 3.0]);
        assert_eq!(queue.rows()[..4], [1.0, 0.0, 0.0, 1.0]);
        assert_eq!((&queue.rows()[4..], queue.oldest()), (&kept[..], 2));
        queue.push(&[-1.0, 0.0, 0.0, -1.0]);
        assert_eq!(queue.rows(), [0.0, -1.0, 0.0, 1.0, -1.0, 0.0]);
        // More than it holds: the last ones stay.
        queue.push(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(queue.rows(), [0.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn a_key_like_the_query_against_one_at_right_angles() {
        let queue = KeyQueue::from_rows(vec![0.0, 1.0], 2, 0);
        let mut gradient = [0.0; 2];
        let loss = InfoNce::new(0.1).loss(&[2.0, 0.0], &[1.0, 0.0], &queue, &mut gradient);
        let expected = (1.0 + (-10.0f64).exp()).ln();
        assert!((loss.unwrap() - expected).abs() < 1e-6);
        assert!(
            InfoNce::new(0.1)
                .loss(&[2.0], &[1.0], &queue, &mut [0.0])
                .is_err()
        );
    }
}
