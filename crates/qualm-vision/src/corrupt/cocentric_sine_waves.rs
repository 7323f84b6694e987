//! `cocentric_sine_waves`: rings around a point, their radius a wave of the angle.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;

/// Tenths of a strength of 128.
const STRENGTH: Table<f64> =
    Table::small_and_large([1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 5.0, 8.0, 9.0, 10.0]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let strength = scene.pick(&STRENGTH) * 12.8;
    let side = scene.side() as f64;
    let centre = [scene.width(), scene.height()].map(|n| random.uniform(0.0, n as f64));
    let frequency = random.uniform(0.0, 10.0);
    let amplitude = random.uniform(0.0, side / 10.0);
    // A ring of no width would divide by zero.
    let ring = random.uniform(0.0, side / 10.0).max(1e-6);
    let (width, channels) = (scene.width(), scene.channels());
    let pixels = scene.pixels.values.chunks_exact(channels);
    for (i, (out, pixel)) in out.chunks_exact_mut(channels).zip(pixels).enumerate() {
        let (x, y) = (
            (i % width) as f64 - centre[0],
            (i / width) as f64 - centre[1],
        );
        let angle = x.atan2(y) * frequency;
        let distance = x.hypot(y) + angle.sin() * amplitude;
        let wave = (strength * (distance.rem_euclid(ring) / ring - 0.5)) as f32;
        for (out, &v) in out.iter_mut().zip(pixel) {
            *out = cut(f32::from(v) + wave);
        }
    }
}
