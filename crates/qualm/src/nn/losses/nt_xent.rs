//! NT-Xent, the loss of `SimCLR` (Chen et al., "A Simple Framework for Contrastive Learning of
//! Visual Representations", 2020, eq. 1).
//!
//! Of 2n outputs, rows i and i + n are two views of one image. With unit rows u and
//! `s_ij = u_i . u_j / temperature`, the loss of row i with its other view j is
//!
//! ```text
//! l_i = -s_ij + ln sum_{k != i} exp(s_ik)
//! ```
//!
//! and the loss of the batch is the mean over all 2n rows.

use rayon::prelude::*;

use super::units::Units;
use super::{n_rows, same_len, scaled_log_sum_exp};
use crate::error::{Error, Result};
use crate::nn::matmul::{Mat, Threads, matmul};
use crate::nn::simd::{exp_of_negative, vectorised};

/// The normalised, temperature-scaled cross-entropy loss, with buffers that are reused.
#[derive(Debug, Clone)]
pub struct NtXent {
    temperature: f32,
    units: Units,
    /// `(2n, 2n)`: similarities, then their gradient.
    similarities: Vec<f32>,
    /// Logarithm of each row's sum of exponentials, `(2n,)`.
    log_sums: Vec<f32>,
}

impl NtXent {
    /// The loss at a temperature above 0.
    #[must_use]
    pub fn new(temperature: f32) -> Self {
        Self {
            temperature,
            units: Units::default(),
            similarities: Vec::new(),
            log_sums: Vec::new(),
        }
    }

    /// The mean loss of a batch, and its gradient by the outputs.
    ///
    /// # Shapes
    /// `outputs`, `gradient`: `(2n, width)`, the first views of all images, then the second
    /// ones in the same order; of any length.
    ///
    /// # Errors
    /// [`Error::Shape`] when they are no such rows.
    pub fn loss(&mut self, outputs: &[f32], width: usize, gradient: &mut [f32]) -> Result<f64> {
        let n = n_rows(outputs, width)?;
        same_len(outputs, gradient, width)?;
        if !n.is_multiple_of(2) {
            return Err(Error::Shape {
                len: outputs.len(),
                n_cols: 2 * width,
            });
        }
        let scale = 1.0 / self.temperature;
        self.units.fill(outputs, width);
        let units = Mat::new(&self.units.rows, n, width);
        self.similarities.resize(n * n, 0.0);
        self.log_sums.resize(n, 0.0);
        matmul(&mut self.similarities, units, units.t(), Threads::All);
        (self.similarities.par_chunks_mut(n))
            .zip(&mut self.log_sums)
            .enumerate()
            .for_each(|(i, (row, log_sum))| {
                // A row is no candidate for itself.
                row[i] = f32::NEG_INFINITY;
                *log_sum = scaled_log_sum_exp(row, scale, f32::NEG_INFINITY);
            });
        let partner = |i: usize| (i + n / 2) % n;
        let losses = (0..n).map(|i| self.log_sums[i] - self.similarities[i * n + partner(i)]);
        let loss = losses.map(f64::from).sum::<f64>() / n as f64;

        // A similarity stands in the losses of both its rows: its share of the one's sum, and of
        // the other's.
        let log_sums = &self.log_sums;
        let rows = self.similarities.par_chunks_mut(n).enumerate();
        rows.for_each(|(i, row)| {
            vectorised(
                #[inline(always)]
                || {
                    for (s, log_sum) in row.iter_mut().zip(log_sums) {
                        let here = exp_of_negative((*s - log_sums[i]).min(0.0));
                        *s = here + exp_of_negative((*s - log_sum).min(0.0));
                    }
                },
            );
            row[partner(i)] -= 2.0;
        });
        let weights = Mat::new(&self.similarities, n, n);
        matmul(gradient, weights, units, Threads::All);
        self.units.backward(gradient, width, scale / n as f32);
        Ok(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pairs_by_hand() {
        // Both views of each image agree, and the two images stand at right angles:
        // s = 1 / t to the partner, 0 to the two others.
        let outputs = [1.0, 0.0, 0.0, 3.0, 2.0, 0.0, 0.0, 0.5];
        let mut gradient = [0.0; 8];
        let t = 0.5f64;
        let loss = NtXent::new(0.5).loss(&outputs, 2, &mut gradient).unwrap();
        let expected = ((1.0 / t).exp() + 2.0).ln() - 1.0 / t;
        assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
        // A longer row changes nothing: the gradient is at right angles to it.
        for (row, gradient) in outputs.chunks(2).zip(gradient.chunks(2)) {
            let along: f32 = row.iter().zip(gradient).map(|(a, b)| a * b).sum();
            assert!(along.abs() < 1e-6);
        }
    }

    #[test]
    fn odd_and_broken_rows_are_refused() {
        let mut loss = NtXent::new(0.5);
        assert!(loss.loss(&[1.0; 6], 2, &mut [0.0; 6]).is_err());
        assert!(loss.loss(&[1.0; 7], 2, &mut [0.0; 7]).is_err());
        assert!(loss.loss(&[1.0; 8], 2, &mut [0.0; 6]).is_err());
        assert!(loss.loss(&[], 2, &mut []).is_err());
    }

    #[test]
    fn small_temperatures_neither_overflow_nor_vanish() {
        let outputs = [1.0, 0.1, -1.0, 0.1, 1.0, -0.1, -1.0, -0.2];
        let mut gradient = [0.0; 8];
        let loss = NtXent::new(0.001).loss(&outputs, 2, &mut gradient).unwrap();
        assert!(loss.is_finite() && loss >= 0.0);
        assert!(gradient.iter().all(|g| g.is_finite()));
    }

    #[test]
    fn what_is_not_finite_shows_in_the_loss() {
        let outputs = [1.0, f32::NAN, -1.0, 0.1, 1.0, -0.1, -1.0, -0.2];
        let loss = NtXent::new(0.5).loss(&outputs, 2, &mut [0.0; 8]).unwrap();
        assert!(loss.is_nan());
    }
}
