//! Encoders: images to rows. One trait, whatever runs behind it.

mod builtin;
mod check;
mod error;
mod given;
mod keys;
mod onnx;
mod open;
mod prepare;
mod preprocessing;
mod resnet;
mod resnet_file;
mod statistics;
mod weights;

pub use qualm::EncoderIdentity;

use crate::error::Result;
use crate::image::Image;

pub use builtin::Builtin;
pub use check::{Check, check, test_picture};
pub use error::EncoderError;
pub use open::{Description, EncoderOptions, FileEncoder, STATISTICS, open};
pub(crate) use prepare::Preparer;
pub use preprocessing::{Crop, InputSize, InputType, Layout, Pooling, Preprocessing, ResizeFilter};
pub(crate) use resnet_file::{ResNetFile, open_resnet_file};
pub use statistics::WIDTH as STATISTICS_WIDTH;

/// A fixed function from images to rows.
///
/// It is deterministic: the same image gives the same bits, whatever stands beside it in a batch.
pub trait Encoder: Send + Sync {
    /// Which encoder this is.
    fn identity(&self) -> &EncoderIdentity;

    /// Embeds images of any size; the encoder resizes, crops and normalises them itself.
    ///
    /// # Shapes
    /// `out`: `(images, width)`, row after row, `width` of [`EncoderIdentity`].
    ///
    /// # Errors
    /// When `out` has another length, or the encoder's own runtime fails.
    fn embed_into(&self, images: &[Image], out: &mut [f32]) -> Result<()>;
}
