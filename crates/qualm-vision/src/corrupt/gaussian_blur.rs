//! `gaussian_blur`.

use super::parameters::Table;
use super::picture::{Picture, Scene};
use super::random::Random;
use super::tools::radius;
use crate::filter::{Border, Kernel, Room};

/// The deviation, in pixels.
const SIGMA: Table<f64> = Table {
    cifar: [0.4, 0.6, 0.7, 0.8, 1.0],
    tiny: [0.5, 0.75, 1.0, 1.25, 1.5],
    imagenet: [1.0, 2.0, 3.0, 4.0, 6.0],
};

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    let mut picture = scene.picture();
    blur(&mut picture, scene.pick(&SIGMA));
    picture.write(out);
}

/// As `skimage.filters.gaussian`: four deviations, beyond the edge the outermost pixel.
pub(super) fn blur(picture: &mut Picture, sigma: f64) {
    let kernel = Kernel::gaussian(sigma, radius(sigma, 4.0));
    let mut room = Room::default();
    let width = picture.width;
    for plane in picture.planes_mut() {
        kernel.blur(plane, width, Border::Nearest, &mut room);
    }
}
