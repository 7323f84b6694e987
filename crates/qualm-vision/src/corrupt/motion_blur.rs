//! `motion_blur`: along a line at up to 45 degrees.

use super::parameters::Table;
use super::picture::Scene;
use super::random::Random;
use super::tools::Motion;

/// The radius of the kernel and its deviation, in pixels.
const MOTION: Table<(usize, f64)> = Table {
    cifar: [(6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)],
    tiny: [(10, 1.0), (10, 1.5), (10, 2.0), (10, 2.5), (12, 3.0)],
    imagenet: [(10, 3.0), (15, 5.0), (15, 8.0), (15, 12.0), (20, 15.0)],
};

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    move_along(scene, random.uniform(-45.0, 45.0), out);
}

/// The same at an angle in degrees.
pub(super) fn move_along(scene: &Scene<'_>, angle: f64, out: &mut [u8]) {
    let (radius, sigma) = scene.pick(&MOTION);
    let ends = scene.compat.then(|| [scene.width(), scene.height()]);
    let motion = Motion::new(radius, sigma, angle, ends);
    let mut picture = scene.picture();
    let width = scene.width();
    for plane in picture.planes_mut() {
        let blurred = motion.blur(plane, width);
        plane.copy_from_slice(&blurred);
    }
    picture.write(out);
}
