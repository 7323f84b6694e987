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

use crate::nn::{exp_of_negative, flush, vectorised};

/// Weights and gradients below this are zero: they move nothing, and products with numbers
/// near the smallest float32 are a hundred times slower than others on most processors.
const NEGLIGIBLE: f32 = 1e-25;
const SQUARE_NEGLIGIBLE: f32 = 1e-18;

/// Values of a batch that one thread handles before another is asked to help.
const SERIAL: usize = 1 << 14;

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
    /// Softmax weights before their division by the sum, `(n, k)`.
    weights: Vec<f32>,
    pairs: Vec<Pair>,
}

/// A pair of bags and what it contributes.
#[derive(Debug, Clone)]
struct Pair {
    bags: [Bag; 2],
    similarity: f64,
}

/// One bag's sums.
#[derive(Debug, Clone)]
struct Bag {
    /// Least log-variance, `(k,)`.
    lowest: Vec<f32>,
    /// Sum of the weights, then one over it, `(k,)`.
    scale: Vec<f32>,
    /// Sum of the squared weights, `(k,)`.
    squares: Vec<f32>,
    /// `(d,)`
    mean: Vec<f32>,
    /// Gradient of the loss by the mean, `(d,)`.
    by_mean: Vec<f32>,
    /// Mean over dimensions of `1 / sum_i p_i^2`.
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
            pairs: vec![
                Pair {
                    bags: [Bag::new(d, k), Bag::new(d, k)],
                    similarity: 0.0,
                };
                n_rows / (2 * bag_size)
            ],
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
        let at_least = (SERIAL / (2 * m * d)).max(1);
        z.par_chunks_exact(2 * m * d)
            .zip(s.par_chunks_exact(2 * m * k))
            .zip(d_s.par_chunks_exact_mut(2 * m * k))
            .zip(self.weights.par_chunks_exact_mut(2 * m * k))
            .zip(self.pairs.par_iter_mut())
            .with_min_len(at_least)
            .for_each(|((((z, s), d_s), weights), pair)| {
                let (z, s) = (z.split_at(m * d), s.split_at(m * k));
                let (d_s, weights) = (d_s.split_at_mut(m * k), weights.split_at_mut(m * k));
                let [a, b] = &mut pair.bags;
                join(
                    m * d,
                    || a.multiply(z.0, s.0, weights.0),
                    || b.multiply(z.1, s.1, weights.1),
                );
                pair.similarity = similarity.of(a, b, n_pairs);
                join(
                    m * d,
                    || a.gradient(z.0, weights.0, d_s.0),
                    || b.gradient(z.1, weights.1, d_s.1),
                );
            });
        // In pair order, so that the sums do not depend on the threads.
        let sum: f64 = self.pairs.iter().map(|p| p.similarity).sum();
        let bags = self.pairs.iter().flat_map(|p| &p.bags);
        let effective: f64 = bags.map(|bag| bag.effective).sum();
        Value {
            loss: -sum / n_pairs,
            effective_rows: effective / (2.0 * n_pairs),
        }
    }
}

impl Bag {
    fn new(d: usize, k: usize) -> Self {
        Self {
            lowest: vec![0.0; k],
            scale: vec![0.0; k],
            squares: vec![0.0; k],
            mean: vec![0.0; d],
            by_mean: vec![0.0; d],
            effective: 0.0,
        }
    }

    /// The product of the bag's Gaussians: weights `exp(lowest - s)`, their sums, the mean.
    /// Two passes over the rows, in row order.
    fn multiply(&mut self, z: &[f32], s: &[f32], weights: &mut [f32]) {
        let (d, k) = (self.mean.len(), self.scale.len());
        self.lowest.copy_from_slice(&s[..k]);
        self.scale.fill(0.0);
        self.squares.fill(0.0);
        self.mean.fill(0.0);
        vectorised(
            #[inline(always)]
            || {
                for row in s.chunks_exact(k) {
                    for (low, s) in self.lowest.iter_mut().zip(row) {
                        *low = if *s < *low { *s } else { *low };
                    }
                }
                let rows = z.chunks_exact(d).zip(s.chunks_exact(k));
                for ((z, s), weights) in rows.zip(weights.chunks_exact_mut(k)) {
                    let sums = self.scale.iter_mut().zip(&mut self.squares);
                    let terms = weights.iter_mut().zip(s).zip(&self.lowest).zip(sums);
                    for (((w, s), low), (sum, square)) in terms {
                        *w = flush(exp_of_negative(low - s), NEGLIGIBLE);
                        *sum += *w;
                        let w = flush(*w, SQUARE_NEGLIGIBLE);
                        *square += w * w;
                    }
                    if k == 1 {
                        for (mean, z) in self.mean.iter_mut().zip(z) {
                            *mean += weights[0] * z;
                        }
                    } else {
                        for ((mean, z), w) in self.mean.iter_mut().zip(z).zip(weights) {
                            *mean += *w * z;
                        }
                    }
                }
            },
        );
        let effective = self.scale.iter().zip(&self.squares);
        let effective = effective.map(|(sum, q)| f64::from(*sum).powi(2) / f64::from(*q));
        self.effective = effective.sum::<f64>() / k as f64;
        for sum in &mut self.scale {
            *sum = 1.0 / *sum;
        }
        let copies = d / k;
        for (mean, scale) in self.mean.chunks_exact_mut(copies).zip(&self.scale) {
            for mean in mean {
                *mean *= scale;
            }
        }
    }

