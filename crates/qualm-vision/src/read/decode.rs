//! The bytes of an image file to an [`Image`].

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use qualm::Location;
use qualm_data::guarded;

use crate::error::{Error, Result};
use crate::image::Image;

use super::{exact, jpeg};

/// Bytes that a decoder may take beside the pixels it gives out.
const DECODER_BYTES: u64 = 64 << 20;

/// Which images are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted {
    pub(crate) max_pixels: u64,
    /// Only those that lose nothing as eight bits of red, green and blue.
    pub(crate) exact: bool,
}

impl Accepted {
    /// All of them.
    pub(crate) const ANY: Self = Self {
        max_pixels: u64::MAX,
        exact: false,
    };
}

/// Decodes an image of any known format, told by its first bytes.
pub(crate) fn decode(bytes: &[u8], at: &Location, accepted: Accepted) -> Result<Image> {
    if bytes.is_empty() {
        return Err(qualm_data::Error::EmptyFile { at: at.clone() }.into());
    }
    let known = image::guess_format(bytes).ok();
    let known = known.and_then(|format| Some((format, name(format)?)));
    let Some((format, name)) = known else {
        return Err(Error::NotAnImage {
            at: at.clone(),
            found: looks_like(bytes),
        });
    };
    // Decoders of damaged files may panic in their own arithmetic.
    guarded(at, || decode_as(bytes, format, name, at, accepted))
        .map_err(|_| Error::DamagedImage { at: at.clone() })?
}

fn decode_as(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    at: &Location,
    accepted: Accepted,
) -> Result<Image> {
    let max_pixels = accepted.max_pixels;
    let limit = max_pixels.saturating_mul(8).saturating_add(DECODER_BYTES);
    let failed = |source| {
        let (at, format) = (at.clone(), name);
        match source {
            ImageError::Limits(_) => Error::ImageMemory { at, format, limit },
            ImageError::Unsupported(_) => Error::UnsupportedImage {
                at,
                format,
                source: Box::new(source),
            },
            _ => Error::Decode {
                at,
                format,
                source: Box::new(source),
            },
        }
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(limit);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(Error::TooManyPixels {
            at: at.clone(),
            width,
            height,
            limit: max_pixels,
        });
    }
    if format == ImageFormat::Jpeg && !jpeg::is_complete(bytes) {
        return Err(Error::TruncatedJpeg { at: at.clone() });
    }
    if accepted.exact
        && let Some(found) =
            exact::lost(bytes, format, decoder.original_color_type()).map_err(failed)?
    {
        return Err(Error::NotExact {
            at: at.clone(),
            found,
        });
    }
    // Damaged metadata leaves the pixels as they stand.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    if matches!(
        image,
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_)
    ) {
        return Err(Error::FloatPixels { at: at.clone() });
    }
    image.apply_orientation(orientation);
    let image = image.into_rgb8();
    Image::new(image.width(), image.height(), image.into_raw())
}

/// The formats that we decode.
fn name(format: ImageFormat) -> Option<&'static str> {
    Some(match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Tiff => "TIFF",
        _ => return None,
    })
}

/// What bytes that are no image look like, in words.
fn looks_like(bytes: &[u8]) -> &'static str {
    let head = bytes.get(..bytes.len().min(512)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head).to_lowercase();
    let brand = head.get(4..12).unwrap_or_default();
    match brand {
        b"ftypheic" | b"ftypheix" | b"ftypmif1" => return "a HEIC image",
        b"ftypavif" | b"ftypavis" => return "an AVIF image",
        _ => {}
    }
    if head.starts_with(b"\xFF\x0A") || head.starts_with(b"\x00\x00\x00\x0CJXL ") {
        "a JPEG XL image"
    } else if head.contains(&0) {
        "binary data of no known format"
    } else if text.contains("<svg") {
        "an SVG drawing"
    } else if text.contains("<html") || text.contains("<!doctype html") {
        "an HTML page"
    } else if str::from_utf8(head).is_ok() {
        "text"
    } else {
        "data of no known format"
    }
}
