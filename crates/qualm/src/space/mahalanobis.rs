//! A robust, shrunken covariance of rows, for the Mahalanobis distance: of a Gaussian kernel, of
//! the space `robust` and of the metric `mahalanobis`.
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
//! subsets: a start from all rows is good enough for a kernel, and it is deterministic. Where the
//! rows are known to be usual ([`Reference::Clean`]), the first covariance, that of all rows, is
//! the last.
//!
//! Each covariance C of h rows is shrunk towards a multiple of the identity:
//!
//! ```text
//! S = C + (0.003 + 0.3 d / h) (trace C / d) I
//! ```
//!
//! With few rows for many columns the smallest eigenvalues of C are estimated far too low, and
//! S must be positive definite. The shrinkage fades as h grows.
//!
//! With fewer rows than columns no `(d, d)` matrix is made: S is a multiple of the identity and
//! a product of rank h, see [`Narrow`]. The metric is the same, to rounding.

use rayon::prelude::*;

use crate::container::{Reader, Writer};
use crate::covariance::{Gram, Narrow, Panels, Triangle, Whitening, lower, nearest};
use crate::error::Result;
use crate::fit::watch::{Halt, Watch};
use crate::nn::vectorised;
use crate::reference::Reference;
use crate::rows::Rows;

/// The share of the rows that make the covariance: those nearest to their mean.
const KEPT: f64 = 0.7;

/// Covariances computed one after the other, the first of all rows.
const STEPS: usize = 4;

/// Rows that are mapped together.
const SEVERAL: usize = 16;

/// Shrinkage in units of the mean variance: a constant part, and one times `d / h`.
const SHRINKAGE: [f64; 2] = [0.003, 0.3];

/// A covariance's metric, as a map `W` with `|W x|^2 = x' S^-1 x`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    map: Map,
    d: usize,
}

/// The inverse of the Cholesky factor of S.
#[derive(Debug, Clone, PartialEq)]
enum Map {
    Wide(Whitening),
    Narrow(Narrow),
    /// A multiple of the identity.
    Scale(f64),
}

impl Metric {
    /// Of rows that are scaled already.
    pub(super) fn fit(
        rows: Rows<'_>,
        reference: Reference,
        watch: &Watch<'_>,
    ) -> Result<Self, Halt> {
        let d = rows.n_cols();
        let map = if rows.n_rows() < d {
            concentrate_narrow(rows, reference, watch)?
        } else {
            Map::Wide(concentrate(&Panels::new(rows), reference, watch)?)
        };
        Ok(Self { map, d })
    }

    /// The median of each column.
    pub(super) fn medians(rows: Rows<'_>) -> Vec<f64> {
        let (n, d) = (rows.n_rows(), rows.n_cols());
        let median = |j: usize| {
            let mut column: Vec<f32> = rows.as_slice().iter().skip(j).step_by(d).copied().collect();
            let middle = column.select_nth_unstable_by(n / 2, f32::total_cmp).1;
            f64::from(*middle)
        };
        (0..d).into_par_iter().map(median).collect()
    }

    /// Rows that are enough for the covariance of so many columns.
    pub(super) fn enough(n_features: usize) -> usize {
        n_features.saturating_mul(10).max(5000)
    }

    /// Products that it takes to find it.
    pub(super) fn products(n_rows: usize, n_features: usize, reference: Reference) -> u64 {
        let n = n_rows.min(Self::enough(n_features));
        let square = |x: usize| (x as u64).saturating_mul(x as u64);
        let (steps, rows) = (steps(reference) as u64, n as u64);
        if n < n_features {
            let step = square(n).saturating_mul(rows) / 2;
            let products = square(n).saturating_mul(n_features as u64) / 2;
            let made = Narrow::products(kept(n, reference), n_features);
            return products.saturating_add(made).saturating_add(steps * step);
        }
        let pass = square(n_features).saturating_mul(rows);
        steps.saturating_mul(Triangle::products(n_features).saturating_add(pass))
    }

    /// Bytes that finding it takes, at the least: the sampled rows in float32 and in float64,
    /// and the matrices that exist at once.
    pub(super) fn memory(n_rows: usize, n_features: usize) -> u64 {
        let n = n_rows.min(Self::enough(n_features));
        let product = |a: usize, b: usize| (a as u64).saturating_mul(b as u64);
        let rows = product(n, n_features).saturating_mul(12);
        let matrices = if n < n_features {
            // The products of all rows twice with those of a step; then the two factors.
            let h = kept(n, Reference::Mixed);
            let steps = 2 * product(n, n) + product(h, n);
            let factors = 2 * product(h, n_features) + product(h, h);
            8u64.saturating_mul(steps.max(factors))
        } else {
            let one = product(n_features, n_features).saturating_mul(8);
            let moments = Panels::memory_of_moments(n, n_features);
            moments.saturating_add(one).max(one.saturating_mul(4))
        };
        rows.saturating_add(matrices)
    }

