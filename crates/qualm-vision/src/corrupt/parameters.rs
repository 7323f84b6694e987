//! Severities, and the sets of parameters that they have.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How badly an image is damaged: 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Severity(u8);

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// A severity from 1 to 5.
    ///
    /// # Errors
    /// [`Error::Severity`] for any other number.
    pub fn new(severity: u8) -> Result<Self> {
        if (1..=5).contains(&severity) {
            Ok(Self(severity))
        } else {
            Err(Error::Severity {
                found: severity.to_string(),
            })
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl From<Severity> for u8 {
    fn from(severity: Severity) -> Self {
        severity.0
    }
}

impl TryFrom<u8> for Severity {
    type Error = Error;

    fn try_from(severity: u8) -> Result<Self> {
        Self::new(severity)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The parameters of a published set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterSet {
    /// Those of CIFAR-10-C, for 32 pixels.
    Cifar,
    /// Those of Tiny-ImageNet-C, for 64 pixels.
    Tiny,
    /// Those of the package `imagecorruptions`, made for `ImageNet`'s 224 pixels and used for any
    /// larger size.
    Imagenet,
}

/// Which parameters are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parameters {
    /// By the shorter side of an image: up to 48 pixels those of CIFAR-10-C, up to 96 those of
    /// Tiny-ImageNet-C, above those for `ImageNet`.
    #[default]
    Auto,
    /// Those of one set, for all images.
    #[serde(untagged)]
    Of(ParameterSet),
}

impl Parameters {
    /// The names that [`Parameters::from_str`] reads.
    pub const NAMES: [&'static str; 4] = ["auto", "cifar", "tiny", "imagenet"];

    /// The set for images of some shorter side, in pixels.
    #[must_use]
    pub fn of(self, side: usize) -> ParameterSet {
        match self {
            Self::Of(set) => set,
            Self::Auto if side <= 48 => ParameterSet::Cifar,
            Self::Auto if side <= 96 => ParameterSet::Tiny,
            Self::Auto => ParameterSet::Imagenet,
        }
    }
}

impl FromStr for Parameters {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "auto" => Ok(Self::Auto),
            "cifar" => Ok(Self::Of(ParameterSet::Cifar)),
            "tiny" => Ok(Self::Of(ParameterSet::Tiny)),
            "imagenet" => Ok(Self::Of(ParameterSet::Imagenet)),
            other => Err(Error::UnknownParameters {
                found: other.to_owned(),
            }),
        }
    }
}

/// A parameter of a corruption for each set and severity.
#[derive(Debug)]
pub(super) struct Table<T> {
    pub(super) cifar: [T; 5],
    pub(super) tiny: [T; 5],
    pub(super) imagenet: [T; 5],
}

impl<T: Copy> Table<T> {
    /// The same for images of all sizes.
    pub(super) const fn same(values: [T; 5]) -> Self {
        Self {
            cifar: values,
            tiny: values,
            imagenet: values,
        }
    }

    /// One for small images, one for all others.
    pub(super) const fn small_and_large(small: [T; 5], large: [T; 5]) -> Self {
        Self {
            cifar: small,
            tiny: large,
            imagenet: large,
        }
    }

    pub(super) fn get(&self, set: ParameterSet, severity: Severity) -> T {
        let row = match set {
            ParameterSet::Cifar => &self.cifar,
            ParameterSet::Tiny => &self.tiny,
            ParameterSet::Imagenet => &self.imagenet,
        };
        row[usize::from(severity.get() - 1)]
    }
}
