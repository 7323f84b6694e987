//! The metric of a covariance that may be singular, and the eigenvectors of a symmetric matrix.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use nalgebra::{DMatrix, Dyn, SymmetricEigen};

use super::layout::lower;
use super::triangle::Triangle;
use super::whitening::Whitening;
use crate::fit::watch::{Halt, Watch};

/// Share of a column's variance that the columns before it must leave unexplained, for the
/// Cholesky factor to be used instead of the eigenvalues.
const INDEPENDENT: f64 = 1e-8;

/// Eigenvalues of the correlations up to this share of the largest are rounding errors: float32
/// rounds at 6e-8, so that a column computed from others leaves an eigenvalue of some 1e-13.
const NEGLIGIBLE: f64 = 1e-12;

/// Columns from which on eigenvalues take so long that the listener is asked meanwhile, and how
/// often.
const LARGE: usize = 200;
const LISTEN: Duration = Duration::from_millis(50);

/// A column varies if its deviation is more than this share of the size of its mean.
pub(crate) const CONSTANT: f64 = 1e-13;

/// The metric of a covariance, and the logarithm of its determinant, both over the
/// directions that vary.
///
/// The rank is judged on the correlations, so that it does not depend on the columns' units.
///
/// # Shapes
/// `location`: `(d,)`; `covariance`: `(d, d)`, the lower half filled.
pub(crate) fn whiten(
    location: &[f64],
    covariance: &[f64],
    watch: &Watch<'_>,
) -> Result<(Whitening, f64), Halt> {
    let d = location.len();
    let scale = |j: usize| covariance[lower(j, j, d)].sqrt();
    let varying: Vec<usize> = (0..d)
        .filter(|j| scale(*j) > CONSTANT * location[*j].abs())
        .collect();
    let scales: Vec<f64> = varying.iter().map(|j| scale(*j)).collect();
    let r = varying.len();
    let correlation =
        |a: usize, b: usize| covariance[lower(varying[a], varying[b], d)] / (scales[a] * scales[b]);
    let (map, log_det) = inverse_root(r, &correlation, watch)?;
    let rank = map.len() / r.max(1);
    let mut weights = vec![0.0; rank * d];
    let rows = weights.chunks_exact_mut(d).zip(map.chunks_exact(r.max(1)));
    for (weights, map) in rows {
        for ((map, j), scale) in map.iter().zip(&varying).zip(&scales) {
            weights[*j] = map / scale;
        }
    }
    let units: f64 = scales.iter().map(|s| 2.0 * s.ln()).sum();
    Ok((Whitening::new(weights, d), log_det + units))
}

/// `W` with `W' W` the inverse of a correlation matrix, or its pseudo-inverse, row after row,
/// and the logarithm of its determinant.
///
/// # Shapes
/// `correlation`: of row i and column j, j up to i; of `(r, r)`. Returns `(rank, r)`.
fn inverse_root(
    r: usize,
    correlation: &impl Fn(usize, usize) -> f64,
    watch: &Watch<'_>,
) -> Result<(Vec<f64>, f64), Halt> {
    if let Some(factor) = Triangle::from_fn(r, correlation).factor(watch)?
        && factor.diagonal().all(|l| l * l > INDEPENDENT)
    {
        let log_det = factor.diagonal().map(|l| 2.0 * l.ln()).sum();
        return Ok((factor.inverse(watch)?, log_det));
    }
    let correlations = DMatrix::from_fn(r, r, |a, b| correlation(a.max(b), a.min(b)));
    let eigen = eigen(correlations, watch)?;
    let largest = eigen.eigenvalues.iter().copied().fold(0.0, f64::max);
    let kept: Vec<usize> = (0..r)
        .filter(|k| eigen.eigenvalues[*k] > NEGLIGIBLE * largest)
        .collect();
    let log_det = kept.iter().map(|k| eigen.eigenvalues[*k].ln()).sum();
    let map = kept.iter().flat_map(|k| {
        let root = eigen.eigenvalues[*k].sqrt();
        eigen
            .eigenvectors
            .column(*k)
            .iter()
            .map(move |x| x / root)
            .collect::<Vec<_>>()
    });
    Ok((map.collect(), log_det))
}

/// Eigenvalues and eigenvectors of a symmetric matrix.
///
/// The library cannot be stopped on its way: a large matrix is left to a thread of its own, which
/// after a stop ends unheard.
pub(crate) fn eigen(
    matrix: DMatrix<f64>,
    watch: &Watch<'_>,
) -> Result<SymmetricEigen<f64, Dyn>, Halt> {
    if matrix.nrows() < LARGE {
        return Ok(SymmetricEigen::new(matrix));
    }
    let (send, found) = mpsc::channel();
    let copy = matrix.clone();
    std::thread::spawn(move || send.send(SymmetricEigen::new(copy)));
    loop {
        match found.recv_timeout(LISTEN) {
            Ok(found) => return Ok(found),
            Err(RecvTimeoutError::Timeout) => watch.ask()?,
            // There was no thread to be had.
            Err(RecvTimeoutError::Disconnected) => return Ok(SymmetricEigen::new(matrix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::covariance::layout::WIDTH;
    use crate::fit::watch::unwatched;

    #[test]
    fn the_metric_of_a_covariance_by_hand() {
        // Of [1, 1; 1, 2] the inverse is [2, -1; -1, 1] and the determinant 1.
        let covariance = [1.0, 0.0, 1.0, 2.0];
        let (metric, log_det) = unwatched(|watch| whiten(&[0.0, 0.0], &covariance, watch));
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
        let whiten = |location: &[f64], covariance: &[f64]| {
            unwatched(|watch| whiten(location, covariance, watch))
        };
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
