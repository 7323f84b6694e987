//! Where preprocessing is written down: `encoder.toml`, the metadata of an encoder, a name.
//!
//! Each gives some of the keys. What is said first wins; what nobody says is asked for.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::builtin::Builtin;
use super::error::EncoderError;
use super::preprocessing::{
    Crop, InputSize, InputType, Layout, Pooling, Preprocessing, ResizeFilter,
};

/// Sidecars are a few lines.
const LONGEST: u64 = 1 << 20;

/// Some keys of a [`Preprocessing`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    /// The built-in preprocessing that gives the keys not set here.
    pub(crate) preprocessing: Option<Builtin>,
    pub(crate) size: Option<InputSize>,
    pub(crate) filter: Option<ResizeFilter>,
    pub(crate) antialias: Option<bool>,
    pub(crate) crop: Option<Crop>,
    pub(crate) crop_fraction: Option<f64>,
    pub(crate) mean: Option<[f32; 3]>,
    pub(crate) std: Option<[f32; 3]>,
    pub(crate) layout: Option<Layout>,
    pub(crate) dtype: Option<InputType>,
    pub(crate) output: Option<String>,
    pub(crate) pooling: Option<Pooling>,
    pub(crate) l2: Option<bool>,
    pub(crate) statistics: Option<bool>,
}

impl Keys {
    /// The keys of a TOML file.
    pub(crate) fn read(file: &Path) -> Result<Self, EncoderError> {
        let unreadable = |source| EncoderError::Read {
            file: file.to_owned(),
            source,
        };
        let length = std::fs::metadata(file).map_err(unreadable)?.len();
        if length > LONGEST {
            return Err(EncoderError::LongSidecar {
                file: file.to_owned(),
                found: length,
            });
        }
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        toml::from_str(&text).map_err(|source| EncoderError::Sidecar {
            file: file.to_owned(),
            source: Box::new(source),
        })
    }

    /// The keys of a whole preprocessing that was recorded as JSON.
    pub(crate) fn recorded(json: &Value, encoder: &Path) -> Result<Self, EncoderError> {
        let keys = Self::deserialize(json).map_err(|error| EncoderError::Metadata {
            file: encoder.to_owned(),
            key: "preprocessing",
            message: error.to_string(),
        })?;
        // An input of bytes has neither: see `complete`.
        let bytes = keys.dtype == Some(InputType::Uint8);
        Ok(Self {
            mean: keys.mean.filter(|_| !bytes),
            std: keys.std.filter(|_| !bytes),
            ..keys
        })
    }

    /// These keys, and those of `other` where these say nothing.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            preprocessing: self.preprocessing.or(other.preprocessing),
            size: self.size.or(other.size),
            filter: self.filter.or(other.filter),
            antialias: self.antialias.or(other.antialias),
            crop: self.crop.or(other.crop),
            crop_fraction: self.crop_fraction.or(other.crop_fraction),
            mean: self.mean.or(other.mean),
            std: self.std.or(other.std),
            layout: self.layout.or(other.layout),
            dtype: self.dtype.or(other.dtype),
            output: self.output.or(other.output),
            pooling: self.pooling.or(other.pooling),
            l2: self.l2.or(other.l2),
            statistics: self.statistics.or(other.statistics),
        }
    }

    /// With the keys of the built-in preprocessing that is named, if one is.
    ///
    /// A crop of one's own takes no fraction from it.
    pub(crate) fn expanded(self) -> Self {
        let Some(builtin) = self.preprocessing else {
            return self;
        };
        let fraction = match self.crop {
            Some(_) => self.crop_fraction.or(Some(1.0)),
            None => self.crop_fraction,
        };
        let keys = Self {
            crop_fraction: fraction,
            ..self
        };
        keys.or(builtin.keys())
    }

    /// The whole preprocessing. An input of bytes has no mean and no standard deviation: they stand
    /// as 0 and 1.
    ///
    /// # Errors
    /// [`EncoderError::NeedsPreprocessing`] for `encoder` with the keys that are missing, and
    /// [`EncoderError::Key`] for values that do not fit.
    pub(crate) fn complete(
        self,
        encoder: &Path,
        origin: &str,
    ) -> Result<Preprocessing, EncoderError> {
        let bytes = self.dtype == Some(InputType::Uint8);
        let given = |key, values: Option<[f32; 3]>| match values {
            Some(found) if bytes => Err(EncoderError::Key {
                origin: origin.to_owned(),
                key,
                found: format!("{found:?}"),
                expected: "none: an encoder whose input is uint8 normalises itself",
            }),
            _ => Ok(()),
        };
        given("mean", self.mean)?;
        given("std", self.std)?;
        let mut keys = self.expanded();
        if bytes {
            (keys.mean, keys.std) = (Some([0.0; 3]), Some([1.0; 3]));
        }
        let (mean, std) = (keys.mean, keys.std);
        if let (Some(size), Some(filter), Some(crop), Some(mean), Some(std)) =
            (keys.size, keys.filter, keys.crop, mean, std)
        {
            let preprocessing = Preprocessing {
                size,
                filter,
                antialias: keys.antialias.unwrap_or(true),
                crop,
                crop_fraction: keys.crop_fraction.unwrap_or(1.0),
                mean,
                std,
                layout: keys.layout.unwrap_or(Layout::Nchw),
                dtype: keys.dtype.unwrap_or(InputType::Float32),
                output: keys.output,
                pooling: keys.pooling.unwrap_or(Pooling::None),
                l2: keys.l2.unwrap_or(false),
                statistics: keys.statistics.unwrap_or(false),
            };
            preprocessing.validate(origin)?;
            return Ok(preprocessing);
        }
        let given = [
            ("size", keys.size.is_some()),
            ("filter", keys.filter.is_some()),
            ("crop", keys.crop.is_some()),
            ("mean", mean.is_some()),
            ("std", std.is_some()),
        ];
        let missing = given.into_iter().filter(|(_, given)| !given);
        Err(EncoderError::NeedsPreprocessing {
            file: encoder.to_owned(),
            missing: missing.map(|(key, _)| key).collect(),
        })
    }
}
