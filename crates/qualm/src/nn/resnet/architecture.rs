//! Which residual network: depth, stem and shortcuts, and the names and shapes of its tensors.
//!
//! He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition" (CVPR 2016): section
//! 4.2 for CIFAR (three stages of 16, 32 and 64 channels), table 1 for `ImageNet`. Bottleneck
//! blocks have the stride on the 3x3 convolution, as torchvision has (its "v1.5"). The CIFAR
//! stem of ResNet-18 and the like is that of `SimCLR` (Chen et al., 2020, appendix B.9): a 3x3
//! convolution with stride 1 and no max pooling.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::nn::conv::Convolution;

/// What comes before the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stem {
    /// A 3x3 convolution with stride 1: for images up to some 64 pixels.
    Cifar,
    /// A 7x7 convolution with stride 2, then 3x3 max pooling with stride 2.
    ImageNet,
}

/// How a block's input passes by it where size or channels change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shortcut {
    /// Option A of the paper: every second pixel, and channels of zeros on both sides.
    Padding,
    /// Option B: a 1x1 convolution and batch norm.
    Projection,
}

/// Depths that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Depth {
    /// ResNet-(6 n + 2), with n blocks in each of three stages.
    Cifar(usize),
    R18,
    R34,
    R50,
}

/// A residual network without weights.
///
/// ```
/// use qualm::nn::resnet::Architecture;
///
/// let resnet: Architecture = "resnet20".parse()?;
/// assert_eq!(resnet.width(), 64);
/// assert_eq!(resnet.to_string(), "resnet20");
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Architecture {
    depth: Depth,
    stem: Stem,
    shortcut: Shortcut,
}

/// Every name that [`Architecture`] is parsed from.
pub const ARCHITECTURES: [&str; 16] = [
    "resnet8",
    "resnet8-b",
    "resnet20",
    "resnet20-b",
    "resnet32",
    "resnet32-b",
    "resnet44",
    "resnet44-b",
    "resnet56",
    "resnet56-b",
    "resnet18",
    "resnet18-cifar",
    "resnet34",
    "resnet34-cifar",
    "resnet50",
    "resnet50-cifar",
];

/// What a tensor of a network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Weights of a convolution.
    Convolution,
    /// The factor of batch norm, its `weight`.
    Scale,
    /// The number that batch norm adds, its `bias`.
    Shift,
    /// Batch norm's running mean; not trained.
    RunningMean,
    /// Batch norm's running variance; not trained.
    RunningVariance,
}

/// A tensor of a network: its name as torchvision has it, and its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Such as `layer1.0.conv1.weight`.
    pub name: String,
    /// `(out, in, rows, columns)` for a convolution, `(channels,)` otherwise.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
}

/// One convolution and its batch norm, by their names.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) convolution: Convolution,
    pub(super) convolution_name: String,
    pub(super) norm_name: String,
}

/// How a block's input reaches its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    Identity,
    /// Every `stride`-th pixel, between so many channels of zeros.
    Padding {
        stride: usize,
        channels: usize,
    },
    /// Layer number.
    Layer(usize),
}

/// Layers, by their numbers, around which a shortcut leads.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) layers: Vec<usize>,
    pub(super) path: Path,
    /// The stage that it belongs to, from 0: blocks of one size and number of channels.
    pub(super) stage: usize,
}

impl Architecture {
    /// ResNet-8, 20, 32, 44 or 56 for small images, of widths 16, 32 and 64; `None` for another
    /// depth.
    #[must_use]
    pub fn cifar(depth: usize, shortcut: Shortcut) -> Option<Self> {
        let depth = match depth {
            8 | 20 | 32 | 44 | 56 => Depth::Cifar((depth - 2) / 6),
            _ => return None,
        };
        Some(Self {
            depth,
            stem: Stem::Cifar,
            shortcut,
        })
    }

