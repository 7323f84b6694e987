//! What damaging images says.

use serde::{Deserialize, Serialize};

/// What `qualm corrupt --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorruptReport {
    /// See [`super::REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// Where the images are.
    pub input: String,
    /// The table or the folder of the damaged images.
    pub output: String,
    /// The contact sheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The names of the corruptions.
    pub corruptions: Vec<String>,
    /// The severities.
    pub severities: Vec<u8>,
    /// The parameters: `auto`, or those of one set.
    pub parameters: String,
    /// The format of the damaged images.
    pub format: String,
    /// Images read, those of an interrupted run among them.
    pub n_images: u64,
    /// Damaged images written.
    pub n_damaged: u64,
    /// Images taken over from an interrupted run.
    pub n_resumed: u64,
    /// Images that could not be read and were left out.
    pub n_rejected: u64,
    /// The file that lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
    /// Seconds of reading, damaging and writing, which overlap.
    pub corrupt_seconds: f64,
    /// Damaged images of this run per second.
    pub damaged_per_second: f64,
}
