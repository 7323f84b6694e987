//! `contrast`: each channel drawn to its mean.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;

/// What is left of the distance from the mean.
const LEFT: Table<f64> = Table {
    cifar: [0.75, 0.5, 0.4, 0.3, 0.15],
    tiny: [0.4, 0.3, 0.2, 0.1, 0.05],
    imagenet: [0.4, 0.3, 0.2, 0.1, 0.05],
};

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    let left = scene.pick(&LEFT);
    let (channels, pixels) = (scene.channels(), scene.pixels.values);
    let mut sums = [0u64; 3];
    for pixel in pixels.chunks_exact(channels) {
        for (sum, &v) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(v);
        }
    }
    // Of each channel: what becomes of each of the 256 values.
    let tables = sums.map(|sum| {
        let mean = sum as f64 / scene.n() as f64;
        std::array::from_fn::<u8, 256, _>(|v| cut(((v as f64 - mean) * left + mean) as f32))
    });
    for (out, pixel) in out
        .chunks_exact_mut(channels)
        .zip(pixels.chunks_exact(channels))
    {
        for ((out, &v), table) in out.iter_mut().zip(pixel).zip(&tables) {
            *out = table[usize::from(v)];
        }
    }
}
