//! `rotate`: the camera held askew.

use super::parameters::Table;
use super::picture::Scene;
use super::random::Random;
use super::tools::Quads;
use crate::filter::Border;
use crate::simd::vectorised;

/// Degrees.
const DEGREES: Table<f64> = Table::same([3.0, 6.0, 12.0, 20.0, 30.0]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let degrees = scene.pick(&DEGREES);
    let angle = if random.below(2) == 0 {
        degrees
    } else {
        -degrees
    };
    let (sine, cosine) = angle.to_radians().sin_cos();
    let image = Quads::of(scene.pixels);
    let [x0, y0] = [scene.width(), scene.height()].map(|n| (n as f64 - 1.0) / 2.0);
    // Mirrored at the edge: no black corners, which would be noticed first.
    vectorised(
        #[inline(always)]
        || {
            image.move_into(
                Border::Mirror,
                #[inline(always)]
                |x, y| {
                    let (x, y) = (x as f64 - x0, y as f64 - y0);
                    let (u, v) = (cosine * x + sine * y + x0, cosine * y - sine * x + y0);
                    (u as f32, v as f32)
                },
                scene.channels(),
                out,
            );
        },
    );
}