    /// `d loss / d s_i = -p_i (z_i - mu) * d loss / d mu`.
    fn gradient(&self, z: &[f32], weights: &[f32], d_s: &mut [f32]) {
        let (d, k) = (self.mean.len(), self.scale.len());
        let rows = z.chunks_exact(d).zip(weights.chunks_exact(k));
        vectorised(
            #[inline(always)]
            || {
                for ((z, weights), d_s) in rows.zip(d_s.chunks_exact_mut(k)) {
                    let terms = z.iter().zip(&self.mean).zip(&self.by_mean);
                    if k == 1 {
                        let sum: f64 = terms
                            .map(|((z, mu), g)| f64::from(z - mu) * f64::from(*g))
                            .sum();
                        let p = f64::from(weights[0]) * f64::from(self.scale[0]);
                        d_s[0] = flush((-p * sum) as f32, NEGLIGIBLE);
                    } else {
                        let terms = weights.iter().zip(&self.scale).zip(terms);
                        for (d_s, ((w, scale), ((z, mu), g))) in d_s.iter_mut().zip(terms) {
                            let p = flush(w * scale, NEGLIGIBLE);
                            *d_s = flush(-p * (z - mu) * g, NEGLIGIBLE);
                        }
                    }
                }
            },
        );
    }
}

impl Similarity {
    /// Similarity of two bags' means, whose gradients it leaves in the bags.
    fn of(self, a: &mut Bag, b: &mut Bag, n_pairs: f64) -> f64 {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            let terms = a.iter().zip(b);
            terms.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        let scale = -1.0 / n_pairs;
        match self {
            Self::Dot => {
                let by = |g: &mut [f32], other: &[f32]| {
                    for (g, v) in g.iter_mut().zip(other) {
                        *g = (scale * f64::from(*v)) as f32;
                    }
                };
                by(&mut a.by_mean, &b.mean);
                by(&mut b.by_mean, &a.mean);
                dot(&a.mean, &b.mean)
            }
            Self::Cosine => {
                // A mean of norm zero has no direction: the floor makes its gradient zero.
                let norm_a = dot(&a.mean, &a.mean).sqrt().max(1e-30);
                let norm_b = dot(&b.mean, &b.mean).sqrt().max(1e-30);
                let cosine = dot(&a.mean, &b.mean) / (norm_a * norm_b);
                let by = |g: &mut [f32], own: &[f32], norm: f64, other: &[f32], other_norm: f64| {
                    for ((g, x), y) in g.iter_mut().zip(own).zip(other) {
                        let along = f64::from(*y) / other_norm - cosine * f64::from(*x) / norm;
                        *g = (scale * along / norm) as f32;
                    }
                };
                by(&mut a.by_mean, &a.mean, norm_a, &b.mean, norm_b);
                by(&mut b.by_mean, &b.mean, norm_b, &a.mean, norm_a);
                cosine
            }
        }
    }
}

/// Does both, by two threads if each handles enough values.
fn join(values: usize, a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    if values < SERIAL {
        a();
        b();
    } else {
        rayon::join(a, b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use proptest::prelude::*;
    use rand_distr::{Distribution, StandardNormal};

    fn normal(n: usize, scale: f32, index: u64) -> Vec<f32> {
        let mut rng = stream(11, Purpose::INIT, [index, 0]);
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
            // Multiply the densities on a fine grid and take the mean numerically. It reaches nine
            // deviations of the widest product: less would miss a part of its variance.
            let m = rows.len();
            let z: Vec<f32> = rows.iter().map(|r| r.0).collect();
            let s: Vec<f32> = rows.iter().map(|r| r.1).collect();
            let (mut mass, mut moment, mut square) = (0.0, 0.0, 0.0);
            for step in 0..80_000 {
                let x = -20.0 + 40.0 * f64::from(step) / 80_000.0;
                let log: f64 = rows
                    .iter()
                    .map(|&(z, s)| -0.5 * (x - f64::from(z)).powi(2) / f64::from(s).exp())
                    .sum();
                mass += log.exp();
                moment += x * log.exp();
                square += x * x * log.exp();
            }
            let (mean, variance) = (moment / mass, square / mass - (moment / mass).powi(2));
            let mut bag = Bag::new(1, 1);
            bag.multiply(&z, &s, &mut vec![0.0; m]);
            prop_assert!((f64::from(bag.mean[0]) - mean).abs() < 1e-4);
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
