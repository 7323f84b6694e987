//! The resizer of images, called in one place: its code is compiled anew, and large, for every
//! kind of pixels and every caller.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{ResizeOptions, Resizer};

/// Borrowed pixels, `(height, width, 3)`, and their size.
#[derive(Debug)]
pub(crate) struct Raster<P> {
    pub(crate) pixels: P,
    /// Width and height.
    pub(crate) size: [u32; 2],
}

/// Resizes one image into another.
///
/// # Errors
/// The resizer's words, where pixels do not fit their size or a crop leaves the image.
pub(crate) fn resize(
    resizer: &mut Resizer,
    from: &Raster<&[u8]>,
    to: &mut Raster<&mut [u8]>,
    options: &ResizeOptions,
) -> Result<(), String> {
    let [width, height] = from.size;
    let source = TypedImageRef::<U8x3>::from_buffer(width, height, from.pixels);
    let source = source.map_err(|e| e.to_string())?;
    let [width, height] = to.size;
    let target = TypedImage::<U8x3>::from_buffer(width, height, to.pixels);
    let mut target = target.map_err(|e| e.to_string())?;
    let done = resizer.resize_typed(&source, &mut target, options);
    done.map_err(|e| e.to_string())
}
