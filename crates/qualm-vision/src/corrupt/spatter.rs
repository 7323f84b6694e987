//! `spatter`: drops of water (severities 1 to 3) or mud on the lens.

use super::edges::{Padded, distances, edges};
use super::parameters::Table;
use super::picture::{Scene, cut, each_pixel};
use super::random::Random;
use super::tools::radius;
use crate::filter::{Border, Kernel, Room};
use crate::simd::vectorised;

/// What a severity is made of.
#[derive(Debug, Clone, Copy)]
struct Spatter {
    /// Mean and deviation of the noise that drops are cut from, the deviation of its blur, and
    /// below what there is no drop.
    mean: f32,
    deviation: f32,
    sigma: f64,
    threshold: f32,
    /// Of water: how bright it is. Of mud: the deviation of the blur of its edge.
    strength: f64,
    mud: bool,
}

const fn water(mean: f32, deviation: f32, sigma: f64, threshold: f32, strength: f64) -> Spatter {
    Spatter {
        mean,
        deviation,
        sigma,
        threshold,
        strength,
        mud: false,
    }
}

const fn mud(mean: f32, deviation: f32, sigma: f64, threshold: f32, strength: f64) -> Spatter {
    Spatter {
        mud: true,
        ..water(mean, deviation, sigma, threshold, strength)
    }
}

const SPATTER: Table<Spatter> = Table {
    cifar: [
        water(0.62, 0.1, 0.7, 0.7, 0.5),
        water(0.65, 0.1, 0.8, 0.7, 0.5),
        water(0.65, 0.3, 1.0, 0.69, 0.5),
        mud(0.65, 0.1, 0.7, 0.69, 0.6),
        mud(0.65, 0.1, 0.5, 0.68, 0.6),
    ],
    tiny: [
        water(0.62, 0.1, 0.7, 0.7, 0.6),
        water(0.65, 0.1, 0.8, 0.7, 0.6),
        water(0.65, 0.3, 1.0, 0.69, 0.6),
        mud(0.65, 0.1, 0.7, 0.68, 0.6),
        mud(0.65, 0.1, 0.5, 0.67, 0.6),
    ],
    imagenet: [
        water(0.65, 0.3, 4.0, 0.69, 0.6),
        water(0.65, 0.3, 3.0, 0.68, 0.6),
        water(0.65, 0.3, 2.0, 0.68, 0.5),
        mud(0.65, 0.3, 1.0, 0.65, 1.5),
        mud(0.67, 0.4, 1.0, 0.65, 1.5),
    ],
};

/// Red, green and blue of both, and their grey.
const WATER: [f32; 3] = [175.0, 238.0, 238.0];
const MUD: [f32; 3] = [63.0, 42.0, 20.0];
const GREY: [f32; 3] = [0.2989, 0.587, 0.114];

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let spatter = scene.pick(&SPATTER);
    let mut noise = vec![0.0; scene.n()];
    random.normals(&mut noise, spatter.mean, spatter.deviation);
    splash(scene, noise, out);
}

/// The same with given noise.
pub(super) fn splash(scene: &Scene<'_>, mut liquid: Vec<f32>, out: &mut [u8]) {
    let spatter = scene.pick(&SPATTER);
    let width = scene.width();
    smooth(&mut liquid, width, spatter.sigma);
    let (cover, colour) = if spatter.mud {
        each(
            &mut liquid,
            #[inline(always)]
            |v| f32::from(u8::from(v > spatter.threshold)),
        );
        smooth(&mut liquid, width, spatter.strength);
        each(
            &mut liquid,
            #[inline(always)]
            |v| if v < 0.8 { 0.0 } else { v },
        );
        (liquid, MUD)
    } else {
        each(
            &mut liquid,
            #[inline(always)]
            |v| if v < spatter.threshold { 0.0 } else { v },
        );
        (drops(&liquid, width, spatter.strength as f32), WATER)
    };
    // Water adds its light, mud covers.
    let covers = if spatter.mud { 1.0 } else { 0.0 };
    let pixels = scene.pixels.values;
    vectorised(
        #[inline(always)]
        || {
            if scene.channels() == 1 {
                let grey: f32 = colour.iter().zip(GREY).map(|(c, g)| c * g).sum();
                for ((out, &v), cover) in out.iter_mut().zip(pixels).zip(&cover) {
                    *out = cut(f32::from(v) * (1.0 - covers * cover) + cover * grey);
                }
                return;
            }
            each_pixel(
                pixels,
                out,
                #[inline(always)]
                |at, planes| {
                    for (plane, colour) in planes.into_iter().zip(colour) {
                        for (v, &cover) in plane.iter_mut().zip(&cover[at..]) {
                            *v = *v * (1.0 - covers * cover) + cover * colour;
                        }
                    }
                },
            );
        },
    );
}

