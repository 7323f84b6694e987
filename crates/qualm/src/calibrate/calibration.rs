//! Reference scores, and the p-values and thresholds that follow from them.

use rayon::prelude::*;

use super::rule::ThresholdRule;
use crate::error::{Error, Location, Result};

/// The fewest p-values that are worth a task of their own: some ten microseconds.
const P_VALUES: usize = 1024;

/// The sorted scores of the reference rows, which new scores are compared with.
///
/// ```
/// use qualm::calibrate::{Calibration, ThresholdRule};
///
/// let calibration = Calibration::new((1..=99).map(f64::from).collect())?;
/// assert_eq!(calibration.p_value(98.5), 0.02);
/// assert_eq!(calibration.threshold(ThresholdRule::Fpr(0.05))?, 95.0);
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Ascending; finite; not empty.
    pub(super) scores: Vec<f64>,
}

impl Calibration {
    /// Takes the reference scores, in any order.
    ///
    /// # Shapes
    /// `scores`: `(n,)`, one per reference row, higher = more anomalous.
    ///
    /// # Errors
    /// [`Error::NoReference`] without scores, [`Error::NotFinite`] naming the row of the
    /// first NaN or infinity.
    pub fn new(mut scores: Vec<f64>) -> Result<Self> {
        if scores.is_empty() {
            return Err(Error::NoReference);
        }
        if let Some(i) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::NotFinite {
                at: Location::row(i + 1).column("score"),
                value: scores[i],
            });
        }
        scores.sort_unstable_by(f64::total_cmp);
        Ok(Self { scores })
    }

    /// The number of reference scores, at least one.
    #[must_use]
    pub fn n(&self) -> usize {
        self.scores.len()
    }

    /// The reference scores, `(n,)`, ascending.
    #[must_use]
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// The conformal p-value of a score, in `[1 / (1 + n), 1]`: small = anomalous. NaN gives NaN.
    ///
    /// For what it guarantees, and when, see [the module](crate::calibrate).
    #[must_use]
    pub fn p_value(&self, score: f64) -> f64 {
        if score.is_nan() {
            return f64::NAN;
        }
        let n = self.n();
        let below = self.scores.partition_point(|&reference| reference < score);
        (1 + n - below) as f64 / (1 + n) as f64
    }

    /// The conformal p-value of each score.
    ///
    /// # Shapes
    /// `scores`: `(n,)`; returns `(n,)`.
    #[must_use]
    pub fn p_values(&self, scores: &[f64]) -> Vec<f64> {
        let scores = scores.par_iter().with_min_len(P_VALUES);
        scores.map(|score| self.p_value(*score)).collect()
    }

    /// The threshold of a rule: a row is an outlier when `score > threshold`.
    ///
    /// - [`ThresholdRule::Fpr`]: with `k = floor(fpr * n)`, the score that has `k` reference scores
    ///   after it in ascending order. At most `k` exceed it, fewer where scores tie with
    ///   it. This is a rate among the reference rows; `p_value(score) <= fpr`, which is
    ///   about a new row, asks for up to one rank more.
    /// - [`ThresholdRule::Contamination`]: the quantile `1 - contamination`, as in `PyOD`.
    /// - [`ThresholdRule::Score`]: the score given.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when the value of the rule is outside its range.
    pub fn threshold(&self, rule: ThresholdRule) -> Result<f64> {
        rule.validate()?;
        Ok(match rule {
            ThresholdRule::Fpr(fpr) => {
                let n = self.n();
                // A decimal fraction and its product with `n` are each off by up to half
                // a unit in the last place, and 0.29 * 100 must not count as 28.
                let product = fpr * n as f64 * (1.0 + 4.0 * f64::EPSILON);
                let above = (product.floor() as usize).min(n - 1);
                self.scores[n - 1 - above]
            }
            // PyOD goes through percentiles; so do we, since a rounding error could move
            // the threshold across a score that ties with it.
            ThresholdRule::Contamination(share) => {
                self.interpolated((100.0 * (1.0 - share)) / 100.0)
            }
            ThresholdRule::Score(threshold) => threshold,
        })
    }

    /// A quantile of the reference scores, linear between neighbours, as
    /// `numpy.quantile` gives it: 0 is the lowest score, 0.5 the median, 1 the highest.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `0 <= q <= 1`.
    pub fn quantile(&self, q: f64) -> Result<f64> {
        if (0.0..=1.0).contains(&q) {
            Ok(self.interpolated(q))
        } else {
            Err(Error::OutOfRange {
                name: "quantile",
                found: q,
                expected: "a number from 0 to 1",
            })
        }
    }

    fn interpolated(&self, q: f64) -> f64 {
        let last = self.n() - 1;
        let position = last as f64 * q;
        let index = (position.floor() as usize).min(last);
        let (low, high) = (self.scores[index], self.scores[(index + 1).min(last)]);
        let t = position - index as f64;
        // NumPy's two-sided form, bit for bit: it meets both ends exactly, and between
        // equal scores it is that score.
        if t < 0.5 {
            low + (high - low) * t
        } else {
            high - (high - low) * (1.0 - t)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(scores: &[f64]) -> Calibration {
        Calibration::new(scores.to_vec()).unwrap()
    }

    #[test]
    fn p_values_by_hand() {
        let calibration = reference(&[3.0, 1.0, 2.0, 2.0]);
        assert_eq!(calibration.scores(), [1.0, 2.0, 2.0, 3.0]);
        for (score, expected) in [
            (0.5, 5.0 / 5.0),
            (1.0, 5.0 / 5.0),
            (2.0, 4.0 / 5.0),
            (2.5, 2.0 / 5.0),
            (3.0, 2.0 / 5.0),
            (3.5, 1.0 / 5.0),
            (f64::INFINITY, 1.0 / 5.0),
            (f64::NEG_INFINITY, 1.0),
        ] {
            assert_eq!(calibration.p_value(score), expected, "{score}");
        }
        assert!(calibration.p_value(f64::NAN).is_nan());
        assert_eq!(reference(&[-0.0]).p_value(0.0), 1.0, "a tie");
    }

    #[test]
    fn the_false_positive_rate_is_a_count() {
        let twenty = reference(&(1..=20).map(f64::from).collect::<Vec<_>>());
        for (fpr, threshold) in [
            (0.05, 19.0),
            (0.049, 20.0),
            (0.1, 18.0),
            (0.15, 17.0),
            (0.35, 13.0),
            (0.99, 1.0),
            (1e-9, 20.0),
            (1.0 - f64::EPSILON / 2.0, 1.0),
        ] {
            assert_eq!(
                twenty.threshold(ThresholdRule::Fpr(fpr)).unwrap(),
                threshold,
                "{fpr}"
            );
        }
        // 0.29 * 100 is 28.999999999999996 in floating point.
        let hundred = reference(&(1..=100).map(f64::from).collect::<Vec<_>>());
        assert_eq!(hundred.threshold(ThresholdRule::Fpr(0.29)).unwrap(), 71.0);
        // One score: nothing may exceed it.
        assert_eq!(
            reference(&[4.0])
                .threshold(ThresholdRule::Fpr(0.9))
                .unwrap(),
            4.0
        );
    }

    #[test]
    fn contamination_interpolates() {
        // Position 0.9 * 4 = 3.6 between 4 and 10.
        let calibration = reference(&[1.0, 2.0, 3.0, 4.0, 10.0]);
        let threshold = calibration
            .threshold(ThresholdRule::Contamination(0.1))
            .unwrap();
        assert!((threshold - 7.6).abs() < 1e-12);
        assert_eq!(
            calibration
                .threshold(ThresholdRule::Contamination(0.5))
                .unwrap(),
            3.0
        );
        assert_eq!(
            calibration.threshold(ThresholdRule::Score(-2.5)).unwrap(),
            -2.5
        );
    }

    #[test]
    fn quantiles_meet_both_ends() {
        let calibration = reference(&[0.1, 0.7, 0.2]);
        assert_eq!(calibration.quantile(0.0).unwrap(), 0.1);
        assert_eq!(calibration.quantile(0.5).unwrap(), 0.2);
        assert_eq!(calibration.quantile(1.0).unwrap(), 0.7);
        assert_eq!(reference(&[5.0]).quantile(0.3).unwrap(), 5.0);
        assert!(calibration.quantile(1.1).is_err());
        assert!(calibration.quantile(f64::NAN).is_err());
    }

    #[test]
    fn unusable_references_are_refused() {
        assert!(matches!(Calibration::new(vec![]), Err(Error::NoReference)));
        let error = Calibration::new(vec![1.0, f64::INFINITY]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "input, row 2, column 'score': found inf, expected a finite number; remove or \
             impute such rows first"
        );
    }

    #[test]
    fn cuts_outside_their_range_are_refused_with_the_value() {
        let calibration = reference(&[1.0, 2.0]);
        for rule in [
            ThresholdRule::Fpr(0.0),
            ThresholdRule::Fpr(1.0),
            ThresholdRule::Fpr(-0.1),
            ThresholdRule::Fpr(f64::NAN),
            ThresholdRule::Contamination(0.0),
            ThresholdRule::Contamination(0.500_1),
            ThresholdRule::Contamination(f64::NAN),
            ThresholdRule::Score(f64::INFINITY),
            ThresholdRule::Score(f64::NAN),
        ] {
            assert!(calibration.threshold(rule).is_err(), "{rule:?}");
        }
        assert_eq!(
            ThresholdRule::Contamination(10.0)
                .validate()
                .unwrap_err()
                .to_string(),
            "contamination is 10, expected a number above 0 and at most 0.5, such as 0.1"
        );
    }

    #[test]
    fn a_cut_is_an_object_with_one_key() {
        let json = serde_json::to_string(&ThresholdRule::Fpr(0.05)).unwrap();
        assert_eq!(json, r#"{"fpr":0.05}"#);
        let rule: ThresholdRule = serde_json::from_str(r#"{"contamination": 0.1}"#).unwrap();
        assert_eq!(rule, ThresholdRule::Contamination(0.1));
    }

    /// Scores in quarters from a narrow range, so that some tie.
    fn scores() -> impl Strategy<Value = Vec<f64>> {
        proptest::collection::vec((-40_i32..40).prop_map(|s| f64::from(s) / 4.0), 1..200)
    }

    proptest! {
        #[test]
        fn no_more_of_the_reference_is_above_than_the_rate_allows(
            scores in scores(),
            fpr in 0.001_f64..0.999,
        ) {
            let calibration = Calibration::new(scores.clone())?;
            let threshold = calibration.threshold(ThresholdRule::Fpr(fpr))?;
            let above = scores.iter().filter(|&&s| s > threshold).count() as f64;
            prop_assert!(above <= fpr * scores.len() as f64 * (1.0 + 1e-12));
            // And the threshold is no higher than it must be: with the rows that tie with
            // it, more than the rate would be flagged.
            let at_least = scores.iter().filter(|&&s| s >= threshold).count() as f64;
            prop_assert!(at_least > fpr * scores.len() as f64 * (1.0 - 1e-12));
        }

        #[test]
        fn a_reference_row_drawn_at_random_has_a_valid_p_value(
            scores in scores(),
            level in 0.001_f64..0.999,
        ) {
            // Held against the others, as a new row would be: P(p <= level) <= level.
            let n = scores.len();
            let mut small = 0;
            for i in 0..n {
                let mut others = scores.clone();
                let score = others.swap_remove(i);
                if !others.is_empty() && Calibration::new(others)?.p_value(score) <= level {
                    small += 1;
                }
            }
            prop_assert!(f64::from(small) <= level * n as f64 + 1e-9);
        }

        #[test]
        fn stranger_scores_have_smaller_p_values(
            scores in scores(),
            a in -12.0_f64..12.0,
            b in -12.0_f64..12.0,
        ) {
            let calibration = Calibration::new(scores)?;
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(calibration.p_value(high) <= calibration.p_value(low));
            prop_assert!(calibration.p_value(high) >= 1.0 / (1 + calibration.n()) as f64);
            prop_assert!(calibration.p_value(low) <= 1.0);
        }

        #[test]
        fn a_stricter_cut_has_a_higher_threshold(
            scores in scores(),
            a in 0.001_f64..0.5,
            b in 0.001_f64..0.5,
        ) {
            let calibration = Calibration::new(scores)?;
            let (strict, lax) = (a.min(b), a.max(b));
            for kind in [ThresholdRule::Fpr, ThresholdRule::Contamination] {
                prop_assert!(
                    calibration.threshold(kind(strict))? >= calibration.threshold(kind(lax))?
                );
            }
        }
    }
}
