//! From the growth of a martingale to an alarm, with a guarantee.

use serde::{Deserialize, Serialize};

use super::martingale::Jumper;
use crate::error::{Error, Result};

/// What an alarm promises, if rows are exchangeable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// The probability of a false alarm, ever, is at most `alpha`.
    ///
    /// The evidence is a mixture of martingales ([`Jumper`]) that start at each row. Until row t a
    /// capital of `T_t = 1 / (1 + ln (1 + t))` has not yet been put in; `T_{t-1} - T_t` is put in
    /// before row t, in a jumper of its own, and `V_t = A_t + T_t` with `A_t` what those that
    /// have started own. `V` is a non-negative martingale from 1, so that by Ville's inequality it ever
    /// reaches `1 / alpha` with probability at most alpha. The harmonic weights `1 / (t (t + 1))` of
    /// other software leave less for late changes: from row 12 on ours are larger.
    Ever {
        /// Above 0, below 1.
        alpha: f64,
    },
    /// The mean number of rows up to a false alarm is at least `rows`.
    ///
    /// The evidence is that of Shiryaev and Roberts: before each row a capital of 1 is put in, in a
    /// jumper of its own. What all own less t is a martingale, so that the mean of the
    /// first t with `R_t >= rows` is at least `rows` (J. Shin, A. Ramdas, A. Rinaldo, *E-detectors*, New
    /// England Journal of Statistics in Data Science, 2023). It begins anew after each alarm.
    RunLength {
        /// At least 1.
        rows: f64,
    },
}

impl Guarantee {
    /// The evidence at which the alarm is raised.
    #[must_use]
    pub fn threshold(self) -> f64 {
        match self {
            Self::Ever { alpha } => 1.0 / alpha,
            Self::RunLength { rows } => rows,
        }
    }

    /// # Errors
    /// [`Error::OutOfRange`].
    pub(super) fn validate(self) -> Result<()> {
        let (name, found, expected) = match self {
            Self::Ever { alpha } if !(alpha > 0.0 && alpha < 1.0) => {
                ("alpha", alpha, "a number above 0 and below 1")
            }
            Self::RunLength { rows } if !(rows >= 1.0 && rows.is_finite()) => {
                ("run length", rows, "a number of rows, 1 or more")
            }
            _ => return Ok(()),
        };
        Err(Error::OutOfRange {
            name,
            found,
            expected,
        })
    }
}

/// The evidence so far, as logarithms: it may grow beyond float64.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Evidence {
    /// Rows since it began.
    t: u64,
    /// The natural logarithm of `A_t` or `R_t`; `None` for 0.
    ln: Option<f64>,
    /// The natural logarithm of the growth since the capital was least.
    #[serde(default)]
    rise: f64,
}

impl Evidence {
    pub(super) fn new() -> Self {
        Self {
            t: 0,
            ln: None,
            rise: 0.0,
        }
    }

    /// Bets on the p-value of another row; gives the natural logarithm of the evidence.
    pub(super) fn bet(&mut self, jumper: &mut Jumper, p: f64, guarantee: Guarantee) -> f64 {
        self.t += 1;
        let put_in = match guarantee {
            Guarantee::Ever { .. } => ln_put_in(self.t as f64),
            Guarantee::RunLength { .. } => 0.0,
        };
        let capital = ln_sum(self.ln, put_in);
        let ln_growth = jumper.bet(p, (put_in - capital).exp()).ln();
        self.ln = Some(ln_growth + capital);
        self.rise = (self.rise + ln_growth).max(0.0);
        self.ln_value(guarantee)
    }

    /// Whether the capital has never been less since the evidence began.
    pub(super) fn is_least(&self) -> bool {
        self.rise <= 0.0
    }

    /// The natural logarithm of the evidence.
    pub(super) fn ln_value(&self, guarantee: Guarantee) -> f64 {
        match guarantee {
            Guarantee::Ever { .. } => ln_sum(self.ln, -(self.t as f64).ln_1p().ln_1p()),
            Guarantee::RunLength { .. } => self.ln.unwrap_or(f64::NEG_INFINITY),
        }
    }
}

/// `ln (T_{t-1} - T_t)`, without the loss of digits of the difference.
fn ln_put_in(t: f64) -> f64 {
    ((1.0 / t).ln_1p() / ((1.0 + t.ln()) * (1.0 + t.ln_1p()))).ln()
}

/// `ln (exp a + exp b)`, where no a stands for 0.
fn ln_sum(a: Option<f64>, b: f64) -> f64 {
    let Some(a) = a else {
        return b;
    };
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    high + (low - high).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::super::martingale::Expert;
    use super::*;

    /// One who never bets, and one who bets on high scores.
    const NONE: [(Expert, f64); 1] = [(Expert::Constant, 1.0)];
    const HIGH: [(Expert, f64); 1] = [(Expert::Linear(-0.5), 1.0)];

    #[test]
    fn without_bets_the_evidence_stays() {
        let (ever, run) = (
            Guarantee::Ever { alpha: 0.05 },
            Guarantee::RunLength { rows: 100.0 },
        );
        let mut jumper = Jumper::of(&NONE, 0.0);
        let (mut evidence, mut rows) = (Evidence::new(), Evidence::new());
        assert_eq!(evidence.ln_value(ever), 0.0);
        for t in 1..=1000 {
            assert!(evidence.bet(&mut jumper, 0.5, ever).abs() < 1e-12);
            let found = rows.bet(&mut jumper, 0.5, run).exp();
            assert!((found - f64::from(t)).abs() < 1e-9 * f64::from(t));
        }
    }

    #[test]
    fn growth_by_hand() {
        let ever = Guarantee::Ever { alpha: 0.05 };
        let mut jumper = Jumper::of(&HIGH, 0.0);
        let mut evidence = Evidence::new();
        let tail = |t: f64| 1.0 / (1.0 + t.ln_1p());
        let (mut a, mut t) = (0.0, 0.0);
        for p in [0.1, 0.9, 0.02, 0.5, 0.3] {
            t += 1.0;
            a = (1.5 - p) * (a + tail(t - 1.0) - tail(t));
            let found = evidence.bet(&mut jumper, p, ever).exp();
            assert!((found - (a + tail(t))).abs() < 1e-12);
        }
        // The capital was least after 1.4 x 0.6 and grew since; it falls below that, and grows again.
        assert!(!evidence.is_least());
        evidence.bet(&mut jumper, 1.0, ever);
        assert!(evidence.is_least());
        evidence.bet(&mut jumper, 0.4, ever);
        assert!(!evidence.is_least());
        // Beyond float64 it goes on.
        for _ in 0..4000 {
            evidence.bet(&mut jumper, 0.01, ever);
        }
        assert!(evidence.ln_value(ever) > 1300.0);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for guarantee in [
            Guarantee::Ever { alpha: 0.0 },
            Guarantee::Ever { alpha: 1.0 },
            Guarantee::Ever { alpha: f64::NAN },
            Guarantee::RunLength { rows: 0.5 },
            Guarantee::RunLength {
                rows: f64::INFINITY,
            },
        ] {
            assert!(guarantee.validate().is_err(), "{guarantee:?}");
        }
    }
}
