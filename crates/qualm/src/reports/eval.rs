//! What scores are worth against labels.

use serde::{Deserialize, Serialize};

use super::version::REPORT_VERSION;
use crate::stats::Metrics;

/// What `qualm eval --json` prints: the version and the metrics, in one flat object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvalReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The metrics; their fields are fields of the report.
    #[serde(flatten)]
    pub metrics: Metrics,
}

impl EvalReport {
    /// The report of these metrics.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self {
            report_version: REPORT_VERSION,
            metrics,
        }
    }
}
