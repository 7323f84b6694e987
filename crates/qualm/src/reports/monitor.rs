//! What watching a model's input says.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::monitor::{Difference, Guarantee};

/// What `qualm monitor --json` prints. `is_drift`, `p_val`, `threshold` and `distance` are named and meant as
/// those of alibi-detect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorReport {
    /// See [`super::REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The model's file.
    pub model: String,
    /// Where the rows are.
    pub input: String,
    /// The file of the reference; `null` where the model's own reference scores are.
    pub reference: Option<String>,
    /// Whether there is an alarm.
    pub is_drift: bool,
    /// The smallest corrected p-value of a window; of the sequential test the largest probability with
    /// which chance would ever bring such evidence, `null` for a run length.
    pub p_val: Option<f64>,
    /// What a p-value has to reach: alpha; the evidence for a run length.
    pub threshold: f64,
    /// The largest effect size of a window; the decimal logarithm of the highest evidence.
    pub distance: f64,
    /// Scores of the reference.
    pub n_reference: u64,
    /// Rows read.
    pub n: u64,
    /// The windows that were tested.
    pub windows: Vec<MonitorWindow>,
    /// The sequential test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequential: Option<MonitorStream>,
    /// Where there is an alarm, and a file of the reference: the columns that moved most.
    pub columns: Vec<MonitorColumn>,
    /// Where there is an alarm: the rows with the highest scores.
    pub strangest: Vec<MonitorRow>,
}

/// A window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorWindow {
    /// Its number, from 1.
    pub window: u64,
    /// Its first row, from 1.
    pub first_row: u64,
    /// Its last row.
    pub last_row: u64,
    /// How it differs from the reference.
    #[serde(flatten)]
    pub difference: Difference,
    /// The p-value, corrected for the number of windows.
    pub p_corrected: f64,
    /// Whether it is worth an alarm.
    pub is_drift: bool,
}

/// The sequential test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorStream {
    /// What an alarm promises.
    pub guarantee: Guarantee,
    /// Rows of the stream, those of earlier runs among them.
    pub n_rows: u64,
    /// Alarms, those of earlier runs among them.
    pub n_alarms: u64,
    /// The latest rows, from 1, at which an alarm was raised.
    pub alarms: Vec<u64>,
    /// The decimal logarithm of the evidence.
    pub log10_evidence: f64,
    /// The state's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// A column that moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorColumn {
    /// Its name.
    pub column: String,
    /// Its mean in the reference.
    pub reference_mean: f64,
    /// Its mean in the alarmed window.
    pub mean: f64,
    /// The difference by the deviation within.
    pub cohens_d: f64,
    /// The p-value of Welch's test, corrected for the number of columns.
    pub p: f64,
}

/// A strange row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorRow {
    /// Its number in the input, from 1.
    pub row: u64,
    /// Its ids.
    pub id: Map<String, Value>,
    /// Its score.
    pub score: f64,
    /// Its conformal p-value.
    pub p_value: f64,
}
