//! Which residual network some tensors are, by their names and shapes.
//!
//! The names of torchvision and timm are ours: `conv1`, `bn1`, `layer1.0.conv1`,
//! `layer2.0.downsample.0`, `fc`. akamaster's and kuangliu's CIFAR networks say `linear` and
//! `shortcut`. What stands before all names, such as `module.` or `backbone.`, is dropped.

use std::collections::BTreeMap;
use std::path::Path;

use qualm::nn::resnet::{self, Architecture, LinearClassifier, ResNet, Shortcut, Stem, Tensors};

use super::{Tensor, Weights};
use crate::encoder::error::EncoderError;

/// First parts of the names of what follows the features: a classifier, or the heads that
/// training needed.
const HEADS: [&str; 4] = ["fc", "head", "classifier", "projector"];

/// What is listed of many names.
const LISTED: usize = 5;

/// A residual network and its heads, as a file has them.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) architecture: Architecture,
    /// The network's tensors, and the classifier's `fc.weight` and `fc.bias` where there are any.
    pub(crate) tensors: Tensors,
    /// Those of other heads, by their names.
    heads: BTreeMap<String, Tensor>,
    /// Names of tensors that belong to neither.
    unknown: Vec<String>,
}

/// The network of some tensors.
///
/// # Errors
/// As [`named`] and [`Named::build`].
pub(crate) fn recognise(file: &Path, weights: Weights) -> Result<ResNet, EncoderError> {
    named(file, weights)?.build(file, ResNet::from_tensors)
}

