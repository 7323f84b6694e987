//! Validated, contiguous, row-major float32 matrices: the only shape of input
//! that a detector ever sees.
//!
//! The checks run once, when a [`Matrix`] or a [`Rows`] is made: at least one row
//! and one column, and every value finite. Nothing downstream checks again.

use crate::error::{Error, Location, Result};

/// An owned `(n_rows, n_cols)` matrix of finite float32 values, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    data: Vec<f32>,
    n_cols: usize,
}

/// A borrowed `(n_rows, n_cols)` matrix of finite float32 values, row after row.
///
/// Making one from a slice copies nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rows<'a> {
    data: &'a [f32],
    n_cols: usize,
}

impl Matrix {
    /// Takes ownership of row-major values.
    ///
    /// # Shapes
    /// `data`: `(n_rows * n_cols,)`.
    ///
    /// # Errors
    /// See [`Rows::new`].
    pub fn new(data: Vec<f32>, n_cols: usize) -> Result<Self> {
        Rows::new(&data, n_cols)?;
        Ok(Self { data, n_cols })
    }

    /// The whole matrix as a view.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows {
            data: &self.data,
            n_cols: self.n_cols,
        }
    }

    /// The values, row after row, given back without a copy.
    #[must_use]
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }
}

impl<'a> Rows<'a> {
    /// Views row-major values as a matrix, after checking them.
    ///
    /// # Shapes
    /// `data`: `(n_rows * n_cols,)`.
    ///
    /// # Errors
    /// [`Error::Empty`] without a row or a column, [`Error::Shape`] when the length
    /// is no multiple of `n_cols`, [`Error::NotFinite`] naming the first row and
    /// column (1-based) that hold NaN or an infinity.
    pub fn new(data: &'a [f32], n_cols: usize) -> Result<Self> {
        if n_cols == 0 || data.is_empty() {
            return Err(Error::Empty {
                at: Location::default(),
            });
        }
        if !data.len().is_multiple_of(n_cols) {
            return Err(Error::Shape {
                len: data.len(),
                n_cols,
            });
        }
        // A sum of zeros stays zero unless one factor is NaN or infinite: one
        // branch-free pass that vectorises, then a search only when it fails.
        let poison: f32 = data.iter().map(|v| v * 0.0).sum();
        if (poison != 0.0 || poison.is_nan())
            && let Some(i) = data.iter().position(|v| !v.is_finite())
        {
            return Err(Error::NotFinite {
                at: Location::row(i / n_cols + 1).column(format!("{}", i % n_cols + 1)),
                value: f64::from(data[i]),
            });
        }
        Ok(Self { data, n_cols })
    }

    /// Number of rows, at least one.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.data.len() / self.n_cols
    }

    /// Number of columns, at least one.
    #[must_use]
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// All values, row after row: `(n_rows * n_cols,)`.
    #[must_use]
    pub fn as_slice(&self) -> &'a [f32] {
        self.data
    }

    /// One row, `(n_cols,)`, or `None` past the end.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&'a [f32]> {
        let start = row.checked_mul(self.n_cols)?;
        self.data.get(start..start.checked_add(self.n_cols)?)
    }

    /// The rows in order, each `(n_cols,)`.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f32> {
        self.data.chunks_exact(self.n_cols)
    }

    /// The rows in blocks of at most `size` rows, in order.
    #[must_use]
    pub fn blocks(&self, size: usize) -> impl ExactSizeIterator<Item = Rows<'a>> + use<'a> {
        let n_cols = self.n_cols;
        self.data
            .chunks(size.max(1) * n_cols)
            .map(move |data| Rows { data, n_cols })
    }
}

impl<'a> IntoIterator for &Rows<'a> {
    type Item = &'a [f32];
    type IntoIter = std::slice::ChunksExact<'a, f32>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_value_is_named_by_row_and_column() {
        let data = [1.0, 2.0, 3.0, f32::NAN, 5.0, f32::INFINITY];
        let error = Rows::new(&data, 2).unwrap_err();
        assert!(matches!(
            &error,
            Error::NotFinite { at, value } if at.row == Some(2) && at.column.as_deref() == Some("2") && value.is_nan()
        ));
    }

    #[test]
    fn empty_and_ragged_slices_are_refused() {
        assert!(matches!(Rows::new(&[], 3), Err(Error::Empty { .. })));
        assert!(matches!(Rows::new(&[1.0], 0), Err(Error::Empty { .. })));
        assert!(matches!(
            Rows::new(&[1.0; 5], 2),
            Err(Error::Shape { len: 5, n_cols: 2 })
        ));
    }

    #[test]
    fn the_largest_finite_values_pass() {
        let data = [f32::MAX, f32::MIN, -0.0, f32::MIN_POSITIVE];
        let rows = Rows::new(&data, 2).unwrap();
        assert_eq!((rows.n_rows(), rows.n_cols()), (2, 2));
        assert_eq!(rows.get(1), Some(&data[2..]));
        assert_eq!(rows.get(2), None);
        assert_eq!(rows.blocks(1).len(), 2);
    }
}
