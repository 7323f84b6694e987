//! A robust, shrunken covariance of rows, for a Gaussian kernel of the Mahalanobis distance.
//!
//! In the Euclidean distance of standardised rows, correlated columns count several times, and
//! outliers inflate the standard deviations of the very columns in which they are outliers.
//! The kernel
//!
//! ```text
//! k(x, y) = exp(-(x - y)' S^-1 (x - y) / (2 b^2))
//! ```
//!
//! with S a robust covariance, `(d, d)`, measures each direction in units of the standard
//! deviation of most of the rows. S is found by C-steps (P. J. Rousseeuw and K. Van Driessen, *A fast algorithm for the minimum covariance
//! determinant estimator*, Technometrics 41, 1999): the first covariance is that of all rows,
//! each further one that of the [`KEPT`] share of the rows nearest to the mean in the metric of
//! the one before; [`STEPS`] covariances in all. Unlike `FastMCD` there is no search from random
//! subsets: a start from all rows is good enough for a kernel, and it is deterministic.
//!
//! Each covariance C of h rows is shrunk towards a multiple of the identity:
//!
//! ```text
//! S = C + (0.003 + 0.3 d / h) (trace C / d) I
//! ```
//!
//! With few rows for many columns the smallest eigenvalues of C are estimated far too low, and
//! S must be positive definite. The shrinkage fades as h grows.

use nalgebra::{Cholesky, DMatrix};

use crate::covariance::{Panels, Whitening, lower, nearest};
use crate::rows::Rows;

/// The share of the rows that make the covariance: those nearest to their mean.
const KEPT: f64 = 0.7;

/// Covariances computed one after the other, the first of all rows.
const STEPS: usize = 4;

/// Shrinkage in units of the mean variance: a constant part, and one times `d / h`.
const SHRINKAGE: [f64; 2] = [0.003, 0.3];

/// A covariance's metric, as a map `W` with `|W x|^2 = x' S^-1 x`.
#[derive(Debug)]
pub(super) struct Metric {
    map: Whitening,
    d: usize,
}

impl Metric {
    /// Of rows that are scaled already.
    pub(super) fn fit(rows: Rows<'_>) -> Self {
        Self {
            map: concentrate(&Panels::new(rows)),
            d: rows.n_cols(),
        }
    }

    /// Rows that are enough for the covariance of so many columns.
    pub(super) fn enough(n_features: usize) -> usize {
        n_features.saturating_mul(10).max(5000)
    }

    /// Bytes that finding it takes, at the least: the sampled rows in float32 and in float64,
    /// and the four matrices that exist at once.
    pub(super) fn memory(n_rows: usize, n_features: usize) -> u64 {
        let (n, d) = (
            n_rows.min(Self::enough(n_features)) as u64,
            n_features as u64,
        );
        let rows = n.saturating_mul(d).saturating_mul(12);
        rows.saturating_add(d.saturating_mul(d).saturating_mul(4 * 8))
    }

    /// The map of a row, `(d,)` to `(d,)`.
    pub(super) fn apply(&self, row: &[f32]) -> Vec<f64> {
        let image = |weights: &[f64]| {
            let terms = weights.iter().zip(row).map(|(w, x)| w * f64::from(*x));
            terms.sum::<f64>()
        };
        let weights = self.map.weights().chunks_exact(self.d);
        weights.map(image).collect()
    }

    /// The map's transpose of `n` vectors: of standard normals it makes normals of
    /// covariance `S^-1`.
    ///
    /// # Shapes
    /// `vectors`: `(d, n)`, each a column; returns the same.
    pub(super) fn transposed(&self, vectors: &[f64], n: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.d * n];
        let weights = self.map.weights().chunks_exact(self.d);
        for (weights, values) in weights.zip(vectors.chunks_exact(n)) {
            for (out, weight) in out.chunks_exact_mut(n).zip(weights) {
                // The map is a triangle.
                if *weight != 0.0 {
                    out.iter_mut()
                        .zip(values)
                        .for_each(|(out, x)| *out += weight * x);
                }
            }
        }
        out
    }
}

