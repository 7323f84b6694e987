//! `inverse_sparkles`: the image seen through one star, white around it.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;
use super::sparkles::Star;

/// Tenths of 65, of 50: how fast the image fades with the distance.
const STRENGTH: Table<f64> =
    Table::small_and_large([1.0, 1.5, 2.5, 4.5, 5.0], [1.0, 2.0, 4.0, 9.0, 10.0]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let falloff = scene.pick(&STRENGTH) * 0.13;
    let centre = [scene.width(), scene.height()].map(|n| random.uniform(0.25, 0.75) * n as f64);
    let star = Star::new(
        centre,
        0.25 * scene.side() as f64,
        falloff,
        f64::MIN,
        random,
    );
    let (width, channels) = (scene.width(), scene.channels());
    let pixels = scene.pixels.values.chunks_exact(channels);
    for (i, (out, pixel)) in out.chunks_exact_mut(channels).zip(pixels).enumerate() {
        let light = star.light((i % width) as f64, (i / width) as f64);
        for (out, &v) in out.iter_mut().zip(pixel) {
            *out = cut((255.0 - light * (255.0 - f64::from(v))) as f32);
        }
    }
}
