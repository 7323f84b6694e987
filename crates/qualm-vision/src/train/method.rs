//! The methods of training, each with its keys and its published defaults.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::views::ViewSpec;

/// Images of at most this side are small: they get the CIFAR stem, and no blur.
pub(super) const SMALL: u32 = 64;

/// How an encoder is trained, with the keys that the method alone has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Method {
    /// Two views of an image agree, against all others of the batch (Chen et al., 2020).
    Simclr {
        /// Divides similarities; above 0.
        temperature: f64,
    },
    /// Two views agree, against a queue of earlier keys of a slow copy (He et al., 2020).
    Moco {
        /// Divides similarities; above 0.
        temperature: f64,
        /// Keys that are kept.
        bank_size: usize,
        /// How much of the slow copy a step keeps, in \[0, 1).
        ema_momentum: f64,
    },
    /// A view predicts what a slow copy makes of the other (Grill et al., 2020).
    Byol {
        /// How much of the slow copy a first step keeps, in \[0, 1); it rises to 1.
        ema_momentum: f64,
    },
    /// Labels are learned, by cross-entropy.
    Supervised {},
    /// By how many quarters an image was turned is learned; with labels also those (Hendrycks et
    /// al., 2019).
    Rotation {
        /// The weight of the rotations' loss beside that of the labels.
        rotation_weight: f64,
    },
}

/// The layers between the encoder and a contrastive loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// Its hidden layer.
    pub projection_hidden: usize,
    /// Its output.
    pub projection_width: usize,
}

impl Method {
    /// Names of all methods.
    pub const NAMES: [&'static str; 5] = ["simclr", "moco", "byol", "supervised", "rotation"];

    /// A method by name, with its defaults.
    ///
    /// # Errors
    /// [`Error::UnknownMethod`].
    pub fn by_name(name: &str) -> Result<Self> {
        Ok(match name {
            "simclr" => Self::Simclr { temperature: 0.5 },
            "moco" => Self::Moco {
                temperature: 0.1,
                bank_size: 4096,
                ema_momentum: 0.99,
            },
            "byol" => Self::Byol { ema_momentum: 0.99 },
            "supervised" => Self::Supervised {},
            "rotation" => Self::Rotation {
                rotation_weight: 0.5,
            },
            _ => {
                return Err(Error::UnknownMethod {
                    found: name.to_owned(),
                });
            }
        })
    }

    /// The method's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Simclr { .. } => "simclr",
            Self::Moco { .. } => "moco",
            Self::Byol { .. } => "byol",
            Self::Supervised {} => "supervised",
            Self::Rotation { .. } => "rotation",
        }
    }

    /// Whether two views of an image are compared.
    #[must_use]
    pub fn is_contrastive(&self) -> bool {
        !matches!(self, Self::Supervised {} | Self::Rotation { .. })
    }

    /// The learning rate for a batch of 128: published for `SimCLR` and `MoCo`. The loss of BYOL is
    /// twice that of its published run (lightly takes minus the cosine).
    pub(super) fn rate(&self) -> f64 {
        match self {
            Self::Simclr { .. } | Self::Moco { .. } => 0.06,
            Self::Byol { .. } => 0.03,
            Self::Supervised {} | Self::Rotation { .. } => 0.1,
        }
    }

    pub(super) fn projection(&self) -> Option<Projection> {
        let (hidden, width) = match self {
            Self::Simclr { .. } | Self::Moco { .. } => (512, 128),
            Self::Byol { .. } => (1024, 256),
            Self::Supervised {} | Self::Rotation { .. } => return None,
        };
        Some(Projection {
            projection_hidden: hidden,
            projection_width: width,
        })
    }

    pub(super) fn validate(&self) -> Result<()> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let temperature = |t| require("temperature", t, positive(t), "above 0");
        let momentum = |m: f64| {
            let holds = (0.0..1.0).contains(&m);
            require("ema_momentum", m, holds, "at least 0 and below 1")
        };
        match *self {
            Self::Simclr { temperature: t } => temperature(t),
            Self::Moco {
                temperature: t,
                bank_size,
                ema_momentum,
            } => {
                temperature(t)?;
                let holds = (1..=1 << 24).contains(&bank_size);
                require("bank_size", bank_size, holds, "1 to 16777216")?;
                momentum(ema_momentum)
            }
            Self::Byol { ema_momentum } => momentum(ema_momentum),
            Self::Supervised {} => Ok(()),
            Self::Rotation { rotation_weight } => {
                let holds = positive(rotation_weight);
                require("rotation_weight", rotation_weight, holds, "above 0")
            }
        }
    }

    /// The views of a method: `SimCLR`'s where two are compared. A classifier sees crops and flips alone,
    /// as everywhere in the field; of small images crops of at least half.
    pub(super) fn views(self, size: u32) -> ViewSpec {
        let views = ViewSpec::simclr(size);
        if self.is_contrastive() {
            return views;
        }
        let least = if size <= SMALL {
            0.5
        } else {
            views.crop_area[0]
        };
        ViewSpec {
            crop_area: [least, 1.0],
            jitter: 0.0,
            grey: 0.0,
            blur: 0.0,
            ..views
        }
    }
}

/// Refuses a setting unless its condition holds.
pub(super) fn require(
    key: &'static str,
    value: impl std::fmt::Display,
    holds: bool,
    expected: &'static str,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(qualm::Error::InvalidKey {
        key,
        value: value.to_string(),
        expected,
    }
    .into())
}
