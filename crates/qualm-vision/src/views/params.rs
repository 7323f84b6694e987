//! What is drawn at random for one view.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::spec::ViewSpec;

/// Crops drawn until one fits into the image, as in `torchvision`.
const ATTEMPTS: usize = 10;

/// The parameters of one view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewParams {
    /// The part of the image that is seen.
    pub crop: Crop,
    /// Whether it is flipped from left to right.
    pub flip: bool,
    /// How its colours are changed.
    pub jitter: Option<Jitter>,
    /// Whether it is grey.
    pub grey: bool,
    /// How it is blurred.
    pub blur: Option<Blur>,
}

/// A box of an image, in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crop {
    /// Columns to its left.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Its columns.
    pub width: u32,
    /// Its rows.
    pub height: u32,
}

/// A change of colours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Jitter {
    /// Factor of the brightness.
    pub brightness: f32,
    /// Factor of the contrast: of the distance to the mean grey of the view.
    pub contrast: f32,
    /// Factor of the saturation: of the distance to each pixel's own grey.
    pub saturation: f32,
    /// By how much of the circle the hue is turned.
    pub hue: f32,
    /// Which is changed first.
    pub order: [JitterStep; 4],
}

/// One change of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "see the fields of `Jitter`")]
pub enum JitterStep {
    Brightness,
    Contrast,
    Saturation,
    Hue,
}

/// A Gaussian blur.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Blur {
    /// Standard deviation, in pixels of the view.
    pub sigma: f64,
    /// Pixels of the kernel to either side of its middle.
    pub radius: usize,
}

impl ViewParams {
    /// The whole of an image, unchanged but for its size.
    #[must_use]
    pub fn whole(width: u32, height: u32) -> Self {
        Self {
            crop: Crop {
                left: 0,
                top: 0,
                width,
                height,
            },
            flip: false,
            jitter: None,
            grey: false,
            blur: None,
        }
    }

    pub(super) fn draw(spec: &ViewSpec, width: u32, height: u32, rng: &mut impl Rng) -> Self {
        let crop = Crop::draw(spec, width, height, rng);
        // All are drawn, whether they are used or not: a probability that is changed does not
        // change which numbers the others get.
        let flip = happens(rng, spec.flip);
        let jittered = happens(rng, spec.jitter);
        let jitter = Jitter::draw(spec, rng);
        let grey = happens(rng, spec.grey);
        let blurred = happens(rng, spec.blur);
        let sigma = between(rng, spec.blur_sigma);
        Self {
            crop,
            flip,
            jitter: jittered.then_some(jitter),
            grey,
            blur: blurred.then_some(Blur {
                sigma,
                radius: spec.blur_radius(),
            }),
        }
    }
}

fn happens(rng: &mut impl Rng, probability: f64) -> bool {
    rng.random::<f64>() < probability
}

fn between(rng: &mut impl Rng, [least, largest]: [f64; 2]) -> f64 {
    least + (largest - least) * rng.random::<f64>()
}

impl Crop {
    /// A box of random area and aspect ratio at a random place: at most ten tries, then the
    /// largest box in the middle with the nearest ratio that is allowed.
    fn draw(spec: &ViewSpec, width: u32, height: u32, rng: &mut impl Rng) -> Self {
        let (w, h) = (f64::from(width), f64::from(height));
        for _ in 0..ATTEMPTS {
            let area = w * h * between(rng, spec.crop_area);
            let aspect = between(rng, spec.crop_aspect.map(f64::ln)).exp();
            let crop_w = (area * aspect).sqrt().round_ties_even();
            let crop_h = (area / aspect).sqrt().round_ties_even();
            let fits = |crop: f64, image: f64| crop >= 1.0 && crop <= image;
            if fits(crop_w, w) && fits(crop_h, h) {
                let (crop_w, crop_h) = (crop_w as u32, crop_h as u32);
                return Self {
                    top: rng.random_range(0..=height - crop_h),
                    left: rng.random_range(0..=width - crop_w),
                    width: crop_w,
                    height: crop_h,
                };
            }
        }
        let [narrowest, widest] = spec.crop_aspect;
        let at_least_one = |n: f64| n.round_ties_even().max(1.0) as u32;
        let (crop_w, crop_h) = if w / h < narrowest {
            (width, at_least_one(w / narrowest).min(height))
        } else if w / h > widest {
            (at_least_one(h * widest).min(width), height)
        } else {
            (width, height)
        };
        Self {
            top: (height - crop_h) / 2,
            left: (width - crop_w) / 2,
            width: crop_w,
            height: crop_h,
        }
    }
}

impl Jitter {
    fn draw(spec: &ViewSpec, rng: &mut impl Rng) -> Self {
        let mut order = [
            JitterStep::Brightness,
            JitterStep::Contrast,
            JitterStep::Saturation,
            JitterStep::Hue,
        ];
        order.shuffle(rng);
        let mut factor = |range: f64| between(rng, [(1.0 - range).max(0.0), 1.0 + range]) as f32;
        Self {
            brightness: factor(spec.brightness),
            contrast: factor(spec.contrast),
            saturation: factor(spec.saturation),
            hue: between(rng, [-spec.hue, spec.hue]) as f32,
            order,
        }
    }
}
