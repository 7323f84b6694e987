//! `fog`: a cloud by the diamond-square algorithm.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::parameters::Table;
use super::picture::{Scene, cut, each_pixel};
use super::random::Random;
use crate::simd::vectorised;

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
    let (width, channels) = (scene.width(), scene.channels());
    let rows = scene.pixels.values.chunks_exact(width * channels);
    let rows = rows.zip(out.chunks_exact_mut(width * channels));
    vectorised(
        #[inline(always)]
        || {
            let largest = scene.pixels.values.iter().fold(0, |a: u8, &b| a.max(b));
            let (largest, thick) = (f32::from(largest), 255.0 * density);
            // The image stays as bright as its brightest value.
            let scale = largest / (largest + thick);
            for ((pixels, out), cloud) in rows.zip(cloud.chunks_exact(side)) {
                if channels == 1 {
                    for ((out, &v), &cloud) in out.iter_mut().zip(pixels).zip(cloud) {
                        *out = cut((f32::from(v) + thick * cloud) * scale);
                    }
                    continue;
                }
                each_pixel(
                    pixels,
                    out,
                    #[inline(always)]
                    |at, planes| {
                        for plane in planes {
                            for (v, &cloud) in plane.iter_mut().zip(&cloud[at..]) {
                                *v = (*v + thick * cloud) * scale;
                            }
                        }
                    },
                );
            }
        },
    );
}

/// A square height map from 0 to 1, on a torus. `uniforms` fills a slice with numbers from -1 to
/// 1: for each octave the middles of squares, then those of the two kinds of diamonds.
fn plasma(side: usize, decay: f32, mut uniforms: impl FnMut(&mut [f32])) -> Vec<f32> {
    // The corners of squares that there are so far, and room for those of the next octave.
    let mut map = vec![0.0; side * side];
    let mut finer = vec![0.0; side * side];
    let mut noise = vec![0.0; 3 * (side / 2).pow(2)];
    let (mut n, mut wibble) = (1, 100.0f32);
    while n < side {
        let spread = wibble * wibble;
        let (middles, rest) = noise[..3 * n * n].split_at_mut(n * n);
        let (uppers, lefts) = rest.split_at_mut(n * n);
        for part in [&mut *middles, &mut *uppers, &mut *lefts] {
            uniforms(part);
        }
        vectorised(
            #[inline(always)]
            || {
                let corners = &map[..n * n];
                for y in 0..n {
                    let (row, below) = (y * n, (y + 1) % n * n);
                    let to = &mut middles[row..row + n];
                    let (upper, lower) = (&corners[row..row + n], &corners[below..below + n]);
                    of_squares(to, upper, lower, spread);
                }
                for y in 0..n {
                    let (row, above) = (y * n, (y + n - 1) % n * n);
                    let corners = &corners[row..row + n];
                    let (own, before) = (&middles[row..row + n], &middles[above..above + n]);
                    // The upper edge of a square: its ends, and the middles above and below.
                    of_upper_edges(&mut uppers[row..row + n], corners, own, before, spread);
                    let below = (y + 1) % n * n;
                    let next = &map[below..below + n];
                    of_left_edges(&mut lefts[row..row + n], corners, next, own, spread);
                }
                for y in 0..n {
                    let row = y * n..(y + 1) * n;
                    let (even, odd) = finer[4 * n * y..4 * n * (y + 1)].split_at_mut(2 * n);
                    in_turns(&map[row.clone()], &uppers[row.clone()], even);
                    in_turns(&lefts[row.clone()], &middles[row], odd);
                }
            },
        );
        std::mem::swap(&mut map, &mut finer);
        n *= 2;
        wibble /= decay;
    }
    vectorised(
        #[inline(always)]
        || {
            let [low, high] = ends(&map);
            let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
            for v in &mut map {
                *v = (*v - low) * scale;
            }
        },
    );
    map
}

/// Each in its square: the mean of the four corners, and `spread` times what stands there.
#[inline(always)]
fn of_squares(to: &mut [f32], upper: &[f32], lower: &[f32], spread: f32) {
    let n = to.len();
    for x in 0..n - 1 {
        let sum = upper[x] + lower[x] + upper[x + 1] + lower[x + 1];
        to[x] = sum / 4.0 + spread * to[x];
    }
    let sum = upper[n - 1] + lower[n - 1] + upper[0] + lower[0];
    to[n - 1] = sum / 4.0 + spread * to[n - 1];
}

/// On the upper edge of each square: its two ends, the middle of the square and of that above.
#[inline(always)]
fn of_upper_edges(to: &mut [f32], corners: &[f32], own: &[f32], above: &[f32], spread: f32) {
    let n = to.len();
    for x in 0..n - 1 {
        let sum = own[x] + above[x] + corners[x] + corners[x + 1];
        to[x] = sum / 4.0 + spread * to[x];
    }
    let sum = own[n - 1] + above[n - 1] + corners[n - 1] + corners[0];
    to[n - 1] = sum / 4.0 + spread * to[n - 1];
}

/// On the left edge of each square: its two ends, the middle of the square and of that before.
#[inline(always)]
fn of_left_edges(to: &mut [f32], corners: &[f32], below: &[f32], own: &[f32], spread: f32) {
    let n = to.len();
    for x in 1..n {
        let sum = own[x] + own[x - 1] + corners[x] + below[x];
        to[x] = sum / 4.0 + spread * to[x];
    }
    let sum = own[0] + own[n - 1] + corners[0] + below[0];
    to[0] = sum / 4.0 + spread * to[0];
}

/// Values of two lines in turns.
#[inline(always)]
fn in_turns(first: &[f32], second: &[f32], to: &mut [f32]) {
    for ((pair, &a), &b) in to.as_chunks_mut::<2>().0.iter_mut().zip(first).zip(second) {
        *pair = [a, b];
    }
}

/// The least and the largest value.
#[inline(always)]
fn ends(values: &[f32]) -> [f32; 2] {
    // Several at once, which do not wait for each other.
    const AT_ONCE: usize = 64;
    let (mut low, mut high) = ([f32::MAX; AT_ONCE], [f32::MIN; AT_ONCE]);
    for part in values.chunks(AT_ONCE) {
        for ((low, high), &v) in low.iter_mut().zip(&mut high).zip(part) {
            *low = if v < *low { v } else { *low };
            *high = if v > *high { v } else { *high };
        }
    }
    [
        low.iter().fold(f32::MAX, |a, &b| a.min(b)),
        high.iter().fold(f32::MIN, |a, &b| a.max(b)),
    ]
}