/// Which network some tensors are, and its tensors under our names.
///
/// # Errors
/// [`EncoderError::NotAResNet`], [`EncoderError::TensorShape`].
pub(crate) fn named(file: &Path, weights: Weights) -> Result<Named, EncoderError> {
    let mut tensors = canonical(file, weights.tensors)?;
    let architecture = deduce(file, &tensors)?;
    let name = architecture.to_string();
    let needed = architecture.parameters().into_iter().map(|info| info.name);
    let mut found = Tensors::new();
    for tensor in needed.chain(["fc.weight", "fc.bias"].map(str::to_owned)) {
        if let Some(values) = tensors.remove(&tensor) {
            let values = converted(file, &name, &tensor, values)?;
            found.insert(tensor, values);
        }
    }
    let head = |tensor: &String| HEADS.contains(&first_part(tensor));
    let (heads, unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
        tensors.into_iter().partition(|(tensor, _)| head(tensor));
    Ok(Named {
        architecture,
        tensors: found,
        heads,
        unknown: unknown.into_keys().collect(),
    })
}

impl Named {
    /// A network of these tensors, by `from_tensors`.
    ///
    /// # Errors
    /// [`EncoderError::MissingTensor`], [`EncoderError::TensorShape`],
    /// [`EncoderError::UnknownTensors`].
    pub(crate) fn build<T>(
        &self,
        file: &Path,
        from_tensors: impl FnOnce(Architecture, &Tensors) -> qualm::Result<T>,
    ) -> Result<T, EncoderError> {
        let name = self.architecture.to_string();
        let network = from_tensors(self.architecture, &self.tensors);
        let network = network.map_err(|error| refused(file, &name, error))?;
        let mut unknown = self.unknown.clone();
        if unknown.is_empty() {
            return Ok(network);
        }
        let n = unknown.len();
        if n > LISTED {
            unknown.truncate(LISTED);
            unknown.push(format!("and {} more", n - LISTED));
        }
        Err(EncoderError::UnknownTensors {
            file: file.to_owned(),
            architecture: name,
            tensors: unknown,
        })
    }

    /// A linear head that stands beside the network, by the name that training gives it; `None`
    /// where there is none.
    ///
    /// # Errors
    /// [`EncoderError::TensorShape`], [`EncoderError::MissingTensor`].
    pub(crate) fn head(
        &self,
        file: &Path,
        head: &str,
        n_out: usize,
    ) -> Result<Option<LinearClassifier>, EncoderError> {
        let names = ["weight", "bias"].map(|part| format!("head.{head}.0.{part}"));
        let name = self.architecture.to_string();
        let mut tensors = Tensors::new();
        for tensor in &names {
            if let Some(values) = self.heads.get(tensor) {
                let values = converted(file, &name, tensor, values.clone())?;
                tensors.insert(tensor.clone(), values);
            }
        }
        if tensors.is_empty() {
            return Ok(None);
        }
        let size = [n_out, self.architecture.width()];
        let layer =
            LinearClassifier::from_tensors(&tensors, names.each_ref().map(String::as_str), size);
        layer.map(Some).map_err(|error| refused(file, &name, error))
    }
}

/// What the core says of tensors, with their file.
fn refused(file: &Path, architecture: &str, error: qualm::Error) -> EncoderError {
    let (file, architecture) = (file.to_owned(), architecture.to_owned());
    match error {
        qualm::Error::MissingTensor { tensor, expected } => EncoderError::MissingTensor {
            file,
            architecture,
            tensor,
            expected,
        },
        qualm::Error::TensorShape {
            tensor,
            found,
            expected,
        } => EncoderError::TensorShape {
            file,
            architecture,
            tensor,
            found: format!("of shape {found:?}").into(),
            expected: format!("{expected:?}").into(),
        },
        other => EncoderError::NotAResNet {
            file,
            found: other.to_string(),
            expected: architecture,
        },
    }
}

fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// The tensors under our names, without the counters of batch norm.
fn canonical(
    file: &Path,
    tensors: BTreeMap<String, Tensor>,
) -> Result<BTreeMap<String, Tensor>, EncoderError> {
    const STEM: &str = "conv1.weight";
    let stems = tensors.keys().filter_map(|name| name.strip_suffix(STEM));
    let outer = |prefix: &&str| !prefix.split('.').any(|part| part.starts_with("layer"));
    let stems: Vec<&str> = stems.filter(outer).collect();
    let [prefix] = stems[..] else {
        let found = match stems.len() {
            0 => "there is no first convolution, conv1.weight".to_owned(),
            n => format!("there are {n} first convolutions: {}", stems.join("..., ")),
        };
        return Err(EncoderError::NotAResNet {
            file: file.to_owned(),
            found,
            expected: "the tensors of one network".to_owned(),
        });
    };
    let prefix = prefix.to_owned();
    let mut named = BTreeMap::new();
    for (name, tensor) in tensors {
        let name = name.strip_prefix(&prefix).unwrap_or(&name);
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        let name = name.replace(".shortcut.", ".downsample.");
        let name = match name.strip_prefix("linear.") {
            Some(part) => format!("fc.{part}"),
            None => name,
        };
        named.insert(name, tensor);
    }
    Ok(named)
}

/// The architecture whose stem, blocks and shortcuts these are.
fn deduce(file: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<Architecture, EncoderError> {
    let shape = |name: &str| tensors.get(name).map_or(&[][..], |t| t.shape.as_slice());
    let refuse = |found: String, expected: &str| EncoderError::NotAResNet {
        file: file.to_owned(),
        found,
        expected: expected.to_owned(),
    };
    let blocks = |layer: usize| {
        // By either convolution, so that it is said which one is missing.
        let has =
            |n: usize, of: &str| tensors.contains_key(&format!("layer{layer}.{n}.{of}.weight"));
        let block = |n: usize| has(n, "conv1") || has(n, "conv2");
        let mut n = 0;
        while block(n) {
            n += 1;
        }
        n
    };
    let blocks: Vec<usize> = (1..=4).map(blocks).take_while(|n| *n > 0).collect();
    let stem = shape("conv1.weight");
    let bottleneck = tensors.contains_key("layer1.0.conv3.weight");
    let shortcut = if tensors.contains_key("layer2.0.downsample.0.weight") {
        Shortcut::Projection
    } else {
        Shortcut::Padding
    };
    let kind = match *stem {
        [_, 3, 3, 3] => Stem::Cifar,
        [_, 3, 7, 7] => Stem::ImageNet,
        _ => {
            let found = format!("conv1.weight is of shape {stem:?}");
            return Err(refuse(found, "[channels, 3, 3, 3] or [channels, 3, 7, 7]"));
        }
    };
    let architecture = match (blocks.as_slice(), bottleneck) {
        ([a, b, c], false) if a == b && b == c => Architecture::cifar(6 * a + 2, shortcut),
        ([2, 2, 2, 2], false) => Architecture::wide(18, kind),
        ([3, 4, 6, 3], false) => Architecture::wide(34, kind),
        ([3, 4, 6, 3], true) => Architecture::wide(50, kind),
        _ => None,
    };
    architecture.ok_or_else(|| {
        let of = if bottleneck { "bottleneck" } else { "basic" };
        let found = format!("its layers have {blocks:?} {of} blocks");
        refuse(
            found,
            "those of ResNet-8, 20, 32, 44 or 56 (three layers), 18, 34 or 50 (four)",
        )
    })
}

/// A tensor of finite values of floating point.
fn converted(
    file: &Path,
    architecture: &str,
    name: &str,
    tensor: Tensor,
) -> Result<resnet::Tensor, EncoderError> {
    let refuse = |found: String, expected: &str| EncoderError::TensorShape {
        file: file.to_owned(),
        architecture: architecture.to_owned(),
        tensor: name.to_owned(),
        found: found.into(),
        expected: expected.into(),
    };
    let values = tensor.values;
    let values = values.map_err(|kind| refuse(format!("of type {kind}"), "floating point"))?;
    if let Some(value) = values.iter().find(|v| !v.is_finite()) {
        return Err(refuse(format!("{value} at a place"), "finite"));
    }
    Ok(resnet::Tensor {
        shape: tensor.shape,
        values,
    })
}

#[cfg(test)]
mod tests {
    use qualm::nn::resnet::{ARCHITECTURES, Role};

    use super::*;

    /// Weights of an architecture, under names that `rename` gives.
    fn weights(architecture: Architecture, rename: impl Fn(&str) -> String) -> Weights {
        let tensors = architecture.parameters().into_iter().map(|info| {
            let value = if info.role == Role::RunningVariance {
                1.0
            } else {
                0.0
            };
            let tensor = Tensor {
                values: Ok(vec![value; info.shape.iter().product()]),
                shape: info.shape,
            };
            (rename(&info.name), tensor)
        });
        Weights {
            tensors: tensors.collect(),
            metadata: None,
        }
    }

    fn tensor(shape: &[usize]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            values: Ok(vec![0.5; shape.iter().product()]),
        }
    }

    fn recognised(weights: Weights) -> Result<ResNet, String> {
        recognise(Path::new("f.pth"), weights).map_err(|e| e.to_string())
    }

    #[test]
    fn every_architecture_is_recognised_by_its_tensors() {
        for name in ARCHITECTURES {
            let architecture: Architecture = name.parse().unwrap();
            let network = recognised(weights(architecture, str::to_owned)).unwrap();
            assert_eq!(network.architecture(), architecture, "{name}");
            assert_eq!(network.n_classes(), None);
        }
    }

    #[test]
    fn names_of_others_become_ours() {
        let architecture: Architecture = "resnet8-b".parse().unwrap();
        let rename = |name: &str| format!("module.{}", name.replace("downsample", "shortcut"));
        let mut other = weights(architecture, rename);
        let counter = Tensor {
            shape: vec![],
            values: Err("int64"),
        };
        let mut put = |name: &str, tensor| other.tensors.insert(name.to_owned(), tensor);
        put("module.bn1.num_batches_tracked", counter);
        put("module.linear.weight", tensor(&[10, 64]));
        put("module.linear.bias", tensor(&[10]));
        put("module.head.projection.0.weight", tensor(&[3, 3]));
        let network = recognised(other).unwrap();
        assert_eq!(network.architecture(), architecture);
        assert_eq!(network.n_classes(), Some(10));
    }

    #[test]
    fn what_is_missing_wrong_or_left_over_is_named() {
        let architecture: Architecture = "resnet20".parse().unwrap();
        let changed = |change: &dyn Fn(&mut BTreeMap<String, Tensor>)| {
            let mut weights = weights(architecture, str::to_owned);
            change(&mut weights.tensors);
            recognised(weights).unwrap_err()
        };
        let put = |name: &'static str, tensor: Tensor| {
            changed(&move |tensors| drop(tensors.insert(name.to_owned(), tensor.clone())))
        };
        for (text, words) in [
            (
                changed(&|t| drop(t.remove("layer3.2.bn2.running_var"))),
                "tensor layer3.2.bn2.running_var is missing; resnet20 needs it, of shape [64]",
            ),
            (
                put("layer1.0.conv2.weight", tensor(&[16, 16, 3])),
                "tensor layer1.0.conv2.weight is of shape [16, 16, 3], expected [16, 16, 3, 3]",
            ),
            (
                put(
                    "bn1.weight",
                    Tensor {
                        shape: vec![16],
                        values: Err("int8"),
                    },
                ),
                "tensor bn1.weight is of type int8",
            ),
            (
                put(
                    "bn1.bias",
                    Tensor {
                        shape: vec![1],
                        values: Ok(vec![f32::NAN]),
                    },
                ),
                "tensor bn1.bias is NaN",
            ),
            (
                put("layer4.0.conv9.weight", tensor(&[1])),
                "resnet20 has no tensor layer4.0.conv9.weight",
            ),
            (
                put("conv1.weight", tensor(&[16, 3, 5, 5])),
                "conv1.weight is of shape [16, 3, 5, 5]",
            ),
            (
                put("other.conv1.weight", tensor(&[1])),
                "there are 2 first convolutions",
            ),
            (
                changed(&|t| drop(t.remove("conv1.weight"))),
                "there is no first convolution",
            ),
            (
                changed(&|t| drop(t.remove("layer2.0.conv1.weight"))),
                "tensor layer2.0.conv1.weight is missing; resnet20 needs it",
            ),
            (
                put("layer1.3.conv1.weight", tensor(&[1])),
                "its layers have [4, 3, 3] basic blocks",
            ),
            (
                changed(&|t| t.retain(|name, _| !name.starts_with("layer"))),
                "its layers have []",
            ),
        ] {
            assert!(
                text.starts_with("f.pth: ") && text.contains(words),
                "{text}"
            );
        }
    }
}
