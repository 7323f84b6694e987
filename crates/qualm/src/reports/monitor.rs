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
    /// Windows of time without a row, between others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub empty_windows: u64,
    /// Windows that were not tested: of one row, or not whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untested_windows: u64,
    /// The sequential test, of one stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequential: Option<MonitorStream>,
    /// The sequential tests, of several streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<MonitorStream>,
    /// Where there is an alarm: the rows that `columns` and `strangest` are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretch: Option<MonitorStretch>,
    /// Where there is an alarm, and a file of the reference: the columns that moved most.
    pub columns: Vec<MonitorColumn>,
    /// Where there is an alarm: the rows with the highest scores.
    pub strangest: Vec<MonitorRow>,
}

/// An alarm of the sequential test: what `--on-alarm` gets and what `--follow --json` prints as a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorAlarm {
    /// See [`super::REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The model's file.
    pub model: String,
    /// Where the rows are.
    pub input: String,
    /// The file of the reference; `null` where the model's own reference scores are.
    pub reference: Option<String>,
    /// True.
    pub is_drift: bool,
    /// As in [`MonitorReport`], of this alarm.
    pub p_val: Option<f64>,
    /// As in [`MonitorReport`].
    pub threshold: f64,
    /// The decimal logarithm of the evidence.
    pub distance: f64,
    /// The stream, of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The row of the stream, from 1 and of all runs, at which the alarm was raised.
    pub row: u64,
    /// The row of the stream from which the evidence has risen: an estimate of where the change was.
    pub changed_from: u64,
    /// The rows from there to the alarm, as far as this run has read them.
    pub stretch: Option<MonitorStretch>,
    /// As in [`MonitorReport`].
    pub columns: Vec<MonitorColumn>,
    /// As in [`MonitorReport`].
    pub strangest: Vec<MonitorRow>,
}

/// Rows of an input, of one stream, between two of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorStretch {
    /// The number of the first one in the input, from 1.
    pub first_row: u64,
    /// That of the last one.
    pub last_row: u64,
    /// How many there are.
    pub n: u64,
    /// The time of the first one, in UTC, where times are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_time: Option<String>,
    /// That of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_time: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorWindow {
    /// Its number, from 1.
    pub window: u64,
    /// The stream that its rows are of, of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Its first row, from 1.
    pub first_row: u64,
    /// Its last row.
    pub last_row: u64,
    /// Where it is a window of time: when it begins, in UTC. Its rows are at that time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_time: Option<String>,
    /// When it ends. Its rows are before that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_time: Option<String>,
    /// How it differs from the reference.
    #[serde(flatten)]
    pub difference: Difference,
    /// The p-value, corrected for the number of windows.
    pub p_corrected: f64,
    /// Whether it is worth an alarm.
    pub is_drift: bool,
}

/// The sequential test of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorStream {
    /// The stream, of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
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
    /// The evidence over the rows of this run; none without a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<MonitorEvidence>,
    /// The state's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// Evidence over the rows of a run, at most 128 values however many rows there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorEvidence {
    /// The first row of the run, from 1, those of earlier runs counted.
    pub first_row: u64,
    /// Rows that each value stands for; the last may stand for fewer.
    pub rows_each: u64,
    /// The decimal logarithm of the highest evidence among these rows.
    pub log10_highest: Vec<f64>,
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
    /// The features that contribute most to the score.
    #[serde(default)]
    pub explanation: Vec<MonitorShare>,
}

/// A feature's part in a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorShare {
    /// Its name.
    pub feature: String,
    /// Its share of the score, of all features 1 in all.
    pub share: f64,
}
