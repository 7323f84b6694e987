//! What the bench of damaged images gives.

use serde::{Deserialize, Serialize};

use crate::provenance::EncoderIdentity;
use crate::stats::Shift;

/// What `qualm bench corruption --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorruptionReport {
    /// See [`super::REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// `corruption`.
    pub suite: String,
    /// The images that are damaged.
    pub images: String,
    /// The images whose embeddings were fitted; `null` with a model.
    pub train: Option<String>,
    /// The file of the results.
    pub output: String,
    /// The table for people.
    pub table: String,
    /// The encoder.
    pub encoder: EncoderIdentity,
    /// Images fitted; `null` with a model.
    pub n_fitted: Option<u64>,
    /// The seed of the halves, the fits and the damage.
    pub seed: u64,
    /// The parameters of severities: `auto`, or those of one set.
    pub parameters: String,
    /// One for each corruption, severity and detector, and one over all severities.
    pub results: Vec<CorruptionRow>,
}

/// The scores of images damaged in one way beside those of a clean reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorruptionRow {
    /// The name of the corruption; `none` for clean images.
    pub corruption: String,
    /// From 1 to 5; `null` for all that were asked for together, and for clean images.
    pub severity: Option<u8>,
    /// The detector as it was asked for.
    pub detector: String,
    /// Images of the clean reference.
    pub n_reference: u64,
    /// Images damaged: others than those of the reference.
    pub n: u64,
    /// [`crate::stats::Welch::t`]; `null`, like the four below, where no score varies.
    pub t: Option<f64>,
    /// [`crate::stats::Welch::degrees`].
    pub degrees: Option<f64>,
    /// [`crate::stats::Welch::p`].
    pub p: Option<f64>,
    /// [`crate::stats::Welch::log10_p`].
    pub log10_p: Option<f64>,
    /// [`crate::stats::Welch::cohens_d`].
    pub cohens_d: Option<f64>,
    /// [`Shift::auroc`], damaged images being the outliers.
    pub auroc: f64,
    /// The lower end of its 95 per cent interval.
    pub auroc_ci_low: f64,
    /// The upper end of the same interval.
    pub auroc_ci_high: f64,
}

impl CorruptionReport {
    /// The suite's name.
    pub const SUITE: &str = "corruption";
    /// What the rows of clean images have for a corruption.
    pub const NONE: &str = "none";
}

impl CorruptionRow {
    /// A comparison as a row.
    #[must_use]
    pub fn new(
        corruption: &str,
        severity: Option<u8>,
        detector: &str,
        [n_reference, n]: [u64; 2],
        shift: &Shift,
    ) -> Self {
        let welch = shift.welch;
        Self {
            corruption: corruption.to_owned(),
            severity,
            detector: detector.to_owned(),
            n_reference,
            n,
            t: welch.map(|test| test.t),
            degrees: welch.map(|test| test.degrees),
            p: welch.map(|test| test.p),
            log10_p: welch.map(|test| test.log10_p),
            cohens_d: welch.map(|test| test.cohens_d),
            auroc: shift.auroc,
            auroc_ci_low: shift.interval.low,
            auroc_ci_high: shift.interval.high,
        }
    }
}
