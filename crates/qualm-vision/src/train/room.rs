//! How much memory a training takes.

use qualm::nn::resnet::{Architecture, Role, Stem};

use super::method::Method;
use super::spec::TrainSpec;

/// About how many values a forward pass in training keeps for one image: each convolution's
/// output, and each block's.
fn kept_values(architecture: Architecture, side: u64) -> u64 {
    let halved = |side: u64| side.div_ceil(2);
    let stem = match architecture.stem() {
        Stem::Cifar => side,
        Stem::ImageNet => halved(side),
    };
    let mut side = match architecture.stem() {
        Stem::Cifar => stem,
        Stem::ImageNet => halved(stem),
    };
    let mut values = 0;
    let tensors = architecture.parameters();
    let is_last = |name: &&str| tensors.iter().any(|tensor| tensor.name.ends_with(*name));
    let last = [".conv3.weight", ".conv2.weight"].into_iter().find(is_last);
    let last = last.unwrap_or(".conv1.weight");
    for tensor in &tensors {
        if tensor.role != Role::Convolution {
            continue;
        }
        let channels = tensor.shape.first().map_or(0, |n| *n as u64);
        if tensor.name == "conv1.weight" {
            values += channels * (stem * stem + side * side);
            continue;
        }
        let starts_stage = tensor.name.ends_with(".0.conv1.weight");
        if starts_stage && !tensor.name.starts_with("layer1.") {
            side = halved(side);
        }
        // A block's output has the size of its last convolution's.
        let kept = if tensor.name.ends_with(last) { 2 } else { 1 };
        values += kept * channels * side * side;
    }
    values
}

/// Bytes that a training needs beside its images: what a step keeps, with its buffers.
pub(super) fn memory(spec: &TrainSpec, architecture: Architecture) -> u64 {
    let copies = match spec.method {
        Method::Simclr { .. } | Method::Moco { .. } | Method::Byol { .. } => 2,
        Method::Supervised {} => 1,
        Method::Rotation { .. } => 4,
    };
    let images = copies * spec.batch_size as u64;
    let side = u64::from(spec.image_size);
    let parameters: usize = (architecture.parameters().iter())
        .map(|tensor| tensor.shape.iter().product::<usize>())
        .sum();
    // Gradients flow through buffers of the largest layer.
    let values = images.saturating_mul(kept_values(architecture, side) * 3 / 2 + 6 * side * side);
    values
        .saturating_add(4 * parameters as u64)
        .saturating_mul(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_network_by_hand() {
        // ResNet-8 on 8 x 8 pixels: the stem and what follows it, 16 channels of 64 pixels each;
        // then per stage two convolutions and the block's output; its shortcuts keep nothing.
        let expected = 2 * 16 * 64 + 3 * (16 * 64 + 32 * 16 + 64 * 4);
        assert_eq!(kept_values("resnet8".parse().unwrap(), 8), expected);
        let large = kept_values("resnet18".parse().unwrap(), 224);
        let small = kept_values("resnet18-cifar".parse().unwrap(), 32);
        assert!(large > small);
    }
}
