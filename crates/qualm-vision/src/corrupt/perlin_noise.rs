//! `perlin_noise`: K. Perlin's smooth noise (1985) laid over the image.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;

/// Tenths of the half that noise takes.
const STRENGTH: Table<f64> = Table::same([4.6, 5.2, 5.8, 7.6, 8.8]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let share = (scene.pick(&STRENGTH) * 0.05) as f32;
    // 32 pixels of 224.
    let cell = 32.0 * scene.side() as f64 / 224.0;
    let perlin = Perlin::new(random);
    let (width, channels) = (scene.width(), scene.channels());
    let pixels = scene.pixels.values.chunks_exact(channels);
    for (i, (out, pixel)) in out.chunks_exact_mut(channels).zip(pixels).enumerate() {
        let (x, y) = ((i % width) as f64 / cell, (i / width) as f64 / cell);
        let noise = (0.5 * perlin.turbulence(x, y, 5) + 0.5).clamp(0.0, 1.0) as f32;
        for (out, &v) in out.iter_mut().zip(pixel) {
            *out = cut((1.0 - share) * f32::from(v) + 255.0 * share * noise);
        }
    }
}

/// Cells before the noise repeats.
const CELLS: usize = 256;

/// Smooth noise on a plane: at whole numbers 0, with a random slope.
#[derive(Debug)]
pub(super) struct Perlin {
    /// A random order of cells, twice.
    order: Vec<u8>,
    /// The slope at a corner, right and down, of length 1.
    slopes: Vec<[f64; 2]>,
}

impl Perlin {
    pub(super) fn new(random: &mut Random) -> Self {
        let slope = |random: &mut Random| {
            let (sine, cosine) = random.uniform(0.0, std::f64::consts::TAU).sin_cos();
            [cosine, sine]
        };
        let slopes = (0..CELLS).map(|_| slope(random)).collect();
        let mut order: Vec<u8> = (0..=u8::MAX).collect();
        for i in (1..CELLS).rev() {
            order.swap(i, random.below(i + 1));
        }
        order.extend_from_within(..);
        Self { order, slopes }
    }

    /// About -1 to 1.
    pub(super) fn noise(&self, x: f64, y: f64) -> f64 {
        let (left, top) = (x.floor(), y.floor());
        let (u, v) = (x - left, y - top);
        let cell = |i: f64| (i as isize).rem_euclid(CELLS.cast_signed()).cast_unsigned();
        let (columns, rows) = ([cell(left), cell(left + 1.0)], [cell(top), cell(top + 1.0)]);
        let slope = |column: usize, row: usize, dx: f64, dy: f64| {
            let corner = self.order[usize::from(self.order[column]) + row];
            let [right, down] = self.slopes[usize::from(corner)];
            right * dx + down * dy
        };
        let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
        let between = |a: f64, b: f64, t: f64| a + t * (b - a);
        let upper = between(
            slope(columns[0], rows[0], u, v),
            slope(columns[1], rows[0], u - 1.0, v),
            smooth(u),
        );
        let lower = between(
            slope(columns[0], rows[1], u, v - 1.0),
            slope(columns[1], rows[1], u - 1.0, v - 1.0),
            smooth(u),
        );
        1.5 * between(upper, lower, smooth(v))
    }

    /// The sizes of some octaves, each twice as fine and half as strong as the one before.
    pub(super) fn turbulence(&self, x: f64, y: f64, octaves: u32) -> f64 {
        let octave = |i: u32| {
            let fine = f64::from(1u32 << i);
            self.noise(fine * x, fine * y).abs() / fine
        };
        (0..octaves).map(octave).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_zero_at_corners_and_continuous() {
        let rng = qualm::rng::stream(0, super::super::CORRUPTION, [0, 0]);
        let perlin = Perlin::new(&mut Random::new(rng));
        assert_eq!(perlin.noise(3.0, -7.0), 0.0);
        let mut last = perlin.noise(-2.0, 0.3);
        for i in 1..4000 {
            let next = perlin.noise(-2.0 + f64::from(i) * 0.001, 0.3);
            assert!((next - last).abs() < 0.01 && next.abs() < 1.5);
            last = next;
        }
    }
}
