//! `reencode`: the image written again, every other one as WebP and every other one as a JPEG, whose
//! blocks lie elsewhere than those of the encoder before.

use super::jpeg_compression::compress;
use super::parameters::Table;
use super::picture::{Pixels, Scene};
use super::random::Random;

/// The quality as libjpeg and libwebp count it.
const QUALITY: Table<u8> = Table::same([90, 75, 60, 45, 30]);
/// Side of a block.
const BLOCK: usize = 8;

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let quality = scene.pick(&QUALITY);
    // What libwebp cannot write, by its size, is a JPEG, too.
    if random.below(2) == 0 && webp(scene, quality, out).is_some() {
        return;
    }
    jpeg(scene, quality, random, out);
}

/// Written and read by libwebp; a grey image as one of equal channels.
fn webp(scene: &Scene<'_>, quality: u8, out: &mut [u8]) -> Option<()> {
    let pixels = scene.pixels.values;
    let coloured: Vec<u8>;
    let pixels = if scene.channels() == 1 {
        coloured = pixels.iter().flat_map(|v| [*v; 3]).collect();
        &coloured
    } else {
        pixels
    };
    let (width, height) = (scene.width() as u32, scene.height() as u32);
    let encoder = webp::Encoder::from_rgb(pixels, width, height);
    let written = encoder.encode_simple(false, f32::from(quality)).ok()?;
    let read = webp::Decoder::new(&written).decode()?;
    let read = read.as_chunks::<3>().0;
    for (out, pixel) in out.chunks_exact_mut(scene.channels()).zip(read) {
        out.copy_from_slice(&pixel[..scene.channels()]);
    }
    Some(())
}

fn jpeg(scene: &Scene<'_>, quality: u8, random: &mut Random, out: &mut [u8]) {
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