fn smooth(plane: &mut [f32], width: usize, sigma: f64) {
    let kernel = Kernel::gaussian(sigma, radius(sigma, 4.0));
    kernel.blur(plane, width, Border::Nearest, &mut Room::default());
}

/// How much each pixel is covered by water: the liquid, brighter within drops than at their edge,
/// shaded from the upper left. The steps are those of the published code, which makes them with
/// `OpenCV`.
fn drops(liquid: &[f32], width: usize, strength: f32) -> Vec<f32> {
    let mut bytes = vec![0; liquid.len()];
    vectorised(
        #[inline(always)]
        || {
            for (to, v) in bytes.iter_mut().zip(liquid) {
                *to = cut(v * 255.0);
            }
        },
    );
    let liquid = bytes;
    let edges = edges(&liquid, width);
    let mut distance = distances(&edges, width);
    let mean = |plane: &[f32]| around(plane, width, &[1.0 / 9.0; 9]);
    each(
        &mut distance,
        #[inline(always)]
        |d| d.min(20.0),
    );
    let mut distance = mean(&distance);
    each(&mut distance, f32::floor);
    let distance = equalised(&distance);
    let mut shaded = around(
        &distance,
        width,
        &[-2.0, -1.0, 0.0, -1.0, 1.0, 1.0, 0.0, 1.0, 2.0],
    );
    each(
        &mut shaded,
        #[inline(always)]
        |s| s.clamp(0.0, 255.0),
    );
    let mut cover = mean(&shaded);
    each(&mut cover, f32::round_ties_even);
    let mut most = 0.0f32;
    vectorised(
        #[inline(always)]
        || {
            for (cover, &liquid) in cover.iter_mut().zip(&liquid) {
                *cover *= f32::from(liquid);
            }
            // Several at once, which do not wait for each other.
            let mut largest = [0.0f32; 64];
            for part in cover.chunks(64) {
                for (a, &b) in largest.iter_mut().zip(part) {
                    *a = if b > *a { b } else { *a };
                }
            }
            most = largest.iter().fold(most, |a, &b| a.max(b));
        },
    );
    // Where there is no drop at all the published code divides by zero.
    let scale = if most > 0.0 { strength / most } else { 0.0 };
    each(
        &mut cover,
        #[inline(always)]
        |c| c * scale,
    );
    cover
}

/// A sum over the 3x3 pixels around each, mirrored at the edge.
fn around(plane: &[f32], width: usize, weights: &[f32; 9]) -> Vec<f32> {
    let padded = Padded::new(plane, width, 1, Border::Mirror);
    let mut out = vec![0.0; plane.len()];
    vectorised(
        #[inline(always)]
        || {
            for (y, out) in out.chunks_exact_mut(width).enumerate() {
                for (row, weights) in padded.rows(y).iter().zip(weights.as_chunks::<3>().0) {
                    let [left, middle, right] = *weights;
                    let pixels = row.iter().zip(&row[1..]).zip(&row[2..]);
                    for (out, ((a, b), c)) in out.iter_mut().zip(pixels) {
                        *out += left * a + middle * b + right * c;
                    }
                }
            }
        },
    );
    out
}

/// Each value by itself.
fn each(plane: &mut [f32], change: impl Fn(f32) -> f32) {
    vectorised(
        #[inline(always)]
        || {
            for v in plane {
                *v = change(*v);
            }
        },
    );
}

/// Values spread evenly by their ranks, as `OpenCV`'s `equalizeHist`.
fn equalised(plane: &[f32]) -> Vec<f32> {
    let mut counts = [0u32; 256];
    for &v in plane {
        counts[usize::from(v as u8)] += 1;
    }
    let first = counts.iter().position(|&n| n > 0).unwrap_or(0);
    let rest = plane.len() as u32 - counts[first];
    if rest == 0 {
        return plane.to_vec();
    }
    let scale = 255.0 / rest as f32;
    let mut sum = 0;
    let mut table = [0.0; 256];
    for (to, &n) in table.iter_mut().zip(&counts).skip(first + 1) {
        sum += n;
        *to = (sum as f32 * scale).round_ties_even();
    }
    plane.iter().map(|&v| table[usize::from(v as u8)]).collect()
}
