//! `sparkles`: five white stars.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;

/// Hundredths of the side: the radius of a star.
const STRENGTH: Table<f64> =
    Table::small_and_large([0.7, 3.5, 5.6, 6.3, 7.0], [1.0, 2.0, 3.0, 5.0, 6.0]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let radius = scene.pick(&STRENGTH) * 0.01 * scene.side() as f64;
    let stars: Vec<Star> = (0..5)
        .map(|_| {
            let centre = [scene.width(), scene.height()].map(|n| random.uniform(0.0, n as f64));
            Star::new(centre, radius, 1.0, 1.0, random)
        })
        .collect();
    let (width, channels) = (scene.width(), scene.channels());
    let pixels = scene.pixels.values.chunks_exact(channels);
    for (i, (out, pixel)) in out.chunks_exact_mut(channels).zip(pixels).enumerate() {
        let (x, y) = ((i % width) as f64, (i / width) as f64);
        // What is left of the image after each star.
        let left: f64 = stars.iter().map(|star| 1.0 - star.light(x, y)).product();
        for (out, &v) in out.iter_mut().zip(pixel) {
            *out = cut((255.0 - left * (255.0 - f64::from(v))) as f32);
        }
    }
}

/// Rays of different lengths around a point.
#[derive(Debug)]
pub(super) struct Star {
    centre: [f64; 2],
    rays: Vec<f64>,
    /// How fast the light falls with the distance.
    falloff: f64,
}

impl Star {
    /// Rays of a mean length, but at least `least`, with a quarter of it as deviation.
    pub(super) fn new(
        centre: [f64; 2],
        radius: f64,
        falloff: f64,
        least: f64,
        random: &mut Random,
    ) -> Self {
        let mut lengths = vec![0.0; 50 + random.below(150)];
        random.normals(&mut lengths, radius as f32, (0.25 * radius) as f32);
        Self {
            centre,
            rays: lengths
                .into_iter()
                .map(|v| f64::from(v).max(least))
                .collect(),
            falloff,
        }
    }

    /// The light at a place, from 0 to 1.
    pub(super) fn light(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let n = self.rays.len();
        let turn = (dx.atan2(dy) / std::f64::consts::TAU + 0.5) * n as f64;
        let (ray, between) = (turn as usize, turn.fract());
        let [before, after] = [ray, ray + 1].map(|i| self.rays[i % n]);
        let length = before + between * (after - before);
        let near = (length * length / (dx * dx + dy * dy + 1e-4)).powf(self.falloff);
        let light = (1.0 - (between - 0.5).powi(2)) * near;
        light.clamp(0.0, 1.0)
    }
}
