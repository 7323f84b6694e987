//! Encoders: images to rows. One trait, whatever runs behind it.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::image::Image;

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

/// Which encoder made some rows: kept in their file, and in the models fitted to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderIdentity {
    /// The file name of the encoder.
    pub name: String,
    /// SHA-256 over the weights and the preprocessing, in hexadecimal.
    pub digest: String,
    /// Columns of an embedding.
    pub width: usize,
}
