//! `glass_blur`: pixels exchanged with near ones, between two Gaussian blurs.

use super::gaussian_blur::blur;
use super::parameters::Table;
use super::picture::{Pixels, Scene};
use super::random::Random;
use crate::simd::vectorised;

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
    let (span, reach) = (2 * reach as u32, (reach as u32).cast_signed());
    distort(scene, out, |offsets| {
        random.words_for(offsets, |offsets, words| {
            vectorised(
                #[inline(always)]
                || {
                    for (offset, &word) in offsets.iter_mut().zip(words) {
                        offset[0] = (((word >> 16) * span) >> 16).cast_signed() - reach;
                        offset[1] = (((word & 0xffff) * span) >> 16).cast_signed() - reach;
                    }
                },
            );
        });
    });
}

/// The same with offsets, right and down, that are given a row at a time: in the order of the
/// published code, from the lower right corner to the upper left.
pub(super) fn distort(scene: &Scene<'_>, out: &mut [u8], mut offsets: impl FnMut(&mut [[i32; 2]])) {
    let (sigma, reach, rounds) = scene.pick(&GLASS);
    blur(scene.pixels, sigma, out);
    let (width, height, channels) = (scene.width(), scene.height(), scene.channels());
    // One word for each pixel, which moves as a whole.
    let mut pixels: Vec<[u8; 4]> = match out.as_chunks::<3>() {
        (colours, []) if channels == 3 => colours.iter().map(|&[r, g, b]| [r, g, b, 0]).collect(),
        _ => out.iter().map(|&v| [v, 0, 0, 0]).collect(),
    };
    let mut drawn = vec![[0; 2]; width.saturating_sub(2 * reach)];
    for _ in 0..rounds {
        for y in (reach + 1..=height - reach).rev() {
            offsets(&mut drawn);
            let columns = (reach + 1..=width - reach).rev();
            for (x, &[dx, dy]) in columns.zip(&drawn) {
                let this = y * width + x;
                // An offset is at least -reach and below reach: this stays inside.
                let offset = dy as isize * width.cast_signed() + dx as isize;
                let other = this.wrapping_add_signed(offset);
                if scene.compat {
                    pixels[this] = pixels[other];
                } else {
                    pixels.swap(this, other);
                }
            }
        }
    }
    let mut shuffled = vec![0; out.len()];
    if channels == 1 {
        for (to, pixel) in shuffled.iter_mut().zip(&pixels) {
            *to = pixel[0];
        }
    } else {
        for (to, &[r, g, b, _]) in shuffled.as_chunks_mut().0.iter_mut().zip(&pixels) {
            *to = [r, g, b];
        }
    }
    let shuffled = Pixels {
        values: &shuffled,
        ..scene.pixels
    };
    blur(shuffled, sigma, out);
}
