//! What a suite of labelled sets, detectors and seeds gives.

use serde::{Deserialize, Serialize};

use super::version::REPORT_VERSION;
use crate::rows::Rows;
use crate::stats::Metrics;

/// What `qualm bench --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The suite's name.
    pub suite: String,
    /// The runs that were asked for.
    pub results: Vec<BenchRow>,
}

/// One run: a detector fitted to a labelled set with a seed, and measured on it.
///
/// A number that the run did not come to is `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BenchRow {
    /// The set's file name without extension.
    pub dataset: String,
    /// The detector as it was asked for: `sp`, or `sp:paper` where the preset was named.
    pub detector: String,
    /// The seed of the fit.
    pub seed: u64,
    /// Rows fitted; `null` where the set could not be read.
    pub n: Option<u64>,
    /// Columns of the rows.
    pub d: Option<u64>,
    /// Rows labelled as outliers.
    pub n_outliers: Option<u64>,
    /// See [`Metrics::auroc`]; of the fitted rows' own scores.
    pub auroc: Option<f64>,
    /// See [`Metrics::auroc_unoriented`].
    pub auroc_unoriented: Option<f64>,
    /// See [`Metrics::aupr`].
    pub aupr: Option<f64>,
    /// Seconds of fitting, with the scores of the fitted rows and their calibration, without
    /// reading.
    pub fit_seconds: Option<f64>,
    /// Seconds of scoring the same rows as new ones.
    pub score_seconds: Option<f64>,
    /// The most memory that the run's process held, in bytes; `null` where the system does
    /// not tell.
    pub peak_memory_bytes: Option<u64>,
    /// `ok`, `timeout`, or why the run failed.
    pub status: String,
}

impl BenchReport {
    /// The report of these runs.
    #[must_use]
    pub fn new(suite: &str, results: Vec<BenchRow>) -> Self {
        Self {
            report_version: REPORT_VERSION,
            suite: suite.to_owned(),
            results,
        }
    }
}

impl BenchRow {
    /// The status of a run that went well.
    pub const OK: &str = "ok";
    /// The status of a run that was ended because its time was over.
    pub const TIMEOUT: &str = "timeout";

    /// A run on these rows that has measured nothing yet.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; `outlier`: `(n,)`.
    #[must_use]
    pub fn of_rows(rows: Rows<'_>, outlier: &[bool]) -> Self {
        Self {
            n: Some(rows.n_rows() as u64),
            d: Some(rows.n_cols() as u64),
            n_outliers: Some(outlier.iter().filter(|outlier| **outlier).count() as u64),
            ..Self::default()
        }
    }

    /// The same run with what it measured; it went well.
    #[must_use]
    pub fn measured(self, metrics: &Metrics, fit_seconds: f64, score_seconds: f64) -> Self {
        Self {
            auroc: Some(metrics.auroc),
            auroc_unoriented: Some(metrics.auroc_unoriented),
            aupr: Some(metrics.aupr),
            fit_seconds: Some(fit_seconds),
            score_seconds: Some(score_seconds),
            status: Self::OK.to_owned(),
            ..self
        }
    }

    /// Whether the run went well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == Self::OK
    }
}
