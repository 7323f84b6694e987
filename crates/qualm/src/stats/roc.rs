//! Ranking metrics from one sort of the scores.
//!
//! Sorting the scores in descending order and putting equal scores together gives *blocks*,
//! each with its number of outliers and of inliers. Every ranking metric is a function of
//! these counts, since a threshold either includes a whole block or excludes it. So the blocks
//! are made once, in `O(n log n)`, and each metric is one pass over them.

use crate::error::{Error, Location, Result};

/// The rows that share one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) outliers: u64,
    pub(super) inliers: u64,
}

impl Block {
    /// The same rows where the inliers are the positive class.
    pub(super) fn turned(&self) -> Self {
        Self {
            outliers: self.inliers,
            inliers: self.outliers,
        }
    }
}

/// The receiver operating characteristic of scored, labelled rows.
///
/// Higher score = more anomalous; outliers are the positive class. Both classes are present.
/// Infinite scores are ordered like any other; `0.0` and `-0.0` are a tie.
///
/// ```
/// let roc = qualm::stats::Roc::new(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true])?;
/// assert_eq!(roc.auroc(), 0.75);
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roc {
    /// By falling score; none is empty.
    pub(super) blocks: Vec<Block>,
    pub(super) n_outliers: u64,
    pub(super) n_inliers: u64,
}

impl Roc {
    /// Sorts the rows by score.
    ///
    /// # Shapes
    /// `scores`: `(n,)`; `outlier`: `(n,)`, `true` for the outliers.
    ///
    /// # Errors
    /// [`Error::LabelCount`] when the lengths differ, [`Error::Empty`] without rows,
    /// [`Error::NanScore`] naming the first NaN, [`Error::OneClass`] when all rows have
    /// the same label.
    pub fn new(scores: &[f64], outlier: &[bool]) -> Result<Self> {
        if scores.len() != outlier.len() {
            return Err(Error::LabelCount {
                scores: scores.len(),
                labels: outlier.len(),
            });
        }
        if scores.is_empty() {
            return Err(Error::Empty {
                at: Location::default(),
            });
        }
        if let Some(i) = scores.iter().position(|score| score.is_nan()) {
            return Err(Error::NanScore { row: i + 1 });
        }
        let n_outliers = outlier.iter().filter(|&&is| is).count();
        if n_outliers == 0 || n_outliers == outlier.len() {
            let (found, missing) = if n_outliers == 0 {
                ("inlier (0)", "outlier (1)")
            } else {
                ("outlier (1)", "inlier (0)")
            };
            return Err(Error::OneClass {
                rows: outlier.len(),
                found,
                missing,
            });
        }

        let mut rows: Vec<(f64, bool)> = scores
            .iter()
            .copied()
            .zip(outlier.iter().copied())
            .collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let blocks = rows
            .chunk_by(|a, b| tied(a.0, b.0))
            .map(|block| {
                let outliers = block.iter().filter(|(_, outlier)| *outlier).count();
                Block {
                    outliers: outliers as u64,
                    inliers: (block.len() - outliers) as u64,
                }
            })
            .collect();
        Ok(Self {
            blocks,
            n_outliers: n_outliers as u64,
            n_inliers: (outlier.len() - n_outliers) as u64,
        })
    }

