//! Columns as normal scores: each value by its rank, on the scale of a standard normal
//! distribution (B. L. van der Waerden, *Order tests for the two-sample problem and their power*,
//! Indagationes Mathematicae 14, 1952).
//!
//! ```text
//! q(x) = Phi^-1(mid-rank(x) / (n + 1)) + sign(u) log(1 + max(|u| - 3, 0) / 3)
//! u    = (x - median) / (interquartile range / 1.349)
//! ```
//!
//! Ranks take away what a column's unit and skewness say: heavy-tailed columns no longer decide
//! every distance. They would also take away how far out an extreme value is, and every new value
//! beyond the fitted ones would have the rank of the largest; the second term keeps that, on a
//! logarithmic scale, from three robust deviations on.
//!
//! A column is kept as at most [`KNOTS`] of its values with their scores; between two of them the
//! score is linear.

use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

use super::columns::{NORMAL_RANGE, deviation};
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::rows::Rows;

/// Values kept of a column: more than columns of codes and counts have, and fine enough that the
/// scores of others are exact to a hundredth of a deviation.
const KNOTS: usize = 256;

/// Robust deviations from the median up to which the rank says it all.
const USUAL: f64 = 3.0;

/// The scores of every column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NormalScores {
    columns: Vec<Column>,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
struct Column {
    /// Fitted values, ascending.
    knots: Vec<f32>,
    /// Their normal scores, ascending.
    scores: Vec<f32>,
    median: f64,
    /// One over the robust deviation.
    scale: f64,
}

impl NormalScores {
    /// Of some rows.
    pub(super) fn fit(rows: Rows<'_>) -> Self {
        let d = rows.n_cols();
        let column = |j: usize| {
            let values = rows.as_slice().iter().skip(j).step_by(d);
            Column::fit(values.copied().collect())
        };
        Self {
            columns: (0..d).into_par_iter().map(column).collect(),
        }
    }

    /// Replaces a row by its scores.
    ///
    /// # Shapes
    /// `row`: `(d,)`.
    pub(super) fn score(&self, row: &mut [f32]) {
        for (column, x) in self.columns.iter().zip(row) {
            *x = column.score(*x);
        }
    }

    /// Writes the columns.
    pub(super) fn save(&self, prefix: &str, writer: &mut Writer) {
        let lengths: Vec<u32> = self.columns.iter().map(|c| c.knots.len() as u32).collect();
        writer.u32(format!("{prefix}.columns"), &lengths);
        let all = |of: fn(&Column) -> &[f32]| -> Vec<f32> {
            self.columns.iter().flat_map(of).copied().collect()
        };
        let (knots, scores) = (all(|c| &c.knots), all(|c| &c.scores));
        writer.f32(format!("{prefix}.knots"), &[knots.len()], &knots);
        writer.f32(format!("{prefix}.scores"), &[scores.len()], &scores);
        let tails = self.columns.iter().flat_map(|c| [c.median, c.scale]);
        writer.f64(format!("{prefix}.tails"), &tails.collect::<Vec<_>>());
    }

    /// Reads what [`NormalScores::save`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(super) fn restore(n_in: usize, prefix: &str, reader: &mut Reader) -> Result<Self> {
        let name = format!("{prefix}.columns");
        let lengths = reader.u32(&name)?;
        if lengths.len() != n_in || lengths.contains(&0) {
            let found = format!("knots of {} columns", lengths.len());
            return Err(reader.corrupt(name, found, "some knots for each column"));
        }
        let total = lengths
            .iter()
            .try_fold(0usize, |sum, n| sum.checked_add(*n as usize));
        let total = total.unwrap_or(usize::MAX);
        let knots = reader.f32(&format!("{prefix}.knots"), &[total])?;
        let scores = reader.f32(&format!("{prefix}.scores"), &[total])?;
        let tails = reader.f64_of(&format!("{prefix}.tails"), 2 * n_in)?;
        let mut columns = Vec::with_capacity(n_in);
        let (mut knots, mut scores) = (knots.as_slice(), scores.as_slice());
        for (n, tail) in lengths.iter().zip(tails.chunks_exact(2)) {
            let (own, rest) = knots.split_at(*n as usize);
            let (own_scores, rest_scores) = scores.split_at(*n as usize);
            (knots, scores) = (rest, rest_scores);
            if !own.is_sorted() || !own_scores.is_sorted() {
                let found = "values that are not in order".to_owned();
                return Err(reader.corrupt(format!("{prefix}.knots"), found, "ascending values"));
            }
            columns.push(Column {
                knots: own.to_vec(),
                scores: own_scores.to_vec(),
                median: tail[0],
                scale: tail[1],
            });
        }
        Ok(Self { columns })
    }
}

impl Column {
    fn fit(mut values: Vec<f32>) -> Self {
        values.sort_unstable_by(f32::total_cmp);
        let n = values.len();
        let at = |share: f64| f64::from(values[((n - 1) as f64 * share).round() as usize]);
        let median = at(0.5);
        let range = (at(0.75) - at(0.25)) / NORMAL_RANGE;
        let spread = if range > 0.0 {
            range
        } else {
            deviation(values.iter().map(|x| f64::from(*x)))
        };
        // The rounded mean of a constant column can miss the constant.
        let constant = values.first() == values.last() || spread == 0.0;
        let (knots, scores) = knots(&values);
        Self {
            knots,
            scores,
            median,
            scale: if constant { 1.0 } else { spread.recip() },
        }
    }