/// The metric of the covariance that C-steps lead to.
fn concentrate(rows: &Panels) -> Whitening {
    let (n, d) = (rows.n_rows(), rows.n_features());
    let kept = ((n as f64 * KEPT).ceil() as usize).clamp(1, n);
    let mut distances = vec![0.0; n];
    let (mut location, covariance) = rows.moments(&vec![true; n]);
    let mut metric = shrunk(&covariance, d, n);
    for _ in 1..STEPS {
        rows.distances(&location, &metric, &mut distances);
        let covariance;
        (location, covariance) = rows.moments(&nearest(&distances, kept));
        metric = shrunk(&covariance, d, kept);
    }
    metric
}

/// The metric of a covariance of `count` rows, shrunk.
///
/// # Shapes
/// `covariance`: `(d, d)`, the lower half filled.
fn shrunk(covariance: &[f64], d: usize, count: usize) -> Whitening {
    let trace: f64 = (0..d).map(|j| covariance[lower(j, j, d)]).sum();
    // The nearest rows may all be equal, and then have no scale of their own.
    let mean = if trace > 0.0 { trace / d as f64 } else { 1.0 };
    let ridge = (SHRINKAGE[0] + SHRINKAGE[1] * d as f64 / count as f64) * mean;
    let entry = |a: usize, b: usize| {
        let shared = covariance[lower(a.max(b), a.min(b), d)];
        shared + if a == b { ridge } else { 0.0 }
    };
    let root = Cholesky::new(DMatrix::from_fn(d, d, entry)).map(|cholesky| cholesky.l());
    let inverse = root.and_then(|l| l.solve_lower_triangular(&DMatrix::identity(d, d)));
    // The shrunken matrix is positive definite; should rounding deny it, use the identity.
    let inverse = inverse.unwrap_or_else(|| DMatrix::identity(d, d) / mean.sqrt());
    // Kept column after column: the transpose is the map row after row.
    Whitening::new(inverse.transpose().as_slice().to_vec(), d)
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::rng::{Purpose, stream};
    use crate::rows::Matrix;

    /// Two columns that vary together, and a tenth of the rows far off.
    fn rows() -> Matrix {
        let mut rng = stream(3, Purpose::SAMPLE, [0, 0]);
        let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
        let row = |i: usize| {
            let (a, b) = (normal(), normal());
            if i.is_multiple_of(10) {
                [30.0 + a, -30.0 + b]
            } else {
                [a, a + 0.1 * b]
            }
        };
        Matrix::new((0..2000).flat_map(row).collect(), 2).unwrap()
    }

    fn squared(metric: &Metric, row: [f32; 2]) -> f64 {
        metric.apply(&row).iter().map(|x| x * x).sum()
    }

    #[test]
    fn the_bulk_decides_and_not_the_outliers() {
        let metric = Metric::fit(rows().rows());
        // Along the line of the bulk a step of 1 is ordinary, across it 1 is a lot.
        let along = squared(&metric, [1.0, 1.0]);
        let across = squared(&metric, [1.0, -1.0]);
        assert!((0.5..3.0).contains(&along), "{along}");
        assert!(across > 40.0 * along, "{across}");
    }

    #[test]
    fn the_transpose_makes_normals_of_the_inverse_covariance() {
        let metric = Metric::fit(rows().rows());
        // x' (W' e) = (W x)' e
        let image = metric.apply(&[2.0, 3.0]);
        let e = [0.7, -1.1];
        let turned = metric.transposed(&e, 1);
        let one = 2.0 * turned[0] + 3.0 * turned[1];
        let other: f64 = image.iter().zip(e).map(|(a, b)| a * b).sum();
        assert!((one - other).abs() < 1e-9, "{one} {other}");
    }

    #[test]
    fn memory_grows_with_the_square_of_the_columns() {
        assert_eq!(Metric::memory(100, 10), 100 * 10 * 12 + 10 * 10 * 32);
        assert!(Metric::memory(1000, 50_000) > 80_000_000_000);
        assert_eq!(Metric::memory(usize::MAX, usize::MAX), u64::MAX);
    }

    #[test]
    fn more_columns_than_rows_and_equal_rows_have_a_metric() {
        let few: Vec<f32> = (0..60).map(|i| ((i * 37) % 19) as f32).collect();
        let few = Matrix::new(few, 20).unwrap();
        let equal = Matrix::new([[1.0f32; 4].repeat(9), vec![9.0; 4]].concat(), 4).unwrap();
        for rows in [few, equal] {
            let metric = Metric::fit(rows.rows());
            let weights = metric.map.weights();
            assert!(weights.iter().all(|w| w.is_finite()));
            assert!(weights.iter().any(|w| *w > 0.0));
        }
    }
}
