//! `brightness`: the value of hue, saturation and value raised.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::parameters::Table;
use super::picture::{Scene, cut, each_pixel};
use super::random::Random;
use crate::simd::vectorised;

/// What is added to the value, of 1.
const ADDED: Table<f32> = Table {
    cifar: [0.05, 0.1, 0.15, 0.2, 0.3],
    tiny: [0.1, 0.2, 0.3, 0.4, 0.5],
    imagenet: [0.1, 0.2, 0.3, 0.4, 0.5],
};

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    let added = 255.0 * scene.pick(&ADDED);
    let pixels = scene.pixels.values;
    if scene.channels() == 1 {
        for (out, &v) in out.iter_mut().zip(pixels) {
            *out = cut(f32::from(v) + added);
        }
        return;
    }
    vectorised(
        #[inline(always)]
        || brighten(pixels, added, out),
    );
}

/// Hue and saturation are ratios of the channels: they stay when all are multiplied by the same.
#[inline(always)]
fn brighten(pixels: &[u8], added: f32, out: &mut [u8]) {
    each_pixel(
        pixels,
        out,
        #[inline(always)]
        |_, [r, g, b]| {
            for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
                let value = r.max(*g).max(*b);
                let raised = (value + added).min(255.0);
                // Black has no ratios: it becomes grey.
                let black = value <= 0.0;
                let factor = raised / if black { 1.0 } else { value };
                let grey = if black { raised } else { 0.0 };
                *r = *r * factor + grey;
                *g = *g * factor + grey;
                *b = *b * factor + grey;
            }
        },
    );
}
