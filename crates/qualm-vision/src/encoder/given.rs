//! What is said about the preprocessing of an encoder: by the caller, beside its file, and in it.

use std::path::Path;

use serde::Deserialize;

use super::builtin::Builtin;
use super::error::{EncoderError, sidecar};
use super::keys::Keys;
use super::onnx;
use super::open::EncoderOptions;

/// The sidecar of all encoders of a folder.
const SHARED_SIDECAR: &str = "encoder.toml";

/// What somebody says about the preprocessing of an encoder, and where.
pub(super) struct Given {
    keys: Keys,
    origin: Option<String>,
    /// Whether the encoder's own metadata has no say.
    alone: bool,
}

impl Given {
    pub(super) fn find(file: &Path, options: &EncoderOptions) -> Result<Self, EncoderError> {
        let beside = [sidecar(file), file.with_file_name(SHARED_SIDECAR)];
        let beside = beside.into_iter().find(|path| path.is_file());
        if let Some(given) = &options.preprocessing {
            let keys = match Builtin::by_name(given) {
                Some(builtin) => Keys {
                    preprocessing: Some(builtin),
                    ..Keys::default()
                },
                None if Path::new(given).extension().is_some_and(|e| e == "toml") => {
                    Keys::read(Path::new(given))?
                }
                None => {
                    return Err(EncoderError::UnknownPreprocessing {
                        found: given.clone(),
                    });
                }
            };
            let unused = beside.filter(|beside| beside != Path::new(given));
            let unused = unused.map(|beside| format!(" (in place of {})", beside.display()));
            return Ok(Self {
                keys,
                origin: Some(format!("{given}{}", unused.unwrap_or_default())),
                alone: true,
            });
        }
        if let Some(recorded) = &options.recorded {
            return Ok(Self {
                keys: Keys::recorded(recorded, file)?,
                origin: Some("an earlier run".to_owned()),
                alone: true,
            });
        }
        let keys = beside.as_deref().map_or(Ok(Keys::default()), Keys::read)?;
        Ok(Self {
            // A name says all there is to say.
            alone: keys.preprocessing.is_some(),
            keys,
            origin: beside.map(|beside| beside.display().to_string()),
        })
    }

    /// With what the encoder's own file says.
    pub(super) fn with(self, said: Option<Keys>) -> (Keys, String) {
        let own = "the encoder's own file";
        match (self.origin, said) {
            (Some(origin), Some(said)) if !self.alone => {
                (self.keys.or(said), format!("{origin}, then {own}"))
            }
            (Some(origin), _) => (self.keys, origin),
            (None, said) => (said.unwrap_or_default(), own.to_owned()),
        }
    }
}

/// What the metadata entry `qualm_encoder` holds; it may say more.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) preprocessing: Keys,
    /// Names of the classes, in the order of the logits.
    #[serde(default)]
    pub(super) classes: Vec<String>,
}

/// The keys in the metadata of an encoder's file.
pub(super) fn said(file: &Path, text: Option<&str>) -> Result<Option<Keys>, EncoderError> {
    Ok(metadata(file, text)?.map(|said| said.preprocessing))
}

/// The metadata of an encoder's file.
pub(super) fn metadata(file: &Path, text: Option<&str>) -> Result<Option<Metadata>, EncoderError> {
    let metadata = text.map(serde_json::from_str).transpose();
    metadata.map_err(|error| EncoderError::Metadata {
        file: file.to_owned(),
        key: onnx::METADATA,
        message: error.to_string(),
    })
}
