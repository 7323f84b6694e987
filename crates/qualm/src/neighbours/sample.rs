//! Mean and variance of the columns of a sample of rows, for choices that need no exact value.

/// Rows of a sample, at most.
pub(super) const SAMPLE: usize = 2048;

/// The mean of each column, `(d,)`.
pub(super) fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>, d: usize) -> Vec<f64> {
    let mut mean = vec![0.0; d];
    let mut n = 0.0f64;
    for row in rows {
        n += 1.0;
        for (sum, x) in mean.iter_mut().zip(row) {
            *sum += f64::from(*x);
        }
    }
    for sum in &mut mean {
        *sum /= n;
    }
    mean
}

/// Sums of squared deviations from the mean of each column, `(d,)`.
pub(super) fn squares<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone, d: usize) -> Vec<f64> {
    let mean = mean(rows.clone(), d);
    let mut squares = vec![0.0; d];
    for row in rows {
        for ((square, mean), x) in squares.iter_mut().zip(&mean).zip(row) {
            *square += (f64::from(*x) - mean).powi(2);
        }
    }
    squares
}
