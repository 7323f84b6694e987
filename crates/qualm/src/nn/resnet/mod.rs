//! Residual networks on images: weights from files for inference, and training.
//!
//! Images are NHWC float32: `(n, rows, columns, 3)`, already scaled as the network expects. Any
//! size of one pixel or more will do. Features are the mean over the last map: `(n, width)`.
//!
//! [`ResNet`] has batch norm folded into its convolutions and keeps nothing; [`InputGradient`] is
//! the same network with gradients by its images; [`TrainableResNet`] computes batch statistics and
//! gradients by its parameters.

mod architecture;
mod backward;
mod inference;
mod input_gradient;
mod linear;
mod network;
mod norm;
mod pixels;
mod pool;
mod training;

pub use architecture::{ARCHITECTURES, Architecture, Role, Shortcut, Stem, TensorInfo};
pub use inference::ResNet;
pub use input_gradient::InputGradient;
pub use linear::LinearClassifier;
pub use network::{Segment, Tensor, Tensors};
pub use training::{Activations, TrainableResNet};

use crate::error::{Error, Result};

/// Pixels of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImageSize {
    /// Rows of pixels.
    pub rows: usize,
    /// Columns of pixels.
    pub cols: usize,
}

/// How many images so many values are.
fn check_images(len: usize, size: ImageSize) -> Result<usize> {
    let ImageSize { rows, cols } = size;
    let image = rows.checked_mul(cols).and_then(|n| n.checked_mul(3));
    match image {
        Some(image) if image > 0 && len > 0 && len.is_multiple_of(image) => Ok(len / image),
        _ => Err(Error::ImageValues { len, rows, cols }),
    }
}

#[cfg(test)]
#[path = "../../../tests/golden/resnet.rs"]
mod golden;

#[cfg(test)]
#[path = "../../../tests/golden/input_gradient.rs"]
mod golden_input_gradient;

#[cfg(test)]
mod tests;
