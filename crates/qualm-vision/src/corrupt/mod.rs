//! Common corruptions of images: what happens to the input of a deployed model.
//!
//! The fifteen of D. Hendrycks and T. Dietterich, *Benchmarking neural network robustness to common
//! corruptions and perturbations* (ICLR 2019), with their four held-out ones; the ten of E. Mintun,
//! A. Kirillov and S. Xie, *On interaction between augmentations and corruptions in natural
//! corruption robustness* (`NeurIPS` 2021), as group `bar`; and five that deployments meet beyond
//! both, as group `field`. Each has severities 1 to 5, and parameters for images of CIFAR-10's size,
//! of Tiny `ImageNet`'s, and larger.
//!
//! **A damaged image is a pure function** of (seed, number of the image, corruption, severity), with
//! the same bits at any thread count.
//!
//! Values are cut off to eight bits and not rounded, as in the published sets. Where the published
//! code has a fault, ours is mended, and [`CorruptSpec::compat`] brings the fault back:
//!
//! * `glass_blur` exchanges pixels; the published code copies one over the other;
//! * `motion_blur` and `snow` repeat the edge of the image; the published code stops where the
//!   motion is as long as the image, which darkens small images;
//! * `zoom_blur` and `snow` zoom into the middle; the published code keeps the upper left corner of
//!   what is a pixel too large.
//!
//! ```
//! use qualm_vision::Image;
//! use qualm_vision::corrupt::{CorruptSpec, Corruption, Corrupter, Severity};
//!
//! let image = Image::new(40, 30, (0..3600).map(|i| (i % 251) as u8).collect())?;
//! let corrupter = Corrupter::new(CorruptSpec::default(), 0);
//! let foggy = corrupter.corrupt(&image, 7, Corruption::Fog, Severity::new(3)?)?;
//! assert_eq!((foggy.width(), foggy.height()), (40, 30));
//! # Ok::<(), qualm_vision::Error>(())
//! ```

mod catalogue;
mod cosine;
mod edges;
mod parameters;
mod picture;
mod random;
mod sheet;
mod table;
mod tools;
mod trial;

// Hendrycks & Dietterich.
mod brightness;
mod contrast;
mod defocus_blur;
mod elastic_transform;
mod fog;
mod frost;
mod gaussian_blur;
mod gaussian_noise;
mod glass_blur;
mod impulse_noise;
mod jpeg_compression;
mod motion_blur;
mod pixelate;
mod saturate;
mod shot_noise;
mod snow;
mod spatter;
mod speckle_noise;
mod zoom_blur;

// Mintun et al.
mod blue_noise_sample;
mod brownish_noise;
mod caustic_refraction;
mod checkerboard_cutout;
mod cocentric_sine_waves;
mod inverse_sparkles;
mod perlin_noise;
mod plasma_noise;
mod single_frequency_greyscale;
mod sparkles;
mod spectrum;

// What deployments meet.
mod exposure;
mod reencode;
mod rescale;
mod rotate;
mod white_balance;

use qualm::rng::Purpose;

use crate::error::{Error, Result};
use crate::image::Image;

pub use catalogue::{Corruption, Group};
pub use frost::FrostTextures;
pub use parameters::{ParameterSet, Parameters, Severity};
pub use picture::Pixels;
pub use sheet::Sheet;
pub use table::{Damaged, Damager};
pub use trial::Trial;

use picture::Scene;
use random::Random;

/// The random numbers of a damaged image; indices: number of the image, corruption and severity.
const CORRUPTION: Purpose = Purpose::of_crate(2, 20);

/// The least side of an image, in pixels: smaller ones have no room for blurs and patterns.
pub const LEAST_SIDE: u32 = 8;

/// How images are damaged.
#[derive(Debug, Clone, Default)]
pub struct CorruptSpec {
    /// The parameters of severities.
    pub parameters: Parameters,
    /// Whether faults of the published code are copied; see the [module](self).
    pub compat: bool,
    /// Photographs of frost, in place of generated ones.
    pub frost: Option<FrostTextures>,
}

/// Damages images.
#[derive(Debug, Clone)]
pub struct Corrupter {
    spec: CorruptSpec,
    seed: u64,
}

impl Corrupter {
    /// With some parameters and a seed.
    #[must_use]
    pub fn new(spec: CorruptSpec, seed: u64) -> Self {
        Self { spec, seed }
    }

    /// An image, damaged.
    ///
    /// `id` is the number of the image ([`crate::read::image_id`]): with the seed, the corruption
    /// and the severity it determines all random numbers.
    ///
    /// # Errors
    /// [`Error::TooSmallToCorrupt`] below [`LEAST_SIDE`].
    pub fn corrupt(
        &self,
        image: &Image,
        id: u64,
        corruption: Corruption,
        severity: Severity,
    ) -> Result<Image> {
        let (width, height) = (image.width(), image.height());
        let pixels = Pixels {
            values: image.pixels(),
            width: width as usize,
            height: height as usize,
            channels: 3,
        };
        let mut out = vec![0; image.pixels().len()];
        self.corrupt_into(pixels, id, corruption, severity, &mut out)?;
        Image::new(width, height, out)
    }

    /// The same on borrowed pixels, of three channels or of one, which stays grey.
    ///
    /// # Shapes
    /// `out`: that of the pixels, `(height, width, channels)`.
    ///
    /// # Errors
    /// As [`Corrupter::corrupt`], and [`Error::PixelCount`] where lengths do not fit the size.
    pub fn corrupt_into(
        &self,
        pixels: Pixels<'_>,
        id: u64,
        corruption: Corruption,
        severity: Severity,
        out: &mut [u8],
    ) -> Result<()> {
        pixels.check(out.len())?;
        let side = pixels.width.min(pixels.height);
        if side < LEAST_SIDE as usize {
            return Err(Error::TooSmallToCorrupt {
                width: pixels.width,
                height: pixels.height,
                least: LEAST_SIDE,
            });
        }
        let which = u64::from(corruption.number()) << 8 | u64::from(severity.get());
        let rng = qualm::rng::stream(self.seed, CORRUPTION, [id, which]);
        let scene = Scene {
            pixels,
            set: self.spec.parameters.of(side),
            severity,
            compat: self.spec.compat,
            frost: self.spec.frost.as_ref(),
        };
        (corruption.function())(&scene, &mut Random::new(rng), out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