    /// ResNet-18, 34 or 50, of widths 64 to 512, or 2048; `None` for another depth.
    #[must_use]
    pub fn wide(depth: usize, stem: Stem) -> Option<Self> {
        let depth = match depth {
            18 => Depth::R18,
            34 => Depth::R34,
            50 => Depth::R50,
            _ => return None,
        };
        Some(Self {
            depth,
            stem,
            shortcut: Shortcut::Projection,
        })
    }

    /// How many numbers a feature vector has.
    #[must_use]
    pub fn width(&self) -> usize {
        match self.depth {
            Depth::Cifar(_) => 64,
            Depth::R18 | Depth::R34 => 512,
            Depth::R50 => 2048,
        }
    }

    /// What comes before the blocks.
    #[must_use]
    pub fn stem(&self) -> Stem {
        self.stem
    }

    /// How a block's input passes by it.
    #[must_use]
    pub fn shortcut(&self) -> Shortcut {
        self.shortcut
    }

    /// All tensors but a classifier's, in the order of the network.
    #[must_use]
    pub fn parameters(&self) -> Vec<TensorInfo> {
        let (layers, _) = self.layers();
        layers
            .into_iter()
            .flat_map(|layer| {
                let conv = layer.convolution;
                let weight = TensorInfo {
                    name: format!("{}.weight", layer.convolution_name),
                    shape: vec![conv.n_out, conv.n_in, conv.kernel, conv.kernel],
                    role: Role::Convolution,
                };
                let norm = [
                    ("weight", Role::Scale),
                    ("bias", Role::Shift),
                    ("running_mean", Role::RunningMean),
                    ("running_var", Role::RunningVariance),
                ]
                .map(|(part, role)| TensorInfo {
                    name: format!("{}.{part}", layer.norm_name),
                    shape: vec![conv.n_out],
                    role,
                });
                std::iter::once(weight).chain(norm)
            })
            .collect()
    }

    /// Whether there is max pooling after the stem.
    pub(super) fn pools(&self) -> bool {
        self.stem == Stem::ImageNet
    }

    /// Convolutions in the order of the network, and the blocks they make; the first
    /// convolution is the stem's.
    pub(super) fn layers(&self) -> (Vec<Named>, Vec<Block>) {
        let (stages, n_blocks): (&[usize], &[usize]) = match self.depth {
            Depth::Cifar(n) => (&[16, 32, 64], &[n, n, n]),
            Depth::R18 => (&[64, 128, 256, 512], &[2, 2, 2, 2]),
            Depth::R34 | Depth::R50 => (&[64, 128, 256, 512], &[3, 4, 6, 3]),
        };
        let bottleneck = self.depth == Depth::R50;
        let (kernel, stride) = match self.stem {
            Stem::Cifar => (3, 1),
            Stem::ImageNet => (7, 2),
        };
        let mut layers = vec![Named::new("conv1", "bn1", [kernel, stride, 3, stages[0]])];
        let mut blocks = Vec::new();
        let mut n_in = stages[0];
        for (stage, (&channels, &n)) in stages.iter().zip(n_blocks).enumerate() {
            for b in 0..n {
                let stride = if b == 0 && stage > 0 { 2 } else { 1 };
                let name = format!("layer{}.{b}", stage + 1);
                let shapes = if bottleneck {
                    vec![
                        [1, 1, n_in, channels],
                        [3, stride, channels, channels],
                        [1, 1, channels, 4 * channels],
                    ]
                } else {
                    vec![[3, stride, n_in, channels], [3, 1, channels, channels]]
                };
                let first = layers.len();
                for (i, shape) in shapes.iter().enumerate() {
                    let (conv, norm) = (
                        format!("{name}.conv{}", i + 1),
                        format!("{name}.bn{}", i + 1),
                    );
                    layers.push(Named::new(conv, norm, *shape));
                }
                let members = (first..layers.len()).collect();
                let n_out = layers[layers.len() - 1].convolution.n_out;
                let path = if stride == 1 && n_in == n_out {
                    Path::Identity
                } else if self.shortcut == Shortcut::Padding {
                    Path::Padding {
                        stride,
                        channels: (n_out - n_in) / 2,
                    }
                } else {
                    let name = format!("{name}.downsample");
                    let (conv, norm) = (format!("{name}.0"), format!("{name}.1"));
                    layers.push(Named::new(conv, norm, [1, stride, n_in, n_out]));
                    Path::Layer(layers.len() - 1)
                };
                blocks.push(Block {
                    layers: members,
                    path,
                    stage,
                });
                n_in = n_out;
            }
        }
        (layers, blocks)
    }
}

