//! Location and scatter of some rows, and the metric that the scatter defines.

use nalgebra::{Cholesky, DMatrix, SymmetricEigen};

use crate::covariance::{Panels, Whitening, lower};

/// Share of a column's variance that the columns before it must leave unexplained, for the
/// Cholesky factor to be used instead of the eigenvalues.
const INDEPENDENT: f64 = 1e-8;

/// Eigenvalues of the correlations up to this share of the largest are rounding errors: float32
/// rounds at 6e-8, so that a column computed from others leaves an eigenvalue of some 1e-13.
const NEGLIGIBLE: f64 = 1e-12;

/// A column varies if its deviation is more than this share of the size of its mean.
pub(super) const CONSTANT: f64 = 1e-13;

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
    /// Location and scatter of the marked rows.
    ///
    /// # Shapes
    /// `marked`: `(n,)`.
    pub(super) fn from_rows(rows: &Panels, marked: &[bool]) -> Self {
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

    /// What `FastMCD` minimises: the number of directions that vary, then the determinant over
    /// them. It is the order of the determinants when all other directions shrink to 0.
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
    use crate::covariance::WIDTH;

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
