//! The objective: bags as products of experts, pairs of bags pulled together.
//!
//! For a bag of m rows with vectors `z_i` and log-variances `s_i` the product of the
//! Gaussians `N(z_i, diag(exp s_i))` is a Gaussian with mean (paper, section 3)
//!
//! ```text
//! mu = sum_i p_i z_i,    p_i = softmax over the bag of -s_i    (per dimension)
//! ```
//!
//! and a batch of paired bags (A, B) is scored by
//!
//! ```text
//! dot:     loss = - mean over pairs of  mu_A . mu_B
//! cosine:  loss = - mean over pairs of  mu_A . mu_B / (|mu_A| |mu_B|)
//! ```
//!
//! with the gradient `d loss / d s_i = -p_i (z_i - mu) * d loss / d mu` (summed over the
//! dimensions in the circular form). Softmax and log-sum-exp keep exponentials in range.
//! At m = 1, `p = 1` and `mu = z` exactly, so the gradient is exactly zero.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Weights and gradients below this are zero: they move nothing, and products with numbers
/// near the smallest float32 are a hundred times slower than others on most processors.
const NEGLIGIBLE: f32 = 1e-25;

/// The form of a row's covariance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Covariance {
    /// One variance for each dimension (the paper's main form).
    Diagonal,
    /// One variance for all dimensions (the paper's "Circ").
    Circular,
}

/// How two bag means are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Similarity {
    /// The dot product, as in the paper.
    Dot,
    /// The dot product of the normalised means, which bounds what one row can gain.
    Cosine,
}

/// The objective over batches of one shape, with the buffers it needs.
#[derive(Debug)]
pub(crate) struct Objective {
    similarity: Similarity,
    bag_size: usize,
    /// Width of a vector.
    d: usize,
    /// Width of a log-variance: `d`, or 1 in the circular form.
    k: usize,
    /// Softmax weights, `(n, k)`.
    weights: Vec<f32>,
    /// Bag means, `(n_bags, d)`.
    means: Vec<f32>,
    pairs: Vec<Pair>,
}

/// What one pair of bags contributes.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    similarity: f64,
    /// Sum over its two bags of the mean over dimensions of `1 / sum_i p_i^2`.
    effective: f64,
}

/// The value of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Value {
    /// The loss, minus the mean similarity.
    pub(crate) loss: f64,
    /// Mean effective number of rows in a bag, from 1 (one row decides) to m.
    pub(crate) effective_rows: f64,
}

impl Objective {
    /// For batches of `n_rows` rows: a multiple of `2 * bag_size`, bags in order, bags
    /// `2j` and `2j + 1` a pair.
    pub(crate) fn new(
        similarity: Similarity,
        covariance: Covariance,
        bag_size: usize,
        n_rows: usize,
        d: usize,
    ) -> Self {
        let k = match covariance {
            Covariance::Diagonal => d,
            Covariance::Circular => 1,
        };
        Self {
            similarity,
            bag_size,
            d,
            k,
            weights: vec![0.0; n_rows * k],
            means: vec![0.0; n_rows / bag_size * d],
            pairs: vec![Pair::default(); n_rows / (2 * bag_size)],
        }
    }

    /// The loss of a batch and its gradient by the log-variances.
    ///
    /// # Shapes
    /// `z`: `(n, d)`; `s`: `(n, k)`; `d_s`: `(n, k)`, overwritten.
    pub(crate) fn value_and_gradient(&mut self, z: &[f32], s: &[f32], d_s: &mut [f32]) -> Value {
        let (m, d, k) = (self.bag_size, self.d, self.k);
        let n_pairs = self.pairs.len() as f64;
        let similarity = self.similarity;
        z.par_chunks_exact(2 * m * d)
            .zip(s.par_chunks_exact(2 * m * k))
            .zip(d_s.par_chunks_exact_mut(2 * m * k))
            .zip(self.weights.par_chunks_exact_mut(2 * m * k))
            .zip(self.means.par_chunks_exact_mut(2 * d))
            .zip(self.pairs.par_iter_mut())
            .for_each(|(((((z, s), d_s), weights), means), pair)| {
                let (mean_a, mean_b) = means.split_at_mut(d);
                let mut effective = 0.0;
                for (bag, mean) in [&mut *mean_a, &mut *mean_b].into_iter().enumerate() {
                    let (rows, vars) = (bag * m * d, bag * m * k);
                    let weights = &mut weights[vars..vars + m * k];
                    effective += softmax_of_negative(&s[vars..vars + m * k], weights, k);
                    weighted_mean(&z[rows..rows + m * d], weights, mean);
                }
                let (value, by_a, by_b) = gradient_by_means(similarity, mean_a, mean_b, n_pairs);
                for (bag, (mean, by_mean)) in
                    [(&*mean_a, by_a), (&*mean_b, by_b)].into_iter().enumerate()
                {
                    let (rows, vars) = (bag * m * d, bag * m * k);
                    gradient_by_log_variance(
                        &z[rows..rows + m * d],
                        &weights[vars..vars + m * k],
                        mean,
                        &by_mean,
                        &mut d_s[vars..vars + m * k],
                    );
                }
                *pair = Pair {
                    similarity: value,
                    effective,
                };
            });
        // In pair order, so that the sums do not depend on the threads.
        let sum: f64 = self.pairs.iter().map(|p| p.similarity).sum();
        let effective: f64 = self.pairs.iter().map(|p| p.effective).sum();
        Value {
            loss: -sum / n_pairs,
            effective_rows: effective / (2.0 * n_pairs),
        }
    }
}