    /// The number of rows.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n_outliers + self.n_inliers
    }

    /// The number of outliers, at least one.
    #[must_use]
    pub fn n_outliers(&self) -> u64 {
        self.n_outliers
    }

    /// The area under the curve, in `[0, 1]`: the chance that an outlier scores higher
    /// than an inlier, a tie counting one half.
    ///
    /// This is the Mann-Whitney statistic over the number of pairs (Hanley and `McNeil`
    /// 1982, *Radiology* 143), the same as the sum of midranks gives. Pairs are counted
    /// in integers, so the only rounding is that of the last division.
    #[must_use]
    pub fn auroc(&self) -> f64 {
        let mut inliers_below = self.n_inliers;
        let mut twice_won: u128 = 0;
        for block in &self.blocks {
            inliers_below -= block.inliers;
            let twice = 2 * u128::from(inliers_below) + u128::from(block.inliers);
            twice_won += u128::from(block.outliers) * twice;
        }
        let twice_pairs = 2 * u128::from(self.n_outliers) * u128::from(self.n_inliers);
        twice_won as f64 / twice_pairs as f64
    }

    /// `max(AUROC, 1 - AUROC)`, in `[0.5, 1]`: the AUROC after the sign of the score is chosen by
    /// the labels.
    ///
    /// Some printed tables report this value. It is not what a detector achieves without
    /// labels.
    #[must_use]
    pub fn auroc_unoriented(&self) -> f64 {
        let auroc = self.auroc();
        auroc.max(1.0 - auroc)
    }

    /// Average precision, in `(0, 1]`: the area under the precision-recall curve as a sum
    /// of steps, `sum_k (R_k - R_{k-1}) P_k` over the thresholds from the highest down.
    ///
    /// As scikit-learn's `average_precision_score`: nothing is interpolated, and rows with
    /// equal scores pass the threshold together.
    #[must_use]
    pub fn average_precision(&self) -> f64 {
        let (mut caught, mut flagged) = (0, 0);
        let mut sum = 0.0;
        for block in &self.blocks {
            caught += block.outliers;
            flagged += block.outliers + block.inliers;
            sum += block.outliers as f64 * (caught as f64 / flagged as f64);
        }
        sum / self.n_outliers as f64
    }

    /// The false-positive rate, in `[0, 1]`, at the first threshold (from the strictest
    /// down) that catches at least the share `tpr` of the outliers.
    ///
    /// With `tpr` 0.95 this is 'FPR95', the smallest false-positive rate among the points
    /// of scikit-learn's `roc_curve(drop_intermediate=False)` with a true-positive rate of
    /// at least 0.95. Points are not interpolated.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `0 < tpr <= 1`.
    pub fn fpr_at_tpr(&self, tpr: f64) -> Result<f64> {
        if !(tpr > 0.0 && tpr <= 1.0) {
            return Err(Error::OutOfRange {
                name: "true-positive rate",
                found: tpr,
                expected: "a number above 0 and at most 1",
            });
        }
        let (mut caught, mut false_alarms) = (0, 0);
        for block in &self.blocks {
            caught += block.outliers;
            false_alarms += block.inliers;
            // A quotient and not `tpr * n`: 19 of 20 must reach 0.95, and correctly
            // rounded division makes it the same double as the literal.
            if caught as f64 / self.n_outliers as f64 >= tpr {
                break;
            }
        }
        Ok(false_alarms as f64 / self.n_inliers as f64)
    }

    /// The share of outliers among the `n` highest scores, in `[0, 1]`, where `n` is the
    /// number of outliers (so precision and recall are equal).
    ///
    /// Where the n-th place falls within equal scores, the tied rows are counted in expectation,
    /// as if their order were drawn at random: `k` places left for a block with a share
    /// `q` of outliers hold `k q` of them. So the order of the rows in the input does not
    /// matter.
    #[must_use]
    pub fn precision_at_n(&self) -> f64 {
        let mut places = self.n_outliers;
        let mut caught = 0.0;
        for block in &self.blocks {
            let size = block.outliers + block.inliers;
            if size >= places {
                caught += places as f64 * block.outliers as f64 / size as f64;
                break;
            }
            caught += block.outliers as f64;
            places -= size;
        }
        caught / self.n_outliers as f64
    }
}

