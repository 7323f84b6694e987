//! Location and scatter of some rows, and the metric that the scatter defines.

use nalgebra::{Cholesky, DMatrix, SymmetricEigen};

use super::panels::{Panels, WIDTH};

/// Share of a column's variance that the columns before it must leave unexplained, for all
/// of them to be taken as independent without a closer look.
const INDEPENDENT: f64 = 1e-8;

/// Eigenvalues of the correlations up to this share of the largest are rounding: a float32
/// is rounded at 6e-8 of its size, so a column computed from others leaves some 1e-13.
const NEGLIGIBLE: f64 = 1e-12;

/// A column varies if its deviation is more than this share of its mean's size.
pub(super) const CONSTANT: f64 = 1e-13;

/// Where the lower half of a `(d, d)` matrix keeps row `j`, column `k`, `k <= j`.
pub(super) fn lower(j: usize, k: usize, d: usize) -> usize {
    j * d + k
}

/// A metric as the linear map that makes it Euclidean: `|x|^2_S = |W x|^2`, `W' W = S^-1`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Whitening {
    /// `(rank, d)`
    weights: Vec<f64>,
    d: usize,
    /// Columns up to the last that is not 0, of each row of the map.
    widths: Vec<usize>,
}

impl Whitening {
    /// A metric from its map, `(rank, d)`.
    pub(super) fn new(weights: Vec<f64>, d: usize) -> Self {
        let width = |row: &[f64]| row.iter().rposition(|w| *w != 0.0).map_or(0, |k| k + 1);
        let widths = weights.chunks_exact(d).map(width).collect();
        Self { weights, d, widths }
    }

    #[cfg(test)]
    pub(super) fn identity(d: usize) -> Self {
        Self::new(DMatrix::<f64>::identity(d, d).as_slice().to_vec(), d)
    }

    /// The map, `(rank, d)`.
    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Directions that it measures.
    pub(super) fn rank(&self) -> usize {
        self.widths.len()
    }

    /// The same metric for rows whose columns have yet to be multiplied by `scale`.
    pub(super) fn rescaled(&self, scale: &[f64]) -> Self {
        let scales = scale.iter().cycle();
        let weights = self.weights.iter().zip(scales).map(|(w, s)| w * s);
        Self::new(weights.collect(), self.d)
    }

    /// The metric for rows that have yet to be mapped by another, whose image it is of.
    pub(super) fn after(&self, first: &Self) -> Self {
        let rank = first.rank();
        let ours = DMatrix::from_row_slice(self.rank(), rank, &self.weights);
        let theirs = DMatrix::from_row_slice(rank, first.d, &first.weights);
        // Its transpose, kept column after column, is the product row after row.
        Self::new((ours * theirs).transpose().as_slice().to_vec(), first.d)
    }

    /// The least row that a map with orthogonal rows takes to `image`.
    ///
    /// # Shapes
    /// `image`: `(rank,)`; returns `(d,)`.
    pub(super) fn source(&self, image: &[f64]) -> Vec<f64> {
        let mut source = vec![0.0; self.d];
        for (weights, image) in self.weights.chunks_exact(self.d).zip(image) {
            let norm: f64 = weights.iter().map(|w| w * w).sum();
            for (source, weight) in source.iter_mut().zip(weights) {
                *source += weight * image / norm;
            }
        }
        source
    }

    /// The images of the rows of a panel, `(rank, WIDTH)`.
    pub(super) fn map(&self, panel: &[f64]) -> Vec<f64> {
        let columns = panel.as_chunks::<WIDTH>().0;
        let image = |weights: &[f64]| {
            let mut image = [0.0; WIDTH];
            for (weight, column) in weights.iter().zip(columns) {
                for lane in 0..WIDTH {
                    image[lane] += weight * column[lane];
                }
            }
            image
        };
        self.weights.chunks_exact(self.d).flat_map(image).collect()
    }

    /// The metric of a covariance multiplied by a factor.
    fn inflated(mut self, factor: f64) -> Self {
        let root = factor.sqrt();
        for weight in &mut self.weights {
            *weight /= root;
        }
        self
    }

    /// Squared lengths of the rows of a panel.
    ///
    /// # Shapes
    /// `panel`: `(d, WIDTH)`, one column of the rows after another.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(super) fn squared(&self, panel: &[f64]) -> [f64; WIDTH] {
        let columns = panel.as_chunks::<WIDTH>().0;
        let mut out = [0.0; WIDTH];
        let mut rows = self.weights.chunks_exact(2 * self.d);
        let mut widths = self.widths.chunks_exact(2);
        // Two rows of the map at a time: the columns are read once for both.
        for (weights, widths) in (&mut rows).zip(&mut widths) {
            let (first, second) = weights.split_at(self.d);
            let width = widths[0].max(widths[1]);
            let mut z = [[0.0; WIDTH]; 2];
            let weights = first.iter().zip(second).take(width);
            for ((a, b), column) in weights.zip(columns) {
                for lane in 0..WIDTH {
                    z[0][lane] += a * column[lane];
                    z[1][lane] += b * column[lane];
                }
            }
            for lane in 0..WIDTH {
                out[lane] += z[0][lane] * z[0][lane];
                out[lane] += z[1][lane] * z[1][lane];
            }
        }
        for (weights, width) in rows.remainder().chunks(self.d).zip(widths.remainder()) {
            let mut z = [0.0; WIDTH];
            for (a, column) in weights.iter().take(*width).zip(columns) {
                for lane in 0..WIDTH {
                    z[lane] += a * column[lane];
                }
            }
            for lane in 0..WIDTH {
                out[lane] += z[lane] * z[lane];
            }
        }
        out
    }
}

