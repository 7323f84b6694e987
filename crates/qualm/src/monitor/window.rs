//! The scores of a window beside those of a reference, once.

use std::f64::consts::{LN_2, PI};

use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

use super::ranks::check;
use crate::error::{Error, Result};
use crate::stats::Shift;

/// How two samples of scores are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowTest {
    /// Welch's t of the means: the paper's test, with unequal variances.
    #[default]
    Welch,
    /// The ranks of H. B. Mann and D. R. Whitney (1947): whether one sample tends to be higher. By
    /// the normal law, with ties and a correction of one half.
    MannWhitney,
    /// The largest distance of the distribution functions (A. N. Kolmogorov, N. V. Smirnov), by the
    /// limiting law.
    KolmogorovSmirnov,
}

/// How two samples differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// How they were compared.
    pub test: WindowTest,
    /// Scores of the reference.
    pub n_reference: u64,
    /// Scores of the window.
    pub n: u64,
    /// Welch's t, the normal deviate of the ranks, or the largest distance.
    pub statistic: f64,
    /// Degrees of freedom of t.
    pub degrees: Option<f64>,
    /// The two-sided p-value; 0 where it is below the smallest float64.
    pub p: f64,
    /// Its decimal logarithm, which never underflows.
    pub log10_p: f64,
    /// The difference of the means, the window's less the reference's, by the deviation within.
    pub cohens_d: f64,
    /// The chance that a score of the window is higher than one of the reference.
    pub auroc: f64,
    /// Its 95 per cent interval.
    pub auroc_ci: [f64; 2],
}

impl WindowTest {
    /// Compares the scores of a window with those of a reference.
    ///
    /// ```
    /// use qualm::monitor::WindowTest;
    ///
    /// let reference: Vec<f64> = (0..100).map(f64::from).collect();
    /// let window: Vec<f64> = (0..50).map(|i| f64::from(i) + 60.0).collect();
    /// let difference = WindowTest::Welch.compare(&reference, &window)?;
    /// assert!(difference.log10_p < -10.0 && difference.cohens_d > 1.0);
    /// assert!(difference.is_alarm(difference.p, 0.05, 0.2));
    /// # Ok::<(), qualm::Error>(())
    /// ```
    ///
    /// # Shapes
    /// `reference`: `(n,)`, `window`: `(m,)`, both at least 2.
    ///
    /// # Errors
    /// [`Error::TooFewRows`], [`Error::NotFinite`]; [`Error::NoSpread`] where no score of either
    /// sample differs from another of it.
    pub fn compare(self, reference: &[f64], window: &[f64]) -> Result<Difference> {
        for scores in [reference, window] {
            check(scores, 0)?;
            if scores.len() < 2 {
                return Err(Error::TooFewRows {
                    found: scores.len(),
                    expected: 2,
                    why: "two-sample tests",
                });
            }
        }
        let shift = Shift::of(reference, &[window])?;
        let Some(welch) = shift.welch else {
            return Err(Error::NoSpread { n: window.len() });
        };
        let (statistic, ln_p) = match self {
            Self::Welch => (welch.t, welch.log10_p * std::f64::consts::LN_10),
            Self::MannWhitney => mann_whitney(reference, window, shift.auroc),
            Self::KolmogorovSmirnov => kolmogorov_smirnov(reference, window),
        };
        Ok(Difference {
            test: self,
            n_reference: reference.len() as u64,
            n: window.len() as u64,
            statistic,
            degrees: (self == Self::Welch).then_some(welch.degrees),
            p: ln_p.exp(),
            log10_p: ln_p / std::f64::consts::LN_10,
            cohens_d: welch.cohens_d,
            auroc: shift.auroc,
            auroc_ci: [shift.interval.low, shift.interval.high],
        })
    }
}

impl Difference {
    /// Whether it is worth an alarm: a p-value, corrected for other tests if there are any, of at
    /// most alpha, *and* a standardised difference of means of at least `min_effect`. Of a million
    /// rows every trifle is significant.
    #[must_use]
    pub fn is_alarm(&self, corrected_p: f64, alpha: f64, min_effect: f64) -> bool {
        corrected_p <= alpha && self.cohens_d.abs() >= min_effect
    }
}

/// The normal deviate of the rank sum, and the logarithm of its two-sided p-value.
fn mann_whitney(reference: &[f64], window: &[f64], auroc: f64) -> (f64, f64) {
    let (n, m) = (reference.len() as f64, window.len() as f64);
    let all = n + m;
    let mut sorted: Vec<f64> = [reference, window].concat();
    sorted.sort_unstable_by(f64::total_cmp);
    let ties: f64 = sorted
        .chunk_by(|a, b| a.partial_cmp(b).is_some_and(std::cmp::Ordering::is_eq))
        .map(|tied| (tied.len() as f64).powi(3) - tied.len() as f64)
        .sum();
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    let above = auroc * n * m - 0.5 * n * m;
    let z = (above.abs() - 0.5).max(0.0) / variance.sqrt();
    (z.copysign(above), ln_two_sided(z))
}

/// The logarithm of the probability that a normal deviate is as far from 0.
fn ln_two_sided(z: f64) -> f64 {
    if z < 30.0 {
        return erfc(z * std::f64::consts::FRAC_1_SQRT_2).ln();
    }
    // The asymptotic series of the tail (Abramowitz and Stegun, 26.2.12).
    let inverse = 1.0 / (z * z);
    let series = -inverse * (1.0 - 3.0 * inverse * (1.0 - 5.0 * inverse * (1.0 - 7.0 * inverse)));
    LN_2 - 0.5 * z * z - (z * (2.0 * PI).sqrt()).ln() + series.ln_1p()
}

