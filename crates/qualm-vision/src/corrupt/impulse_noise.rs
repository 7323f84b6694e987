//! `impulse_noise`: some values black, some white.

use super::parameters::Table;
use super::picture::Scene;
use super::random::Random;
use crate::simd::vectorised;

/// The share of values that are lost.
const SHARE: Table<f64> = Table {
    cifar: [0.01, 0.02, 0.03, 0.05, 0.07],
    tiny: [0.01, 0.02, 0.05, 0.08, 0.14],
    imagenet: [0.03, 0.06, 0.09, 0.17, 0.27],
};

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    out.copy_from_slice(scene.pixels.values);
    // Words below this are lost, the lower half of them to white.
    let lost = (scene.pick(&SHARE) * 4_294_967_296.0) as u32;
    random.words_for(out, |out, words| {
        vectorised(
            #[inline(always)]
            || {
                for (out, &word) in out.iter_mut().zip(words) {
                    let kept = if word < lost { 0 } else { *out };
                    *out = if word < lost / 2 { 255 } else { kept };
                }
            },
        );
    });
}
