//! What is done to an image before an encoder sees it, and to what comes out of it.

use serde::{Deserialize, Serialize};

use super::error::EncoderError;

/// The largest height or width of an input: beyond it a number is a mistake.
const LARGEST: usize = 4096;

/// From an image of any size to an encoder's input, and from its output to a row.
///
/// The image is resized, cropped, divided by 255, and `(value - mean) / std` is taken for each
/// channel; an input of `uint8` gets the bytes of the resized image instead, since such encoders
/// normalise themselves. These are the keys of `encoder.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Height and width of the input.
    pub size: InputSize,
    /// How pixels between pixels are computed.
    pub filter: ResizeFilter,
    /// Whether the filter widens where the image shrinks: as Pillow does, and torchvision unless
    /// told otherwise. Without it, pixels in between are left out, which only `nearest` and
    /// `bilinear` can do.
    pub antialias: bool,
    /// What happens to images of another shape than the input.
    pub crop: Crop,
    /// With a crop: the part of the shorter side that is kept, above 0 and at most 1.
    pub crop_fraction: f64,
    /// Mean of red, green and blue, for values from 0 to 1.
    pub mean: [f32; 3],
    /// Standard deviation of red, green and blue, for values from 0 to 1.
    pub std: [f32; 3],
    /// The order of the axes.
    pub layout: Layout,
    /// The type of the values.
    pub dtype: InputType,
    /// The output to take, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// How a sequence or a map becomes one vector.
    pub pooling: Pooling,
    /// Whether each vector is divided by its Euclidean norm.
    pub l2: bool,
    /// Whether pixel statistics stand beside the vector: [`super::STATISTICS_WIDTH`] more columns,
    /// computed from the whole image as it was read. See the module's `statistics`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub statistics: bool,
}

/// Height and width; one number in files where they are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SizeKey", into = "SizeKey")]
pub struct InputSize {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

/// How a size stands in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, or [height, width]")]
enum SizeKey {
    Square(usize),
    Sides([usize; 2]),
}

impl From<SizeKey> for InputSize {
    fn from(key: SizeKey) -> Self {
        match key {
            SizeKey::Square(side) => Self::square(side),
            SizeKey::Sides([height, width]) => Self { height, width },
        }
    }
}

impl From<InputSize> for SizeKey {
    fn from(size: InputSize) -> Self {
        if size.height == size.width {
            Self::Square(size.height)
        } else {
            Self::Sides([size.height, size.width])
        }
    }
}

impl InputSize {
    /// As high as wide.
    #[must_use]
    pub const fn square(side: usize) -> Self {
        Self {
            height: side,
            width: side,
        }
    }

    /// Values of an image of this size, with three channels.
    #[must_use]
    pub fn values(self) -> usize {
        self.height * self.width * 3
    }
}

impl std::fmt::Display for InputSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {}", self.height, self.width)
    }
}

/// How pixels between pixels are computed; Pillow's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeFilter {
    /// The closest pixel.
    Nearest,
    /// A triangle.
    Bilinear,
    /// A cubic: Keys (1981), a = -0.5.
    Bicubic,
    /// A windowed sinc of three lobes.
    Lanczos,
}

/// What happens to images of another shape than the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crop {
    /// The whole image is resized to the input, whatever its shape.
    None,
    /// The shorter side is resized to the input's side over `crop_fraction`, then the middle is
    /// cut out.
    #[serde(alias = "center")]
    Centre,
}

/// The order of the axes: n images, c channels, h rows, w columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `(n, 3, h, w)`: PyTorch.
    Nchw,
    /// `(n, h, w, 3)`: TensorFlow.
    Nhwc,
}

/// The type of the values of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputType {
    /// Normalised values.
    Float32,
    /// Normalised values, rounded.
    Float16,
    /// The bytes of the resized image.
    Uint8,
}

/// How the output becomes one vector an image. An output of `(n, d)` is taken as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Not at all: the output has to be `(n, d)`.
    None,
    /// The first token of `(n, tokens, d)`.
    Cls,
    /// The mean of the tokens of `(n, tokens, d)`.
    Mean,
    /// Global average pooling of a map, `(n, d, h, w)`, or `(n, h, w, d)` with layout `nhwc`.
    Gap,
}

impl Preprocessing {
    /// Squares of the bytes of the image itself: the whole image resized bilinearly over all pixels that
    /// a new one covers, `nhwc`, nothing normalised.
    #[must_use]
    pub fn of_pixels(side: usize) -> Self {
        Self {
            size: InputSize::square(side),
            filter: ResizeFilter::Bilinear,
            antialias: true,
            crop: Crop::None,
            crop_fraction: 1.0,
            mean: [0.0; 3],
            std: [1.0; 3],
            layout: Layout::Nhwc,
            dtype: InputType::Uint8,
            output: None,
            pooling: Pooling::None,
            l2: false,
            statistics: false,
        }
    }

    /// Checks every key.
    ///
    /// # Errors
    /// [`EncoderError::Key`], with `origin` as the place where the keys stand.
    pub fn validate(&self, origin: &str) -> Result<(), EncoderError> {
        let refuse = |key, found: String, expected| {
            Err(EncoderError::Key {
                origin: origin.to_owned(),
                key,
                found,
                expected,
            })
        };
        let InputSize { height, width } = self.size;
        let sides = 1..=LARGEST;
        if !sides.contains(&height) || !sides.contains(&width) {
            let expected = "one side, or [height, width], from 1 to 4096";
            return refuse("size", self.size.to_string(), expected);
        }
        if !(self.crop_fraction > 0.0 && self.crop_fraction <= 1.0) {
            let expected = "a number above 0, at most 1";
            return refuse("crop_fraction", self.crop_fraction.to_string(), expected);
        }
        if self.crop == Crop::Centre && height != width {
            let expected = "'none': a centre crop is made for inputs as high as wide";
            return refuse(
                "crop",
                format!("'centre' with size {}", self.size),
                expected,
            );
        }
        if self.crop == Crop::None && self.crop_fraction < 1.0 {
            let expected = "1 without a crop; set crop = 'centre' to cut the middle out";
            return refuse("crop_fraction", self.crop_fraction.to_string(), expected);
        }
        let wide = [ResizeFilter::Bicubic, ResizeFilter::Lanczos];
        if !self.antialias && wide.contains(&self.filter) {
            let expected = "true, unless filter is 'nearest' or 'bilinear'";
            return refuse("antialias", "false".to_owned(), expected);
        }
        if !self.mean.iter().all(|m| m.is_finite()) {
            return refuse("mean", format!("{:?}", self.mean), "three finite numbers");
        }
        if !self.std.iter().all(|s| *s > 0.0 && s.is_finite()) {
            return refuse("std", format!("{:?}", self.std), "three numbers above 0");
        }
        Ok(())
    }
}
