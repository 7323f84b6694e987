//! Images to files' bytes.

use std::fmt;
use std::str::FromStr;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::error::{Error, Result};
use crate::image::Image;

/// How images are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageFormat {
    /// PNG, without loss.
    #[default]
    Png,
    /// WebP, without loss.
    Webp,
    /// WebP, of a quality from 1 to 100.
    LossyWebp(u8),
    /// JPEG, of a quality from 1 to 100.
    Jpeg(u8),
}

impl ImageFormat {
    /// The extension of its files.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Webp | Self::LossyWebp(_) => "webp",
            Self::Jpeg(_) => "jpg",
        }
    }

    /// An image as a file's bytes.
    ///
    /// # Errors
    /// [`Error::Encode`] for a size that the format does not know: JPEG and WebP end at 65,535
    /// and 16,383 pixels.
    ///
    /// ```
    /// use qualm_vision::Image;
    /// use qualm_vision::write::ImageFormat;
    ///
    /// let image = Image::new(1, 1, vec![1, 2, 3])?;
    /// assert!(ImageFormat::Png.encode(&image)?.starts_with(b"\x89PNG"));
    /// # Ok::<(), qualm_vision::Error>(())
    /// ```
    pub fn encode(self, image: &Image) -> Result<Vec<u8>> {
        let (width, height) = (image.width(), image.height());
        let (pixels, colour) = (image.pixels(), ExtendedColorType::Rgb8);
        let mut bytes = Vec::new();
        let failed = |message| Error::Encode {
            width,
            height,
            format: self.to_string(),
            message,
        };
        let done = match self {
            Self::Png => {
                let fast = CompressionType::Fast;
                let encoder = PngEncoder::new_with_quality(&mut bytes, fast, FilterType::Adaptive);
                encoder.write_image(pixels, width, height, colour)
            }
            Self::Webp => {
                let encoder = WebPEncoder::new_lossless(&mut bytes);
                encoder.write_image(pixels, width, height, colour)
            }
            Self::LossyWebp(quality) => {
                let encoder = webp::Encoder::from_rgb(pixels, width, height);
                let encoded = encoder.encode_simple(false, f32::from(quality));
                let encoded = encoded.map_err(|error| failed(format!("{error:?}")))?;
                return Ok(encoded.to_vec());
            }
            Self::Jpeg(quality) => {
                let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
                encoder.write_image(pixels, width, height, colour)
            }
        };
        done.map_err(|error| failed(error.to_string()))?;
        Ok(bytes)
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Png => f.write_str("png"),
            Self::Webp => f.write_str("webp"),
            Self::LossyWebp(quality) => write!(f, "webp:{quality}"),
            Self::Jpeg(quality) => write!(f, "jpeg:{quality}"),
        }
    }
}

impl FromStr for ImageFormat {
    type Err = Error;

    /// Reads `png`, `webp` (without loss), `jpeg` (of quality 95), `webp:QUALITY` or `jpeg:QUALITY`.
    fn from_str(word: &str) -> Result<Self> {
        let found = match word.split_once(':') {
            None if word == "png" => Some(Self::Png),
            None if word == "webp" => Some(Self::Webp),
            None if word == "jpeg" => Some(Self::Jpeg(95)),
            Some(("jpeg", quality)) => read_quality(quality).map(Self::Jpeg),
            Some(("webp", quality)) => read_quality(quality).map(Self::LossyWebp),
            _ => None,
        };
        found.ok_or_else(|| Error::UnknownFormat {
            found: word.to_owned(),
        })
    }
}

fn read_quality(word: &str) -> Option<u8> {
    word.parse()
        .ok()
        .filter(|quality| (1..=100).contains(quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for format in [
            ImageFormat::Png,
            ImageFormat::Webp,
            ImageFormat::LossyWebp(7),
            ImageFormat::Jpeg(40),
        ] {
            assert_eq!(format.to_string().parse::<ImageFormat>().unwrap(), format);
        }
        for word in ["gif", "jpeg:0", "jpeg:101", "png:3", "jpeg:x", "webp:0"] {
            let error = word.parse::<ImageFormat>().unwrap_err().to_string();
            assert!(
                error.contains(word) && error.contains("jpeg:QUALITY"),
                "{error}"
            );
        }
    }
}
