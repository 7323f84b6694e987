//! Which columns have moved.

use serde::{Deserialize, Serialize};

use super::corrections::holm;
use crate::rows::Rows;
use crate::stats::{Moments, Welch};

/// The moments of each column of some rows, batch after batch.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnMoments(Vec<Moments>);

/// How far a column of a window has moved from that of the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnShift {
    /// The column's number, from 0.
    pub column: usize,
    /// Its mean in the reference.
    pub reference_mean: f64,
    /// Its mean in the window.
    pub mean: f64,
    /// The difference by the deviation within.
    pub cohens_d: f64,
    /// The p-value of Welch's test, corrected by S. Holm's method for the number of columns.
    pub p: f64,
}

impl ColumnMoments {
    /// Of no rows yet, of so many columns.
    #[must_use]
    pub fn new(n_cols: usize) -> Self {
        Self(vec![Moments::default(); n_cols])
    }

    /// Takes rows of that many columns; more columns are not looked at.
    pub fn add(&mut self, rows: Rows<'_>) {
        for row in &rows {
            for (moments, value) in self.0.iter_mut().zip(row) {
                moments.add(f64::from(*value));
            }
        }
    }

    /// The columns of a window that have moved, by the size of the difference, largest first. Columns
    /// that vary in neither are left out.
    #[must_use]
    pub fn shifts(&self, window: &Self) -> Vec<ColumnShift> {
        let pairs = self.0.iter().zip(&window.0).enumerate();
        let mut shifts: Vec<ColumnShift> = pairs
            .filter_map(|(column, (reference, window))| {
                let test = Welch::of_moments([*reference, *window])?;
                Some(ColumnShift {
                    column,
                    reference_mean: reference.mean,
                    mean: window.mean,
                    cohens_d: test.cohens_d,
                    p: test.p,
                })
            })
            .collect();
        let p: Vec<f64> = shifts.iter().map(|shift| shift.p).collect();
        for (shift, p) in shifts.iter_mut().zip(holm(&p)) {
            shift.p = p;
        }
        shifts.sort_by(|a, b| b.cohens_d.abs().total_cmp(&a.cohens_d.abs()));
        shifts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    #[test]
    fn the_column_that_moved_comes_first() {
        let rows = |shift: f32| {
            let values = (0..200).flat_map(|i| {
                let (a, b) = ((i * 37 % 101) as f32, (i * 53 % 97) as f32);
                [a, b + shift, 5.0]
            });
            Matrix::new(values.collect(), 3).unwrap()
        };
        let mut reference = ColumnMoments::new(3);
        reference.add(rows(0.0).rows());
        let mut window = ColumnMoments::new(3);
        window.add(rows(30.0).rows());
        let shifts = reference.shifts(&window);
        // The constant column says nothing.
        let columns: Vec<usize> = shifts.iter().map(|s| s.column).collect();
        assert_eq!(columns, [1, 0]);
        assert!(shifts[0].cohens_d > 0.9 && shifts[0].p < 1e-10);
        assert!((shifts[0].mean - shifts[0].reference_mean - 30.0).abs() < 1e-6);
        assert!(shifts[1].cohens_d.abs() < 1e-9 && shifts[1].p > 0.99);
    }
}
