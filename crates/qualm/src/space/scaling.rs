//! How the rows of a baseline are scaled.

use serde::{Deserialize, Serialize};

use super::{KernelMetric, KernelScaling, SpaceKind, SpaceOptions};

/// How a baseline's rows are scaled: the spaces of [`SpaceKind`] but for the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scaling {
    /// Rows as they are, as scikit-learn and `PyOD` take them.
    Identity,
    /// Each feature to \[0, 1\] over the fitted rows: the paper's Table 2.
    Minmax,
    /// Each feature to mean 0 and standard deviation 1.
    Standardise,
    /// Rows divided by their Euclidean norm.
    Unit,
    /// Standardised, then divided by the norm.
    Sphere,
}

impl Scaling {
    pub(crate) fn options(self) -> SpaceOptions {
        SpaceOptions {
            kind: match self {
                Self::Identity => SpaceKind::Identity,
                Self::Minmax => SpaceKind::Minmax,
                Self::Standardise => SpaceKind::Standardise,
                Self::Unit => SpaceKind::Unit,
                Self::Sphere => SpaceKind::Sphere,
            },
            centre: false,
            bandwidth: 1.0,
            fourier_features: 2,
            scaling: KernelScaling::Standardise,
            metric: KernelMetric::Euclidean,
        }
    }
}
