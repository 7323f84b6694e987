//! Images of another size, as Pillow resizes them: bilinear, over all pixels that a new one covers.

use fast_image_resize::images::{Image as Resized, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::error::Result;
use crate::image::Image;

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
        let mut out = Resized::new(new_width, new_height, PixelType::U8x3);
        if let Ok(from) = ImageRef::new(width, height, image.pixels(), PixelType::U8x3) {
            // The types are the same: this cannot fail. A side of 0 gives no pixels, which are
            // refused below.
            let _ = Resizer::new().resize(&from, &mut out, &options);
        }
        Image::new(new_width, new_height, out.into_vec())
    }
}
