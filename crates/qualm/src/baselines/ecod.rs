//! Empirical cumulative distributions (Z. Li, Y. Zhao, X. Hu, N. Botta, C. Ionescu and G. H.
//! Chen, *ECOD: unsupervised outlier detection using empirical cumulative distribution
//! functions*, IEEE TKDE 2022).
//!
//! A row is as strange as it is far out in the tails of its columns, each taken by itself. With
//! `X_1j ... X_nj` the fitted values of column j, the score is minus the logarithm of the smaller
//! tail, summed over the columns:
//!
//! ```text
//! F_j(v) = #{i : X_ij <= v} / n          G_j(v) = #{i : X_ij >= v} / n
//! q(x)   = sum over j of -log min(F_j(x_j), G_j(x_j))
//! ```
//!
//! As in `PyOD`, the larger of the two terms is taken in each column. The paper takes the largest
//! of three sums over all columns: of the left tails, of the right ones, and of the tail that the
//! sign of each column's skewness names. Of that sign `PyOD` keeps one effect, which we leave out:
//! it adds both tails where the skewness is exactly 0, and a change of unit, by rounding alone,
//! can turn that on or off. Scores of the fitted rows are `PyOD`'s but for such columns.
//!
//! New rows are held against the fitted rows alone. `PyOD` appends them to the fitted rows and
//! counts anew, so that there a score depends on the rows beside it. Where a value lies outside the
//! fitted ones, by e, no row is left to count; the tail goes on exponentially from that of less
//! than one row, in units of the column's standard deviation s over the fitted rows:
//!
//! ```text
//! exp(-e / s) / (n + 1)          1 / (n + 1) for any other value of a constant column
//! ```
//!
//! so that the score grows on outwards, and one column that is far off outweighs all others.
//! Without it, a row with one column anywhere beyond the fitted values would differ from the row
//! at their end by log((n + 1) / n).
//!
//! Nothing is drawn, and there is no hyper-parameter. The columns' scales do not matter.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::spaced::Stage;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, DetectorSpec, Outcome};
use crate::error::Result;
use crate::fit::session::Session;
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::{Scaling, deviation};

/// Rows scored by a thread at a time: column by column, so that a column stays in its cache.
const BLOCK: usize = 1024;

/// Sorted values between two that are searched first: these few stay in a cache, and leave a
/// stretch of two cache lines to search.
const STRIDE: usize = 32;

/// Values that are sorted between two reports of progress.
const SORTED: usize = 1 << 22;

/// Hyper-parameters of `ecod`: how far out a row is in the tails of its columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EcodSpec {
    /// How rows are scaled first. Scaling feature by feature changes scores only by rounding.
    pub space: Scaling,
    /// Whether the fitted rows may hold outliers. Where they may not, the covariance of the space
    /// `robust` is of all rows; nothing else changes.
    pub reference: Reference,
}

impl Default for EcodSpec {
    fn default() -> Self {
        Self {
            space: Scaling::Identity,
            reference: Reference::default(),
        }
    }
}

/// The fitted values, sorted.
#[derive(Debug)]
struct Ecod {
    /// `(d, n)`, column after column.
    sorted: Vec<f32>,
    /// Rows.
    n: usize,
    /// Every so many of a column's sorted values, the first among them, and its standard deviation.
    columns: Vec<(Vec<f32>, f64)>,
}

/// A fitted column.
#[derive(Clone, Copy)]
struct Column<'a> {
    sorted: &'a [f32],
    heads: &'a [f32],
    deviation: f64,
}

impl EcodSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference)
    }
}

impl DetectorSpec for EcodSpec {
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn memory(&self, n_rows: usize, n_features: usize) -> u64 {
        let sorted = (n_rows as u64).saturating_mul(4 * n_features as u64);
        sorted.saturating_add(self.stage().memory(n_rows, n_features))
    }

