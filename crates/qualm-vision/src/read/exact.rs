//! What image files hold that one picture of eight bits of red, green and blue does not.

use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, ExtendedColorType, ImageFormat, ImageResult};

use super::jpeg;

/// What would be lost of an image, in words. Transparency is not asked for.
///
/// # Errors
/// Those of the decoders.
pub(super) fn lost(
    bytes: &[u8],
    format: ImageFormat,
    colours: ExtendedColorType,
) -> ImageResult<Option<&'static str>> {
    Ok(match colours {
        _ if is_animated(bytes, format)? => Some("an animation of several frames"),
        ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16 => Some(CMYK),
        _ if format == ImageFormat::Jpeg && jpeg::n_colours(bytes) == Some(4) => Some(CMYK),
        ExtendedColorType::L16
        | ExtendedColorType::La16
        | ExtendedColorType::Rgb16
        | ExtendedColorType::Rgba16 => Some("an image of 16 bits a colour"),
        _ => None,
    })
}

const CMYK: &str = "an image in the colours of print (CMYK)";

fn is_animated(bytes: &[u8], format: ImageFormat) -> ImageResult<bool> {
    let bytes = Cursor::new(bytes);
    Ok(match format {
        ImageFormat::Gif => {
            let mut frames = GifDecoder::new(bytes)?.into_frames().skip(1);
            frames.next().transpose()?.is_some()
        }
        ImageFormat::Png => PngDecoder::new(bytes)?.is_apng()?,
        ImageFormat::WebP => WebPDecoder::new(bytes)?.has_animation(),
        _ => false,
    })
}
