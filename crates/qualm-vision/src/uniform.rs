//! One form for the images of several sets.
//!
//! Who compares sets of images must not compare how they were stored: 64 pixels beside 32, or the
//! blocks of a JPEG beside pixels without loss. [`Uniform`] takes every image the same way: decoded
//! to eight bits of red, green and blue, resized so that its shorter side has the size asked for,
//! cut to the square in the middle, and, where asked for, written and read in a format with loss.
//!
//! Between formats without loss nothing is left to be told: the pixels are the same. An image that
//! was a JPEG once keeps what that left in its pixels, less what the resizing takes away. A format
//! with loss of the same or a much lower quality, for all sets alike, covers most of it.

use qualm::Location;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::encoder::{Crop, Preparer, Preprocessing};
use crate::error::Result;
use crate::image::Image;
use crate::read::{Accepted, Item, decode};
use crate::write::ImageFormat;

/// Brings images to one form.
///
/// ```
/// use qualm_vision::uniform::Uniform;
/// use qualm_vision::write::ImageFormat;
/// use qualm_vision::Image;
///
/// let uniform = Uniform::new(2, ImageFormat::Png);
/// let images = vec![Image::new(4, 2, vec![7; 24])?, Image::new(1, 1, vec![7; 3])?];
/// let images = uniform.images(images)?;
/// assert_eq!(images[0], images[1]);
/// # Ok::<(), qualm_vision::Error>(())
/// ```
#[derive(Debug)]
pub struct Uniform {
    side: u32,
    format: ImageFormat,
    preparer: Preparer<u8>,
}

impl Uniform {
    /// Squares of `side` pixels, above 0; resized bilinearly over all pixels that a new one covers,
    /// as Pillow does.
    #[must_use]
    pub fn new(side: u32, format: ImageFormat) -> Self {
        let preprocessing = Preprocessing {
            crop: Crop::Centre,
            ..Preprocessing::of_pixels(side as usize)
        };
        Self {
            side,
            format,
            preparer: Preparer::new(&preprocessing, |_, byte| byte),
        }
    }

    /// The side of the squares.
    #[must_use]
    pub fn side(&self) -> u32 {
        self.side
    }

    /// The format that images are written in and read from.
    #[must_use]
    pub fn format(&self) -> ImageFormat {
        self.format
    }

    /// Images in the one form, in parallel.
    ///
    /// # Errors
    /// [`crate::Error::Encode`] for a size that the format does not know; those of resizing.
    pub fn images(&self, images: Vec<Image>) -> Result<Vec<Image>> {
        images
            .into_par_iter()
            .map(|image| self.image(image))
            .collect()
    }

    /// Items with their images in the one form, in parallel.
    ///
    /// # Errors
    /// As [`Uniform::images`].
    pub fn items(&self, items: Vec<Item>) -> Result<Vec<Item>> {
        let items = items.into_par_iter().map(|item| {
            let image = self.image(item.image)?;
            Ok(Item { image, ..item })
        });
        items.collect()
    }

    fn image(&self, image: Image) -> Result<Image> {
        let image = if (image.width(), image.height()) == (self.side, self.side) {
            image
        } else {
            let mut pixels = vec![0; 3 * self.side as usize * self.side as usize];
            let images = std::slice::from_ref(&image);
            self.preparer.fill(images, false, &mut pixels)?;
            Image::new(self.side, self.side, pixels)?
        };
        match self.format {
            // They give the same pixels back.
            ImageFormat::Png | ImageFormat::Webp => Ok(image),
            format @ (ImageFormat::Jpeg(_) | ImageFormat::LossyWebp(_)) => {
                let bytes = format.encode(&image)?;
                decode(&bytes, &Location::default(), Accepted::ANY)
            }
        }
    }
}

/// Tells images apart by their pixels: the first 128 bits of the SHA-256 of size and pixels.
#[must_use]
pub fn pixel_digest(image: &Image) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update(image.width().to_le_bytes());
    digest.update(image.height().to_le_bytes());
    digest.update(image.pixels());
    let digest: [u8; 32] = digest.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture with edges and slopes.
    fn picture(width: u32, height: u32) -> Image {
        let pixels = (0..height).flat_map(|y| {
            (0..width)
                .flat_map(move |x| [(x * 7) as u8, (y * 9) as u8, ((x / 4 + y) % 2 * 200) as u8])
        });
        Image::new(width, height, pixels.collect()).unwrap()
    }

    #[test]
    fn every_size_becomes_the_same_square() {
        let uniform = Uniform::new(8, ImageFormat::Png);
        for (width, height) in [(8, 8), (16, 16), (40, 9), (5, 30), (1, 1)] {
            let image = uniform.images(vec![picture(width, height)]).unwrap();
            assert_eq!((image[0].width(), image[0].height()), (8, 8));
        }
        // Images of the size asked for stay as they are.
        let image = picture(8, 8);
        assert_eq!(uniform.images(vec![image.clone()]).unwrap(), [image]);
    }

    #[test]
    fn the_middle_of_a_longer_image_is_kept() {
        // Columns 0 to 3 are black, 4 to 7 white, 8 to 11 black.
        let row: Vec<u8> = (0..12)
            .flat_map(|x| [if x / 4 == 1 { 255 } else { 0 }; 3])
            .collect();
        let image = Image::new(12, 4, row.repeat(4)).unwrap();
        let image = Uniform::new(4, ImageFormat::Png)
            .images(vec![image])
            .unwrap();
        assert!(image[0].pixels().iter().all(|v| *v == 255));
    }

    #[test]
    fn loss_is_the_same_for_all_and_changes_pixels() {
        let images = vec![picture(24, 24), picture(24, 24)];
        for format in [ImageFormat::Jpeg(60), ImageFormat::LossyWebp(60)] {
            let found = Uniform::new(24, format).images(images.clone()).unwrap();
            assert_eq!(found[0], found[1]);
            assert_ne!(found[0], images[0]);
        }
        let same = Uniform::new(24, ImageFormat::Webp).images(images.clone());
        assert_eq!(same.unwrap(), images);
    }

    #[test]
    fn digests_tell_pixels_and_sizes_apart() {
        let digest = |width, height, value| {
            let n = (width * height * 3) as usize;
            pixel_digest(&Image::new(width, height, vec![value; n]).unwrap())
        };
        assert_eq!(digest(2, 3, 1), digest(2, 3, 1));
        assert_ne!(digest(2, 3, 1), digest(3, 2, 1));
        assert_ne!(digest(2, 3, 1), digest(2, 3, 2));
    }
}
