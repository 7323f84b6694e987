//! Preprocessing by name: what encoders in wide use were trained or published with.
//!
//! | name | size | resize | crop | mean, std | source |
//! |---|---|---|---|---|---|
//! | `timm` | 224 | bicubic | centre, 0.875 | ImageNet | timm, `data/constants.py` and `data/config.py`: the defaults; a model's own are in `model.pretrained_cfg` |
//! | `imagenet` | 224 | bilinear | centre, 0.875 | ImageNet | torchvision, `transforms/_presets.py`, `ImageClassification`: 256, then 224 |
//! | `clip` | 224 | bicubic | centre | CLIP | Radford et al. 2021; openai/CLIP `clip/clip.py`, `_transform` |
//! | `siglip2` | 224 | bilinear | none | 0.5, 0.5 | Tschannen et al. 2025; google/siglip2-base-patch16-224, `preprocessor_config.json` |
//! | `dinov2` | 224 | bicubic | centre, 0.875 | ImageNet | Oquab et al. 2023; facebookresearch/dinov2 `dinov2/data/transforms.py`, `make_classification_eval_transform` |
//! | `dinov3` | 224 | bilinear | none | ImageNet | Simeoni et al. 2025; facebookresearch/dinov3 README, `make_transform`, at the size of its training |
//! | `sscd` | 320 | bilinear | none | ImageNet | Pizzi et al. 2022; facebookresearch/sscd-copy-detection README, `skew_320` |
//! | `cifar` | 32 | bilinear | none | CIFAR-10 | mean and standard deviation of its 50,000 training images (Krizhevsky 2009) |
//! | `akamaster` | 32 | bilinear | none | ImageNet | akamaster/pytorch_resnet_cifar10 `trainer.py`: CIFAR-10 with ImageNet's numbers |
//!
//! CLIP, `SigLIP` and `dinov2` exports name their vector `image_embeds` or `pooler_output`, which is
//! preferred where there are several outputs; of a sequence of tokens, `dinov2` and `dinov3` take
//! the class token. Sizes follow the encoder where its file fixes one.

#![expect(clippy::doc_markdown, reason = "names of models and repositories")]

use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::preprocessing::{Crop, InputSize, Pooling, ResizeFilter};

const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
#[expect(clippy::excessive_precision, reason = "as they are published")]
const CLIP: ([f32; 3], [f32; 3]) = (
    [0.48145466, 0.4578275, 0.40821073],
    [0.26862954, 0.26130258, 0.27577711],
);
const HALF: ([f32; 3], [f32; 3]) = ([0.5; 3], [0.5; 3]);
const CIFAR: ([f32; 3], [f32; 3]) = ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]);

/// A preprocessing known by name; see the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Builtin {
    /// timm's defaults.
    Timm,
    /// torchvision's for `ImageNet` classifiers.
    Imagenet,
    /// CLIP's.
    Clip,
    /// `SigLIP` 2's.
    Siglip2,
    /// DINOv2's.
    Dinov2,
    /// DINOv3's.
    Dinov3,
    /// SSCD's.
    Sscd,
    /// CIFAR-10's mean and standard deviation at 32 pixels.
    Cifar,
    /// `ImageNet`'s mean and standard deviation at 32 pixels.
    Akamaster,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Timm,
        Self::Imagenet,
        Self::Clip,
        Self::Siglip2,
        Self::Dinov2,
        Self::Dinov3,
        Self::Sscd,
        Self::Cifar,
        Self::Akamaster,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timm => "timm",
            Self::Imagenet => "imagenet",
            Self::Clip => "clip",
            Self::Siglip2 => "siglip2",
            Self::Dinov2 => "dinov2",
            Self::Dinov3 => "dinov3",
            Self::Sscd => "sscd",
            Self::Cifar => "cifar",
            Self::Akamaster => "akamaster",
        }
    }

    /// The names of all, as a list.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The one of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|b| b.name() == name)
    }

    /// Its keys. The layout and the type of the values are the encoder's own.
    pub(crate) fn keys(self) -> Keys {
        use Crop::{Centre, None as Whole};
        use ResizeFilter::{Bicubic, Bilinear};
        let (side, filter, crop, fraction, (mean, std)) = match self {
            Self::Timm | Self::Dinov2 => (224, Bicubic, Centre, 0.875, IMAGENET),
            Self::Imagenet => (224, Bilinear, Centre, 0.875, IMAGENET),
            Self::Clip => (224, Bicubic, Centre, 1.0, CLIP),
            Self::Siglip2 => (224, Bilinear, Whole, 1.0, HALF),
            Self::Dinov3 => (224, Bilinear, Whole, 1.0, IMAGENET),
            Self::Sscd => (320, Bilinear, Whole, 1.0, IMAGENET),
            Self::Cifar => (32, Bilinear, Whole, 1.0, CIFAR),
            Self::Akamaster => (32, Bilinear, Whole, 1.0, IMAGENET),
        };
        let tokens = matches!(self, Self::Dinov2 | Self::Dinov3);
        Keys {
            size: Some(InputSize::square(side)),
            filter: Some(filter),
            antialias: Some(true),
            crop: Some(crop),
            crop_fraction: Some(fraction),
            mean: Some(mean),
            std: Some(std),
            pooling: Some(if tokens { Pooling::Cls } else { Pooling::None }),
            ..Keys::default()
        }
    }
}
