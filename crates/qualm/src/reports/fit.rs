//! What a fit says.

use serde::{Deserialize, Serialize};

use super::version::REPORT_VERSION;
use crate::error::Result;
use crate::fit::Warning;
use crate::fitted::Fitted;
use crate::provenance::Sampling;
use crate::spec::Spec;

/// What `qualm fit --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The model file, where one was written. Paths that are not UTF-8 have their bytes
    /// replaced by U+FFFD, in all reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The file of the fitted rows' own scores, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<String>,
    /// The detector's name.
    pub detector: String,
    /// The preset that the Spec began with.
    pub preset: String,
    /// Rows fitted on.
    pub n: usize,
    /// Columns of the rows.
    pub d: usize,
    /// Reference rows: the fitted ones, or those kept apart for calibration.
    pub n_reference: usize,
    /// The score above which a row is an outlier.
    pub threshold: f64,
    /// Seconds of fitting and calibration, without reading the rows.
    pub fit_seconds: f64,
    /// The sampling, where the rows fitted on are a sample of more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// Size of the model file in bytes, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_bytes: Option<u64>,
    /// See [`crate::Diagnostics::half_agreement`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_agreement: Option<f64>,
    /// What the user should know about the fit.
    pub warnings: Vec<Warning>,
    /// All hyper-parameters, with what they left to the rows decided.
    pub spec: Spec,
}

impl FitReport {
    /// The report of a fit that began with `preset`; no file of it is written yet.
    ///
    /// # Errors
    /// As [`Fitted::threshold`].
    pub fn new(fitted: &Fitted, preset: &str, fit_seconds: f64) -> Result<Self> {
        let provenance = fitted.provenance();
        Ok(Self {
            report_version: REPORT_VERSION,
            model: None,
            scores: None,
            detector: fitted.spec().detector().to_owned(),
            preset: preset.to_owned(),
            n: provenance.n_rows,
            d: fitted.n_features(),
            n_reference: fitted.calibration().n(),
            threshold: fitted.threshold()?,
            fit_seconds,
            sampling: provenance.sampling,
            model_bytes: None,
            half_agreement: provenance.diagnostics.and_then(|d| d.half_agreement),
            warnings: provenance.warnings.clone(),
            spec: fitted.spec().clone(),
        })
    }
}