/// Location and covariance of some rows, the latter as its metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scatter {
    /// `(d,)`
    pub(super) location: Vec<f64>,
    pub(super) metric: Whitening,
    /// Logarithm of the determinant over the directions that vary.
    log_det: f64,
}

impl Scatter {
    /// Of the marked rows.
    ///
    /// # Shapes
    /// `marked`: `(n,)`.
    pub(super) fn of(rows: &Panels, marked: &[bool]) -> Self {
        let (location, covariance) = rows.moments(marked);
        let (metric, log_det) = whiten(&location, &covariance);
        Self {
            location,
            metric,
            log_det,
        }
    }

    /// Directions that vary.
    pub(super) fn rank(&self) -> usize {
        self.metric.rank()
    }

    /// The same with the covariance multiplied by a factor.
    pub(super) fn inflated(self, factor: f64) -> Self {
        Self {
            metric: self.metric.inflated(factor),
            ..self
        }
    }

    /// What `FastMCD` minimises, as the limit of the determinant when the directions that do
    /// not vary shrink together: fewer directions first, then the determinant over them.
    pub(super) fn objective(&self) -> (usize, f64) {
        (self.rank(), self.log_det)
    }
}

/// The metric of a covariance, and the logarithm of its determinant, both over the
/// directions that vary.
///
/// The rank is judged on the correlations, so that it does not depend on the columns' units.
///
/// # Shapes
/// `location`: `(d,)`; `covariance`: `(d, d)`, the lower half filled.
fn whiten(location: &[f64], covariance: &[f64]) -> (Whitening, f64) {
    let d = location.len();
    let scale = |j: usize| covariance[lower(j, j, d)].sqrt();
    let varying: Vec<usize> = (0..d)
        .filter(|j| scale(*j) > CONSTANT * location[*j].abs())
        .collect();
    let scales: Vec<f64> = varying.iter().map(|j| scale(*j)).collect();
    let r = varying.len();
    let correlations = DMatrix::from_fn(r, r, |a, b| {
        let (a, b) = (a.max(b), a.min(b));
        covariance[lower(varying[a], varying[b], d)] / (scales[a] * scales[b])
    });
    let (map, log_det) = inverse_root(correlations);
    let mut weights = vec![0.0; map.nrows() * d];
    for (a, weights) in weights.chunks_exact_mut(d).enumerate() {
        for ((b, j), scale) in varying.iter().enumerate().zip(&scales) {
            weights[*j] = map[(a, b)] / scale;
        }
    }
    let units: f64 = scales.iter().map(|s| 2.0 * s.ln()).sum();
    (Whitening::new(weights, d), log_det + units)
}

/// `W` with `W' W` the inverse of a correlation matrix, or its pseudo-inverse, and the
/// logarithm of its determinant.
fn inverse_root(correlations: DMatrix<f64>) -> (DMatrix<f64>, f64) {
    let r = correlations.nrows();
    let independent = |cholesky: &Cholesky<f64, nalgebra::Dyn>| {
        let diagonal = cholesky.l_dirty().diagonal();
        diagonal.iter().all(|l| l * l > INDEPENDENT)
    };
    if let Some(cholesky) = Cholesky::new(correlations.clone()).filter(independent) {
        let factor = cholesky.l();
        let log_det = factor.diagonal().iter().map(|l| 2.0 * l.ln()).sum();
        if let Some(inverse) = factor.solve_lower_triangular(&DMatrix::identity(r, r)) {
            return (inverse, log_det);
        }
    }
    let eigen = SymmetricEigen::new(correlations);
    let largest = eigen.eigenvalues.iter().copied().fold(0.0, f64::max);
    let kept: Vec<usize> = (0..r)
        .filter(|k| eigen.eigenvalues[*k] > NEGLIGIBLE * largest)
        .collect();
    let log_det = kept.iter().map(|k| eigen.eigenvalues[*k].ln()).sum();
    let map = DMatrix::from_fn(kept.len(), r, |a, b| {
        let k = kept[a];
        eigen.eigenvectors[(b, k)] / eigen.eigenvalues[k].sqrt()
    });
    (map, log_det)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metric_of_a_covariance_by_hand() {
        // Of [1, 1; 1, 2] the inverse is [2, -1; -1, 1] and the determinant 1.
        let covariance = [1.0, 0.0, 1.0, 2.0];
        let (metric, log_det) = whiten(&[0.0, 0.0], &covariance);
        assert!(log_det.abs() < 1e-12, "{log_det}");
        let mut panel = [0.0; 2 * WIDTH];
        (panel[0], panel[WIDTH]) = (3.0, 1.0);
        // 2 * 9 - 2 * 3 * 1 + 1
        assert!((metric.squared(&panel)[0] - 13.0).abs() < 1e-12);
        assert_eq!(metric.squared(&panel)[1], 0.0);
    }

    #[test]
    fn directions_that_do_not_vary_are_left_out() {
        // The third column is the sum of the first two, the fourth is constant.
        let covariance = [
            [1.0, 0.0, 1.0, 0.0],
            [0.0, 1.0, 1.0, 0.0],
            [1.0, 1.0, 2.0, 0.0],
            [0.0, 0.0, 0.0, 0.0],
        ];
        let (metric, _) = whiten(&[0.0; 4], covariance.as_flattened());
        assert_eq!(metric.rank(), 2);
        // A row of the plane: its coordinates are those of the first two columns.
        let mut panel = [0.0; 4 * WIDTH];
        (panel[0], panel[WIDTH], panel[2 * WIDTH]) = (3.0, 4.0, 7.0);
        panel[3 * WIDTH] = 1e9;
        assert!((metric.squared(&panel)[0] - 25.0).abs() < 1e-9);
        assert_eq!(whiten(&[5.0], &[0.0]).0.rank(), 0);
    }
}
