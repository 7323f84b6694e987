//! What is in a model file.

use serde::{Deserialize, Serialize};

use super::version::REPORT_VERSION;
use crate::calibrate::{Calibration, ThresholdRule};
use crate::diagnostics::Diagnostics;
use crate::error::Result;
use crate::features::Features;
use crate::fitted::Fitted;
use crate::provenance::{ColumnRoles, Provenance};
use crate::spec::Spec;

/// What `qualm info --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InfoReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_bytes: Option<u64>,
    /// Columns of the rows that it scores.
    pub n_features: usize,
    /// What they are called.
    pub features: Features,
    /// The id and label columns of the fitted input.
    pub roles: ColumnRoles,
    /// All hyper-parameters.
    pub spec: Spec,
    /// The score above which a row is an outlier.
    pub threshold: f64,
    /// The rule that sets the threshold.
    #[serde(alias = "cut")]
    pub threshold_rule: ThresholdRule,
    /// The reference scores in brief.
    pub reference_scores: ReferenceScores,
    /// What the fit says about itself; `null` in files of versions that did not ask.
    pub diagnostics: Option<Diagnostics>,
    /// Where the model came from, without the diagnostics.
    pub provenance: Provenance,
}

/// The distribution of the reference scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReferenceScores {
    /// How many there are.
    pub n: usize,
    /// The smallest.
    pub min: f64,
    /// The median.
    pub median: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

impl ReferenceScores {
    /// Those of a calibration.
    ///
    /// # Errors
    /// Those of [`Calibration::quantile`].
    pub fn of(reference: &Calibration) -> Result<Self> {
        Ok(Self {
            n: reference.n(),
            min: reference.quantile(0.0)?,
            median: reference.quantile(0.5)?,
            p95: reference.quantile(0.95)?,
            max: reference.quantile(1.0)?,
        })
    }
}

impl InfoReport {
    /// The report on a model in memory; its file has no name yet.
    ///
    /// # Errors
    /// As [`Fitted::threshold`].
    pub fn new(fitted: &Fitted) -> Result<Self> {
        let mut provenance = fitted.provenance().clone();
        let diagnostics = provenance.diagnostics.take();
        Ok(Self {
            report_version: REPORT_VERSION,
            model: None,
            model_bytes: None,
            n_features: fitted.n_features(),
            features: fitted.features().clone(),
            roles: fitted.roles().clone(),
            spec: fitted.spec().clone(),
            threshold: fitted.threshold()?,
            threshold_rule: fitted.threshold_rule(),
            reference_scores: ReferenceScores::of(fitted.calibration())?,
            diagnostics,
            provenance,
        })
    }
}
