//! Validated, contiguous, row-major float32 matrices: the only shape of input
//! that a detector ever sees.
//!
//! The checks run once, when a [`Matrix`] or a [`Rows`] is made: at least one row
//! and one column, and every value finite. Nothing downstream checks again.

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::ScalarBuffer;

use crate::error::{Error, Location, Result};
use crate::rounding::{FAR, PLAIN, Rounding, first_beyond_float32};

/// An `(n_rows, n_cols)` matrix of finite float32 values, row after row.
///
/// It owns its values, or shares them with the Arrow array that was read: a clone copies
/// nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    data: ScalarBuffer<f32>,
    n_cols: usize,
    /// `None` where values are as they were.
    rounding: Option<Arc<Rounding>>,
}

/// A borrowed `(n_rows, n_cols)` matrix of finite float32 values, row after row.
///
/// Making one from a slice copies nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rows<'a> {
    data: &'a [f32],
    n_cols: usize,
    rounding: &'a Rounding,
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
        Ok(Self::checked(data.into(), n_cols))
    }

    /// Takes values that the caller has checked, without checking or copying them.
    ///
    /// The caller promises what [`Rows::new`] checks: at least one row and one column, whole
    /// rows, all values finite ([`Rows::first_not_finite`]). Scores of anything else mean
    /// nothing. A [`ScalarBuffer`] shares its values with the Arrow array that it comes from.
    #[must_use]
    pub fn checked(data: ScalarBuffer<f32>, n_cols: usize) -> Self {
        debug_assert!(Rows::new(&data, n_cols).is_ok(), "finite, whole rows");
        Self {
            data,
            n_cols,
            rounding: None,
        }
    }

    /// Rounds float64 values to float32: by the rule of a model ([`crate::Fitted::rounding`]) to
    /// score, or, to fit, by one that is chosen for them.
    ///
    /// ```
    /// use qualm::Matrix;
    ///
    /// // Seconds since 1970: float32 would make one value of them.
    /// let seconds: Vec<f64> = (0..50).map(|i| 1.7e9 + f64::from(i)).collect();
    /// let matrix = Matrix::from_f64(&seconds, 1, None)?;
    /// assert_eq!(matrix.rows().rounding().offset(0), 1.7e9 + 24.0);
    /// assert_eq!(matrix.rows().as_slice()[0], -24.0);
    /// # Ok::<(), qualm::Error>(())
    /// ```
    ///
    /// # Shapes
    /// `values`: `(n_rows * n_cols,)`, row after row.
    ///
    /// # Errors
    /// Those of [`Rows::new`]; values too large for float32 count as infinite.
    pub fn from_f64(values: &[f64], n_cols: usize, rounding: Option<&Rounding>) -> Result<Self> {
        check_shape(values.len(), n_cols)?;
        if let Some(i) = first_beyond_float32(values) {
            return Err(not_finite(i, n_cols, values[i]));
        }
        let rounding = rounding.cloned();
        let rounding = rounding.unwrap_or_else(|| Rounding::choose(&[values], n_cols));
        Ok(Self::rounded([values], n_cols, &rounding))
    }

    /// Rounds float64 rows that come in parts and that the caller has checked
    /// ([`first_beyond_float32`]). Each part is dropped when it has been rounded.
    ///
    /// # Shapes
    /// Each of `parts`: `(n_i, n_cols)`, row after row, at least one row in all of them.
    #[must_use]
    pub fn rounded<P: AsRef<[f64]>>(
        parts: impl IntoIterator<Item = P>,
        n_cols: usize,
        rounding: &Rounding,
    ) -> Self {
        let mut data = Vec::new();
        for part in parts {
            rounding.append(part.as_ref(), n_cols, &mut data);
        }
        Self::checked(data.into(), n_cols).with_rounding(rounding)
    }

    /// Says by which rule the values were rounded.
    #[must_use]
    pub fn with_rounding(self, rounding: &Rounding) -> Self {
        let rounding = (!rounding.is_plain()).then(|| Arc::new(rounding.clone()));
        Self { rounding, ..self }
    }

    /// The whole matrix as a view.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows {
            data: &self.data,
            n_cols: self.n_cols,
            rounding: self.rounding.as_deref().unwrap_or(&PLAIN),
        }
    }

    /// The values, row after row: the vector given to [`Matrix::new`] itself, a copy of values
    /// that are shared.
    #[must_use]
    pub fn into_vec(self) -> Vec<f32> {
        self.data.into()
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
        check_shape(data.len(), n_cols)?;
        if let Some(i) = Self::first_not_finite(data) {
            return Err(not_finite(i, n_cols, f64::from(data[i])));
        }
        Ok(Self {
            data,
            n_cols,
            rounding: &PLAIN,
        })
    }

    /// Where the first NaN or infinity among some values is, counted from 0.
    #[must_use]
    pub fn first_not_finite(data: &[f32]) -> Option<usize> {
        // All bits of the exponent are set. Without a branch, so that it vectorises: a block is
        // searched only when it holds such a value.
        const EXPONENT: u32 = 0x7F80_0000;
        const BLOCK: usize = 1024;
        let holds_one = |block: &[f32]| {
            let bad = block.iter().map(|v| v.to_bits() & EXPONENT == EXPONENT);
            bad.fold(false, |any, bad| any | bad)
        };
        let block = data.chunks(BLOCK).position(holds_one)?;
        let start = block * BLOCK;
        let found = data.get(start..)?.iter().position(|v| !v.is_finite())?;
        Some(start + found)
    }

    /// Views values that are known to be finite and to make whole rows.
    pub(crate) fn checked(data: &'a [f32], n_cols: usize) -> Self {
        debug_assert!(Self::new(data, n_cols).is_ok(), "finite, whole rows");
        Self {
            data,
            n_cols,
            rounding: &PLAIN,
        }
    }

    /// The same values, with the rule by which they were rounded.
    pub(crate) fn with_rounding(self, rounding: &'a Rounding) -> Self {
        Self { rounding, ..self }
    }

    /// How the values were made from float64.
    #[must_use]
    pub fn rounding(&self) -> &'a Rounding {
        self.rounding
    }

    /// Some of the rows, in the order asked for, as a matrix of their own. Numbers past the end
    /// are left out.
    ///
    /// # Errors
    /// [`Error::Empty`] for no row.
    pub fn pick(&self, rows: &[usize]) -> Result<Matrix> {
        let mut values = Vec::with_capacity(rows.len() * self.n_cols);
        values.extend(rows.iter().filter_map(|i| self.get(*i)).flatten());
        check_shape(values.len(), self.n_cols)?;
        Ok(Matrix::checked(values.into(), self.n_cols).with_rounding(self.rounding))
    }

    /// The rows scaled down, where their values are so large that squares would overflow.
    pub(crate) fn near(&self) -> Option<Matrix> {
        // Without leaving a block early, so that it vectorises.
        let far = |block: Self| {
            let values = block.as_slice().iter();
            values.fold(false, |any, x| any | (f64::from(x.abs()) > FAR))
        };
        if !self.rounding.is_plain() || !self.blocks(4096).any(far) {
            return None;
        }
        let values: Vec<f64> = self.data.iter().map(|x| f64::from(*x)).collect();
        let rounding = Rounding::choose(&[&values], self.n_cols);
        (!rounding.is_plain()).then(|| Matrix::rounded([values], self.n_cols, &rounding))
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

    /// Some rows in a run, or `None` where there is none or the range goes past the end.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Option<Self> {
        let start = rows.start.checked_mul(self.n_cols)?;
        let end = rows.end.checked_mul(self.n_cols)?;
        let data = self.data.get(start..end).filter(|data| !data.is_empty())?;
        Some(Self { data, ..*self })
    }

    /// The rows in order, each `(n_cols,)`.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f32> {
        self.data.chunks_exact(self.n_cols)
    }

    /// The rows in blocks of at most `size` rows, in order.
    #[must_use]
    pub fn blocks(&self, size: usize) -> impl ExactSizeIterator<Item = Rows<'a>> + use<'a> {
        let rows = *self;
        self.data
            .chunks(size.max(1) * self.n_cols)
            .map(move |data| Rows { data, ..rows })
    }
}

