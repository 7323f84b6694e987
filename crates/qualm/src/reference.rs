//! What is known about the rows that a detector is fitted to.

use serde::{Deserialize, Serialize};

/// Whether the fitted rows may hold outliers. Every detector has the key `reference`.
///
/// It does not choose what scores and p-values refer to: that is
/// [`ReferenceRows`](crate::ReferenceRows).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Reference {
    /// They may: outlier detection, as in cleaning a data set. Estimates are robust against them.
    #[default]
    Mixed,
    /// They are known to be usual: novelty detection, as in monitoring, out-of-distribution
    /// detection and quality control. Estimates take every row as it is.
    Clean,
}
