//! `reencode`: the image written again as a JPEG, its blocks elsewhere than those of the encoder
//! before.

use super::jpeg_compression::compress;
use super::parameters::Table;
use super::picture::{Pixels, Scene};
use super::random::Random;

/// The quality as libjpeg counts it.
const QUALITY: Table<u8> = Table::same([90, 75, 60, 45, 30]);
/// Side of a block.
const BLOCK: usize = 8;

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let quality = scene.pick(&QUALITY);
    let (width, height, channels) = (scene.width(), scene.height(), scene.channels());
    // Rows and columns in front of the image, the first ones repeated.
    let [left, top] = [random.below(BLOCK), random.below(BLOCK)];
    let [wide, high] = [width + left, height + top];
    let mut moved = Vec::with_capacity(wide * high * channels);
    for y in 0..high {
        let row = y.saturating_sub(top) * width * channels;
        let row = &scene.pixels.values[row..row + width * channels];
        for _ in 0..left {
            moved.extend_from_slice(&row[..channels]);
        }
        moved.extend_from_slice(row);
    }
    let pixels = Pixels {
        values: &moved,
        width: wide,
        height: high,
        channels,
    };
    let mut coded = vec![0; moved.len()];
    compress(&Scene { pixels, ..*scene }, quality, &mut coded);
    let rows = coded.chunks_exact(wide * channels).skip(top);
    for (out, row) in out.chunks_exact_mut(width * channels).zip(rows) {
        out.copy_from_slice(&row[left * channels..]);
    }
}
