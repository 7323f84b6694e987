//! `frost`: a window of ice in front of the image.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use fast_image_resize::{Filter, FilterType, ResizeAlg, ResizeOptions};

use super::parameters::{ParameterSet, Table};
use super::perlin_noise::Perlin;
use super::picture::{Scene, cut};
use super::random::Random;
use super::tools::resized;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::read::{ImageSource, ReadOptions};
use crate::simd::vectorised;

/// How much of the image, and of the ice, is left.
const SHARES: Table<(f32, f32)> = Table {
    cifar: [
        (1.0, 0.2),
        (1.0, 0.3),
        (0.9, 0.4),
        (0.85, 0.4),
        (0.75, 0.45),
    ],
    tiny: [
        (1.0, 0.3),
        (0.9, 0.4),
        (0.8, 0.45),
        (0.75, 0.5),
        (0.7, 0.55),
    ],
    imagenet: [(1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)],
};

/// Weights of red, green and blue in grey.
const GREY: [f32; 3] = [0.2989, 0.587, 0.114];

/// Pictures of ice to look through.
#[derive(Debug, Clone)]
pub struct FrostTextures(Arc<Vec<Image>>);

impl FrostTextures {
    /// All images of a folder, in the order of their names. Those of the published sets lie in
    /// the folder `frost` of the Python package `imagecorruptions`.
    ///
    /// # Errors
    /// Those of reading images; [`Error::SmallTexture`] for one of less than 100 pixels.
    pub fn from_folder(path: &Path) -> Result<Self> {
        let mut source = ImageSource::open(path, &ReadOptions::default())?;
        let mut images = Vec::new();
        while let Some(items) = source.next_batch(8)? {
            for item in items {
                if item.image.width().min(item.image.height()) < 100 {
                    return Err(Error::SmallTexture { image: item.id });
                }
                images.push(item.image);
            }
        }
        Ok(Self(Arc::new(images)))
    }
}

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let texture = match scene.frost {
        Some(FrostTextures(textures)) => &textures[random.below(textures.len())],
        None => generated(random.below(GENERATED)),
    };
    look_through(scene, texture, random, out);
}

/// The same through a given texture.
fn look_through(scene: &Scene<'_>, texture: &Image, random: &mut Random, out: &mut [u8]) {
    let scale = scale(scene, texture);
    let scaled = |n: u32| (f64::from(n) * scale).ceil() as usize;
    let room = |texture: u32, image: usize| scaled(texture).saturating_sub(image).max(1);
    // Down first, as in the published code.
    let top = random.below(room(texture.height(), scene.height()));
    let left = random.below(room(texture.width(), scene.width()));
    let ice = window(scene, texture, scale, [left, top]);
    blend(scene, &ice, out);
}

/// How large the texture is made: the small sets reduce it, the large one makes it cover the image
/// and a tenth more.
fn scale(scene: &Scene<'_>, texture: &Image) -> f64 {
    let covers = |image: usize, texture: u32| image as f64 / f64::from(texture);
    let least =
        covers(scene.width(), texture.width()).max(covers(scene.height(), texture.height()));
    match scene.set {
        ParameterSet::Cifar => 0.2f64.max(1.1 * least),
        ParameterSet::Tiny => 0.3f64.max(1.1 * least),
        ParameterSet::Imagenet => 1.1 * least.max(1.0),
    }
}

/// The published code's cubic interpolation (Keys 1981, with -0.75), sharper than the usual one: a texture enlarged by
/// a tenth keeps more of its high frequencies.
fn sharp_cubic() -> FilterType {
    const A: f64 = -0.75;
    let weight = |x: f64| match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => A * (((x - 5.0) * x + 8.0) * x - 4.0),
        _ => 0.0,
    };
    // Only a support of zero or less is refused.
    Filter::new("sharp cubic", weight, 2.0).map_or(FilterType::CatmullRom, FilterType::Custom)
}

/// A part of the scaled texture, as large as the image: `(height, width, 3)`.
fn window(scene: &Scene<'_>, texture: &Image, scale: f64, [left, top]: [usize; 2]) -> Vec<u8> {
    let (width, height) = (scene.width(), scene.height());
    let within = |from: usize, n: usize, whole: u32| {
        let n = (n as f64 / scale).min(f64::from(whole));
        ((from as f64 / scale).min(f64::from(whole) - n).max(0.0), n)
    };
    let (x, w) = within(left, width, texture.width());
    let (y, h) = within(top, height, texture.height());
    // Small sets take single pixels of the large texture, which keeps it sharp, as OpenCV does.
    let filter = if scene.set == ParameterSet::Imagenet {
        ResizeAlg::Interpolation(sharp_cubic())
    } else {
        ResizeAlg::Interpolation(FilterType::Bilinear)
    };
    let options = ResizeOptions::new().resize_alg(filter).crop(x, y, w, h);
    let size = [texture.width(), texture.height()].map(|n| n as usize);
    resized(texture.pixels(), size, [width, height], 3, &options)
}

