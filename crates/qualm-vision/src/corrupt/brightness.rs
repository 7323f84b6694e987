//! `brightness`: the value of hue, saturation and value raised.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::parameters::Table;
use super::picture::{Scene, cut};
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
    let pixels = pixels.as_chunks::<3>().0;
    for (out, pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        let [r, g, b] = pixel.map(f32::from);
        let value = r.max(g).max(b);
        let raised = (value + added).min(255.0);
        // Black has no ratios: it becomes grey.
        let factor = if value > 0.0 { raised / value } else { 0.0 };
        let grey = if value > 0.0 { 0.0 } else { raised };
        *out = [r, g, b].map(|v| cut(v * factor + grey));
    }
}
