//! `single_frequency_greyscale`: one wave added to all channels.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;

/// Tenths of an amplitude of 196.
const STRENGTH: Table<f64> = Table::same([1.0, 1.5, 2.0, 4.5, 5.0]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let amplitude = scene.pick(&STRENGTH) * 19.6;
    let larger = random.uniform(-std::f64::consts::PI, std::f64::consts::PI);
    let smaller = random.uniform(-larger.abs(), larger.abs());
    let (right, down) = if random.below(2) == 0 {
        (larger, smaller)
    } else {
        (smaller, larger)
    };
    let phase = random.uniform(0.0, std::f64::consts::TAU);
    let (width, channels) = (scene.width(), scene.channels());
    let pixels = scene.pixels.values.chunks_exact(channels);
    for (i, (out, pixel)) in out.chunks_exact_mut(channels).zip(pixels).enumerate() {
        let (x, y) = ((i % width) as f64, (i / width) as f64);
        let wave = (amplitude * (x * right + y * down + phase).sin()) as f32;
        for (out, &v) in out.iter_mut().zip(pixel) {
            *out = cut(f32::from(v) + wave);
        }
    }
}
