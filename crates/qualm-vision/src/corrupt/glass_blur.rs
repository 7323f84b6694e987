//! `glass_blur`: pixels exchanged with near ones, between two Gaussian blurs.

use super::gaussian_blur::blur;
use super::parameters::Table;
use super::picture::{Picture, Pixels, Scene};
use super::random::Random;

/// The deviation of both blurs, how far pixels go, and how often all are exchanged.
const GLASS: Table<(f64, usize, usize)> = Table {
    cifar: [
        (0.05, 1, 1),
        (0.25, 1, 1),
        (0.4, 1, 1),
        (0.25, 1, 2),
        (0.4, 1, 2),
    ],
    tiny: [
        (0.1, 1, 1),
        (0.5, 1, 1),
        (0.6, 1, 2),
        (0.7, 2, 1),
        (0.9, 2, 2),
    ],
    imagenet: [
        (0.7, 1, 2),
        (0.9, 2, 1),
        (1.0, 2, 3),
        (1.1, 3, 2),
        (1.5, 4, 2),
    ],
};

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let (_, reach, _) = scene.pick(&GLASS);
    let span = 2 * reach as u32;
    let offset = |bits: u32| ((bits * span) >> 16) as usize;
    let offset = |bits: u32| offset(bits).cast_signed() - reach.cast_signed();
    distort(scene, out, || {
        let word = random.word();
        (offset(word >> 16), offset(word & 0xffff))
    });
}

/// The same with offsets, right and down, that are given: in the order of the published code, from
/// the lower right corner to the upper left.
pub(super) fn distort(
    scene: &Scene<'_>,
    out: &mut [u8],
    mut offsets: impl FnMut() -> (isize, isize),
) {
    let (sigma, reach, rounds) = scene.pick(&GLASS);
    let mut picture = scene.picture();
    blur(&mut picture, sigma);
    picture.write(out);
    let (width, height, channels) = (scene.width(), scene.height(), scene.channels());
    for _ in 0..rounds {
        for y in (reach + 1..=height - reach).rev() {
            for x in (reach + 1..=width - reach).rev() {
                let (dx, dy) = offsets();
                // An offset is at least -reach and below reach: this stays inside.
                let other = y.saturating_add_signed(dy) * width + x.saturating_add_signed(dx);
                let this = y * width + x;
                for c in 0..channels {
                    let (this, other) = (this * channels + c, other * channels + c);
                    if scene.compat {
                        out[this] = out[other];
                    } else {
                        out.swap(this, other);
                    }
                }
            }
        }
    }
    let shuffled = Pixels {
        values: out,
        ..scene.pixels
    };
    let mut picture = Picture::of(shuffled);
    blur(&mut picture, sigma);
    picture.write(out);
}