/// Whether two scores share a rank. The sort's total order sets -0.0 apart from 0.0, but
/// next to it: `==` rejoins them.
#[expect(clippy::float_cmp, reason = "a tie is exact equality")]
fn tied(a: f64, b: f64) -> bool {
    a == b
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Outliers `o` and inliers `i` by score, from the text of a small example.
    fn roc(outliers: &[f64], inliers: &[f64]) -> Roc {
        let scores = [outliers, inliers].concat();
        let labels: Vec<bool> = (0..scores.len()).map(|i| i < outliers.len()).collect();
        Roc::new(&scores, &labels).unwrap()
    }

    #[test]
    fn pairs_are_counted_by_hand() {
        // 3 beats 1 and 2, ties with 3; 1 ties with 1: (2.5 + 0.5) of 6 pairs.
        let roc = roc(&[3.0, 1.0], &[1.0, 2.0, 3.0]);
        assert_eq!(roc.auroc(), 0.5);
        // 5 of 6 pairs won the other way round.
        let roc = self::roc(&[0.0, 2.0], &[1.0, 3.0, 4.0]);
        assert_eq!(roc.auroc(), 1.0 / 6.0);
        assert_eq!(roc.auroc_unoriented(), 1.0 - 1.0 / 6.0);
    }

    #[test]
    fn precision_is_summed_by_threshold() {
        // Thresholds 4: P 1/1, R 1/3; 3: P 1/2; 2: a tie of one each, P 2/4, R 2/3;
        // 1: P 3/5, R 1.
        let roc = roc(&[4.0, 2.0, 1.0], &[3.0, 2.0]);
        let expected = (1.0 + 0.5 + 0.6) / 3.0;
        assert!((roc.average_precision() - expected).abs() < 1e-15);
    }

    #[test]
    fn nineteen_of_twenty_is_95_per_cent() {
        let mut outliers = vec![10.0; 19];
        outliers.push(0.0);
        let roc = roc(&outliers, &[11.0, 5.0, 5.0, 1.0]);
        assert_eq!(roc.fpr_at_tpr(0.95).unwrap(), 0.25);
        assert_eq!(roc.fpr_at_tpr(0.951).unwrap(), 1.0);
        // A threshold at the tie takes the tied inliers too.
        let roc = self::roc(&[5.0], &[5.0, 5.0, 1.0]);
        assert_eq!(roc.fpr_at_tpr(0.95).unwrap(), 2.0 / 3.0);
    }

    #[test]
    fn a_tie_across_the_cut_counts_in_expectation() {
        // Three places: one sure outlier, two places in a block with 2 outliers of 4.
        let roc = roc(&[9.0, 5.0, 5.0], &[5.0, 5.0, 1.0]);
        assert_eq!(roc.precision_at_n(), (1.0 + 2.0 * 0.5) / 3.0);
        // A cut between blocks needs no expectation.
        let roc = self::roc(&[9.0, 2.0], &[5.0, 1.0]);
        assert_eq!(roc.precision_at_n(), 0.5);
    }

    #[test]
    fn a_constant_score_knows_nothing() {
        let roc = roc(&[1.0; 3], &[1.0; 7]);
        assert_eq!(roc.auroc(), 0.5);
        assert_eq!(roc.average_precision(), 0.3);
        assert_eq!(roc.fpr_at_tpr(0.95).unwrap(), 1.0);
        assert!((roc.precision_at_n() - 0.3).abs() < 1e-15);
    }

    #[test]
    fn signed_zeros_tie_and_infinities_are_ordered() {
        assert_eq!(roc(&[0.0], &[-0.0]).auroc(), 0.5);
        assert_eq!(roc(&[f64::INFINITY], &[f64::MAX]).auroc(), 1.0);
        assert_eq!(roc(&[f64::NEG_INFINITY], &[f64::MIN]).auroc(), 0.0);
    }

    #[test]
    fn unusable_input_is_refused_with_its_values() {
        assert!(matches!(
            Roc::new(&[1.0, 2.0], &[true]),
            Err(Error::LabelCount {
                scores: 2,
                labels: 1
            })
        ));
        assert!(matches!(Roc::new(&[], &[]), Err(Error::Empty { .. })));
        assert!(matches!(
            Roc::new(&[1.0, f64::NAN], &[true, false]),
            Err(Error::NanScore { row: 2 })
        ));
        let error = Roc::new(&[1.0, 2.0], &[false, false]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "all 2 rows are labelled inlier (0); ranking metrics need at least one \
             outlier (1) as well"
        );
        assert!(matches!(
            Roc::new(&[1.0], &[true]),
            Err(Error::OneClass {
                rows: 1,
                missing: "inlier (0)",
                ..
            })
        ));
        let roc = roc(&[1.0], &[0.0]);
        for tpr in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(matches!(roc.fpr_at_tpr(tpr), Err(Error::OutOfRange { .. })));
        }
    }

    /// Integer scores from a narrow range, so that ties abound; at least one row of each
    /// class.
    fn labelled() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
        proptest::collection::vec((-8_i32..8, any::<bool>()), 0..60).prop_map(|mut rows| {
            rows.extend([(0, true), (1, false)]);
            rows.into_iter().map(|(s, o)| (f64::from(s), o)).unzip()
        })
    }

    proptest! {
        #[test]
        fn monotone_maps_change_nothing((scores, outlier) in labelled()) {
            let mapped: Vec<f64> = scores.iter().map(|s| s.exp() - 3.0).collect();
            prop_assert_eq!(Roc::new(&scores, &outlier)?, Roc::new(&mapped, &outlier)?);
        }

        #[test]
        fn the_order_of_rows_changes_nothing((mut scores, mut outlier) in labelled()) {
            let before = Roc::new(&scores, &outlier)?;
            scores.reverse();
            outlier.reverse();
            prop_assert_eq!(before, Roc::new(&scores, &outlier)?);
        }

        #[test]
        fn reversed_scores_give_the_complement((scores, outlier) in labelled()) {
            let reversed: Vec<f64> = scores.iter().map(|s| -s).collect();
            let forth = Roc::new(&scores, &outlier)?;
            let back = Roc::new(&reversed, &outlier)?;
            prop_assert!((forth.auroc() + back.auroc() - 1.0).abs() < 1e-15);
            prop_assert!((forth.auroc_unoriented() - back.auroc_unoriented()).abs() < 1e-15);
        }

        #[test]
        fn auroc_is_the_share_of_pairs_won((scores, outlier) in labelled()) {
            let (mut won, mut pairs) = (0.0, 0.0);
            for (x, _) in scores.iter().zip(&outlier).filter(|(_, o)| **o) {
                for (y, _) in scores.iter().zip(&outlier).filter(|(_, o)| !**o) {
                    won += if x > y { 1.0 } else if x == y { 0.5 } else { 0.0 };
                    pairs += 1.0;
                }
            }
            prop_assert_eq!(Roc::new(&scores, &outlier)?.auroc(), won / pairs);
        }

        #[test]
        fn every_metric_is_a_fraction((scores, outlier) in labelled()) {
            let roc = Roc::new(&scores, &outlier)?;
            for value in [
                roc.auroc(),
                roc.auroc_unoriented(),
                roc.average_precision(),
                roc.fpr_at_tpr(0.95).unwrap(),
                roc.precision_at_n(),
            ] {
                prop_assert!((0.0..=1.0).contains(&value), "{}", value);
            }
        }
    }
}
