//! From the growth of a martingale to an alarm, with a guarantee.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What an alarm promises, if rows are exchangeable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// The probability of a false alarm, ever, is at most `alpha`.
    ///
    /// The evidence is the harmonic mixture of martingales that start at each row:
    /// `A_t = L_t (A_{t-1} + 1 / (t (t + 1)))`, `V_t = A_t + 1 / (t + 1)`, with `L_t` the growth at
    /// row t. `V` is a non-negative martingale from 1, so that by Ville's inequality it ever
    /// reaches `1 / alpha` with probability at most alpha.
    Ever {
        /// Above 0, below 1.
        alpha: f64,
    },
    /// The mean number of rows up to a false alarm is at least `rows`.
    ///
    /// The evidence is that of Shiryaev and Roberts, `R_t = L_t (1 + R_{t-1})`: `R_t - t` is a
    /// martingale, so that the mean of the first t with `R_t >= rows` is at least `rows`. It begins
    /// anew after each alarm.
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

    /// Takes the growth at another row; gives the natural logarithm of the evidence.
    pub(super) fn grow(&mut self, growth: f64, guarantee: Guarantee) -> f64 {
        self.t += 1;
        let t = self.t as f64;
        let added = match guarantee {
            Guarantee::Ever { .. } => -(t * (t + 1.0)).ln(),
            Guarantee::RunLength { .. } => 0.0,
        };
        let ln_growth = growth.ln();
        self.ln = Some(ln_growth + ln_sum(self.ln, added));
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
            Guarantee::Ever { .. } => ln_sum(self.ln, -(self.t as f64 + 1.0).ln()),
            Guarantee::RunLength { .. } => self.ln.unwrap_or(f64::NEG_INFINITY),
        }
    }
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
    use super::*;

    #[test]
    fn without_growth_the_evidence_stays() {
        let ever = Guarantee::Ever { alpha: 0.05 };
        let mut evidence = Evidence::new();
        assert_eq!(evidence.ln_value(ever), 0.0);
        for _ in 0..1000 {
            assert!(evidence.grow(1.0, ever).abs() < 1e-12);
        }
        let run = Guarantee::RunLength { rows: 100.0 };
        let mut evidence = Evidence::new();
        for t in 1..=1000 {
            let found = evidence.grow(1.0, run).exp();
            assert!((found - f64::from(t)).abs() < 1e-9 * f64::from(t));
        }
    }

    #[test]
    fn growth_by_hand() {
        let ever = Guarantee::Ever { alpha: 0.05 };
        let mut evidence = Evidence::new();
        let (mut a, mut t) = (0.0, 0.0);
        for growth in [1.5, 0.5, 2.0, 3.0, 0.1] {
            t += 1.0;
            a = growth * (a + 1.0 / (t * (t + 1.0)));
            let found = evidence.grow(growth, ever).exp();
            assert!((found - (a + 1.0 / (t + 1.0))).abs() < 1e-12);
        }
        // The capital was least after 1.5 x 0.5, grew, and fell below it again.
        assert!(evidence.is_least());
        evidence.grow(1.1, ever);
        assert!(!evidence.is_least());
        // Beyond float64 it goes on.
        for _ in 0..2000 {
            evidence.grow(2.0, ever);
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
