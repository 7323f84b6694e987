//! One number from a row's log-variances: how uncertain the model is of it.
//!
//! All three are kept in the log domain (paper, section 4.1: the norm of the covariance):
//!
//! ```text
//! norm     log |diag(exp s)|_F  = 1/2 logsumexp(2 s)
//! trace    log tr diag(exp s)   = logsumexp(s)
//! entropy  1/d log det          = mean(s)
//! ```
//!
//! In the circular form s stands for all d dimensions, and the three differ by constants.

use serde::{Deserialize, Serialize};

use crate::nn::{exp_of_negative, vectorised};

/// Running sums of a reduction.
const LANES: usize = 8;

/// The number of a row's covariance that ranks it, kept in the log domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Statistic {
    /// Logarithm of the Frobenius norm of the covariance, the paper's choice.
    Norm,
    /// Logarithm of its trace.
    Trace,
    /// Its log-determinant per dimension, least moved by single dimensions.
    Entropy,
}

impl Statistic {
    /// The statistic of one row.
    ///
    /// # Shapes
    /// `s`: `(d,)` log-variances, or `(1,)` for a circular covariance over `d` dimensions.
    pub(crate) fn of(self, s: &[f32], d: usize) -> f64 {
        // Dimensions that each entry stands for.
        let copies = (d / s.len().max(1)) as f64;
        match self {
            Self::Norm => 0.5 * (log_sum_exp(s, 2.0) + copies.ln()),
            Self::Trace => log_sum_exp(s, 1.0) + copies.ln(),
            Self::Entropy => s.iter().map(|s| f64::from(*s)).sum::<f64>() / s.len() as f64,
        }
    }

    /// Each dimension's share of the statistic, summing to 1; for the entropy, of the sum
    /// of variances, since a mean of logarithms has no shares.
    ///
    /// # Shapes
    /// `s` and `shares`: `(d,)`.
    pub(crate) fn shares(self, s: &[f32], shares: &mut [f64]) {
        let factor = if self == Self::Norm { 2.0 } else { 1.0 };
        let total = log_sum_exp(s, factor);
        for (share, s) in shares.iter_mut().zip(s) {
            *share = (factor * f64::from(*s) - total).exp();
        }
    }
}

/// `log sum_j exp(factor s_j)` without overflow.
fn log_sum_exp(s: &[f32], factor: f64) -> f64 {
    let top = s.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    // Each term is a float32, which is as exact as the log-variances are; eight running
    // sums in float64, so that it vectorises in a fixed order.
    let factor = factor as f32;
    let mut sums = [0.0; LANES];
    vectorised(
        #[inline(always)]
        || {
            let (body, tail) = s.as_chunks::<LANES>();
            for chunk in body {
                for (sum, s) in sums.iter_mut().zip(chunk) {
                    *sum += f64::from(exp_of_negative(factor * (s - top)));
                }
            }
            for (sum, s) in sums.iter_mut().zip(tail) {
                *sum += f64::from(exp_of_negative(factor * (s - top)));
            }
        },
    );
    f64::from(factor) * f64::from(top) + sums.iter().sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Variances 3 and 4: norm 5, trace 7, log-determinant log 12.
        let s = [3f32.ln(), 4f32.ln()];
        for (statistic, expected) in [
            (Statistic::Norm, 5f64.ln()),
            (Statistic::Trace, 7f64.ln()),
            (Statistic::Entropy, 12f64.ln() / 2.0),
        ] {
            assert!((statistic.of(&s, 2) - expected).abs() < 1e-6);
        }
        let mut shares = [0.0; 2];
        Statistic::Norm.shares(&s, &mut shares);
        assert!((shares[0] - 9.0 / 25.0).abs() < 1e-6);
    }

    #[test]
    fn a_circular_covariance_equals_its_diagonal_written_out() {
        for statistic in [Statistic::Norm, Statistic::Trace, Statistic::Entropy] {
            let circular = statistic.of(&[1.5], 7);
            assert!((circular - statistic.of(&[1.5; 7], 7)).abs() < 1e-12);
        }
    }

    #[test]
    fn huge_log_variances_stay_finite() {
        assert!(Statistic::Norm.of(&[1e30, -1e30], 2).is_finite());
    }
}
