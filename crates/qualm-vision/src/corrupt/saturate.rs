//! `saturate`: the saturation of hue, saturation and value changed.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::parameters::Table;
use super::picture::{Scene, each_pixel};
use super::random::Random;
use crate::simd::vectorised;

/// The factor of the saturation, and what is added to it.
const CHANGE: Table<(f32, f32)> = Table {
    cifar: [(0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)],
    tiny: [(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (30.0, 0.2)],
    imagenet: [(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)],
};

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    if scene.channels() == 1 {
        // Grey that stays grey has no colour to change.
        out.copy_from_slice(scene.pixels.values);
        return;
    }
    let (factor, added) = scene.pick(&CHANGE);
    vectorised(
        #[inline(always)]
        || change(scene.pixels.values, factor, added, out),
    );
}

#[inline(always)]
fn change(pixels: &[u8], factor: f32, added: f32, out: &mut [u8]) {
    each_pixel(
        pixels,
        out,
        #[inline(always)]
        |_, [r, g, b]| {
            for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
                let value = r.max(*g).max(*b);
                let range = value - r.min(*g).min(*b);
                let before = range / if value > 0.0 { value } else { 1.0 };
                let saturation = (before * factor + added).clamp(0.0, 1.0);
                // How far each channel lies below the value, of the whole range. Grey counts as
                // red.
                let grey = range <= 0.0;
                let per_range = 1.0 / if grey { 1.0 } else { range };
                let of_grey = if grey { 1.0 } else { 0.0 };
                let most = value * saturation;
                *r = value - most * ((value - *r) * per_range);
                *g = value - most * ((value - *g) * per_range + of_grey);
                *b = value - most * ((value - *b) * per_range + of_grey);
            }
        },
    );
}