fn blend(scene: &Scene<'_>, ice: &[u8], out: &mut [u8]) {
    let (image, frost) = scene.pick(&SHARES);
    if scene.channels() == 1 {
        let pixels = scene.pixels.values.iter().zip(ice.as_chunks::<3>().0);
        for (out, (&v, ice)) in out.iter_mut().zip(pixels) {
            let grey: f32 = ice.iter().zip(GREY).map(|(&v, w)| f32::from(v) * w).sum();
            *out = cut(image * f32::from(v) + frost * grey);
        }
        return;
    }
    vectorised(
        #[inline(always)]
        || {
            for ((out, &v), &ice) in out.iter_mut().zip(scene.pixels.values).zip(ice) {
                *out = cut(image * f32::from(v) + frost * f32::from(ice));
            }
        },
    );
}

/// Textures that are generated.
const GENERATED: usize = 6;
/// Their size.
const TEXTURE: [u32; 2] = [720, 540];

/// A texture of ice of our own, made when it is first looked through.
fn generated(which: usize) -> &'static Image {
    static MADE: [OnceLock<Image>; GENERATED] = [const { OnceLock::new() }; GENERATED];
    MADE[which].get_or_init(|| ice(which as u64))
}

/// Ice: needles that grow in a few directions, in patches, on a cloudy pane.
fn ice(which: u64) -> Image {
    let rng = qualm::rng::stream(which, super::CORRUPTION, [u64::MAX, 0]);
    let mut random = Random::new(rng);
    let cloud = Perlin::new(&mut random);
    let needles: Vec<(f64, f64, Perlin)> = (0..4)
        .map(|_| {
            let (sine, cosine) = random.uniform(0.0, std::f64::consts::PI).sin_cos();
            (sine, cosine, Perlin::new(&mut random))
        })
        .collect();
    let [width, height] = TEXTURE;
    let mut pixels = Vec::with_capacity(3 * (width * height) as usize);
    for i in 0..width * height {
        let (x, y) = (f64::from(i % width), f64::from(i / width));
        // Crystals bend the directions in which they grow.
        let bend = 14.0 * cloud.noise(x / 90.0, y / 90.0);
        let (x, y) = (x + bend, y - bend);
        let mut crystal: f64 = 0.0;
        for (n, (sine, cosine, noise)) in needles.iter().enumerate() {
            // Twelve times as long as wide.
            let along = (cosine * x + sine * y) / 60.0;
            let across = (cosine * y - sine * x) / 5.0;
            let ridge = 1.0 - noise.noise(along, across).abs() * 2.2;
            let patch = cloud.noise(x / 150.0 + 7.0 * n as f64, y / 150.0) + 0.3;
            crystal = crystal.max(ridge.max(0.0).powi(3) * patch.clamp(0.0, 1.0));
        }
        let pane = 0.38 + 0.5 * cloud.turbulence(x / 180.0, y / 180.0, 4);
        let v = (0.3 + 0.42 * pane + 0.6 * crystal).clamp(0.0, 1.0);
        for colour in [0.84, 0.95, 1.0] {
            pixels.push(cut((255.0 * v * colour) as f32));
        }
    }
    Image::new(width, height, pixels).unwrap_or_else(|_| unreachable!("as many as the size says"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textures_are_as_bright_and_rough_as_photographs_of_frost() {
        for which in 0..GENERATED {
            let image = generated(which);
            let grey: Vec<f64> = (image.pixels().chunks_exact(3))
                .map(|p| p.iter().map(|&v| f64::from(v)).sum::<f64>() / 3.0)
                .collect();
            let n = grey.len() as f64;
            let mean = grey.iter().sum::<f64>() / n;
            let deviation = (grey.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            let steps = grey.windows(2).map(|w| (w[1] - w[0]).abs()).sum::<f64>() / n;
            // The six photographs: means 90 to 207, deviations 15 to 44, steps 7 to 17.
            let found = format!("{which}: {mean:.0} {deviation:.0} {steps:.1}");
            assert!((120.0..190.0).contains(&mean), "{found}");
            assert!((15.0..50.0).contains(&deviation), "{found}");
            assert!((4.0..20.0).contains(&steps), "{found}");
        }
    }
}
