//! `snow`: flakes blown along a line, over a whitened image.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::parameters::Table;
use super::picture::{Scene, cut, each_pixel};
use super::random::Random;
use super::tools::{Motion, add_zoomed, zoomed_lines};
use crate::simd::vectorised;

/// What a severity is made of.
#[derive(Debug, Clone, Copy)]
struct Snow {
    /// Mean and deviation of the noise that flakes are cut from.
    mean: f32,
    deviation: f32,
    /// How large flakes are.
    zoom: f64,
    /// Noise below this is no flake.
    threshold: f32,
    /// Radius and deviation of the motion.
    radius: usize,
    sigma: f64,
    /// How much of the image's own colour is left.
    left: f32,
}

const fn snow(
    mean: f32,
    deviation: f32,
    zoom: f64,
    threshold: f32,
    radius: usize,
    sigma: f64,
    left: f32,
) -> Snow {
    Snow {
        mean,
        deviation,
        zoom,
        threshold,
        radius,
        sigma,
        left,
    }
}

const SNOW: Table<Snow> = Table {
    cifar: [
        snow(0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.95),
        snow(0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.9),
        snow(0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.9),
        snow(0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.85),
        snow(0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.8),
    ],
    tiny: [
        snow(0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.8),
        snow(0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.8),
        snow(0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.7),
        snow(0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.65),
        snow(0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.6),
    ],
    imagenet: [
        snow(0.1, 0.3, 3.0, 0.5, 10, 4.0, 0.8),
        snow(0.2, 0.3, 2.0, 0.5, 12, 4.0, 0.7),
        snow(0.55, 0.3, 4.0, 0.9, 12, 8.0, 0.7),
        snow(0.55, 0.3, 4.5, 0.85, 12, 8.0, 0.65),
        snow(0.55, 0.3, 2.5, 0.85, 12, 12.0, 0.55),
    ],
};

/// Weights of red, green and blue in grey (ITU-R BT.601).
const GREY: [f32; 3] = [0.299, 0.587, 0.114];

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let snow = scene.pick(&SNOW);
    let mut noise = vec![0.0; scene.n()];
    random.normals(&mut noise, snow.mean, snow.deviation);
    fall(scene, &noise, random.uniform(-135.0, -45.0), out);
}

/// The same with given noise, and the angle of the motion in degrees.
pub(super) fn fall(scene: &Scene<'_>, noise: &[f32], angle: f64, out: &mut [u8]) {
    let snow = scene.pick(&SNOW);
    let size = [scene.width(), scene.height()];
    let mut flakes = vec![0.0; noise.len()];
    let lines = zoomed_lines(size, snow.zoom, scene.compat);
    add_zoomed(noise, scene.width(), &lines, &mut flakes);
    vectorised(
        #[inline(always)]
        || {
            for flake in &mut flakes {
                let kept = flake.min(1.0);
                *flake = if *flake < snow.threshold { 0.0 } else { kept };
            }
        },
    );
    let ends = scene.compat.then_some(size);
    let motion = Motion::new(snow.radius, snow.sigma, angle, ends);
    let flakes = motion.blur(&flakes, scene.width());
    let pixels = scene.pixels.values;
    vectorised(
        #[inline(always)]
        || {
            if scene.channels() == 1 {
                let flakes = flakes.iter().zip(flakes.iter().rev());
                for ((out, &v), (&here, &there)) in out.iter_mut().zip(pixels).zip(flakes) {
                    let v = f32::from(v);
                    *out = cut(snow.over(v, v) + twice(here, there));
                }
                return;
            }
            each_pixel(
                pixels,
                out,
                #[inline(always)]
                |at, [r, g, b]| {
                    let n = r.len();
                    let end = flakes.len() - at;
                    let both = flakes[at..at + n]
                        .iter()
                        .zip(flakes[end - n..end].iter().rev());
                    for (((r, g), b), (&here, &there)) in r.iter_mut().zip(g).zip(b).zip(both) {
                        let grey = GREY[0] * *r + GREY[1] * *g + GREY[2] * *b;
                        let flakes = twice(here, there);
                        *r = snow.over(*r, grey) + flakes;
                        *g = snow.over(*g, grey) + flakes;
                        *b = snow.over(*b, grey) + flakes;
                    }
                },
            );
        },
    );
}

impl Snow {
    /// A value of a pixel of some grey, whitened.
    #[inline(always)]
    fn over(self, v: f32, grey: f32) -> f32 {
        let white = grey * 1.5 + 127.5;
        self.left * v + (1.0 - self.left) * v.max(white)
    }
}

/// Each flake falls twice: also where the layer turned by half a turn has it. The published code
/// keeps flakes in eight bits.
#[inline(always)]
fn twice(here: f32, there: f32) -> f32 {
    (here * 255.0).round_ties_even() + (there * 255.0).round_ties_even()
}