    /// Writes the map.
    pub(super) fn save(&self, prefix: &str, writer: &mut Writer) {
        match &self.map {
            Map::Wide(map) => writer.f64(format!("{prefix}.map"), map.weights()),
            Map::Narrow(map) => map.save(prefix, writer),
            Map::Scale(scale) => writer.f64(format!("{prefix}.scale"), &[*scale]),
        }
    }

    /// Reads what [`Metric::save`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(super) fn restore(prefix: &str, d: usize, reader: &mut Reader) -> Result<Self> {
        let map = if reader.has(&format!("{prefix}.map")) {
            let weights = reader.f64_of(&format!("{prefix}.map"), d.saturating_mul(d))?;
            Map::Wide(Whitening::new(weights, d))
        } else if reader.has(&format!("{prefix}.scale")) {
            let scale = reader.f64_of(&format!("{prefix}.scale"), 1)?;
            Map::Scale(scale.iter().sum())
        } else {
            Map::Narrow(Narrow::restore(prefix, d, reader)?)
        };
        Ok(Self { map, d })
    }

    /// The map of some rows.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; returns the same.
    pub(super) fn apply(&self, rows: &[f32], watch: &Watch<'_>) -> Result<Vec<f64>, Halt> {
        match &self.map {
            Map::Narrow(map) => map.map(rows, watch),
            Map::Scale(scale) => Ok(rows.iter().map(|x| f64::from(*x) * scale).collect()),
            Map::Wide(map) if rows.len() < SEVERAL * self.d => {
                let images = rows.par_chunks_exact(self.d).map(|row| {
                    let image = |weights: &[f64]| {
                        let terms = weights.iter().zip(row).map(|(w, x)| w * f64::from(*x));
                        terms.sum::<f64>()
                    };
                    watch.ticks().add(self.d * self.d)?;
                    let weights = map.weights().chunks_exact(self.d);
                    Ok(weights.map(image).collect::<Vec<_>>())
                });
                Ok(images.collect::<Result<Vec<_>, Halt>>()?.concat())
            }
            Map::Wide(map) => self.apply_to_several(map.weights(), rows, watch),
        }
    }

    /// The images of many rows, term by term in the same order, but several at a time.
    fn apply_to_several(
        &self,
        weights: &[f64],
        rows: &[f32],
        watch: &Watch<'_>,
    ) -> Result<Vec<f64>, Halt> {
        let d = self.d;
        let columns = (0..d).flat_map(|j| weights.iter().skip(j).step_by(d));
        let columns: Vec<f64> = columns.copied().collect();
        let images = rows.par_chunks(SEVERAL * d).map(|rows| {
            watch.ticks().add(rows.len() * d)?;
            let mut out = vec![0.0; rows.len()];
            vectorised(
                #[inline(always)]
                || {
                    for (j, column) in columns.chunks_exact(d).enumerate() {
                        // The map is a triangle.
                        let (_, column) = column.split_at(j);
                        for (row, out) in rows.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
                            let x = f64::from(row[j]);
                            for (out, weight) in out[j..].iter_mut().zip(column) {
                                *out += weight * x;
                            }
                        }
                    }
                },
            );
            Ok(out)
        });
        Ok(images.collect::<Result<Vec<_>, Halt>>()?.concat())
    }

    /// The map's transpose of `n` vectors: of standard normals it makes normals of
    /// covariance `S^-1`.
    ///
    /// # Shapes
    /// `vectors`: `(d, n)`, each a column; returns the same.
    pub(super) fn transposed(
        &self,
        vectors: &[f64],
        n: usize,
        watch: &Watch<'_>,
    ) -> Result<Vec<f64>, Halt> {
        match &self.map {
            Map::Narrow(map) => map.map_transposed(vectors, n, watch),
            Map::Scale(scale) => Ok(vectors.iter().map(|x| x * scale).collect()),
            Map::Wide(map) => {
                let mut out = vec![0.0; self.d * n];
                let mut ticks = watch.ticks();
                let weights = map.weights().chunks_exact(self.d);
                for (weights, values) in weights.zip(vectors.chunks_exact(n)) {
                    for (out, weight) in out.chunks_exact_mut(n).zip(weights) {
                        // The map is a triangle.
                        if *weight != 0.0 {
                            out.iter_mut()
                                .zip(values)
                                .for_each(|(out, x)| *out += weight * x);
                        }
                    }
                    ticks.add(self.d * n)?;
                }
                Ok(out)
            }
        }
    }
}

