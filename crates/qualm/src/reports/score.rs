//! What scoring says, besides the scores.

use serde::{Deserialize, Serialize};

use super::version::REPORT_VERSION;
use crate::error::Result;
use crate::fitted::Fitted;

/// What `qualm score -o OUT --json` and `qualm ood score` print. Without `-o` the document also has `rows`: a list
/// of the scored rows, each an object of the columns of the table of scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The file of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The file of the scores, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The list of the rows that could not be scored, where they were to be skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
    /// Rows scored.
    pub n: usize,
    /// Rows on that list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_rejected: Option<u64>,
    /// Rows left out by the model's rule for missing values, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_left_out: Option<u64>,
    /// The false-discovery rate, where that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fdr: Option<f64>,
    /// Rows whose score is above the threshold.
    pub n_outliers: usize,
    /// The score above which a row is an outlier.
    pub threshold: f64,
    /// Seconds of reading, scoring and writing, which overlap.
    pub score_seconds: f64,
    /// `n / score_seconds`.
    pub rows_per_second: f64,
}

impl ScoreReport {
    /// The report of `n` rows scored; the files have no names yet.
    ///
    /// # Errors
    /// As [`Fitted::threshold`].
    pub fn new(fitted: &Fitted, n: usize, n_outliers: usize, score_seconds: f64) -> Result<Self> {
        Ok(Self::above(
            fitted.threshold()?,
            n,
            n_outliers,
            score_seconds,
        ))
    }

    /// The same of scores above any threshold.
    #[must_use]
    pub fn above(threshold: f64, n: usize, n_outliers: usize, score_seconds: f64) -> Self {
        Self {
            report_version: REPORT_VERSION,
            model: None,
            input: None,
            output: None,
            rejects: None,
            n,
            n_rejected: None,
            n_left_out: None,
            fdr: None,
            n_outliers,
            threshold,
            score_seconds,
            rows_per_second: n as f64 / score_seconds.max(1e-9),
        }
    }
}
