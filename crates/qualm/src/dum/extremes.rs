//! Two distances that no covariance hides: that of the farthest column, and that along the way to
//! zero.
//!
//! With hardly more rows than columns a covariance has to be shrunk so far that it knows the
//! width of no single direction any more. What a dead sensor or a dead encoder does lies in
//! directions that are known beforehand, and their widths need no covariance.

use rayon::prelude::*;

use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::rows::Rows;

/// The width of a column that hardly varies, as a share of that of all columns. Among the outputs of a
/// network many are zero in nearly all rows: without it every row that is the first to have
/// another value there would be as far away as can be.
const NARROWEST: f64 = 0.03;

/// Where each column lies, and the way from there to zero.
#[derive(Debug)]
pub(super) struct Extremes {
    /// `(d,)`
    centre: Vec<f64>,
    /// Mean square of each column about the centre, `(d,)`.
    squares: Vec<f64>,
    /// They count for so much at the least.
    least: f64,
    /// How many rows they are of, while these very rows are asked about.
    fitted: Option<f64>,
}

impl Extremes {
    /// Of fitted rows about a centre, `(d,)`.
    pub(super) fn fit(rows: Rows<'_>, centre: Vec<f64>) -> Self {
        let n = rows.n_rows() as f64;
        let mut squares = vec![0.0; rows.n_cols()];
        for row in &rows {
            for ((square, x), centre) in squares.iter_mut().zip(row).zip(&centre) {
                *square += (f64::from(*x) - centre).powi(2);
            }
        }
        for square in &mut squares {
            *square /= n;
        }
        let varying = squares.iter().filter(|square| **square > 0.0);
        let mean = varying.clone().sum::<f64>() / varying.count() as f64;
        Self {
            centre,
            squares,
            least: NARROWEST * NARROWEST * mean,
            fitted: Some(n),
        }
    }

    /// From now on rows are new.
    pub(super) fn done_with_fitted(&mut self) {
        self.fitted = None;
        for square in &mut self.squares {
            *square = square.max(self.least);
        }
    }

    /// How far the farthest column of each row is from its centre, in widths, and how far the
    /// row is from the centre along the way to zero, each column in its width, in no unit:
    /// `(n, 2)`.
    pub(super) fn of(&self, rows: Rows<'_>) -> Vec<[f64; 2]> {
        let rows = rows.as_slice().par_chunks_exact(rows.n_cols());
        match self.fitted {
            // A row widens the columns that it is asked about: as if it had no part in them.
            Some(n) => {
                let width = |square: f64, own: f64| (n * square - own) / (n - 1.0);
                let one = |row| self.of_row(row, |square, own| width(square, own).max(self.least));
                rows.map(one).collect()
            }
            None => rows
                .map(|row| self.of_row(row, |square, _| square))
                .collect(),
        }
    }

    /// The same of one row; `width` has the squared width of a column of this mean square, for a
    /// row with this square of its own.
    fn of_row(&self, row: &[f32], width: impl Fn(f64, f64) -> f64) -> [f64; 2] {
        let (mut farthest, mut along) = (0.0f64, 0.0);
        for ((x, centre), square) in row.iter().zip(&self.centre).zip(&self.squares) {
            let away = f64::from(*x) - centre;
            let own = away * away;
            farthest = farthest.max(own / width(*square, own));
            along += away * centre / square.max(self.least);
        }
        [farthest.sqrt(), along.abs()]
    }

    pub(super) fn save(&self, prefix: &str, writer: &mut Writer) {
        writer.f64(format!("{prefix}.squares"), &self.squares);
    }

    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(super) fn restore(prefix: &str, centre: Vec<f64>, reader: &mut Reader) -> Result<Self> {
        let name = format!("{prefix}.squares");
        let squares = reader.f64_of(&name, centre.len())?;
        if squares.iter().any(|square| *square <= 0.0) {
            let found = "a width of 0";
            return Err(reader.corrupt(name, found, "squared widths above 0"));
        }
        Ok(Self {
            centre,
            squares,
            least: 0.0,
            fitted: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_by_hand() {
        // About (2, 0): squares 1 and 4; then 4 and 0; then 1 and 4.
        let rows = [3.0, 2.0, 4.0, 0.0, 1.0, -2.0];
        let rows = Rows::new(&rows, 2).unwrap();
        let mut extremes = Extremes::fit(rows, vec![2.0, 0.0]);
        // Without themselves: 1 / 2.5 and 4 / 2; 4 / 1 and 0 / 4; 1 / 2.5 and 4 / 2.
        let root = f64::sqrt;
        // Along (2, 0), where the width is the root of 2.
        near(
            &extremes,
            rows,
            [[root(2.0), 1.0], [2.0, 2.0], [root(2.0), 1.0]],
        );
        extremes.done_with_fitted();
        // As new rows: 1 / 2 and 4 / (8 / 3); 4 / 2 and 0; 1 / 2 and 4 / (8 / 3).
        near(
            &extremes,
            rows,
            [[root(1.5), 1.0], [root(2.0), 2.0], [root(1.5), 1.0]],
        );
    }

    fn near(extremes: &Extremes, rows: Rows<'_>, expected: [[f64; 2]; 3]) {
        let found = extremes.of(rows);
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn columns_that_hardly_vary_have_a_width() {
        let rows: Vec<f32> = (0..100)
            .flat_map(|i| [(i % 11) as f32, 0.0, 1e-9 * (i % 2) as f32])
            .collect();
        let rows = Rows::new(&rows, 3).unwrap();
        let mut extremes = Extremes::fit(rows, vec![5.0, 0.0, 0.0]);
        extremes.done_with_fitted();
        let new = [5.0, 1.0, 0.0, 5.0, 0.0, 1.0, 5.0, 0.0, 1e-3];
        let found = extremes.of(Rows::new(&new, 3).unwrap());
        // Both columns are as wide as 0.03 of the mean over the two that vary.
        assert!(found[0][0] > 10.0 && found[0] == found[1], "{found:?}");
        assert!(found[2][0] < 0.02, "{found:?}");
    }
}
