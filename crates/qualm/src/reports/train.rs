//! What the training of an encoder says.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `qualm train --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainReport {
    /// See [`crate::reports::REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The encoder file, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// The ONNX file, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
    /// Size of the encoder file in bytes, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder_bytes: Option<u64>,
    /// The method.
    pub method: String,
    /// The architecture.
    pub network: String,
    /// Images trained on.
    pub n: usize,
    /// Images measured on; 0 without labels.
    pub n_eval: usize,
    /// Classes, where labels were used; otherwise 0.
    pub n_classes: usize,
    /// Columns of an embedding.
    pub width: usize,
    /// Epochs asked for.
    pub epochs: u64,
    /// Epochs finished: fewer when the time was up.
    pub epochs_done: u64,
    /// Seconds of training, measurements included, since the start or since it was resumed.
    pub train_seconds: f64,
    /// One entry for each finished epoch.
    pub curve: Vec<TrainEpoch>,
    /// Whether the last outputs all point the same way.
    pub collapsed: bool,
    /// All settings.
    pub spec: Value,
}

/// An epoch of training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainEpoch {
    /// Its number, from 1.
    pub epoch: u64,
    /// The mean loss over its steps.
    pub loss: f64,
    /// The spread of the last batch's outputs, scaled to unit length: near 1 when their directions
    /// are spread evenly, near 0 when all agree.
    pub output_std: f64,
    /// The accuracy of weighted nearest neighbours on the images measured on, where it was
    /// measured; see [`crate::stats::NearestClasses`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knn_accuracy: Option<f64>,
    /// The accuracy of the trained classifier on them, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
}