/// How many covariances are computed.
fn steps(reference: Reference) -> usize {
    match reference {
        Reference::Mixed => STEPS,
        Reference::Clean => 1,
    }
}

/// The rows of the last covariance, of n.
fn kept(n: usize, reference: Reference) -> usize {
    match reference {
        Reference::Mixed => ((n as f64 * KEPT).ceil() as usize).clamp(1, n.max(1)),
        Reference::Clean => n,
    }
}

/// The metric of the covariance that C-steps lead to.
fn concentrate(rows: &Panels, reference: Reference, watch: &Watch<'_>) -> Result<Whitening, Halt> {
    let (n, d) = (rows.n_rows(), rows.n_features());
    let kept = kept(n, reference);
    let mut distances = vec![0.0; n];
    let (mut location, covariance) = rows.moments(&vec![true; n], watch)?;
    let mut metric = shrunk(covariance, d, n, watch)?;
    for _ in 1..steps(reference) {
        rows.distances(&location, &metric, &mut distances, watch)?;
        let covariance;
        (location, covariance) = rows.moments(&nearest(&distances, kept), watch)?;
        metric = shrunk(covariance, d, kept, watch)?;
    }
    Ok(metric)
}

/// The same for fewer rows than columns.
fn concentrate_narrow(
    rows: Rows<'_>,
    reference: Reference,
    watch: &Watch<'_>,
) -> Result<Map, Halt> {
    let (n, d) = (rows.n_rows(), rows.n_cols());
    let kept = kept(n, reference);
    let mut panels = Panels::new(rows);
    // Around the medians, so that the products of the bulk of the rows round as little as can
    // be, however far away the others are.
    panels.standardise(&Metric::medians(rows), &vec![1.0; d]);
    panels.clear_padding();
    let gram = Gram::new(&panels, watch)?;
    let mut marked = vec![true; n];
    for _ in 1..steps(reference) {
        let centred = gram.centred(&marked);
        let count = marked.iter().filter(|m| **m).count();
        let (_, ridge) = shrinkage(centred.mean_square(&marked), d, count);
        let distances = centred.distances(&marked, ridge, watch)?;
        let distances = distances.unwrap_or_else(|| centred.squares());
        marked = nearest(&distances, kept);
    }
    let (mean, ridge) = shrinkage(gram.centred(&marked).mean_square(&marked), d, kept);
    drop(gram);
    let subset: Vec<usize> = (0..n).filter(|i| marked[*i]).collect();
    let narrow = Narrow::new(panels.pick(&subset), ridge, watch)?;
    Ok(narrow.map_or(Map::Scale(mean.sqrt().recip()), Map::Narrow))
}

/// The mean variance of d columns from its sum over them, and what is added to the variances
/// found in `count` rows.
fn shrinkage(trace: f64, d: usize, count: usize) -> (f64, f64) {
    // The nearest rows may all be equal, and then have no scale of their own.
    let mean = if trace > 0.0 { trace / d as f64 } else { 1.0 };
    let ridge = (SHRINKAGE[0] + SHRINKAGE[1] * d as f64 / count as f64) * mean;
    (mean, ridge)
}

