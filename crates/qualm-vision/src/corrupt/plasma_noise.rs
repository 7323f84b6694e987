//! `plasma_noise`: waves that bend waves, in three colours, laid over the image.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;

/// Tenths of a strength of 64.
const STRENGTH: Table<f64> =
    Table::small_and_large([1.4, 2.8, 4.2, 5.6, 7.0], [4.75, 7.0, 8.5, 9.25, 10.0]);

/// What is drawn at random.
#[derive(Debug)]
struct Plasma {
    time: f64,
    rounds: usize,
    sharpness: f64,
    scale: f64,
}

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let strength = scene.pick(&STRENGTH) * 6.4;
    let plasma = Plasma {
        time: random.uniform(0.0, 6.0 * std::f64::consts::PI),
        rounds: 4 + random.below(3),
        sharpness: random.uniform(0.5, 1.0),
        scale: random.uniform(0.075, 0.2) * scene.side() as f64,
    };
    let left = (1.0 - strength / 255.0) as f32;
    let (width, channels) = (scene.width(), scene.channels());
    let pixels = scene.pixels.values.chunks_exact(channels);
    for (i, (out, pixel)) in out.chunks_exact_mut(channels).zip(pixels).enumerate() {
        let mut colour = plasma.colour((i % width) as f64, (i / width) as f64);
        if channels == 1 {
            colour = [colour.iter().sum::<f64>() / 3.0; 3];
        }
        for ((out, &v), colour) in out.iter_mut().zip(pixel).zip(colour) {
            *out = cut(left * f32::from(v) + (strength * colour) as f32);
        }
    }
}

impl Plasma {
    /// From -1 to 1 for red, green and blue.
    fn colour(&self, x: f64, y: f64) -> [f64; 3] {
        let (mut x, mut y) = (x / self.scale, y / self.scale);
        // How fine, how slow and how weak a round is.
        let (mut fine, mut slow, mut weak) = (1.0, 1.0, 1.0);
        for _ in 0..self.rounds {
            let turn = self.time / slow;
            let right = (y * fine + turn).cos() / weak;
            let down = (x * fine + turn).sin() / weak;
            x += right - 0.3 * down;
            y += down + 0.3 * right;
            fine *= 1.93;
            slow *= 1.15;
            weak *= 2.25 - self.sharpness;
        }
        [
            (x - self.time).sin(),
            ((x + y + self.time.sin()) * 0.5).sin(),
            (y + self.time).sin(),
        ]
    }
}
