//! How float64 values become the float32 values that a detector sees.
//!
//! float32 holds 24 binary digits. Seconds since 1970, identifiers, coordinates and other columns
//! whose values are large beside their differences need more, so such a column is read *less an
//! offset*, a value in its middle: the difference is taken in float64 and then rounded. Distances,
//! ranges and deviations stay what they are in float64; a space that divides rows by their norm
//! sees the column centred.
//!
//! A column gets an offset when the size of its median is more than [`LARGE`] times the median
//! distance from it, which is counted over the values that differ from it, and float32 does not
//! hold its values exactly. All other columns stay as they are, to the bit: rounding moves a
//! middling value of theirs by at most `LARGE * 2^-24 = 2^-16` of that distance. Where the
//! differences themselves are so large that squares of them would overflow, all columns are
//! multiplied by one power of two.

use serde::{Deserialize, Serialize};

/// How much larger than the differences the values of a column may be.
const LARGE: f64 = 256.0;
/// The sample of a column may decide that it needs no offset by this margin only.
const MARGIN: f64 = 16.0;
/// Rows in that sample, at most.
const SAMPLE: usize = 256;
/// Whole numbers below this are exact in float32.
const EXACT: f64 = 16_777_216.0;
/// Differences above this are clipped ([`crate::space::LIMIT`]), unless they are scaled.
pub(crate) const FAR: f64 = (1u64 << 49) as f64;
/// The exponent of the median difference above which, and to which, values are scaled.
const SCALED_FROM: i32 = 39;
const SCALED_TO: i32 = 30;

/// What is subtracted from each column, and by what the differences are multiplied, in float64,
/// before they are rounded to float32.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rounding {
    /// One for each column, or none where all are 0.
    offsets: Vec<f64>,
    /// A power of two.
    scale: f64,
}

/// Values as they are.
pub(crate) static PLAIN: Rounding = Rounding {
    offsets: Vec::new(),
    scale: 1.0,
};

impl Default for Rounding {
    fn default() -> Self {
        PLAIN.clone()
    }
}

/// The first value among some that is NaN, infinite or too large for float32, counted from 0.
#[must_use]
pub fn first_beyond_float32(values: &[f64]) -> Option<usize> {
    // In blocks without a branch, so that the search vectorises.
    const BLOCK: usize = 1024;
    let beyond = |x: &f64| !(*x as f32).is_finite();
    let holds_one = |block: &[f64]| block.iter().fold(false, |any, x| any | beyond(x));
    let block = values.chunks(BLOCK).position(holds_one)?;
    let found = values.get(block * BLOCK..)?.iter().position(beyond)?;
    Some(block * BLOCK + found)
}

impl Rounding {
    /// Chooses the offsets and the scale for rows to fit to, which come in parts.
    ///
    /// # Shapes
    /// Each of `parts`: `(n_i, n_cols)`, row after row, finite, within the range of float32.
    #[must_use]
    pub fn choose<P: AsRef<[f64]>>(parts: &[P], n_cols: usize) -> Self {
        let rows = Parts { parts, n_cols };
        let n_rows = parts.iter().map(|p| p.as_ref().len()).sum::<usize>() / n_cols.max(1);
        let mut column = Vec::new();
        let mut offsets = vec![0.0; n_cols];
        for (j, offset) in offsets.iter_mut().enumerate() {
            rows.column(j, n_rows.div_ceil(SAMPLE), &mut column);
            let sample = Middle::of(&mut column);
            if sample.distance > 0.0 && sample.median.abs() * MARGIN <= LARGE * sample.distance {
                continue;
            }
            rows.column(j, 1, &mut column);
            if !exact(&column) {
                let middle = Middle::of(&mut column);
                if middle.median.abs() > LARGE * middle.distance {
                    *offset = middle.median;
                }
            }
        }
        let far = rows.any(|j, x| (x - offsets[j]).abs() > FAR);
        let scale = if far { rows.scale(&offsets) } else { 1.0 };
        if offsets.iter().all(|offset| *offset == 0.0) {
            offsets.clear();
        }
        Self { offsets, scale }
    }