/// Softmax of `-s` over the rows of a bag, for each of `k` columns; returns the mean over
/// columns of the effective number of rows, `1 / sum p^2`.
fn softmax_of_negative(s: &[f32], weights: &mut [f32], k: usize) -> f64 {
    let mut lowest = s[..k].to_vec();
    for row in s.chunks_exact(k) {
        for (low, s) in lowest.iter_mut().zip(row) {
            *low = low.min(*s);
        }
    }
    let mut sums = vec![0.0f32; k];
    for (row, weights) in s.chunks_exact(k).zip(weights.chunks_exact_mut(k)) {
        for (((w, s), low), sum) in weights.iter_mut().zip(row).zip(&lowest).zip(&mut sums) {
            *w = flush((low - s).exp());
            *sum += *w;
        }
    }
    let mut squares = vec![0.0f32; k];
    for weights in weights.chunks_exact_mut(k) {
        for ((w, sum), square) in weights.iter_mut().zip(&sums).zip(&mut squares) {
            *w = flush(*w / sum);
            *square += *w * *w;
        }
    }
    squares.iter().map(|q| 1.0 / f64::from(*q)).sum::<f64>() / k as f64
}

/// `mean = sum_i p_i z_i`, with one weight a row or one for each dimension.
fn weighted_mean(z: &[f32], weights: &[f32], mean: &mut [f32]) {
    let d = mean.len();
    mean.fill(0.0);
    let k = weights.len() / (z.len() / d);
    for (row, weights) in z.chunks_exact(d).zip(weights.chunks_exact(k)) {
        if k == 1 {
            for (mean, z) in mean.iter_mut().zip(row) {
                *mean += weights[0] * z;
            }
        } else {
            for ((mean, z), w) in mean.iter_mut().zip(row).zip(weights) {
                *mean += w * z;
            }
        }
    }
}

/// Similarity of two bag means and the gradient of the loss by each.
fn gradient_by_means(
    similarity: Similarity,
    a: &[f32],
    b: &[f32],
    n_pairs: f64,
) -> (f64, Vec<f32>, Vec<f32>) {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    let scale = -1.0 / n_pairs;
    match similarity {
        Similarity::Dot => {
            let by = |other: &[f32]| {
                other
                    .iter()
                    .map(|v| (scale * f64::from(*v)) as f32)
                    .collect()
            };
            (dot(a, b), by(b), by(a))
        }
        Similarity::Cosine => {
            // A mean of norm zero has no direction: the floor makes its gradient zero.
            let (norm_a, norm_b) = (dot(a, a).sqrt().max(1e-30), dot(b, b).sqrt().max(1e-30));
            let cosine = dot(a, b) / (norm_a * norm_b);
            let by = |own: &[f32], norm: f64, other: &[f32], other_norm: f64| {
                let terms = own.iter().zip(other);
                terms
                    .map(|(x, y)| {
                        let along = f64::from(*y) / other_norm - cosine * f64::from(*x) / norm;
                        (scale * along / norm) as f32
                    })
                    .collect()
            };
            (cosine, by(a, norm_a, b, norm_b), by(b, norm_b, a, norm_a))
        }
    }
}

/// `d loss / d s_i = -p_i (z_i - mu) * d loss / d mu`.
fn gradient_by_log_variance(
    z: &[f32],
    weights: &[f32],
    mean: &[f32],
    by_mean: &[f32],
    d_s: &mut [f32],
) {
    let d = mean.len();
    let k = weights.len() / (z.len() / d);
    let rows = z.chunks_exact(d).zip(weights.chunks_exact(k));
    for ((row, weights), d_s) in rows.zip(d_s.chunks_exact_mut(k)) {
        let terms = row.iter().zip(mean).zip(by_mean);
        if k == 1 {
            let sum: f64 = terms
                .map(|((z, mu), g)| f64::from(z - mu) * f64::from(*g))
                .sum();
            d_s[0] = flush((-f64::from(weights[0]) * sum) as f32);
        } else {
            for ((d_s, w), ((z, mu), g)) in d_s.iter_mut().zip(weights).zip(terms) {
                *d_s = flush(-w * (z - mu) * g);
            }
        }
    }
}

