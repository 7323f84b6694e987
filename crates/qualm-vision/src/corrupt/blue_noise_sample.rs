//! `blue_noise_sample`: pixels lost where noise of high frequencies is low.

use super::parameters::Table;
use super::picture::Scene;
use super::random::Random;
use super::spectrum;

/// Tenths of three deviations, less 2.5: below this a pixel is lost.
const STRENGTH: Table<f64> =
    Table::small_and_large([0.7, 1.4, 2.1, 3.5, 4.2], [0.8, 1.6, 2.4, 4.0, 5.6]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let threshold = (scene.pick(&STRENGTH) * 0.3 - 2.5) as f32;
    // As strong as its frequency.
    let noise = spectrum::noise([scene.width(), scene.height()], random, |frequency| {
        frequency
    });
    let channels = scene.channels();
    out.copy_from_slice(scene.pixels.values);
    for (pixel, noise) in out.chunks_exact_mut(channels).zip(noise) {
        if noise <= threshold {
            pixel.fill(0);
        }
    }
}