    fn score(&self, x: f32) -> f32 {
        let u = (f64::from(x) - self.median) * self.scale;
        let beyond = ((u.abs() - USUAL).max(0.0) / USUAL).ln_1p();
        (f64::from(self.rank(x)) + beyond.copysign(u)) as f32
    }

    /// The normal score alone.
    fn rank(&self, x: f32) -> f32 {
        let above = self.knots.partition_point(|knot| *knot < x);
        match (above.checked_sub(1), self.knots.get(above)) {
            (_, Some(knot)) if *knot <= x => self.scores[above],
            (Some(below), Some(knot)) => {
                let (low, score) = (self.knots[below], self.scores[below]);
                let share = (f64::from(x) - f64::from(low)) / (f64::from(*knot) - f64::from(low));
                score + share as f32 * (self.scores[above] - score)
            }
            (Some(last), None) => self.scores[last],
            (None, _) => self.scores[0],
        }
    }
}

/// Some of the distinct values, both ends among them, and their scores; evenly spaced in score.
fn knots(sorted: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let normal = Normal::standard();
    let n = sorted.len();
    let mut all = Vec::new();
    let mut start = 0;
    for equal in sorted.chunk_by(|a, b| a >= b) {
        // Ranks start at 1/2 of a row: equal values share the middle of theirs.
        let middle = start as f64 + 0.5 * equal.len() as f64 + 0.5;
        all.push((
            equal[0],
            normal.inverse_cdf(middle / (n as f64 + 1.0)) as f32,
        ));
        start += equal.len();
    }
    if all.len() > KNOTS {
        let (first, last) = (all[0].1, all[all.len() - 1].1);
        let step = (last - first) / (KNOTS - 1) as f32;
        let n_all = all.len();
        let mut next = first;
        let mut i = 0;
        all.retain(|(_, score)| {
            let keep = *score >= next || i + 1 == n_all;
            if keep {
                next = first + step * (((score - first) / step).floor() + 1.0);
            }
            i += 1;
            keep
        });
    }
    all.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    fn scores(values: &[f32]) -> NormalScores {
        let rows = Matrix::new(values.to_vec(), 1).unwrap();
        NormalScores::fit(rows.rows())
    }

    fn of(scores: &NormalScores, x: f32) -> f32 {
        let mut row = [x];
        scores.score(&mut row);
        row[0]
    }

    #[test]
    fn by_hand() {
        // Ranks 1, 2.5, 2.5, 4 of 4, over 5: the quantiles of 0.2, 0.5, 0.5 and 0.8.
        let scores = scores(&[3.0, 5.0, 5.0, 6.0]);
        for (x, expected) in [
            (3.0, -0.841_62),
            (5.0, 0.0),
            (6.0, 0.841_62),
            (4.0, -0.420_81),
        ] {
            assert!((of(&scores, x) - expected).abs() < 1e-4, "{x}");
        }
    }

    #[test]
    fn the_score_grows_with_the_value_however_far_out() {
        let values: Vec<f32> = (0..5000).map(|i| ((i * 7919) % 5003) as f32).collect();
        let scores = scores(&values);
        assert!(scores.columns[0].knots.len() <= KNOTS);
        let mut last = f32::NEG_INFINITY;
        for x in [
            -1e30, -1e9, -5e4, 0.0, 1.0, 2500.0, 5002.0, 6e4, 1e6, 1e12, 1e30, 3e38,
        ] {
            let score = of(&scores, x);
            assert!(score > last && score.is_finite(), "{x}: {score}");
            last = score;
        }
    }

    #[test]
    fn thinned_knots_miss_no_rank_by_much() {
        // Exponential quantiles: a long tail.
        let n = 20_000;
        let quantile = |i: usize| -(1.0 - (i as f32 + 0.5) / n as f32).ln();
        let values: Vec<f32> = (0..n).map(quantile).collect();
        let scores = scores(&values);
        let normal = Normal::standard();
        for i in (0..n).step_by(97) {
            let exact = normal.inverse_cdf((i as f64 + 1.0) / (n as f64 + 1.0)) as f32;
            let found = scores.columns[0].rank(values[i]);
            assert!((found - exact).abs() < 0.01, "{i}: {found} {exact}");
        }
    }

    #[test]
    fn a_constant_column_shows_what_is_new_in_it() {
        let scores = scores(&[7.0; 9]);
        assert_eq!(of(&scores, 7.0), 0.0);
        assert!(of(&scores, 1007.0) > 5.0 && of(&scores, -1e30) < -60.0);
    }

    #[test]
    fn saved_and_restored() {
        let rows = [1.0f32, 5.0, 2.0, 5.0, 9.0, 6.0, 4.0, 1.0];
        let fitted = NormalScores::fit(Rows::checked(&rows, 2));
        let mut writer = Writer::default();
        fitted.save("space", &mut writer);
        let again = NormalScores::restore(2, "space", &mut Reader::of_tensors(writer.clone()));
        assert_eq!(again.unwrap(), fitted);
        assert!(NormalScores::restore(3, "space", &mut Reader::of_tensors(writer)).is_err());
    }
}
