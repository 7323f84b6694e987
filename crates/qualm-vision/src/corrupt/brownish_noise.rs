//! `brownish_noise`: noise of low frequencies added to each channel.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;
use super::spectrum;

/// Tenths of a deviation of 64.
const STRENGTH: Table<f32> =
    Table::small_and_large([2.5, 4.0, 5.5, 6.5, 7.0], [1.0, 2.0, 3.0, 4.0, 5.0]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let deviation = scene.pick(&STRENGTH) * 6.4;
    let channels = scene.channels();
    for c in 0..channels {
        let size = [scene.width(), scene.height()];
        let noise = spectrum::noise(size, random, |frequency| {
            1.0 / (frequency * frequency + 1.0)
        });
        let values = scene.pixels.values.iter().skip(c).step_by(channels);
        let places = out.iter_mut().skip(c).step_by(channels);
        for ((out, &v), noise) in places.zip(values).zip(noise) {
            *out = cut(f32::from(v) + deviation * noise);
        }
    }
}