impl Named {
    fn new(
        convolution_name: impl Into<String>,
        norm_name: impl Into<String>,
        [kernel, stride, n_in, n_out]: [usize; 4],
    ) -> Self {
        Self {
            convolution: Convolution {
                kernel,
                stride,
                padding: kernel / 2,
                n_in,
                n_out,
            },
            convolution_name: convolution_name.into(),
            norm_name: norm_name.into(),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = match self.depth {
            Depth::Cifar(n) => 6 * n + 2,
            Depth::R18 => 18,
            Depth::R34 => 34,
            Depth::R50 => 50,
        };
        let suffix = match (self.depth, self.stem, self.shortcut) {
            (Depth::Cifar(_), _, Shortcut::Projection) => "-b",
            (Depth::Cifar(_), _, Shortcut::Padding) | (_, Stem::ImageNet, _) => "",
            (_, Stem::Cifar, _) => "-cifar",
        };
        write!(f, "resnet{depth}{suffix}")
    }
}

impl FromStr for Architecture {
    type Err = Error;

    /// Reads one of [`ARCHITECTURES`].
    fn from_str(name: &str) -> Result<Self, Error> {
        let parts = name
            .strip_prefix("resnet")
            .map(|rest| match rest.split_once('-') {
                Some((depth, suffix)) => (depth.parse(), suffix),
                None => (rest.parse(), ""),
            });
        let found = match parts {
            Some((Ok(depth), "")) => {
                Self::cifar(depth, Shortcut::Padding).or_else(|| Self::wide(depth, Stem::ImageNet))
            }
            Some((Ok(depth), "b")) => Self::cifar(depth, Shortcut::Projection),
            Some((Ok(depth), "cifar")) => Self::wide(depth, Stem::Cifar),
            _ => None,
        };
        found.ok_or_else(|| Error::UnknownArchitecture {
            found: name.to_owned(),
            known: &ARCHITECTURES,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n_parameters(name: &str) -> usize {
        let parameters = name.parse::<Architecture>().unwrap().parameters();
        let trained = parameters
            .iter()
            .filter(|p| !matches!(p.role, Role::RunningMean | Role::RunningVariance));
        trained.map(|p| p.shape.iter().product::<usize>()).sum()
    }

    #[test]
    fn every_name_is_read_and_written() {
        for name in ARCHITECTURES {
            assert_eq!(name.parse::<Architecture>().unwrap().to_string(), name);
        }
        for name in [
            "resnet",
            "resnet19",
            "resnet20-c",
            "resnet18-b",
            "vgg16",
            "resnet20-cifar",
        ] {
            let error = name.parse::<Architecture>().unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains("resnet18-cifar"),
                "{error}"
            );
        }
    }

    #[test]
    fn sizes_are_those_of_the_published_networks() {
        // akamaster's and torchvision's counts, less the classifier's.
        assert_eq!(n_parameters("resnet20"), 269_722 - 650);
        assert_eq!(n_parameters("resnet56"), 853_018 - 650);
        assert_eq!(n_parameters("resnet18"), 11_689_512 - 513_000);
        assert_eq!(n_parameters("resnet34"), 21_797_672 - 513_000);
        assert_eq!(n_parameters("resnet50"), 25_557_032 - 2_049_000);
        assert_eq!(n_parameters("resnet18-cifar"), 11_173_962 - 5_130);
    }
}