    /// Whether values stay as they are.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == PLAIN
    }

    /// What is subtracted from column `j`, counted from 0.
    #[must_use]
    pub fn offset(&self, j: usize) -> f64 {
        self.offsets.get(j).copied().unwrap_or(0.0)
    }

    /// The columns that have an offset, counted from 0.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        let offsets = self.offsets.iter().enumerate();
        offsets
            .filter(|(_, offset)| **offset != 0.0)
            .map(|(j, _)| j)
    }

    /// What the differences are multiplied by: a power of two, mostly 1.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Appends rows, rounded.
    ///
    /// # Shapes
    /// `values`: `(n, n_cols)`, row after row, finite, within the range of float32.
    pub fn append(&self, values: &[f64], n_cols: usize, out: &mut Vec<f32>) {
        if self.is_plain() {
            out.extend(values.iter().map(|x| *x as f32));
            return;
        }
        out.reserve(values.len());
        for row in values.chunks_exact(n_cols.max(1)) {
            let rounded = row.iter().enumerate().map(|(j, x)| {
                let scaled = (x - self.offset(j)) * self.scale;
                scaled.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
            });
            out.extend(rounded);
        }
    }

    /// Rows that were rounded by another rule, rounded by this one.
    pub(crate) fn again(&self, before: &Self, values: &[f32], n_cols: usize) -> Vec<f32> {
        let original = before.original(values, n_cols);
        let mut out = Vec::new();
        self.append(&original, n_cols, &mut out);
        out
    }

    /// What rounded rows were made from, but for the rounding.
    fn original(&self, values: &[f32], n_cols: usize) -> Vec<f64> {
        let rows = values.chunks_exact(n_cols.max(1));
        let before = |(j, x): (usize, &f32)| f64::from(*x) / self.scale + self.offset(j);
        rows.flat_map(|row| row.iter().enumerate().map(before))
            .collect()
    }

    /// Whether it is one that [`Rounding::choose`] makes for so many columns.
    pub(crate) fn is_valid(&self, n_cols: usize) -> bool {
        let finite = |x: &f64| (*x as f32).is_finite();
        let scale = self.scale.is_normal() && self.scale > 0.0 && self.scale <= 1.0;
        scale
            && self.offsets.iter().all(finite)
            && (self.offsets.is_empty() || self.offsets.len() == n_cols)
    }
}

/// Whether float32 holds all values of a column, and the whole numbers between them.
#[expect(clippy::float_cmp, reason = "the very same number is meant")]
fn exact(column: &[f64]) -> bool {
    let exact = |x: &f64| x.abs() < EXACT && f64::from(*x as f32) == *x;
    column.iter().all(exact)
}

/// The middle of some values, and how far from it they are.
#[derive(Debug, Clone, Copy)]
struct Middle {
    median: f64,
    /// The median distance from it of those that differ from it; 0 where none does.
    distance: f64,
}

impl Middle {
    #[expect(clippy::float_cmp, reason = "the very same number is meant")]
    fn of(values: &mut Vec<f64>) -> Self {
        let Some(median) = median(values) else {
            return Self {
                median: 0.0,
                distance: 0.0,
            };
        };
        values.retain(|x| *x != median);
        for x in values.iter_mut() {
            *x = (*x - median).abs();
        }
        Self {
            median,
            distance: self::median(values).unwrap_or(0.0),
        }
    }
}

/// The lower median.
fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// Rows in parts.
struct Parts<'a, P> {
    parts: &'a [P],
    n_cols: usize,
}

