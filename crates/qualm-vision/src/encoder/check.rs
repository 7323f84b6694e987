//! A picture to compare encoders on, here and in Python.

use super::Encoder;
use crate::error::Result;
use crate::image::Image;

/// Width and height of the test picture: no square, so that a crop shows.
const SIDES: (u32, u32) = (320, 240);
/// Other images beside the picture, on each side, to see whether they change its vector.
const BESIDE: usize = 8;

/// The picture that `qualm encoder check` embeds: a ramp of red to the right, one of green
/// downwards, and a chessboard of blue. In Python:
///
/// ```python
/// import numpy as np
/// from PIL import Image
/// y, x = np.mgrid[0:240, 0:320]
/// rgb = [x * 255 // 319, y * 255 // 239, (x // 8 + y // 8) % 2 * 255]
/// picture = Image.fromarray(np.stack(rgb, -1).astype(np.uint8))
/// ```
///
/// # Errors
/// None: the size is fixed.
pub fn test_picture() -> Result<Image> {
    picture(SIDES.0, SIDES.1)
}

/// The same in another size, at least 2 x 2.
pub(crate) fn picture(width: u32, height: u32) -> Result<Image> {
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let board = (x / 8 + y / 8) % 2 * 255;
            let rgb = [x * 255 / (width - 1), y * 255 / (height - 1), board];
            pixels.extend(rgb.map(|value| value as u8));
        }
    }
    Image::new(width, height, pixels)
}

/// What an encoder does with the test picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The vector of the picture, `(width,)`.
    pub vector: Vec<f32>,
    /// Whether the picture has the same bits alone and among other images.
    pub same_bits: bool,
}

/// Embeds the test picture alone, then among others.
///
/// # Errors
/// Those of [`Encoder::embed_into`].
pub fn check(encoder: &dyn Encoder) -> Result<Check> {
    let width = encoder.identity().width;
    let image = test_picture()?;
    let mut vector = vec![0.0; width];
    encoder.embed_into(std::slice::from_ref(&image), &mut vector)?;
    let other = Image::new(2, 1, vec![0, 0, 0, 255, 255, 255])?;
    let mut images = vec![other; 2 * BESIDE + 1];
    images[BESIDE] = image;
    let mut rows = vec![0.0; images.len() * width];
    encoder.embed_into(&images, &mut rows)?;
    let among = rows.chunks_exact(width).nth(BESIDE).unwrap_or_default();
    let pairs = vector.iter().zip(among);
    let same_bits = pairs.into_iter().all(|(a, b)| a.to_bits() == b.to_bits());
    Ok(Check { vector, same_bits })
}
