//! `gaussian_noise`: a normal number added to each value.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;

/// The deviation, of 1.
const DEVIATION: Table<f32> = Table {
    cifar: [0.04, 0.06, 0.08, 0.09, 0.1],
    tiny: [0.04, 0.08, 0.12, 0.15, 0.18],
    imagenet: [0.08, 0.12, 0.18, 0.26, 0.38],
};

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    random.normals_for(
        scene.pixels.values,
        out,
        0.0,
        255.0 * scene.pick(&DEVIATION),
        #[inline(always)]
        |v, noise| cut(f32::from(v) + noise),
    );
}