impl<P: AsRef<[f64]>> Parts<'_, P> {
    /// Every `step`-th value of column `j`.
    fn column(&self, j: usize, step: usize, out: &mut Vec<f64>) {
        out.clear();
        // Rows to skip before the next one, across parts.
        let mut skip = 0;
        for part in self.parts {
            let part = part.as_ref();
            let n_rows = part.len() / self.n_cols;
            out.extend(
                (skip..n_rows)
                    .step_by(step)
                    .filter_map(|i| part.get(i * self.n_cols + j)),
            );
            let taken = n_rows.saturating_sub(skip).div_ceil(step);
            skip = skip + taken * step - n_rows;
        }
    }

    /// Whether any value is such, given its column.
    fn any(&self, is: impl Fn(usize, f64) -> bool) -> bool {
        let mut rows = (self.parts.iter()).flat_map(|part| part.as_ref().chunks_exact(self.n_cols));
        // Without leaving a row early, so that it vectorises.
        rows.any(|row| {
            let row = row.iter().enumerate();
            row.fold(false, |any, (j, x)| any | is(j, *x))
        })
    }

    /// The power of two that brings the largest median difference of a column to its place.
    fn scale(&self, offsets: &[f64]) -> f64 {
        let mut column = Vec::new();
        let mut largest = 0f64;
        for (j, offset) in offsets.iter().enumerate() {
            self.column(j, 1, &mut column);
            for x in &mut column {
                *x -= offset;
            }
            largest = largest.max(Middle::of(&mut column).distance);
        }
        let exponent = largest.log2().ceil();
        if exponent > f64::from(SCALED_FROM) {
            (f64::from(SCALED_TO) - exponent).exp2()
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is chosen for one column, in one part and in parts of every size up to 7.
    fn one(column: &[f64]) -> Rounding {
        let whole = Rounding::choose(&[column], 1);
        for size in 1..8 {
            let parts: Vec<&[f64]> = column.chunks(size).collect();
            assert_eq!(Rounding::choose(&parts, 1), whole, "{size}");
        }
        whole
    }

    fn spread(middle: f64, size: f64, n: u32) -> Vec<f64> {
        let value = |i| middle + size * (f64::from(i) * 0.7).sin();
        (0..n).map(value).collect()
    }

    #[test]
    fn columns_that_float32_holds_stay_as_they_are() {
        for column in [
            spread(0.0, 1.0, 500),
            spread(150.0, 1.0, 500),
            spread(-1e12, 1e11, 500),
            // Whole numbers and halves, exact in float32.
            (0..500).map(|i| f64::from(2000 + i % 20)).collect(),
            (0..500).map(|i| 8_000_000.5 + f64::from(i % 3)).collect(),
            vec![7.0; 20],
            vec![0.0; 20],
            // One far value among values near 0.
            [spread(0.0, 1.0, 300), vec![1e9]].concat(),
        ] {
            let rounding = one(&column);
            assert!(rounding.is_plain(), "{rounding:?}");
        }
    }

    #[test]
    fn columns_whose_differences_would_be_lost_get_an_offset_in_their_middle() {
        for (column, at) in [
            ((0..200).map(|i| 1.7e9 + f64::from(i)).collect(), 1.7e9),
            (
                (0..40)
                    .map(|i| 9_007_199_254_740_992.0 + f64::from(2 * i))
                    .collect(),
                9.0e15,
            ),
            (spread(1e9, 1.0, 1000), 1e9),
            (spread(-293.0, 0.5, 1000), -293.0),
            // Mostly one value; one far value; a constant beyond the exact whole numbers.
            ([vec![1e9; 900], spread(1e9, 1.0, 50)].concat(), 1e9),
            ([spread(1e9, 1.0, 50), vec![0.0]].concat(), 1e9),
            (vec![1e9; 30], 1e9),
        ] {
            let column: Vec<f64> = column;
            let rounding = one(&column);
            assert!((rounding.offset(0) / at - 1.0).abs() < 0.01, "{rounding:?}");
            assert_eq!(rounding.scale(), 1.0);
            let mut rounded = Vec::new();
            rounding.append(&column, 1, &mut rounded);
            let distinct = |v: &[f64]| {
                let mut v = v.to_vec();
                v.sort_by(f64::total_cmp);
                v.dedup();
                v.len()
            };
            let back = rounding.original(&rounded, 1);
            assert_eq!(distinct(&back), distinct(&column));
        }
    }

    #[test]
    fn differences_beyond_the_limit_are_scaled_by_a_power_of_two() {
        let column = [spread(1e16, 1e15, 999), vec![4e16]].concat();
        let rounding = one(&column);
        assert_eq!(
            (rounding.offset(0), rounding.scale().log2().fract()),
            (0.0, 0.0)
        );
        let mut rounded = Vec::new();
        rounding.append(&column, 1, &mut rounded);
        assert!(rounded.iter().all(|x| x.abs() < 1e15));
        // A far row among ordinary ones changes nothing.
        assert!(one(&[spread(0.0, 1.0, 99), vec![1e30]].concat()).is_plain());
    }

    #[test]
    fn columns_are_decided_one_by_one_and_any_rows_can_be_rounded_again() {
        let rows: Vec<f64> = (0..300)
            .flat_map(|i| [f64::from(i).sin(), 1.7e9 + f64::from(i)])
            .collect();
        let rounding = Rounding::choose(&[&rows[..100], &rows[100..]], 2);
        assert_eq!(rounding.columns().collect::<Vec<_>>(), [1]);
        let mut rounded = Vec::new();
        rounding.append(&rows, 2, &mut rounded);
        assert_eq!(rounded[0], rows[0] as f32);
        assert_eq!(rounded[3] - rounded[1], 1.0);
        let plain = rows.iter().map(|x| *x as f32).collect::<Vec<_>>();
        let again = rounding.again(&PLAIN, &plain, 2);
        assert_eq!(
            f64::from(again[1]),
            f64::from(plain[1]) - rounding.offset(1)
        );
        assert_eq!(rounding.again(&rounding, &rounded, 2), rounded);
    }

    #[test]
    fn the_first_value_beyond_float32_is_found_wherever_it_is() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e39, -1e300] {
            for i in [0, 1023, 1024, 2500] {
                let mut values = vec![3.4e38; 2501];
                assert_eq!(first_beyond_float32(&values), None);
                values[i] = bad;
                assert_eq!(first_beyond_float32(&values), Some(i));
            }
        }
    }
}
