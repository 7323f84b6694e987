//! `gaussian_blur`.

use super::parameters::Table;
use super::picture::{Pixels, Scene, cut};
use super::random::Random;
use super::tools::radius;
use crate::filter::{Border, Kernel, blur_pixels};
use crate::simd::vectorised;

/// The deviation, in pixels.
const SIGMA: Table<f64> = Table {
    cifar: [0.4, 0.6, 0.7, 0.8, 1.0],
    tiny: [0.5, 0.75, 1.0, 1.25, 1.5],
    imagenet: [1.0, 2.0, 3.0, 4.0, 6.0],
};

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    blur(scene.pixels, scene.pick(&SIGMA), out);
}

/// As `skimage.filters.gaussian`: four deviations, beyond the edge the outermost pixel.
pub(super) fn blur(pixels: Pixels<'_>, sigma: f64, out: &mut [u8]) {
    let kernel = Kernel::gaussian(sigma, radius(sigma, 4.0));
    let size = [pixels.width, pixels.channels];
    let length = pixels.width * pixels.channels;
    vectorised(
        #[inline(always)]
        || {
            blur_pixels(
                &kernel,
                pixels.values,
                size,
                Border::Nearest,
                #[inline(always)]
                |y, row| {
                    for (out, &v) in out[y * length..][..length].iter_mut().zip(row) {
                        *out = cut(v);
                    }
                },
            );
        },
    );
}
