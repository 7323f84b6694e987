//! What embedding images says, and what an encoder is.

use serde::{Deserialize, Serialize};

use super::version::REPORT_VERSION;
use crate::provenance::EncoderIdentity;

/// What `qualm embed --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbedReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// Where the images are.
    pub input: String,
    /// The file of the embeddings.
    pub output: String,
    /// The encoder.
    pub encoder: EncoderIdentity,
    /// Images embedded, those of an interrupted run among them.
    pub n_images: u64,
    /// Rows written: images, or views of them.
    pub n_rows: u64,
    /// Views of each image; `null` where a row is the image itself.
    pub views: Option<u32>,
    /// Images taken over from an interrupted run.
    pub n_resumed: u64,
    /// Images that could not be read and were left out.
    pub n_rejected: u64,
    /// The file that lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
    /// Seconds of reading, encoding and writing, which overlap.
    pub embed_seconds: f64,
    /// Images of this run per second.
    pub images_per_second: f64,
}

/// What `qualm encoder check --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The encoder's file.
    pub file: String,
    /// Its identity: name, digest and width.
    #[serde(flatten)]
    pub encoder: EncoderIdentity,
    /// `onnx`, or the name of the residual network.
    pub architecture: String,
    /// What runs it.
    pub runtime: String,
    /// Its inputs: name, type and shape, with ? for a length that is free.
    pub inputs: Vec<String>,
    /// Its outputs.
    pub outputs: Vec<String>,
    /// The output that becomes rows.
    pub output: String,
    /// How images are prepared: the keys of `encoder.toml`.
    pub preprocessing: serde_json::Value,
    /// Where that is written.
    pub preprocessing_from: String,
    /// Whether the test picture has the same bits alone and among other images.
    pub same_bits: bool,
    /// The Euclidean norm of the vector of the test picture.
    pub norm: f64,
    /// The vector of the test picture.
    pub vector: Vec<f32>,
}

impl EmbedReport {
    /// The report on `n_images` images, `n_resumed` of them from before, in `embed_seconds`.
    #[must_use]
    pub fn new(
        encoder: EncoderIdentity,
        n_images: u64,
        n_resumed: u64,
        embed_seconds: f64,
    ) -> Self {
        let now = n_images.saturating_sub(n_resumed);
        Self {
            report_version: REPORT_VERSION,
            input: String::new(),
            output: String::new(),
            encoder,
            n_images,
            n_rows: n_images,
            views: None,
            n_resumed,
            n_rejected: 0,
            rejects: None,
            embed_seconds,
            images_per_second: now as f64 / embed_seconds.max(1e-9),
        }
    }
}
