//! Rows in two dimensions: principal components.
//!
//! Subspace iteration with a few more directions than are needed (N. Halko, P.-G. Martinsson and
//! J. A. Tropp, *Finding structure with randomness*, SIAM Review 53, 2011, algorithm 4.4), on at most
//! 20,000 of the rows; all rows are projected. Sums go over blocks of a fixed size in a fixed order,
//! so that the number of threads changes no bit.

use nalgebra::{DMatrix, SymmetricEigen};
use qualm::Matrix;
use qualm::rng::{Purpose, sample, stream};
use rand::RngExt;
use rayon::prelude::*;

use crate::error::Result;

/// First directions, and the rows that they are found on.
const DIRECTIONS: Purpose = Purpose::of_crate(4, 2);
const ROWS: Purpose = Purpose::of_crate(4, 3);
const SAMPLE: usize = 20_000;
const EXTRA: usize = 6;
const ROUNDS: usize = 8;
const BLOCK: usize = 512;

/// Rows on the plane of their two largest variances.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plane {
    /// `[x, y]` of each row.
    pub(crate) points: Vec<[f32; 2]>,
    /// The shares of the variance that both axes hold.
    pub(crate) explained: [f64; 2],
}

/// Projects rows; `standardise` divides each column by its standard deviation first.
pub(crate) fn plane(rows: &Matrix, standardise: bool) -> Plane {
    let all = rows.rows();
    let (n, d) = (all.n_rows(), all.n_cols());
    let picked = chosen(n);
    let (means, scales) = moments(rows, &picked, standardise);
    let centred = |row: usize| -> Vec<f64> {
        let values = all.get(row).unwrap_or_default().iter();
        let values = values.zip(&means).zip(&scales);
        values.map(|((v, m), s)| (f64::from(*v) - m) * s).collect()
    };
    let k = (2 + EXTRA).min(d);
    let mut rng = stream(0, DIRECTIONS, [d as u64, 0]);
    let first = DMatrix::from_fn(d, k, |_, _| rng.random_range(-1.0..1.0));
    let mut basis = first.qr().q();
    let mut values = vec![0.0; k];
    let mut total = 0.0;
    for _ in 0..ROUNDS {
        // The covariance times the basis, block by block.
        let parts: Vec<(DMatrix<f64>, f64)> = picked
            .par_chunks(BLOCK)
            .map(|block| {
                let data: Vec<f64> = block.iter().flat_map(|&row| centred(row)).collect();
                let block = DMatrix::from_row_slice(block.len(), d, &data);
                (block.tr_mul(&(&block * &basis)), block.norm_squared())
            })
            .collect();
        let mut product = DMatrix::zeros(d, k);
        total = 0.0;
        for (part, squares) in parts {
            product += part;
            total += squares;
        }
        // Turned so that the largest variance comes first.
        let small = basis.tr_mul(&product);
        let eigen = SymmetricEigen::new((&small + small.transpose()) * 0.5);
        let mut order: Vec<usize> = (0..k).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        values = order.iter().map(|&i| eigen.eigenvalues[i]).collect();
        let turned = DMatrix::from_fn(k, k, |i, j| eigen.eigenvectors[(i, order[j])]);
        basis = (product * turned).qr().q();
    }
    let mut axes: Vec<Vec<f64>> = (0..k.min(2))
        .map(|j| basis.column(j).iter().copied().collect())
        .collect();
    for axis in &mut axes {
        // The sign of an axis is arbitrary: its largest element is positive.
        let largest = axis
            .iter()
            .copied()
            .fold(0.0_f64, |m, v| if v.abs() > m.abs() { v } else { m });
        if largest < 0.0 {
            for value in axis.iter_mut() {
                *value = -*value;
            }
        }
    }
    let place = |row: usize| {
        let row = centred(row);
        let along = |axis: Option<&Vec<f64>>| {
            let axis = axis.into_iter().flatten();
            row.iter().zip(axis).map(|(v, a)| v * a).sum::<f64>() as f32
        };
        [along(axes.first()), along(axes.get(1))]
    };
    let share = |i: usize| {
        let value = values.get(i).copied().unwrap_or_default();
        if total > 0.0 {
            (value / total).clamp(0.0, 1.0)
        } else {
            0.0
        }
    };
    Plane {
        points: (0..n).into_par_iter().map(place).collect(),
        explained: [share(0), share(1)],
    }
}

/// Rows with each column divided by its standard deviation, and 0 where it does not vary, about their
/// mean.
///
/// # Errors
/// [`qualm::Error`] for values that leave the range of float32.
pub(crate) fn standardised(rows: &Matrix) -> Result<Matrix> {
    let all = rows.rows();
    let (n, d) = (all.n_rows(), all.n_cols());
    let (means, scales) = moments(rows, &chosen(n), true);
    let values = all.as_slice().par_chunks_exact(d).flat_map_iter(|row| {
        let values = row.iter().zip(&means).zip(&scales);
        values.map(|((v, m), s)| ((f64::from(*v) - m) * s) as f32)
    });
    Ok(Matrix::new(values.collect(), d)?)
}

/// The rows that directions and moments are found on.
fn chosen(n: usize) -> Vec<usize> {
    sample(&mut stream(0, ROWS, [n as u64, 0]), n, SAMPLE)
}

/// Mean of each column, and what its values are multiplied by.
fn moments(rows: &Matrix, picked: &[usize], standardise: bool) -> (Vec<f64>, Vec<f64>) {
    let all = rows.rows();
    let d = all.n_cols();
    let n = picked.len().max(1) as f64;
    let (mut means, mut squares) = (vec![0.0; d], vec![0.0; d]);
    for &row in picked {
        for (mean, value) in means.iter_mut().zip(all.get(row).unwrap_or_default()) {
            *mean += f64::from(*value) / n;
        }
    }
    for &row in picked {
        let values = all.get(row).unwrap_or_default().iter();
        for ((square, value), mean) in squares.iter_mut().zip(values).zip(&means) {
            *square += (f64::from(*value) - mean).powi(2) / n;
        }
    }
    let scale = |square: &f64| match square.sqrt() {
        deviation if standardise && deviation > 0.0 => 1.0 / deviation,
        _ if standardise => 0.0,
        _ => 1.0,
    };
    (means, squares.iter().map(scale).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_space_becomes_a_line_and_threads_change_nothing() {
        // Along (3, 4, 0), with a little noise across.
        let rows = |i: usize| {
            let t = i as f32 / 100.0 - 5.0;
            [3.0 * t, 4.0 * t, 0.01 * (i % 7) as f32]
        };
        let matrix = Matrix::new((0..1000).flat_map(rows).collect(), 3).unwrap();
        let found = plane(&matrix, false);
        assert!(found.explained[0] > 0.999, "{:?}", found.explained);
        // Distances along the line are kept: 5 a unit of t.
        let length = found.points[999][0] - found.points[0][0];
        assert!((length.abs() - 5.0 * 9.99).abs() < 0.01, "{length}");
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(pool.install(|| plane(&matrix, false)), found);
        // One column, and columns that do not vary.
        let narrow = Matrix::new(vec![1.0, 2.0, 4.0], 1).unwrap();
        assert_eq!(plane(&narrow, true).points.len(), 3);
        let flat = Matrix::new(vec![1.0; 8], 2).unwrap();
        assert!(
            plane(&flat, true)
                .points
                .iter()
                .flatten()
                .all(|v| v.is_finite())
        );
    }
}
