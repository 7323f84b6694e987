//! `jpeg_compression`: what is lost when a JPEG is written and read again.
//!
//! The steps of ITU-T T.81 that lose something, in libjpeg's whole numbers: colours to brightness
//! and two differences, these halved both ways by means; the cosine transform of blocks of 8x8,
//! divided by the quality's table, rounded, and back; smooth doubling of the differences, and
//! colours again. What is coded without loss is left out. The result is that of Pillow, to the bit.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::cosine::{BLOCKS, SIDE, Steps, Tile, round_trip};
use super::parameters::Table;
use super::picture::{AT_ONCE, Scene, filled, put_together, taken_apart};
use super::random::Random;
use crate::simd::vectorised;

/// The quality as libjpeg counts it.
const QUALITY: Table<u8> = Table {
    cifar: [80, 65, 58, 50, 40],
    tiny: [65, 58, 50, 40, 25],
    imagenet: [25, 18, 15, 10, 7],
};

/// Steps of brightness and of the differences at quality 50 (T.81, annex K.1).
const BRIGHTNESS: [[u16; SIDE]; SIDE] = [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
];
const DIFFERENCE: [[u16; SIDE]; SIDE] = [
    [17, 18, 24, 47, 99, 99, 99, 99],
    [18, 21, 26, 66, 99, 99, 99, 99],
    [24, 26, 56, 99, 99, 99, 99, 99],
    [47, 66, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99],
];

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    compress(scene, scene.pick(&QUALITY), out);
}

/// The same at some quality, from 1 to 100.
pub(super) fn compress(scene: &Scene<'_>, quality: u8, out: &mut [u8]) {
    let (width, height) = (scene.width(), scene.height());
    let mut brightness = Plane::new(width, height, 1);
    let steps = steps(&BRIGHTNESS, quality);
    if scene.channels() == 1 {
        let rows = scene.pixels.values.chunks_exact(width);
        for (to, from) in brightness.rows_mut().zip(rows) {
            to[..width].copy_from_slice(from);
        }
        vectorised(
            #[inline(always)]
            || {
                brightness.extend_rows();
                brightness.round_trip(&steps);
            },
        );
        let rows = out.chunks_exact_mut(width);
        for (to, from) in rows.zip(brightness.values.chunks_exact(brightness.stride)) {
            to.copy_from_slice(&from[..width]);
        }
        return;
    }
    // Blue above red: both have the same steps.
    let mut colours = Plane::new(width.div_ceil(2), height.div_ceil(2), 2);
    let colour_steps = self::steps(&DIFFERENCE, quality);
    vectorised(
        #[inline(always)]
        || {
            split(scene, &mut brightness, &mut colours);
            // Those of the differences are filled before they are halved.
            brightness.extend_rows();
            brightness.round_trip(&steps);
            colours.round_trip(&colour_steps);
            join(&brightness, &colours, width, out);
        },
    );
}

/// libjpeg's scaling of the tables.
fn steps(table: &[[u16; SIDE]; SIDE], quality: u8) -> Steps {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 {
        5000 / quality
    } else {
        200 - 2 * quality
    };
    let scaled = |step: u16| ((u32::from(step) * percent + 50) / 100).clamp(1, 255) as u8;
    Steps::new(&table.map(|row| row.map(scaled)))
}

/// Images of one size below each other, each of whole blocks.
#[derive(Debug)]
struct Plane {
    /// Columns and rows of an image, without what fills its blocks.
    width: usize,
    height: usize,
    stride: usize,
    values: Vec<u8>,
}

impl Plane {
    fn new(width: usize, height: usize, images: usize) -> Self {
        let stride = width.next_multiple_of(SIDE);
        Self {
            width,
            height,
            stride,
            values: vec![0; images * stride * height.next_multiple_of(SIDE)],
        }
    }