    fn scaling_mut(&mut self) -> Option<&mut Scaling> {
        Some(&mut self.space)
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.stage().fit(rows, session, |rows, session| {
            let (n, d) = (rows.n_rows(), rows.n_cols());
            let mut sorted = transposed(rows.as_slice(), d);
            let meter = &mut session.meter();
            let columns = (SORTED / n).max(1);
            for (i, block) in sorted.chunks_mut(columns * n).enumerate() {
                meter.work("sorted columns", (i * columns) as u64, d as u64)?;
                block
                    .par_chunks_exact_mut(n)
                    .for_each(|column| column.par_sort_unstable_by(f32::total_cmp));
            }
            Ok(Outcome::new(Ecod::new(sorted, n)))
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                let values = reader.f32_rows("sorted", n_features)?;
                let n = values.len() / n_features;
                let sorted = transposed(&values, n_features);
                if !sorted.par_chunks_exact(n).all(<[f32]>::is_sorted) {
                    let found = "with values out of order";
                    return Err(reader.corrupt(
                        "sorted",
                        found,
                        "the values of each column sorted",
                    ));
                }
                Ok(Ecod::new(sorted, n))
            })
    }
}

/// Columns in place of rows.
///
/// # Shapes
/// `values`: `(n, width)`; returns `(width, n)`.
fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    let n = values.len() / width;
    let mut out = vec![0.0; values.len()];
    out.par_chunks_exact_mut(n)
        .enumerate()
        .for_each(|(j, column)| {
            let values = values.iter().skip(j).step_by(width);
            column.iter_mut().zip(values).for_each(|(out, x)| *out = *x);
        });
    out
}

impl Column<'_> {
    /// Minus the logarithm of a value's smaller tail.
    fn tail(self, x: f32) -> f64 {
        let [Some(&least), Some(&most)] = [self.sorted.first(), self.sorted.last()] else {
            return 0.0;
        };
        let n = self.sorted.len();
        if x < least || x > most {
            let beyond = (f64::from(x) - f64::from(most)).max(f64::from(least) - f64::from(x));
            // Equal values differ from their rounded mean by rounding.
            let varies = least < most && self.deviation > 0.0;
            let more = if varies { beyond / self.deviation } else { 0.0 };
            return ((n + 1) as f64).ln() + more;
        }
        let (below, equal) = self.place(x);
        (n as f64 / (below + equal).min(n - below) as f64).ln()
    }

    /// How many fitted values are below a value, and how many equal it.
    fn place(self, x: f32) -> (usize, usize) {
        let before = self.heads.partition_point(|head| *head < x);
        let start = before.saturating_sub(1) * STRIDE;
        let rest = &self.sorted[start..];
        let stretch = &rest[..STRIDE.min(rest.len())];
        let (_, others) = rest.split_at(stretch.partition_point(|v| *v < x));
        // Most values are there once or not at all.
        let mut reach = 1;
        while others.get(reach - 1).is_some_and(|v| *v <= x) {
            reach *= 2;
        }
        let equal = others[..(reach - 1).min(others.len())].partition_point(|v| *v <= x);
        (self.sorted.len() - others.len(), equal)
    }
}

impl Ecod {
    /// From the sorted columns of n rows, `(d, n)`.
    fn new(sorted: Vec<f32>, n: usize) -> Self {
        let columns = sorted.par_chunks_exact(n).map(|column| {
            let heads = column.iter().step_by(STRIDE).copied().collect();
            (heads, deviation(column.iter().map(|x| f64::from(*x))))
        });
        Self {
            columns: columns.collect(),
            sorted,
            n,
        }
    }

    /// Calls `each` with every row's number, every column's, and the tail of the value there:
    /// column by column.
    fn tails(&self, rows: Rows<'_>, mut each: impl FnMut(usize, usize, f64)) {
        let columns = self.sorted.chunks_exact(self.n).zip(&self.columns);
        for (j, (sorted, (heads, deviation))) in columns.enumerate() {
            let column = Column {
                sorted,
                heads,
                deviation: *deviation,
            };
            for (i, row) in rows.iter().enumerate() {
                each(i, j, column.tail(row[j]));
            }
        }
    }
}

impl Detector for Ecod {
    fn n_features(&self) -> usize {
        self.columns.len()
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let blocks: Vec<_> = rows.blocks(BLOCK).collect();
        let blocks = blocks.into_par_iter().zip(out.par_chunks_mut(BLOCK));
        blocks.for_each(|(rows, out)| {
            out.fill(0.0);
            self.tails(rows, |i, _, tail| out[i] += tail);
        });
        Ok(())
    }

