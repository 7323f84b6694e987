//! `exposure`: the shutter open for too long or too short a time.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;

/// Stops: each doubles or halves the light.
const STOPS: Table<f64> = Table::same([0.5, 1.0, 1.5, 2.0, 2.5]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let stops = scene.pick(&STOPS);
    let light = if random.below(2) == 0 { stops } else { -stops }.exp2();
    let table = table(light);
    for (out, &v) in out.iter_mut().zip(scene.pixels.values) {
        *out = table[usize::from(v)];
    }
}

/// What becomes of each of the 256 values when their light is multiplied.
pub(super) fn table(gain: f64) -> [u8; 256] {
    std::array::from_fn(|v| {
        let linear = (gain * linear(v as f64 / 255.0)).min(1.0);
        cut((255.0 * encoded(linear) + 0.5) as f32)
    })
}

/// The light of a value from 0 to 1 (sRGB, IEC 61966-2-1).
fn linear(v: f64) -> f64 {
    if v <= 0.04045 {
        v / 12.92
    } else {
        ((v + 0.055) / 1.055).powf(2.4)
    }
}

/// The value of a light.
fn encoded(v: f64) -> f64 {
    if v <= 0.003_130_8 {
        v * 12.92
    } else {
        1.055 * v.powf(1.0 / 2.4) - 0.055
    }
}
