//! The distances between rows that neighbours can be found by.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::detector::require;
use crate::error::Result;

/// How far two rows are from each other. Rows are scaled first (`space`), then measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DistanceMetric {
    /// The root of the sum of squared differences.
    #[default]
    #[serde(alias = "l2")]
    Euclidean,
    /// 1 minus the cosine of the angle between the rows, 0 to 2. The zero row has no direction:
    /// it is at distance 1 of every other row, as in scikit-learn, and at 0 of its copies.
    Cosine,
    /// The sum of absolute differences.
    #[serde(alias = "l1", alias = "cityblock")]
    Manhattan,
    /// The largest absolute difference.
    Chebyshev,
    /// The p-th root of the sum of p-th powers of absolute differences; p = 2 is `euclidean`.
    Minkowski,
    /// `euclidean` of rows whitened by a robust, shrunken covariance, that of the kernel of `dum`:
    /// each direction is measured in units of the standard deviation of most of the rows.
    Mahalanobis,
}

/// The power of [`DistanceMetric::Minkowski`], unless another is asked for.
pub(crate) const EUCLIDEAN_POWER: f64 = 2.0;

/// What is computed of the differences of two rows, once they were mapped.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Norm {
    /// The root of the sum of squares.
    #[default]
    Euclidean,
    /// Half the sum of squares: of rows of norm 1 it is the cosine distance.
    HalfSquare,
    /// The sum of the absolute values.
    Sum,
    /// The largest absolute value.
    Largest,
    /// The p-th root of the sum of p-th powers.
    Power(f64),
}

impl DistanceMetric {
    /// Whether it is left out of a model file.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the key `p`.
    ///
    /// # Errors
    /// [`crate::Error::InvalidKey`] below 1, and when it is set for another metric.
    pub(crate) fn check(self, p: f64) -> Result<()> {
        if self == Self::Minkowski {
            let holds = p >= 1.0 && p.is_finite();
            return require(
                "p",
                p,
                holds,
                "at least 1 (metric = chebyshev is its limit)",
            );
        }
        let holds = is_euclidean_power(&p);
        require(
            "p",
            p,
            holds,
            "2, unless metric = minkowski, which alone has a power",
        )
    }

    /// What is computed of the differences of mapped rows.
    pub(crate) fn norm(self, p: f64) -> Norm {
        match self {
            Self::Euclidean | Self::Mahalanobis => Norm::Euclidean,
            Self::Cosine => Norm::HalfSquare,
            Self::Manhattan => Norm::Sum,
            Self::Chebyshev => Norm::Largest,
            Self::Minkowski if is_euclidean_power(&p) => Norm::Euclidean,
            Self::Minkowski if p <= 1.0 => Norm::Sum,
            Self::Minkowski => Norm::Power(p),
        }
    }
}

/// Whether this is the power that is left out of a model file.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
pub(crate) fn is_euclidean_power(p: &f64) -> bool {
    *p == EUCLIDEAN_POWER
}

/// The keys of a metric that are left out of a model file.
pub(crate) fn unwritten() -> Vec<(&'static str, Value)> {
    vec![
        ("metric", json!(DistanceMetric::default())),
        ("p", json!(EUCLIDEAN_POWER)),
    ]
}
