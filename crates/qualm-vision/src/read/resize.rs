//! Images of another size, as Pillow resizes them: bilinear, over all pixels that a new one covers.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::error::Result;
use crate::image::Image;
use crate::resize::{Raster, resize};

use super::Item;

/// Whether images are resized as they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resize {
    /// They are not.
    #[default]
    Keep,
    /// Larger images are reduced until their shorter side is this long.
    Shorter(u32),
}

impl Resize {
    pub(super) fn item(self, item: Item) -> Result<Item> {
        Ok(Item {
            image: self.image(item.image)?,
            ..item
        })
    }

    /// The image resized.
    ///
    /// # Errors
    /// [`Error::PixelCount`](crate::Error::PixelCount) for a side of 0.
    pub fn image(self, image: Image) -> Result<Image> {
        let (width, height) = (image.width(), image.height());
        let shorter = width.min(height);
        let side = match self {
            Self::Shorter(side) if side < shorter => side,
            Self::Keep | Self::Shorter(_) => return Ok(image),
        };
        let scaled = |n: u32| {
            let scaled = f64::from(n) * f64::from(side) / f64::from(shorter);
            scaled.round() as u32
        };
        let (new_width, new_height) = (scaled(width), scaled(height));
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let mut pixels = vec![0; 3 * new_width as usize * new_height as usize];
        let from = Raster {
            pixels: image.pixels(),
            size: [width, height],
        };
        let mut to = Raster {
            pixels: pixels.as_mut_slice(),
            size: [new_width, new_height],
        };
        // Both have their size's pixels: this cannot fail. A side of 0 gives none, which are
        // refused below.
        let _ = resize(&mut Resizer::new(), &from, &mut to, &options);
        Image::new(new_width, new_height, pixels)
    }
}
