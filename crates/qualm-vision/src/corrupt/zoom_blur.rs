//! `zoom_blur`: the mean of the image and of itself ever nearer.

use super::parameters::Table;
use super::picture::{Picture, Scene};
use super::random::Random;
use super::tools::{add_zoomed, zoomed_lines};

/// The end of the zooms, which begin at 1, and the step between them.
const ZOOMS: Table<(f64, f64)> = Table {
    cifar: [
        (1.06, 0.01),
        (1.11, 0.01),
        (1.16, 0.01),
        (1.21, 0.01),
        (1.26, 0.01),
    ],
    tiny: [
        (1.06, 0.01),
        (1.11, 0.01),
        (1.16, 0.01),
        (1.21, 0.01),
        (1.26, 0.01),
    ],
    imagenet: [
        (1.11, 0.01),
        (1.16, 0.01),
        (1.21, 0.02),
        (1.26, 0.02),
        (1.31, 0.03),
    ],
};

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    let (end, step) = scene.pick(&ZOOMS);
    // The number that `numpy.arange` makes of these.
    let n = ((end - 1.0) / step).ceil() as usize;
    let picture = scene.picture();
    // The image itself counts once more than its zooms.
    let mut sum = picture.values.clone();
    let size = [picture.width, picture.height];
    for i in 0..n {
        let lines = zoomed_lines(size, 1.0 + i as f64 * step, scene.compat);
        for (plane, sum) in picture.planes().zip(sum.chunks_exact_mut(picture.n())) {
            add_zoomed(plane, picture.width, &lines, sum);
        }
    }
    let share = 1.0 / (n + 1) as f32;
    for v in &mut sum {
        *v *= share;
    }
    let blurred = Picture {
        values: sum,
        ..picture
    };
    blurred.write(out);
}
