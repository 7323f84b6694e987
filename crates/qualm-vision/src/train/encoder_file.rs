//! A trained encoder as a file: safetensors with torchvision's names, and what made it.

use std::collections::HashMap;

use qualm::digest::hex;
use qualm::nn::Head;
use qualm::nn::resnet::{Architecture, Tensor, Tensors};
use qualm::reports::TrainEpoch;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::objective::CLASSES;
use super::spec::TrainSpec;
use crate::encoder::{Layout, Preprocessing};
use crate::error::{Error, Result};
use crate::export::{Export, FEATURES};

/// The metadata entry of an encoder file that describes it, as JSON.
pub const METADATA_KEY: &str = "qualm_encoder";

/// An encoder with its heads, and how it came to be.
#[derive(Debug, Clone)]
pub struct TrainedEncoder {
    /// What it was made by.
    pub description: EncoderDescription,
    /// All tensors: the network under torchvision's names, a classifier as `fc.weight` and
    /// `fc.bias`, other heads under `head.NAME.`.
    pub tensors: Tensors,
}

/// What the file of a trained encoder says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderDescription {
    /// The architecture's name.
    pub architecture: String,
    /// What is done to an image before the network sees it.
    pub preprocessing: Preprocessing,
    /// All settings of the training.
    pub spec: TrainSpec,
    /// Its seed.
    pub seed: u64,
    /// Images trained on.
    pub n_images: usize,
    /// The classes of a classifier, in the order of its outputs; none without one.
    pub classes: Vec<String>,
    /// One entry for each finished epoch.
    pub curve: Vec<TrainEpoch>,
    /// The version of this library.
    pub qualm_version: String,
    /// SHA-256 over all tensors' names and values, in hexadecimal.
    pub tensors_sha256: String,
}

impl TrainedEncoder {
    pub(super) fn new(
        mut tensors: Tensors,
        heads: &[(&'static str, &Head)],
        description: EncoderDescription,
    ) -> Self {
        for (name, head) in heads {
            for (tensor, shape, values) in head.tensors() {
                let name = match (*name, tensor.strip_prefix("0.")) {
                    (CLASSES, Some(part)) => format!("{CLASSES}.{part}"),
                    _ => format!("head.{name}.{tensor}"),
                };
                let values = values.to_vec();
                tensors.insert(name, Tensor { shape, values });
            }
        }
        let mut hash = Sha256::new();
        for (name, tensor) in &tensors {
            hash.update(name.as_bytes());
            hash.update(bytes_of(&tensor.values));
        }
        Self {
            description: EncoderDescription {
                tensors_sha256: hex(&hash.finalize()),
                ..description
            },
            tensors,
        }
    }

    /// The file: safetensors, with the description in the metadata. The same encoder gives the same
    /// bytes.
    ///
    /// # Errors
    /// [`qualm::Error::SerialiseModel`] and [`qualm::Error::SerialiseMetadata`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let failed = |source| qualm::Error::SerialiseModel { source };
        let tensors = self.tensors.iter().map(|(name, tensor)| {
            let bytes = bytes_of(&tensor.values);
            (name, &tensor.shape, bytes)
        });
        let tensors: Vec<_> = tensors.collect();
        let views = tensors.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, (*shape).clone(), bytes);
            view.map(|view| (*name, view)).map_err(failed)
        });
        let views: Vec<_> = views.collect::<Result<_, _>>()?;
        // One entry: safetensors writes its metadata in hash order.
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), self.metadata()?)]);
        Ok(safetensors::serialize(views, Some(metadata)).map_err(failed)?)
    }

    fn metadata(&self) -> Result<String> {
        let json = serde_json::to_string(&self.description);
        Ok(json.map_err(|source| qualm::Error::SerialiseMetadata { source })?)
    }

    /// The encoder as ONNX; see [`crate::export`].
    ///
    /// # Errors
    /// [`qualm::Error::SerialiseMetadata`]; those of an architecture that its tensors do not fill.
    pub fn to_onnx(&self) -> Result<Vec<u8>> {
        let architecture: Architecture = self.description.architecture.parse()?;
        let mut description = self.description.clone();
        description.preprocessing = self.onnx_preprocessing();
        let json = serde_json::to_string(&description);
        let json = json.map_err(|source| qualm::Error::SerialiseMetadata { source })?;
        let export = Export {
            architecture,
            tensors: &self.tensors,
            size: self.description.spec.image_size,
            mean: self.description.preprocessing.mean,
            std: self.description.preprocessing.std,
            metadata: &[(METADATA_KEY, json)],
        };
        export.to_bytes().ok_or_else(|| Error::IncompleteEncoder {
            architecture: self.description.architecture.clone(),
        })
    }

    /// What is done to an image before the ONNX file sees it: mean and deviation are part of it.
    #[must_use]
    pub fn onnx_preprocessing(&self) -> Preprocessing {
        Preprocessing {
            mean: [0.0; 3],
            std: [1.0; 3],
            layout: Layout::Nchw,
            output: Some(FEATURES.to_owned()),
            ..self.description.preprocessing.clone()
        }
    }
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