    fn contributions(&self, rows: Rows<'_>) -> Result<Option<Vec<f64>>> {
        let d = rows.n_cols();
        let mut shares = vec![0.0; rows.as_slice().len()];
        let blocks: Vec<_> = rows.blocks(BLOCK).collect();
        let blocks = blocks.into_par_iter().zip(shares.par_chunks_mut(BLOCK * d));
        blocks.for_each(|(rows, shares)| {
            self.tails(rows, |i, j, tail| shares[i * d + j] = tail);
            for row in shares.chunks_exact_mut(d) {
                let total: f64 = row.iter().sum();
                // A row in no tail at all has shares of 0.
                for share in row.iter_mut().filter(|_| total > 0.0) {
                    *share /= total;
                }
            }
        });
        Ok(Some(shares))
    }

    fn save(&self, writer: &mut Writer) {
        let shape = [self.n, self.columns.len()];
        writer.f32("sorted", &shape, &transposed(&self.sorted, self.n));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;
    use crate::{Fitted, Spec};

    fn fit(space: Scaling, data: &[f32], d: usize) -> Fitted {
        let spec = Spec::Ecod(EcodSpec {
            space,
            ..EcodSpec::default()
        });
        spec.fit(Rows::new(data, d).unwrap(), 0, &mut ()).unwrap()
    }

    fn scores(fitted: &Fitted, data: &[f32]) -> Vec<f64> {
        let rows = Rows::new(data, fitted.n_features()).unwrap();
        fitted.score(rows).unwrap()
    }

    #[track_caller]
    fn assert_near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-12, "{found:?}, expected {expected:?}");
        }
    }

    #[test]
    fn tails_by_hand() {
        // Fitted values, and the rows that are as far out or further on the side of fewer.
        let fitted = fit(Scaling::Identity, &[0.0, 2.0, 2.0, 3.0, 8.0], 1);
        let ln = |rows: f64| (5.0 / rows).ln();
        let own = [0.0, 2.0, 3.0, 8.0].map(|x| scores(&fitted, &[x])[0]);
        assert_near(&own, &[ln(1.0), ln(3.0), ln(2.0), ln(1.0)]);
        let between = [-0.0, 1.0, 2.5, 4.0].map(|x| scores(&fitted, &[x])[0]);
        assert_near(&between, &[ln(1.0), ln(1.0), ln(2.0), ln(1.0)]);
        // Beyond them, in standard deviations of a mean of 3.
        let s = (36.0f64 / 5.0).sqrt();
        let beyond = [-1.0, 10.0].map(|x| scores(&fitted, &[x])[0]);
        assert_near(&beyond, &[6f64.ln() + 1.0 / s, 6f64.ln() + 2.0 / s]);
    }

    /// Around the stretches that are searched, with few ties, many and none.
    #[test]
    fn values_are_placed_as_counting_places_them() {
        for n in [2, 3, 31, 32, 33, 64, 65, 97, 500] {
            for distinct in [2, 5, 40, 1000] {
                let value = |i: usize| (i * 7919 % distinct) as f32;
                let mut data: Vec<f32> = (0..n).map(value).collect();
                data.sort_unstable_by(f32::total_cmp);
                let fitted = Ecod::new(data.clone(), n);
                let new: Vec<f32> = (0..=2000i16).map(|i| f32::from(i) / 2.0).collect();
                let mut scores = vec![0.0; new.len()];
                fitted
                    .score_into(Rows::checked(&new, 1), &mut scores)
                    .unwrap();
                for (x, score) in new.iter().zip(scores) {
                    let at_most = data.iter().filter(|v| *v <= x).count();
                    let at_least = data.iter().filter(|v| *v >= x).count();
                    if at_most.min(at_least) > 0 {
                        let expected = (n as f64 / at_most.min(at_least) as f64).ln();
                        assert_eq!(
                            score.to_bits(),
                            expected.to_bits(),
                            "{x} of {n}, {distinct}"
                        );
                    }
                }
            }
        }
    }

    /// `PyOD` would add both tails of a symmetric column.
    #[test]
    fn the_larger_term_counts_in_a_symmetric_column_too() {
        let fitted = fit(Scaling::Identity, &[-2.0, -1.0, 0.0, 1.0, 2.0], 1);
        let middle = scores(&fitted, &[0.0, -1.0]);
        assert_near(&middle, &[(5.0f64 / 3.0).ln(), (5.0f64 / 2.0).ln()]);
    }

    #[test]
    fn scores_grow_outwards_to_the_end_of_the_numbers() {
        // Two columns, one of them constant.
        let data: Vec<f32> = (0..40u8).flat_map(|i| [f32::from(i), 0.1]).collect();
        let outwards = [
            19.0,
            30.0,
            39.0,
            39.5,
            41.0,
            100.0,
            1e4,
            1e9,
            1e14,
            1e30,
            f32::MAX,
        ];
        let fitted = fit(Scaling::Identity, &data, 2);
        for side in [1.0f64, -1.0] {
            let row = |x: f32| [(19.5 + side * (f64::from(x) - 19.5)) as f32, 0.1];
            let scores = outwards.map(|x| scores(&fitted, &row(x))[0]);
            assert!(scores.is_sorted(), "{scores:?}");
            let grows = scores[..9].windows(2).all(|two| two[0] < two[1]);
            assert!(grows && scores[10].is_finite(), "{scores:?}");
        }
        // The constant column: any other value is less than one row's.
        let usual = scores(&fitted, &[19.0, 0.1])[0];
        let other = scores(&fitted, &[19.0, 0.2, 19.0, -1e30]);
        assert_near(&other, &[usual + 41f64.ln(); 2]);

        let fitted = fit(Scaling::Identity, &[f32::MIN, f32::MAX, 0.0, 1e-45], 1);
        let ends = scores(&fitted, &[f32::MIN, f32::MAX]);
        assert_near(&ends, &[4f64.ln(); 2]);
    }

    #[test]
    fn a_new_row_is_scored_without_those_beside_it() {
        let data: Vec<f32> = (0..50u8).map(|i| f32::from(i).sqrt()).collect();
        let fitted = fit(Scaling::Identity, &data, 1);
        let alone = scores(&fitted, &[6.5]);
        let among = scores(&fitted, &[6.5, 6.6, 6.7, 9.0, 1e6]);
        assert_eq!(among[0].to_bits(), alone[0].to_bits());
    }

    #[test]
    fn each_column_s_share_is_its_tail_s() {
        let data: Vec<f32> = (0..40u8)
            .flat_map(|i| [f32::from(i), f32::from(i % 7), 0.1])
            .collect();
        let new = Matrix::new(vec![50.0, 3.0, 0.1, 20.0, 6.0, 5.0], 3).unwrap();
        for space in [Scaling::Identity, Scaling::Minmax, Scaling::Standardise] {
            let fitted = fit(space, &data, 3);
            assert_eq!(fitted.occlusions(2).unwrap(), 0);
            let scores = fitted.score(new.rows()).unwrap();
            let shares = fitted.explain(new.rows(), 3).unwrap();
            let of = |row: usize, feature: usize| {
                let found = shares[row].iter().find(|c| c.feature == feature);
                found.unwrap().share * scores[row]
            };
            // Values 0 to 4 of the second column are there six times, 5 and 6 five times.
            let column = |at_least: f64| (40.0 / at_least).ln();
            assert_near(&[of(0, 1), of(1, 1)], &[column(22.0), column(5.0)]);
            assert_near(&[of(0, 2), of(1, 2)], &[0.0, 41f64.ln()]);
            assert_eq!((shares[0][0].feature, shares[1][0].feature), (0, 2));
        }
    }

    #[test]
    fn a_stop_between_blocks_of_columns_is_heard() {
        struct Stops;
        impl crate::fit::Progress for Stops {
            fn work(&mut self, work: &crate::fit::Work) -> crate::fit::Signal {
                assert_eq!((work.what, work.total), ("sorted columns", 3));
                crate::fit::Signal::Stop
            }
        }
        let data: Vec<f32> = (0..30u8).map(f32::from).collect();
        let spec = Spec::Ecod(EcodSpec::default());
        let stopped = spec.fit(Rows::new(&data, 3).unwrap(), 0, &mut Stops);
        assert!(matches!(stopped, Err(crate::Error::Stopped { .. })));
    }
}