/// The largest distance of the distribution functions, and the logarithm of its p-value by
/// Kolmogorov's limiting law.
fn kolmogorov_smirnov(reference: &[f64], window: &[f64]) -> (f64, f64) {
    let sorted = [reference, window].map(|scores| {
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    });
    let [first, second] = &sorted;
    let (n, m) = (first.len() as f64, second.len() as f64);
    let (mut i, mut j) = (0, 0);
    let mut distance: f64 = 0.0;
    while let (Some(a), Some(b)) = (first.get(i), second.get(j)) {
        let at = a.min(*b);
        i += first[i..].iter().take_while(|v| **v <= at).count();
        j += second[j..].iter().take_while(|v| **v <= at).count();
        distance = distance.max((i as f64 / n - j as f64 / m).abs());
    }
    let lambda = distance * (n * m / (n + m)).sqrt();
    (distance, ln_kolmogorov(lambda))
}

/// The logarithm of the upper tail of Kolmogorov's law.
fn ln_kolmogorov(lambda: f64) -> f64 {
    if lambda < 1e-3 {
        return 0.0;
    }
    if lambda < 1.0 {
        // The other form of the theta function, which converges where the first one does not.
        let term = |k: i32| {
            let odd = f64::from(2 * k - 1);
            (-(odd * PI / lambda).powi(2) / 8.0).exp()
        };
        let lower = (2.0 * PI).sqrt() / lambda * (1..=8).map(term).sum::<f64>();
        return (-lower).ln_1p();
    }
    // 2 (x - x^4 + x^9 - ..) with x = exp(-2 lambda^2), the first factor apart.
    let ln_x = -2.0 * lambda * lambda;
    let rest: f64 = (2..=8)
        .map(|k| {
            let sign = if k % 2 == 0 { -1.0 } else { 1.0 };
            sign * (f64::from(k * k - 1) * ln_x).exp()
        })
        .sum();
    LN_2 + ln_x + rest.ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 8] = [0.1, 0.5, 0.5, 1.2, 2.0, -0.3, 0.9, 1.1];
    const B: [f64; 6] = [0.5, 1.9, 2.5, 3.1, 1.1, 0.8];

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-10 * expected.abs().max(1e-3),
            "{found}, expected {expected}"
        );
    }

    #[test]
    fn the_same_as_scipy() {
        // SciPy 1.17: ttest_ind(B, A, equal_var=False), mannwhitneyu(B, A, method="asymptotic"),
        // ks_2samp and special.kolmogorov of its distance.
        let welch = WindowTest::Welch.compare(&A, &B).unwrap();
        close(welch.statistic, 1.844_543_367_346_889_8);
        close(welch.degrees.unwrap(), 8.500_788_169_759_822);
        close(welch.p, 0.100_141_120_506_626_82);
        close(welch.cohens_d, 1.051_272_273_948_975);
        let ranks = WindowTest::MannWhitney.compare(&A, &B).unwrap();
        close(ranks.auroc * 48.0, 35.5);
        close(ranks.statistic, 1.427_961_510_011_412_7);
        close(ranks.p, 0.153_302_937_420_175_17);
        let distance = WindowTest::KolmogorovSmirnov.compare(&A, &B).unwrap();
        close(distance.statistic, 0.375);
        close(distance.p, 0.720_594_285_426_765_8);
        assert_eq!((distance.n_reference, distance.n), (8, 6));
        // The other way round: the same p, the other sign.
        let turned = WindowTest::MannWhitney.compare(&B, &A).unwrap();
        close(turned.statistic, -ranks.statistic);
        close(turned.p, ranks.p);
    }

    #[test]
    fn tails_far_beyond_float64() {
        // mpmath with 60 digits.
        for (z, expected) in [
            (0.5, -0.482_764_581_033_673_3),
            (5.0, -14.371_851_213_428_78),
            (29.9, -450.629_765_277_968_7),
            (30.1, -456.636_417_235_822_3),
            (60.0, -1_804.320_413_500_007_2),
            (400.0, -80_006.217_262_149_66),
        ] {
            close(ln_two_sided(z), expected);
        }
        for (lambda, expected) in [
            (0.5, -0.036_720_787_162_354_87),
            (0.99, -1.269_849_681_193_509_5),
            (1.01, -1.349_252_292_206_356_5),
            (2.0, -7.306_852_819_477_806),
            (20.0, -799.306_852_819_440_1),
        ] {
            close(ln_kolmogorov(lambda), expected);
        }
        assert!(ln_kolmogorov(0.2).abs() < 1e-12 && ln_kolmogorov(0.0).abs() < 1e-300);
    }

    #[test]
    fn samples_too_small_or_without_spread_are_refused() {
        let test = WindowTest::Welch;
        assert!(matches!(
            test.compare(&[1.0], &B),
            Err(Error::TooFewRows { found: 1, .. })
        ));
        assert!(test.compare(&A, &[]).is_err());
        assert!(test.compare(&A, &[f64::NAN, 1.0]).is_err());
        assert!(test.compare(&[1.0, 1.0], &[2.0, 2.0]).is_err());
    }

    #[test]
    fn an_alarm_needs_an_effect() {
        let n = 100_000;
        let reference: Vec<f64> = (0..n).map(|i| f64::from(i) / f64::from(n)).collect();
        let window: Vec<f64> = reference.iter().map(|v| v + 0.01).collect();
        let difference = WindowTest::Welch.compare(&reference, &window).unwrap();
        assert!(difference.p < 1e-10 && difference.cohens_d < 0.05);
        assert!(!difference.is_alarm(difference.p, 0.05, 0.2));
        assert!(difference.is_alarm(difference.p, 0.05, 0.01));
    }
}
