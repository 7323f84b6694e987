//! `fog`: a cloud by the diamond-square algorithm.

use super::parameters::Table;
use super::picture::Scene;
use super::random::Random;

/// The density of the fog, and how much smaller each finer octave is.
pub(super) const FOG: Table<(f32, f32)> = Table {
    cifar: [(0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)],
    tiny: [(0.4, 3.0), (0.7, 3.0), (1.0, 2.5), (1.5, 2.0), (2.0, 1.75)],
    imagenet: [(1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)],
};

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    cover(scene, out, |values| random.uniforms(values, -1.0, 1.0));
}

/// The same with given random numbers from -1 to 1, in the order of [`plasma`].
pub(super) fn cover(scene: &Scene<'_>, out: &mut [u8], uniforms: impl FnMut(&mut [f32])) {
    let (density, decay) = scene.pick(&FOG);
    let side = scene.width().max(scene.height()).next_power_of_two();
    let cloud = plasma(side, decay, uniforms);
    let mut picture = scene.picture();
    let largest = picture.values.iter().fold(0.0, |a: f32, &b| a.max(b));
    // The image stays as bright as its brightest value.
    let scale = largest / (largest + 255.0 * density);
    let width = picture.width;
    for plane in picture.planes_mut() {
        let rows = plane.chunks_exact_mut(width).zip(cloud.chunks_exact(side));
        for (row, cloud) in rows {
            for (v, cloud) in row.iter_mut().zip(cloud) {
                *v = (*v + 255.0 * density * cloud) * scale;
            }
        }
    }
    picture.write(out);
}

/// A square height map from 0 to 1, on a torus. `uniforms` fills a slice with numbers from -1 to
/// 1: for each octave the middles of squares, then those of the two kinds of diamonds.
fn plasma(side: usize, decay: f32, mut uniforms: impl FnMut(&mut [f32])) -> Vec<f32> {
    let mut map = vec![0.0; side * side];
    let mut noise = vec![0.0; (side / 2).pow(2)];
    let (mut step, mut wibble) = (side, 100.0f32);
    while step >= 2 {
        let (half, n) = (step / 2, side / step);
        let noise = &mut noise[..n * n];
        let spread = wibble * wibble;
        let at = |row: usize, column: usize| (row % side) * side + column % side;
        uniforms(noise);
        for r in 0..n {
            for c in 0..n {
                let (y, x) = (r * step, c * step);
                let sum = map[at(y, x)]
                    + map[at(y + step, x)]
                    + map[at(y, x + step)]
                    + map[at(y + step, x + step)];
                map[at(y + half, x + half)] = sum / 4.0 + spread * noise[r * n + c];
            }
        }
        uniforms(noise);
        for r in 0..n {
            for c in 0..n {
                // The upper edge of a square: its ends, and the middles above and below.
                let (y, x) = (r * step, c * step);
                let sum = map[at(y + half, x + half)]
                    + map[at(y + side - half, x + half)]
                    + map[at(y, x)]
                    + map[at(y, x + step)];
                map[at(y, x + half)] = sum / 4.0 + spread * noise[r * n + c];
            }
        }
        uniforms(noise);
        for r in 0..n {
            for c in 0..n {
                // The left edge.
                let (y, x) = (r * step, c * step);
                let sum = map[at(y + half, x + half)]
                    + map[at(y + half, x + side - half)]
                    + map[at(y, x)]
                    + map[at(y + step, x)];
                map[at(y + half, x)] = sum / 4.0 + spread * noise[r * n + c];
            }
        }
        step = half;
        wibble /= decay;
    }
    let (low, high) = map.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| {
        (low.min(v), high.max(v))
    });
    let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
    for v in &mut map {
        *v = (*v - low) * scale;
    }
    map
}
