//! `speckle_noise`: each value multiplied by a normal number around 1.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;

/// The deviation of the factor.
const DEVIATION: Table<f32> = Table {
    cifar: [0.06, 0.1, 0.12, 0.16, 0.2],
    tiny: [0.15, 0.2, 0.25, 0.3, 0.35],
    imagenet: [0.15, 0.2, 0.35, 0.45, 0.6],
};

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    random.normals_for(
        scene.pixels.values,
        out,
        1.0,
        scene.pick(&DEVIATION),
        #[inline(always)]
        |v, factor| cut(f32::from(v) * factor),
    );
}