    fn rows_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.values.chunks_exact_mut(self.stride)
    }

    /// Values of an image with what fills its blocks.
    fn image(&self) -> usize {
        self.stride * self.height.next_multiple_of(SIDE)
    }

    /// Repeats the last column to the end of the blocks.
    #[inline(always)]
    fn extend_rows(&mut self) {
        let width = self.width;
        if width < self.stride {
            for row in self.values.chunks_exact_mut(self.stride) {
                let last = row[width - 1];
                row[width..].fill(last);
            }
        }
    }

    /// Repeats the last row of each image to the end of the blocks.
    #[inline(always)]
    fn extend_columns(&mut self) {
        let (height, stride, image) = (self.height, self.stride, self.image());
        for values in self.values.chunks_exact_mut(image) {
            let (inside, below) = values.split_at_mut(height * stride);
            let last = &inside[(height - 1) * stride..];
            for row in below.chunks_exact_mut(stride) {
                row.copy_from_slice(last);
            }
        }
    }

    /// Every block transformed, rounded to steps, and back.
    #[inline(always)]
    fn round_trip(&mut self, steps: &Steps) {
        self.extend_columns();
        let stride = self.stride;
        let across = stride / SIDE;
        let n = self.values.len() / (SIDE * SIDE);
        let mut tile: Tile = [[0; SIDE * BLOCKS]; SIDE];
        let mut places = [0; BLOCKS];
        for first in (0..n).step_by(BLOCKS) {
            let places = &mut places[..BLOCKS.min(n - first)];
            for (i, place) in places.iter_mut().enumerate() {
                let block = first + i;
                *place = block / across * SIDE * stride + block % across * SIDE;
            }
            // Blocks that lie beside each other are copied at once.
            let beside = first % across + BLOCKS <= across;
            for (y, line) in tile.iter_mut().enumerate() {
                if beside {
                    let from = places[0] + y * stride;
                    line.copy_from_slice(&self.values[from..from + SIDE * BLOCKS]);
                    continue;
                }
                for (to, place) in line.as_chunks_mut::<SIDE>().0.iter_mut().zip(&*places) {
                    let from = place + y * stride;
                    to.copy_from_slice(&self.values[from..from + SIDE]);
                }
            }
            round_trip(&mut tile, steps);
            for (y, line) in tile.iter().enumerate() {
                if beside {
                    let to = places[0] + y * stride;
                    self.values[to..to + SIDE * BLOCKS].copy_from_slice(line);
                    continue;
                }
                for (from, place) in line.as_chunks::<SIDE>().0.iter().zip(&*places) {
                    let to = place + y * stride;
                    self.values[to..to + SIDE].copy_from_slice(from);
                }
            }
        }
    }
}

/// Brightness, and the differences of blue and red from it (T.871) halved both ways.
#[inline(always)]
fn split(scene: &Scene<'_>, brightness: &mut Plane, colours: &mut Plane) {
    let width = scene.width();
    let (stride, half) = (brightness.stride, colours.stride);
    let image = colours.image();
    let (blue, red) = colours.values.split_at_mut(image);
    let halves = blue.chunks_exact_mut(half).zip(red.chunks_exact_mut(half));
    // Two rows of both differences, with what fills the blocks.
    let mut lines = vec![0; 8 * half];
    let pairs = scene.pixels.values.chunks(2 * 3 * width);
    let pairs = pairs.zip(brightness.values.chunks_mut(2 * stride));
    for ((pixels, to), (blue, red)) in pairs.zip(halves) {
        let (blues, reds) = lines.split_at_mut(4 * half);
        let (upper_blue, lower_blue) = blues.split_at_mut(2 * half);
        let (upper_red, lower_red) = reds.split_at_mut(2 * half);
        let (upper, lower) = to.split_at_mut(stride);
        let (upper_pixels, lower_pixels) = pixels.split_at(3 * width);
        colours_of(upper_pixels, &mut upper[..width], upper_blue, upper_red);
        if lower_pixels.is_empty() {
            // The last of an odd number of rows counts twice.
            lower_blue.copy_from_slice(upper_blue);
            lower_red.copy_from_slice(upper_red);
        } else {
            colours_of(lower_pixels, &mut lower[..width], lower_blue, lower_red);
        }
        halved([upper_blue, lower_blue], blue);
        halved([upper_red, lower_red], red);
    }
}

/// Brightness and both differences of a row; the last differences are repeated to the end.
#[inline(always)]
fn colours_of(pixels: &[u8], brightness: &mut [u8], blue: &mut [u8], red: &mut [u8]) {
    let width = brightness.len();
    let (chunks, rest) = pixels.as_chunks();
    let places = brightness.as_chunks_mut().0.iter_mut();
    let places = places.zip(blue.as_chunks_mut().0.iter_mut().zip(red.as_chunks_mut().0));
    for (pixels, (brightness, (blue, red))) in chunks.iter().zip(places) {
        [*brightness, *blue, *red] = differences(pixels);
    }
    if !rest.is_empty() {
        let (from, n) = (chunks.len() * AT_ONCE, rest.len() / 3);
        let found = differences(&filled(rest));
        for (to, found) in [brightness, &mut *blue, &mut *red].into_iter().zip(found) {
            to[from..from + n].copy_from_slice(&found[..n]);
        }
    }
    for line in [blue, red] {
        let last = line[width - 1];
        line[width..].fill(last);
    }
}

#[inline(always)]
fn differences(pixels: &[u8; 3 * AT_ONCE]) -> [[u8; AT_ONCE]; 3] {
    const HALF: i32 = 1 << 15;
    const MIDDLE: i32 = (128 << 16) + HALF - 1;
    let [r, g, b] = taken_apart(pixels);
    let [mut y, mut cb, mut cr] = [[0; AT_ONCE]; 3];
    for i in 0..AT_ONCE {
        let (r, g, b) = (i32::from(r[i]), i32::from(g[i]), i32::from(b[i]));
        y[i] = ((19595 * r + 38470 * g + 7471 * b + HALF) >> 16) as u8;
        cb[i] = (((b << 15) - 11059 * r - 21709 * g + MIDDLE) >> 16) as u8;
        cr[i] = (((r << 15) - 27439 * g - 5329 * b + MIDDLE) >> 16) as u8;
    }
    [y, cb, cr]
}

