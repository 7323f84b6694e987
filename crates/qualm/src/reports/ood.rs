//! What the commands of out-of-distribution detectors say.

use serde::{Deserialize, Serialize};

use super::info::ReferenceScores;
use super::version::REPORT_VERSION;
use crate::calibrate::ThresholdRule;
use crate::error::Result;
use crate::fit::Warning;
use crate::ood::{OodDetectorInfo, OodFitted, OodInputs, OodSpec, ood_detectors};
use crate::provenance::{ColumnRoles, Provenance};

/// What `qualm ood fit --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OodFitReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The file, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The detector's name.
    pub detector: String,
    /// Items fitted on, without known outliers.
    pub n: usize,
    /// The arrays that it takes.
    pub inputs: OodInputs,
    /// Reference items: the fitted ones, or those kept apart for calibration.
    pub n_reference: usize,
    /// The score above which an item counts as out of distribution.
    pub threshold: f64,
    /// Seconds of fitting and calibration, without reading the arrays.
    pub fit_seconds: f64,
    /// Size of the file in bytes, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_bytes: Option<u64>,
    /// What the user should know about the fit.
    pub warnings: Vec<Warning>,
    /// All keys, with what they left to the arrays decided.
    pub spec: OodSpec,
}

impl OodFitReport {
    /// The report on a detector in memory; its file has no name yet.
    ///
    /// # Errors
    /// As [`OodFitted::threshold`].
    pub fn new(fitted: &OodFitted, fit_seconds: f64) -> Result<Self> {
        Ok(Self {
            report_version: REPORT_VERSION,
            model: None,
            detector: fitted.spec().detector().to_owned(),
            n: fitted.provenance().n_rows,
            inputs: fitted.inputs().clone(),
            n_reference: fitted.calibration().n(),
            threshold: fitted.threshold()?,
            fit_seconds,
            model_bytes: None,
            warnings: fitted.provenance().warnings.clone(),
            spec: fitted.spec().clone(),
        })
    }
}

/// What `qualm info --json` prints of an out-of-distribution detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OodInfoReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_bytes: Option<u64>,
    /// The arrays that it takes.
    pub inputs: OodInputs,
    /// The id columns and the labels of the fitted input.
    pub roles: ColumnRoles,
    /// All keys, with what they left to the arrays decided.
    pub spec: OodSpec,
    /// The score above which an item counts as out of distribution.
    pub threshold: f64,
    /// The rule that sets the threshold.
    pub threshold_rule: ThresholdRule,
    /// The reference scores in brief.
    pub reference_scores: ReferenceScores,
    /// Where it came from.
    pub provenance: Provenance,
}

impl OodInfoReport {
    /// The report on a detector in memory; its file has no name yet.
    ///
    /// # Errors
    /// As [`OodFitted::threshold`].
    pub fn new(fitted: &OodFitted) -> Result<Self> {
        Ok(Self {
            report_version: REPORT_VERSION,
            model: None,
            model_bytes: None,
            inputs: fitted.inputs().clone(),
            roles: fitted.roles().clone(),
            spec: fitted.spec().clone(),
            threshold: fitted.threshold()?,
            threshold_rule: fitted.threshold_rule(),
            reference_scores: ReferenceScores::of(fitted.calibration())?,
            provenance: fitted.provenance().clone(),
        })
    }
}

/// What `qualm ood list --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OodListReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// All out-of-distribution detectors.
    pub detectors: Vec<OodDetectorInfo>,
}

impl OodListReport {
    /// Those of this version.
    #[must_use]
    pub fn new() -> Self {
        Self {
            report_version: REPORT_VERSION,
            detectors: ood_detectors(),
        }
    }
}

impl Default for OodListReport {
    fn default() -> Self {
        Self::new()
    }
}
