//! The residual network of a file with all of its heads, for what runs more of it than an encoder
//! does.

use std::path::Path;

use super::EncoderIdentity;
use super::error::EncoderError;
use super::given::{Given, metadata};
use super::open::{EncoderOptions, Kind, digest, identity, kind, read};
use super::preprocessing::Preprocessing;
use super::resnet::ResNetEncoder;
use super::weights::{self, Named};

/// A residual network of a file with all of its heads, and what is known of it.
#[derive(Debug)]
pub(crate) struct ResNetFile {
    pub(crate) identity: EncoderIdentity,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) weights: Named,
    /// Names of the classes in the order of the logits; none where the file does not say them.
    pub(crate) classes: Vec<String>,
}

/// Opens the residual network of a file, to run more of it than an encoder does. How its images are
/// prepared is found as [`open`](super::open()) does.
///
/// # Errors
/// [`EncoderError`]; [`EncoderError::NotAClassifier`] for an ONNX file.
pub(crate) fn open_resnet_file(
    file: &Path,
    options: &EncoderOptions,
) -> Result<ResNetFile, EncoderError> {
    let bytes = read(file)?;
    let given = Given::find(file, options)?;
    let weights = match kind(file, &bytes)? {
        Kind::Onnx => {
            return Err(EncoderError::NotAClassifier {
                file: file.to_owned(),
                found: "an ONNX file, whose layers are not seen",
            });
        }
        Kind::Safetensors => weights::from_safetensors(file, &bytes)?,
        Kind::Torch => weights::from_torch(file, &bytes)?,
    };
    let said = metadata(file, weights.metadata.as_deref())?;
    let classes = said.as_ref().map(|said| said.classes.clone());
    let weights = weights::named(file, weights)?;
    let (keys, origin) = given.with(said.map(|said| said.preprocessing));
    let preprocessing = keys.or(ResNetEncoder::keys()).complete(file, &origin)?;
    let width = weights.architecture.width();
    let digest = digest(&bytes, &[])?;
    Ok(ResNetFile {
        identity: identity(file, &digest, &preprocessing, width),
        preprocessing,
        weights,
        classes: classes.unwrap_or_default(),
    })
}