/// A line of half as many values: the means of two by two, halves rounded down and up in turns.
#[inline(always)]
fn halved([upper, lower]: [&[u8]; 2], to: &mut [u8]) {
    let fours = upper
        .as_chunks::<4>()
        .0
        .iter()
        .zip(lower.as_chunks::<4>().0);
    for (to, (a, b)) in to.as_chunks_mut::<2>().0.iter_mut().zip(fours) {
        let sum = |i: usize| u16::from(a[i]) + u16::from(b[i]);
        to[0] = ((sum(0) + sum(1) + 1) >> 2) as u8;
        to[1] = ((sum(2) + sum(3) + 2) >> 2) as u8;
    }
}

/// Back to red, green and blue; the differences doubled by the smooth filter of libjpeg.
#[inline(always)]
fn join(brightness: &Plane, colours: &Plane, width: usize, out: &mut [u8]) {
    let (half_width, half_height) = (colours.width, colours.height);
    let (blue, red) = colours.values.split_at(colours.image());
    let mut line = vec![0; half_width + 2];
    let mut doubled = [vec![0; 2 * half_width], vec![0; 2 * half_width]];
    let rows = brightness.values.chunks_exact(brightness.stride);
    for (y, (out, row)) in out.chunks_exact_mut(3 * width).zip(rows).enumerate() {
        let near = y / 2;
        let far = if y % 2 == 0 {
            near.saturating_sub(1)
        } else {
            (near + 1).min(half_height - 1)
        };
        for (plane, doubled) in [blue, red].into_iter().zip(&mut doubled) {
            let row = |y: usize| &plane[y * colours.stride..][..half_width];
            for ((to, &a), &b) in line[1..].iter_mut().zip(row(near)).zip(row(far)) {
                *to = 3 * u16::from(a) + u16::from(b);
            }
            line[0] = line[1];
            line[half_width + 1] = line[half_width];
            double(&line, doubled);
        }
        let [blue, red] = &doubled;
        pixels_of(&row[..width], blue, red, out);
    }
}

/// Each value of a line (four times too large, with a margin of one) as two: three parts of it and
/// one of its neighbour.
#[inline(always)]
fn double(line: &[u16], doubled: &mut [u8]) {
    let around = line.iter().zip(&line[1..]).zip(&line[2..]);
    for (to, ((left, own), right)) in doubled.as_chunks_mut::<2>().0.iter_mut().zip(around) {
        to[0] = ((3 * own + left + 8) >> 4) as u8;
        to[1] = ((3 * own + right + 7) >> 4) as u8;
    }
}

/// Red, green and blue of a row.
#[inline(always)]
fn pixels_of(brightness: &[u8], blue: &[u8], red: &[u8], out: &mut [u8]) {
    let (chunks, rest) = out.as_chunks_mut();
    let n = chunks.len() * AT_ONCE;
    let values = brightness.as_chunks().0.iter();
    let values = values.zip(blue.as_chunks().0.iter().zip(red.as_chunks().0));
    for (out, (y, (cb, cr))) in chunks.iter_mut().zip(values) {
        mixed(y, cb, cr, out);
    }
    if !rest.is_empty() {
        let mut pixels = [0; 3 * AT_ONCE];
        let [y, cb, cr] = [brightness, blue, red].map(|line| filled(&line[n..brightness.len()]));
        mixed(&y, &cb, &cr, &mut pixels);
        rest.copy_from_slice(&pixels[..rest.len()]);
    }
}

#[inline(always)]
fn mixed(
    y: &[u8; AT_ONCE],
    cb: &[u8; AT_ONCE],
    cr: &[u8; AT_ONCE],
    pixels: &mut [u8; 3 * AT_ONCE],
) {
    let [mut r, mut g, mut b] = [[0; AT_ONCE]; 3];
    for i in 0..AT_ONCE {
        let y = i16::from(y[i]);
        let (cb, cr) = (i16::from(cb[i]) - 128, i16::from(cr[i]) - 128);
        let (wide_blue, wide_red) = (i32::from(cb), i32::from(cr));
        let green = (18734 * wide_red - 22554 * wide_blue + (1 << 15)) >> 16;
        // 1.402, 1.772 and -0.71414 less their whole parts.
        r[i] = (y + cr + part(cr, 26345)).clamp(0, 255) as u8;
        g[i] = (y - cr + green as i16).clamp(0, 255) as u8;
        b[i] = (y + 2 * cb + part(cb, -14942)).clamp(0, 255) as u8;
    }
    put_together(&[r, g, b], pixels);
}

/// `v factor / 2^16` to the nearest whole number, by instructions for 16 bits.
#[inline(always)]
fn part(v: i16, factor: i16) -> i16 {
    (((i32::from(2 * v) * i32::from(factor)) >> 16) as i16 + 1) >> 1
}
