//! Scores as probabilities, and the confidence of a decision, as in `PyOD`'s `predict_proba` and
//! `predict_confidence`.

use statrs::distribution::{Binomial, DiscreteCDF};
use statrs::function::erf::erf;
use statrs::statistics::Statistics;

use super::calibration::Calibration;
use super::rule::ThresholdRule;
use crate::error::Result;

/// How a score becomes an outlier probability in \[0, 1\].
///
/// Neither is a probability in the strict sense: for a statement about error rates use
/// [`Calibration::p_value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// `(s - min) / (max - min)` over the reference scores, cut off at 0 and 1.
    Linear,
    /// `max(0, erf((s - mean) / (std sqrt 2)))`: Gaussian scaling (H.-P. Kriegel, P. Kröger,
    /// E. Schubert and A. Zimek, 'Interpreting and unifying outlier scores', SDM 2011,
    /// section 3.2).
    Unify,
}

impl Calibration {
    /// The outlier probability of each score.
    ///
    /// # Shapes
    /// `scores`: `(n,)`; returns `(n,)`, each in \[0, 1\].
    #[must_use]
    pub fn probabilities(&self, scores: &[f64], conversion: Conversion) -> Vec<f64> {
        let (offset, scale) = match conversion {
            Conversion::Linear => {
                let (low, high) = (self.scores[0], self.scores[self.n() - 1]);
                (low, high - low)
            }
            Conversion::Unify => {
                let mean = self.scores.as_slice().mean();
                let deviation = self.scores.as_slice().population_std_dev();
                (mean, deviation * std::f64::consts::SQRT_2)
            }
        };
        // Reference scores that are all equal: as scikit-learn scales a constant column.
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let share = |score: &f64| {
            let moved = (score - offset) / scale;
            match conversion {
                Conversion::Linear => moved.clamp(0.0, 1.0),
                Conversion::Unify => erf(moved).clamp(0.0, 1.0),
            }
        };
        scores.iter().map(share).collect()
    }

    /// How likely each decision would stay the same if the model were fitted to another sample of
    /// the same distribution (L. Perini, V. Vercruyssen and J. Davis, 'Quantifying
    /// the confidence of anomaly detectors in their example-wise predictions', ECML PKDD 2020,
    /// section 3).
    ///
    /// With `p = (1 + #{r_i <= s}) / (2 + n)` and `k` of the n reference scores above the
    /// threshold, a row is called an outlier with confidence `P(B > n - k)`, `B ~ Bin(n, p)`;
    /// an inlier's confidence is the rest of it.
    ///
    /// # Shapes
    /// `scores`: `(n,)`; returns `(n,)`, each in \[0, 1\].
    ///
    /// # Errors
    /// [`crate::Error::OutOfRange`] when the value of the rule is outside its range.
    pub fn confidences(&self, scores: &[f64], rule: ThresholdRule) -> Result<Vec<f64>> {
        let threshold = self.threshold(rule)?;
        let n = self.n();
        let above = match rule {
            ThresholdRule::Fpr(share) | ThresholdRule::Contamination(share) => {
                (n as f64 * share) as usize
            }
            ThresholdRule::Score(_) => n - self.scores.partition_point(|&r| r <= threshold),
        };
        let confidence = |&score: &f64| {
            let below = self.scores.partition_point(|&r| r <= score);
            let p = (1 + below) as f64 / (2 + n) as f64;
            // Its parameters are in range by construction.
            let Ok(count) = Binomial::new(p, n as u64) else {
                return f64::NAN;
            };
            let outlier = count.sf((n - above) as u64);
            if score > threshold {
                outlier
            } else {
                1.0 - outlier
            }
        };
        Ok(scores.iter().map(confidence).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hundred() -> Calibration {
        Calibration::new((1..=100).map(f64::from).collect()).unwrap()
    }

    #[test]
    fn probabilities_by_hand() {
        let linear = hundred().probabilities(&[-5.0, 1.0, 50.5, 100.0, 200.0], Conversion::Linear);
        assert_eq!(linear, [0.0, 0.0, 0.5, 1.0, 1.0]);
        // Mean 50.5, standard deviation 28.866: erf(1 / sqrt 2) one deviation above.
        let deviation = (9999.0_f64 / 12.0).sqrt();
        let unify = hundred().probabilities(&[0.0, 50.5, 50.5 + deviation], Conversion::Unify);
        assert_eq!(unify[..2], [0.0, 0.0]);
        assert!((unify[2] - 0.682_689_492_137).abs() < 1e-9, "{unify:?}");
        let constant = Calibration::new(vec![2.0; 3]).unwrap();
        assert_eq!(
            constant.probabilities(&[2.0, 2.5], Conversion::Linear),
            [0.0, 0.5]
        );
    }

    #[test]
    fn confidence_is_lowest_at_the_threshold() {
        let calibration = hundred();
        let rule = ThresholdRule::Contamination(0.1);
        let scores = [1.0, 60.0, 90.0, 91.0, 100.0];
        let confidence = calibration.confidences(&scores, rule).unwrap();
        // scipy.stats.binom.cdf(90, 100, (1 + k) / 102) for k = 1, 60, 90, and one minus it
        // for k = 91, 100.
        let expected = [
            1.0,
            0.999_999_999_997_074_7,
            0.647_212_527_266_784_6,
            0.477_384_131_999_628_3,
            0.999_999_936_380_068_5,
        ];
        for (found, expected) in confidence.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{confidence:?}");
        }
        assert!(
            calibration
                .confidences(&scores, ThresholdRule::Fpr(2.0))
                .is_err()
        );
    }

    #[test]
    fn a_threshold_counts_the_reference_above_it() {
        let calibration = hundred();
        let by_score = calibration
            .confidences(&[95.5], ThresholdRule::Score(90.0))
            .unwrap();
        let by_share = calibration
            .confidences(&[95.5], ThresholdRule::Fpr(0.1))
            .unwrap();
        assert_eq!(by_score, by_share);
    }
}
