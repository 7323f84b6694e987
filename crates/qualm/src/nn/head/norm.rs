//! Batch norm over the rows of a matrix (Ioffe & Szegedy, 2015), as PyTorch's `BatchNorm1d`.
//!
//! `y = scale (x - mean) / sqrt(variance + epsilon) + shift`, with mean and variance of each
//! column over the batch. Both are summed in float64, the variance around the mean: a mean that is
//! large against the spread costs no digits.

use rayon::prelude::*;

use crate::nn::simd::vectorised;

/// Added to a variance, as in PyTorch.
const EPSILON: f64 = 1e-5;

/// How far running statistics move towards those of a batch, as in PyTorch.
const MOMENTUM: f32 = 0.1;

/// Columns a task.
const COLUMNS: usize = 64;

/// Rows a task.
const ROWS: usize = 32;

/// What the columns of a batch were divided by.
#[derive(Debug, Clone, Default)]
pub(super) struct Statistics {
    /// `(width,)`.
    pub(super) means: Vec<f64>,
    /// Biased, `(width,)`.
    pub(super) variances: Vec<f64>,
}

/// Calls `sums` with each row's part of some columns, and their places, from the first row on;
/// one thread a block of columns.
fn by_columns<T: Send>(out: &mut [T], rows: &[f32], sums: impl Fn(&mut [T], usize, &[f32]) + Sync) {
    let width = out.len();
    out.par_chunks_mut(COLUMNS)
        .enumerate()
        .for_each(|(i, out)| {
            let start = i * COLUMNS;
            let end = start + out.len();
            vectorised(
                #[inline(always)]
                || {
                    for (r, row) in rows.chunks_exact(width).enumerate() {
                        sums(out, r * width + start, &row[start..end]);
                    }
                },
            );
        });
}

impl Statistics {
    /// Those of a batch.
    ///
    /// # Shapes
    /// `x`: `(n, width)`.
    fn measure(&mut self, x: &[f32], width: usize) {
        let n = (x.len() / width) as f64;
        self.means.clear();
        self.means.resize(width, 0.0);
        self.variances.clear();
        self.variances.resize(width, 0.0);
        by_columns(&mut self.means, x, |sums, _, row| {
            sums.iter_mut()
                .zip(row)
                .for_each(|(s, &x)| *s += f64::from(x));
        });
        self.means.iter_mut().for_each(|mean| *mean /= n);
        let means = &self.means;
        by_columns(&mut self.variances, x, |sums, place, row| {
            let means = &means[place % width..];
            for ((s, &x), mean) in sums.iter_mut().zip(row).zip(means) {
                let apart = f64::from(x) - mean;
                *s += apart * apart;
            }
        });
        self.variances.iter_mut().for_each(|v| *v /= n);
    }

    fn inverse(&self, column: usize) -> f64 {
        1.0 / (self.variances[column] + EPSILON).sqrt()
    }

    /// Normalises a batch in place, `x` to `(x - mean) / sqrt(variance + epsilon)`, and moves the
    /// running statistics towards the batch's: the variance without bias, as PyTorch does.
    ///
    /// # Shapes
    /// `x`: `(n, width)`; `running_mean`, `running_variance`: `(width,)`.
    pub(super) fn normalise(
        &mut self,
        x: &mut [f32],
        running_mean: &mut [f32],
        running_variance: &mut [f32],
    ) {
        let width = running_mean.len();
        let n = (x.len() / width) as f64;
        self.measure(x, width);
        let inverses: Vec<f64> = (0..width).map(|j| self.inverse(j)).collect();
        let means = &self.means;
        x.par_chunks_mut(ROWS * width).for_each(|rows| {
            for row in rows.chunks_exact_mut(width) {
                for ((x, mean), inverse) in row.iter_mut().zip(means).zip(&inverses) {
                    *x = ((f64::from(*x) - mean) * inverse) as f32;
                }
            }
        });
        let unbiased = n / (n - 1.0).max(1.0);
        let batch = self.means.iter().zip(&self.variances);
        for ((mean, variance), (m, v)) in running_mean.iter_mut().zip(running_variance).zip(batch) {
            *mean += MOMENTUM * (*m as f32 - *mean);
            *variance += MOMENTUM * ((unbiased * v) as f32 - *variance);
        }
    }

    /// The gradients by scale and shift, and in place of the gradient by `y` that by `x`.
    ///
    /// # Shapes
    /// `normalised`, `d`: `(n, width)`; `scale`, `d_scale`, `d_shift`: `(width,)`.
    pub(super) fn backward(
        &self,
        normalised: &[f32],
        scale: &[f32],
        d: &mut [f32],
        d_scale: &mut [f32],
        d_shift: &mut [f32],
    ) {
        let width = scale.len();
        let n = (d.len() / width) as f64;
        let mut sums = vec![[0.0f64; 2]; width];
        by_columns(&mut sums, d, |sums, place, row| {
            for ((sums, &d), &x) in sums.iter_mut().zip(row).zip(&normalised[place..]) {
                sums[0] += f64::from(d);
                sums[1] += f64::from(d) * f64::from(x);
            }
        });
        for ((sums, d_scale), d_shift) in sums.iter().zip(d_scale).zip(d_shift) {
            *d_shift = sums[0] as f32;
            *d_scale = sums[1] as f32;
        }
        let factors = (0..width).map(|j| (f64::from(scale[j]) * self.inverse(j)) as f32);
        let factors: Vec<f32> = factors.collect();
        let means = sums.iter().map(|sums| sums.map(|sum| (sum / n) as f32));
        let means: Vec<[f32; 2]> = means.collect();
        let rows = d.par_chunks_mut(ROWS * width);
        let rows = rows.zip(normalised.par_chunks(ROWS * width));
        rows.for_each(|(d, x)| {
            for (d, x) in d.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                let columns = d.iter_mut().zip(x).zip(factors.iter().zip(&means));
                for ((d, x), (factor, [mean, along])) in columns {
                    *d = factor * (*d - mean - x * along);
                }
            }
        });
    }
}
