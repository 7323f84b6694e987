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
    /// JPEG, of a quality from 1 to 100.
    Jpeg(u8),
}

impl ImageFormat {
    /// The extension of its files.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Webp => "webp",
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
            Self::Jpeg(quality) => {
                let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
                encoder.write_image(pixels, width, height, colour)
            }
        };
        done.map_err(|error| Error::Encode {
            width,
            height,
            format: self.to_string(),
            message: error.to_string(),
        })?;
        Ok(bytes)
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Png => f.write_str("png"),
            Self::Webp => f.write_str("webp"),
            Self::Jpeg(quality) => write!(f, "jpeg:{quality}"),
        }
    }
}

impl FromStr for ImageFormat {
    type Err = Error;

    /// Reads `png`, `webp`, `jpeg` (of quality 95) or `jpeg:QUALITY`.
    fn from_str(word: &str) -> Result<Self> {
        let unknown = || Error::UnknownFormat {
            found: word.to_owned(),
        };
        match word.split_once(':') {
            None if word == "png" => Ok(Self::Png),
            None if word == "webp" => Ok(Self::Webp),
            None if word == "jpeg" => Ok(Self::Jpeg(95)),
            Some(("jpeg", quality)) => {
                let quality: u8 = quality.parse().map_err(|_| unknown())?;
                let known = (1..=100).contains(&quality);
                known.then_some(Self::Jpeg(quality)).ok_or_else(unknown)
            }
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for format in [ImageFormat::Png, ImageFormat::Webp, ImageFormat::Jpeg(40)] {
            assert_eq!(format.to_string().parse::<ImageFormat>().unwrap(), format);
        }
        for word in ["gif", "jpeg:0", "jpeg:101", "png:3", "jpeg:x"] {
            let error = word.parse::<ImageFormat>().unwrap_err().to_string();
            assert!(
                error.contains(word) && error.contains("jpeg:QUALITY"),
                "{error}"
            );
        }
    }
}
