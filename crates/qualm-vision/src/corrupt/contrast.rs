//! `contrast`: each channel drawn to its mean.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;
use crate::simd::vectorised;

/// What is left of the distance from the mean.
const LEFT: Table<f64> = Table {
    cifar: [0.75, 0.5, 0.4, 0.3, 0.15],
    tiny: [0.4, 0.3, 0.2, 0.1, 0.05],
    imagenet: [0.4, 0.3, 0.2, 0.1, 0.05],
};

/// Values summed and changed at once: whole pixels, of one channel or of three.
const AT_ONCE: usize = 96;

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    let left = scene.pick(&LEFT);
    vectorised(
        #[inline(always)]
        || {
            let shifts = shifts(scene, left);
            let (chunks, rest) = scene.pixels.values.as_chunks::<AT_ONCE>();
            let (places, last) = out.as_chunks_mut::<AT_ONCE>();
            for (out, values) in places.iter_mut().zip(chunks) {
                for ((out, &v), shift) in out.iter_mut().zip(values).zip(&shifts) {
                    *out = cut(f32::from(v) * left as f32 + shift);
                }
            }
            for ((out, &v), shift) in last.iter_mut().zip(rest).zip(&shifts) {
                *out = cut(f32::from(v) * left as f32 + shift);
            }
        },
    );
}

/// What is added to each value: the mean of its channel, as far as it is not left out.
#[inline(always)]
fn shifts(scene: &Scene<'_>, left: f64) -> [f32; AT_ONCE] {
    let mut sums = [0u64; AT_ONCE];
    // 32 bits hold the sums of 2^24 chunks.
    for part in scene.pixels.values.chunks(AT_ONCE << 24) {
        let mut part_sums = [0u32; AT_ONCE];
        let (chunks, rest) = part.as_chunks::<AT_ONCE>();
        for chunk in chunks {
            for (sum, &v) in part_sums.iter_mut().zip(chunk) {
                *sum += u32::from(v);
            }
        }
        for (sum, &v) in part_sums.iter_mut().zip(rest) {
            *sum += u32::from(v);
        }
        for (sum, part) in sums.iter_mut().zip(&part_sums) {
            *sum += u64::from(*part);
        }
    }
    let channels = scene.channels();
    let mut shifts = [0.0; AT_ONCE];
    for c in 0..channels {
        let sum: u64 = sums.iter().skip(c).step_by(channels).sum();
        let mean = sum as f64 / scene.n() as f64;
        let shift = (mean - mean * left) as f32;
        shifts
            .iter_mut()
            .skip(c)
            .step_by(channels)
            .for_each(|s| *s = shift);
    }
    shifts
}