/// The metric of a covariance of `count` rows, shrunk.
///
/// # Shapes
/// `covariance`: `(d, d)`, the lower half filled.
fn shrunk(
    covariance: Vec<f64>,
    d: usize,
    count: usize,
    watch: &Watch<'_>,
) -> Result<Whitening, Halt> {
    let trace: f64 = (0..d).map(|j| covariance[lower(j, j, d)]).sum();
    let (mean, ridge) = shrinkage(trace, d, count);
    let entry = |i: usize, j: usize| {
        let shared = covariance[lower(i, j, d)];
        shared + if i == j { ridge } else { 0.0 }
    };
    let matrix = Triangle::from_fn(d, entry);
    drop(covariance);
    let weights = if let Some(factor) = matrix.factor(watch)? {
        factor.inverse(watch)?
    } else {
        // The shrunken matrix is positive definite; should rounding deny it, use the identity.
        let scaled = |at: usize| {
            if at.is_multiple_of(d + 1) {
                mean.sqrt().recip()
            } else {
                0.0
            }
        };
        (0..d * d).map(scaled).collect()
    };
    Ok(Whitening::new(weights, d))
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::fit::watch::unwatched;
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

    fn fit(rows: &Matrix) -> Metric {
        unwatched(|watch| Metric::fit(rows.rows(), Reference::Mixed, watch))
    }

    fn squared(metric: &Metric, row: &[f32]) -> f64 {
        let image = unwatched(|watch| metric.apply(row, watch));
        image.iter().map(|x| x * x).sum()
    }

    #[test]
    fn the_bulk_decides_and_not_the_outliers() {
        let metric = fit(&rows());
        // Along the line of the bulk a step of 1 is ordinary, across it 1 is a lot.
        let along = squared(&metric, &[1.0, 1.0]);
        let across = squared(&metric, &[1.0, -1.0]);
        assert!((0.5..3.0).contains(&along), "{along}");
        assert!(across > 40.0 * along, "{across}");
    }

    #[test]
    fn the_transpose_makes_normals_of_the_inverse_covariance() {
        let metric = fit(&rows());
        // x' (W' e) = (W x)' e
        let image = unwatched(|watch| metric.apply(&[2.0, 3.0], watch));
        let e = [0.7, -1.1];
        let turned = unwatched(|watch| metric.transposed(&e, 1, watch));
        let one = 2.0 * turned[0] + 3.0 * turned[1];
        let other: f64 = image.iter().zip(e).map(|(a, b)| a * b).sum();
        assert!((one - other).abs() < 1e-9, "{one} {other}");
    }

    #[test]
    fn memory_grows_with_the_square_of_the_columns() {
        assert_eq!(Metric::memory(100, 10), 100 * 10 * 12 + 10 * 10 * 32);
        assert!(Metric::memory(50_000, 50_000) > 80_000_000_000);
        assert_eq!(Metric::memory(usize::MAX, usize::MAX), u64::MAX);
        // Not with fewer rows than columns.
        let memory = Metric::memory(60, 20_000);
        assert!(memory < 60 * 20_000 * 28, "{memory}");
    }

    #[test]
    fn more_columns_than_rows_and_equal_rows_have_a_metric() {
        let few: Vec<f32> = (0..60).map(|i| ((i * 37) % 19) as f32).collect();
        let few = Matrix::new(few, 20).unwrap();
        let equal = Matrix::new([[1.0f32; 4].repeat(9), vec![9.0; 4]].concat(), 4).unwrap();
        for rows in [few, equal] {
            let d = rows.rows().n_cols();
            let metric = fit(&rows);
            let mut row = vec![0.0; d];
            row[1] = 1.0;
            let length = squared(&metric, &row);
            assert!(length.is_finite() && length > 0.0, "{length}");
        }
    }

    /// The same metric by way of the `(d, d)` matrix.
    fn wide(rows: &Matrix) -> Metric {
        let map =
            unwatched(|watch| concentrate(&Panels::new(rows.rows()), Reference::Mixed, watch));
        Metric {
            map: Map::Wide(map),
            d: rows.rows().n_cols(),
        }
    }

    #[test]
    fn fewer_rows_than_columns_have_the_metric_of_the_covariance_matrix() {
        for (n, d) in [(2, 3), (9, 40), (60, 61), (100, 333)] {
            let mut rng = stream(9, Purpose::SAMPLE, [n as u64, d as u64]);
            let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
            // Columns of different units that lean on the first, and some rows far away.
            let row = |i: usize| {
                let first = 30.0 * normal() + if i % 7 == 6 { 1e3 } else { 0.0 };
                (0..d)
                    .map(|j| first + (j % 5) as f32 * normal())
                    .collect::<Vec<_>>()
            };
            let rows = Matrix::new((0..n).flat_map(row).collect(), d).unwrap();
            let (narrow, wide) = (fit(&rows), wide(&rows));
            assert!(matches!(narrow.map, Map::Narrow(_)));
            let near = |a: &[f64], b: &[f64]| {
                let largest = b.iter().fold(0.0f64, |most, x| most.max(x.abs()));
                for (a, b) in a.iter().zip(b) {
                    assert!((a - b).abs() < 1e-9 * largest, "{n} {d}: {a} {b}");
                }
            };
            let values = rows.rows().as_slice();
            let images = |metric: &Metric| unwatched(|watch| metric.apply(values, watch));
            near(&images(&narrow), &images(&wide));
            let vectors: Vec<f64> = (0..d * 19).map(|_| f64::from(normal())).collect();
            let turned =
                |metric: &Metric| unwatched(|watch| metric.transposed(&vectors, 19, watch));
            near(&turned(&narrow), &turned(&wide));
        }
    }

    #[test]
    fn equal_rows_have_equal_images_wherever_they_stand() {
        let values = (0..50 * 70).map(|i| ((i * 7919) % 101) as f32);
        let mut values: Vec<f32> = values.collect();
        values.copy_within(0..70, 37 * 70);
        let rows = Matrix::new(values, 70).unwrap();
        let images = unwatched(|watch| fit(&rows).apply(rows.rows().as_slice(), watch));
        assert_eq!(images[..70], images[37 * 70..38 * 70]);
    }
}
