//! What a model file remembers of the fit beside the model.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostics::Diagnostics;
use crate::fit::warning::Warning;

/// Columns of the fitted input that were no features.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnRoles {
    /// Carried through to the scores, where a scored input has them.
    pub ids: Vec<String>,
    /// The label, which fitting never saw.
    pub label: Option<String>,
}

/// Where a model came from, kept in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the crate that fitted it.
    pub qualm_version: String,
    /// When, in UTC, as RFC 3339. `SOURCE_DATE_EPOCH` (seconds) overrides the clock, for
    /// files that must be reproducible to the byte.
    pub created: String,
    /// The seed.
    pub seed: u64,
    /// Rows fitted on.
    pub n_rows: usize,
    /// Items that the rows are views of; `None` where each row is an item of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_items: Option<usize>,
    /// The encoder that made the rows, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderIdentity>,
    /// SHA-256 of the fitted rows as little-endian float32, in hexadecimal.
    pub input_digest: String,
    /// The sampling, where the rows fitted on are a sample of more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// What the scores are compared with.
    pub reference: ReferenceRows,
    /// Training steps of each member; 0 for detectors that take none.
    pub steps: u64,
    /// Loss curve of each member, at most 100 points, each the mean over equally many steps.
    pub losses: Vec<Vec<f64>>,
    /// Effective number of rows in a bag, along the same points; empty for detectors
    /// without bags.
    pub effective_rows: Vec<Vec<f64>>,
    /// What the user should know about this fit.
    pub warnings: Vec<Warning>,
    /// What the fit says about itself; `None` in files of versions that did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Diagnostics>,
}

impl Provenance {
    /// That of a fit without training that is done now, to rows of this digest.
    pub(crate) fn now(seed: u64, n_rows: usize, input_digest: String) -> Self {
        Self {
            qualm_version: env!("CARGO_PKG_VERSION").to_owned(),
            created: now(),
            seed,
            n_rows,
            n_items: None,
            encoder: None,
            sampling: None,
            input_digest,
            reference: ReferenceRows::FittedRows,
            steps: 0,
            losses: Vec::new(),
            effective_rows: Vec::new(),
            warnings: Vec::new(),
            diagnostics: None,
        }
    }
}

/// Which encoder made some rows, of images or of anything else: kept with the rows, and in the
/// models fitted to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderIdentity {
    /// What it is called: its file.
    pub name: String,
    /// SHA-256 of all that decides its rows, such as weights and preprocessing, in hexadecimal.
    pub digest: String,
    /// Columns of its rows.
    pub width: usize,
    /// How its input is prepared, where that is not in its file: what it needs to be run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Value>,
}

/// How the rows fitted on were taken from more rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Rows of the input, of which those fitted on are a uniform sample.
    pub n_rows: u64,
    /// Rows of the input whose scores calibrate the model: all that were not sampled, or 0 where
    /// other rows do: the fitted ones, or rows given for calibration.
    pub n_reference: u64,
    /// By how much p-values may be larger than those by the scores of all of these, at most.
    pub p_value_error: f64,
}

/// Which rows calibrate the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceRows {
    /// The rows fitted on.
    FittedRows,
    /// Rows kept apart from fitting, for which conformal p-values are exact.
    SeparateRows,
}

/// The time of fitting, RFC 3339.
fn now() -> String {
    let fixed = std::env::var("SOURCE_DATE_EPOCH").ok();
    let fixed =
        fixed.and_then(|seconds| chrono::DateTime::from_timestamp(seconds.parse().ok()?, 0));
    fixed
        .unwrap_or_else(chrono::Utc::now)
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