impl<'a> IntoIterator for &Rows<'a> {
    type Item = &'a [f32];
    type IntoIter = std::slice::ChunksExact<'a, f32>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Refuses a number of values that makes no whole rows.
fn check_shape(len: usize, n_cols: usize) -> Result<()> {
    if n_cols == 0 || len == 0 {
        return Err(Error::Empty {
            at: Location::default(),
        });
    }
    if len.is_multiple_of(n_cols) {
        Ok(())
    } else {
        Err(Error::Shape { len, n_cols })
    }
}

fn not_finite(i: usize, n_cols: usize, value: f64) -> Error {
    let at = Location::row(i / n_cols + 1).column(format!("{}", i % n_cols + 1));
    Error::NotFinite { at, value }
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
    fn every_bad_value_is_found_wherever_it_is() {
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for i in [0, 1, 1023, 1024, 2047, 2500] {
                let mut data = vec![f32::MAX; 2501];
                assert_eq!(Rows::first_not_finite(&data), None);
                data[i] = bad;
                assert_eq!(Rows::first_not_finite(&data), Some(i));
                data[2500] = f32::NAN;
                assert_eq!(Rows::first_not_finite(&data), Some(i));
            }
        }
    }

    #[test]
    fn a_vector_goes_in_and_comes_out_without_a_copy() {
        let data = vec![1.0, 2.0, 3.0, 4.0];
        let start = data.as_ptr();
        let matrix = Matrix::new(data, 2).unwrap();
        assert_eq!(matrix.rows().as_slice().as_ptr(), start);
        let clone = matrix.clone();
        assert_eq!(clone.rows().as_slice().as_ptr(), start);
        drop(clone);
        let data = matrix.into_vec();
        assert_eq!(data.as_ptr(), start);
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
        assert_eq!(rows.slice(1..2).map(|r| r.as_slice()), Some(&data[2..]));
        assert_eq!(rows.slice(0..2), Some(rows));
        assert_eq!((rows.slice(1..1), rows.slice(1..3)), (None, None));
    }
}
