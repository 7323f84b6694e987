//! `rotate`: the camera held askew.

use super::parameters::Table;
use super::picture::{Picture, Scene};
use super::random::Random;
use super::tools::bilinear;
use crate::filter::Border;

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
    let picture = scene.picture();
    let size = [picture.width, picture.height];
    let [x0, y0] = size.map(|n| (n as f64 - 1.0) / 2.0);
    let mut turned = vec![0.0; picture.values.len()];
    for (to, from) in turned.chunks_exact_mut(picture.n()).zip(picture.planes()) {
        for (i, to) in to.iter_mut().enumerate() {
            let (x, y) = ((i % size[0]) as f64 - x0, (i / size[0]) as f64 - y0);
            let (u, v) = (cosine * x + sine * y + x0, cosine * y - sine * x + y0);
            // Mirrored at the edge: no black corners, which would be noticed first.
            *to = bilinear(from, size, u as f32, v as f32, Border::Mirror);
        }
    }
    let turned = Picture {
        values: turned,
        ..picture
    };
    turned.write(out);
}