/// Zero for what is [`NEGLIGIBLE`].
fn flush(x: f32) -> f32 {
    if x.abs() < NEGLIGIBLE { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use proptest::prelude::*;
    use rand_distr::{Distribution, StandardNormal};

    fn normal(n: usize, scale: f32, index: u64) -> Vec<f32> {
        let mut rng = stream(11, Purpose::Init, [index, 0]);
        (0..n)
            .map(|_| {
                let x: f32 = StandardNormal.sample(&mut rng);
                scale * x
            })
            .collect()
    }

    fn forms() -> [(Similarity, Covariance); 4] {
        [
            (Similarity::Dot, Covariance::Diagonal),
            (Similarity::Dot, Covariance::Circular),
            (Similarity::Cosine, Covariance::Diagonal),
            (Similarity::Cosine, Covariance::Circular),
        ]
    }

    #[test]
    fn two_rows_a_bag_by_hand() {
        // One dimension, equal variances: means 2 and 5, dot product 10.
        let mut objective = Objective::new(Similarity::Dot, Covariance::Diagonal, 2, 4, 1);
        let mut d_s = [0.0; 4];
        let value = objective.value_and_gradient(&[1.0, 3.0, 4.0, 6.0], &[0.5; 4], &mut d_s);
        assert!((value.loss + 10.0).abs() < 1e-6);
        assert!((value.effective_rows - 2.0).abs() < 1e-6);
        // d loss / d mu_A = -5; row 1: -0.5 * (1 - 2) * -5 = -2.5.
        assert_eq!(d_s, [-2.5, 2.5, -1.0, 1.0]);
    }

    #[test]
    fn the_gradient_is_exactly_zero_at_one_row_a_bag() {
        let (n, d) = (6, 5);
        for (similarity, covariance) in forms() {
            let mut objective = Objective::new(similarity, covariance, 1, n, d);
            let k = objective.k;
            let mut d_s = vec![f32::NAN; n * k];
            let s = normal(n * k, 3.0, 1);
            objective.value_and_gradient(&normal(n * d, 1.0, 0), &s, &mut d_s);
            assert!(
                d_s.iter().all(|g| *g == 0.0),
                "{similarity:?} {covariance:?}"
            );
        }
    }

    #[test]
    fn one_huge_outlier_makes_no_nan() {
        let (m, d) = (4, 3);
        for (similarity, covariance) in forms() {
            let mut objective = Objective::new(similarity, covariance, m, 2 * m, d);
            let k = objective.k;
            let mut z = normal(2 * m * d, 1.0, 2);
            z[..d].fill(1e15);
            for extreme in [-1e4, 1e4, -3e38, 3e38] {
                let mut s = normal(2 * m * k, 1.0, 3);
                s[..k].fill(extreme);
                let mut d_s = vec![0.0; 2 * m * k];
                let value = objective.value_and_gradient(&z, &s, &mut d_s);
                assert!(value.loss.is_finite());
                assert!(
                    d_s.iter().all(|g| g.is_finite()),
                    "{similarity:?} {covariance:?}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn the_product_of_experts_is_the_product_of_densities(
            rows in prop::collection::vec((-2.0f32..2.0, -2.0f32..2.0), 2..6)
        ) {
            // Multiply the densities on a fine grid and take the mean numerically.
            let m = rows.len();
            let z: Vec<f32> = rows.iter().map(|r| r.0).collect();
            let s: Vec<f32> = rows.iter().map(|r| r.1).collect();
            let (mut mass, mut moment, mut square) = (0.0, 0.0, 0.0);
            for step in 0..40_000 {
                let x = -10.0 + 20.0 * f64::from(step) / 40_000.0;
                let log: f64 = rows
                    .iter()
                    .map(|&(z, s)| -0.5 * (x - f64::from(z)).powi(2) / f64::from(s).exp())
                    .sum();
                mass += log.exp();
                moment += x * log.exp();
                square += x * x * log.exp();
            }
            let (mean, variance) = (moment / mass, square / mass - (moment / mass).powi(2));
            let mut weights = vec![0.0; m];
            softmax_of_negative(&s, &mut weights, 1);
            let mut found = [0.0];
            weighted_mean(&z, &weights, &mut found);
            prop_assert!((f64::from(found[0]) - mean).abs() < 1e-4);
            let precision: f64 = s.iter().map(|s| f64::from(-s).exp()).sum();
            prop_assert!((1.0 / precision - variance).abs() < 1e-4);
        }

        #[test]
        fn row_order_within_a_bag_does_not_matter(seed in 0u64..1000, turn in 1usize..4) {
            let (m, d) = (4, 3);
            for (similarity, covariance) in forms() {
                let mut objective = Objective::new(similarity, covariance, m, 2 * m, d);
                let k = objective.k;
                let z = normal(2 * m * d, 1.0, 2 * seed);
                let s = normal(2 * m * k, 1.0, 2 * seed + 1);
                let (mut turned_z, mut turned_s) = (z.clone(), s.clone());
                turned_z[..m * d].rotate_left(turn * d);
                turned_s[..m * k].rotate_left(turn * k);
                let (mut d_s, mut turned_d) = (vec![0.0; s.len()], vec![0.0; s.len()]);
                let value = objective.value_and_gradient(&z, &s, &mut d_s);
                let turned = objective.value_and_gradient(&turned_z, &turned_s, &mut turned_d);
                d_s[..m * k].rotate_left(turn * k);
                prop_assert!((value.loss - turned.loss).abs() < 1e-5);
                for (a, b) in d_s.iter().zip(&turned_d) {
                    prop_assert!((a - b).abs() < 1e-5);
                }
            }
        }
    }
}
