//! How the threshold is chosen.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the threshold between inliers and outliers is chosen.
///
/// In JSON and TOML an object with one key: `{"fpr": 0.05}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdRule {
    /// The share of reference rows that may score above the threshold, in `(0, 1)`.
    Fpr(f64),
    /// The share of outliers expected among the reference rows, in `(0, 0.5]`: the
    /// threshold that `PyOD` sets for the same `contamination`.
    Contamination(f64),
    /// The threshold itself, any finite score.
    Score(f64),
}

impl Default for ThresholdRule {
    /// One false alarm in twenty.
    fn default() -> Self {
        Self::Fpr(0.05)
    }
}

impl ThresholdRule {
    /// Checks the value against the range of its kind.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with the value and the range.
    pub fn validate(self) -> Result<()> {
        let (ok, name, found, expected) = match self {
            Self::Fpr(v) => (
                v > 0.0 && v < 1.0,
                "fpr",
                v,
                "a number above 0 and below 1, such as 0.05",
            ),
            Self::Contamination(v) => (
                v > 0.0 && v <= 0.5,
                "contamination",
                v,
                "a number above 0 and at most 0.5, such as 0.1",
            ),
            Self::Score(v) => (v.is_finite(), "threshold", v, "a finite score"),
        };
        if ok {
            Ok(())
        } else {
            Err(Error::OutOfRange {
                name,
                found,
                expected,
            })
        }
    }
}
