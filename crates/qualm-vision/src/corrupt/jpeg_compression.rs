//! `jpeg_compression`: what is lost when a JPEG is written and read again.
//!
//! The steps of ITU-T T.81 that lose something, in float32: colours to brightness and two
//! differences, these halved both ways; the cosine transform of blocks of 8x8, divided by the
//! quality's table, rounded, and back. What is coded without loss is left out. With libjpeg's
//! tables, means and smooth doubling of the differences the result is that of libjpeg but for
//! rounding.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use std::sync::OnceLock;

use super::parameters::Table;
use super::picture::{Scene, apart, cut, together};
use super::random::Random;
use crate::simd::vectorised;

/// The quality as libjpeg counts it.
const QUALITY: Table<u8> = Table {
    cifar: [80, 65, 58, 50, 40],
    tiny: [65, 58, 50, 40, 25],
    imagenet: [25, 18, 15, 10, 7],
};

/// Side of a block.
const N: usize = 8;

type Row = [f32; N];
type Block = [Row; N];

/// Steps of brightness and of the differences at quality 50 (T.81, annex K.1).
const BRIGHTNESS: [[u16; N]; N] = [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
];
const DIFFERENCE: [[u16; N]; N] = [
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
    let mut planes: Vec<Blocks> = if scene.channels() == 1 {
        let mut grey = Blocks::new(width, height);
        for (to, &v) in grey.inside(width, height).zip(scene.pixels.values) {
            *to = f32::from(v);
        }
        vec![grey]
    } else {
        vectorised(
            #[inline(always)]
            || split(scene),
        )
    };
    let tables = [&BRIGHTNESS, &DIFFERENCE, &DIFFERENCE];
    for ((plane, table), [width, height]) in planes.iter_mut().zip(tables).zip([
        [width, height],
        [width.div_ceil(2), height.div_ceil(2)],
        [width.div_ceil(2), height.div_ceil(2)],
    ]) {
        plane.extend(width, height);
        let table = steps(table, quality);
        vectorised(
            #[inline(always)]
            || plane.round_trip(&table),
        );
    }
    match planes.as_mut_slice() {
        [grey] => {
            for (out, v) in out.iter_mut().zip(grey.inside(width, height)) {
                *out = cut(v.round());
            }
        }
        [brightness, blue, red] => vectorised(
            #[inline(always)]
            || join(brightness, blue, red, width, height, out),
        ),
        _ => {}
    }
}

/// libjpeg's scaling of the tables.
fn steps(table: &[[u16; N]; N], quality: u8) -> Block {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 {
        5000 / quality
    } else {
        200 - 2 * quality
    };
    table.map(|row| row.map(|step| ((u32::from(step) * percent + 50) / 100).clamp(1, 255) as f32))
}

/// A plane of whole blocks.
#[derive(Debug)]
struct Blocks {
    width: usize,
    values: Vec<f32>,
}

impl Blocks {
    fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.next_multiple_of(N), height.next_multiple_of(N));
        Self {
            width,
            values: vec![0.0; width * height],
        }
    }

    /// The pixels of the image.
    fn inside(&mut self, width: usize, height: usize) -> impl Iterator<Item = &mut f32> {
        let rows = self.values.chunks_exact_mut(self.width).take(height);
        rows.flat_map(move |row| row.iter_mut().take(width))
    }

    /// Repeats the last column and the last row of the image to the end of the blocks.
    fn extend(&mut self, width: usize, height: usize) {
        for row in self.values.chunks_exact_mut(self.width).take(height) {
            let last = row[width - 1];
            row[width..].fill(last);
        }
        let (inside, below) = self.values.split_at_mut(height * self.width);
        let last = &inside[(height - 1) * self.width..];
        for row in below.chunks_exact_mut(self.width) {
            row.copy_from_slice(last);
        }
    }

    /// Every block transformed, rounded to steps, and back.
    #[inline(always)]
    fn round_trip(&mut self, steps: &Block) {
        let cosines = cosines();
        let turned: Block = std::array::from_fn(|i| std::array::from_fn(|j| cosines[j][i]));
        let width = self.width;
        for rows in self.values.chunks_exact_mut(N * width) {
            for x in (0..width).step_by(N) {
                let mut block: Block = [[0.0; N]; N];
                for (row, values) in block.iter_mut().zip(rows.chunks_exact(width)) {
                    row.copy_from_slice(&values[x..x + N]);
                    for v in row.iter_mut() {
                        *v -= 128.0;
                    }
                }
                let mut block = product(&columns(cosines, &block), &turned);
                for (row, steps) in block.iter_mut().zip(steps) {
                    for (v, step) in row.iter_mut().zip(steps) {
                        *v = rounded(*v / step) * step;
                    }
                }
                let block = columns_back(cosines, &product(&block, cosines));
                for (row, values) in block.iter().zip(rows.chunks_exact_mut(width)) {
                    for (to, v) in values[x..x + N].iter_mut().zip(row) {
                        *to = rounded(v + 128.0).clamp(0.0, 255.0);
                    }
                }
            }
        }
    }
}

// Loops and no `array::from_fn` or `map` below: what those call is not inlined, and is then compiled
// for the oldest processor.

/// A matrix product of 8x8: rows of `b`, weighted by the entries of `a`.
#[inline(always)]
fn product(a: &Block, b: &Block) -> Block {
    let mut out = [[0.0; N]; N];
    for (out, a) in out.iter_mut().zip(a) {
        for (a, b) in a.iter().zip(b) {
            for (out, b) in out.iter_mut().zip(b) {
                *out += a * b;
            }
        }
    }
    out
}

/// The cosine transform of each column: the sums and differences of rows that lie opposite halve
/// the products.
#[inline(always)]
fn columns(cosines: &Block, rows: &Block) -> Block {
    let mut sums = [[0.0; N]; N / 2];
    let mut differences = [[0.0; N]; N / 2];
    for i in 0..N / 2 {
        for j in 0..N {
            sums[i][j] = rows[i][j] + rows[N - 1 - i][j];
            differences[i][j] = rows[i][j] - rows[N - 1 - i][j];
        }
    }
    let mut out = [[0.0; N]; N];
    for (u, (out, weights)) in out.iter_mut().zip(cosines).enumerate() {
        let halves = if u % 2 == 0 { &sums } else { &differences };
        for (weight, half) in weights.iter().zip(halves) {
            for (out, half) in out.iter_mut().zip(half) {
                *out += weight * half;
            }
        }
    }
    out
}

/// The same turned round.
#[inline(always)]
fn columns_back(cosines: &Block, rows: &Block) -> Block {
    let mut out = [[0.0; N]; N];
    for x in 0..N / 2 {
        let (mut even, mut odd) = ([0.0; N], [0.0; N]);
        for u in 0..N / 2 {
            for j in 0..N {
                even[j] += cosines[2 * u][x] * rows[2 * u][j];
                odd[j] += cosines[2 * u + 1][x] * rows[2 * u + 1][j];
            }
        }
        for j in 0..N {
            out[x][j] = even[j] + odd[j];
            out[N - 1 - x][j] = even[j] - odd[j];
        }
    }
    out
}

/// To the nearest whole number, of values below 2^22 in size.
#[inline(always)]
fn rounded(v: f32) -> f32 {
    // Adding this leaves no place for a fraction.
    const ROUND: f32 = 12_582_912.0;
    (v + ROUND) - ROUND
}

/// The whole part of a number of 0 or above.
#[inline(always)]
fn whole(v: f32) -> f32 {
    v as i32 as f32
}

/// The cosine transform: row u, column x.
fn cosines() -> &'static Block {
    static MADE: OnceLock<Block> = OnceLock::new();
    MADE.get_or_init(|| {
        std::array::from_fn(|u| {
            std::array::from_fn(|x| {
                let angle = std::f64::consts::PI * u as f64 * (2 * x + 1) as f64 / 16.0;
                let scale = if u == 0 { 0.125f64.sqrt() } else { 0.5 };
                (scale * angle.cos()) as f32
            })
        })
    })
}

/// Brightness, and the differences of blue and red from it halved both ways (T.871).
#[inline(always)]
fn split(scene: &Scene<'_>) -> Vec<Blocks> {
    let (width, height) = (scene.width(), scene.height());
    let mut brightness = Blocks::new(width, height);
    let mut blue = vec![0.0f32; scene.n()];
    let mut red = vec![0.0f32; scene.n()];
    let pixels = scene.pixels.values.chunks_exact(3 * width);
    let differences = blue
        .chunks_exact_mut(width)
        .zip(red.chunks_exact_mut(width));
    let stride = brightness.width;
    let places = brightness.values.chunks_exact_mut(stride).zip(differences);
    let mut colours = [vec![0.0; width], vec![0.0; width], vec![0.0; width]];
    for ((to, (blue, red)), pixels) in places.zip(pixels) {
        apart(pixels, colours.each_mut().map(Vec::as_mut_slice));
        let [r, g, b] = &colours;
        let colours = r.iter().zip(g).zip(b);
        let differences = blue.iter_mut().zip(red);
        for ((to, (blue, red)), ((r, g), b)) in to.iter_mut().zip(differences).zip(colours) {
            let y = 0.299 * r + 0.587 * g + 0.114 * b;
            *to = rounded(y);
            *blue = rounded((b - y) * (0.5 / 0.886) + 128.0);
            *red = rounded((r - y) * (0.5 / 0.701) + 128.0);
        }
    }
    let size = [width, height];
    vec![brightness, halved(&blue, size), halved(&red, size)]
}

/// A plane of half the size both ways: the means of two by two pixels.
#[inline(always)]
fn halved(from: &[f32], [width, height]: [usize; 2]) -> Blocks {
    let mut halved = Blocks::new(width.div_ceil(2), height.div_ceil(2));
    let stride = halved.width;
    let row = |y: usize| &from[y * width..(y + 1) * width];
    for y in 0..height.div_ceil(2) {
        let to = &mut halved.values[y * stride..(y + 1) * stride];
        let (upper, lower) = (row(2 * y), row((2 * y + 1).min(height - 1)));
        let pairs = upper.as_chunks::<2>().0.iter();
        let pairs = pairs.zip(lower.as_chunks::<2>().0);
        for (x, (to, ([a, b], [c, d]))) in to.iter_mut().zip(pairs).enumerate() {
            // libjpeg rounds halves down and up in turns.
            *to = whole((a + b + c + d + 1.0 + (x % 2) as f32) * 0.25);
        }
        if width % 2 == 1 {
            let (x, sum) = (width / 2, 2.0 * (upper[width - 1] + lower[width - 1]));
            to[x] = whole((sum + 1.0 + (x % 2) as f32) * 0.25);
        }
    }
    halved
}

/// Back to red, green and blue; the differences doubled by the smooth filter of libjpeg.
#[inline(always)]
fn join(
    brightness: &Blocks,
    blue: &Blocks,
    red: &Blocks,
    width: usize,
    height: usize,
    out: &mut [u8],
) {
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut lines = [vec![0.0; half_width], vec![0.0; half_width]];
    let mut doubled = [vec![0.0; 2 * half_width], vec![0.0; 2 * half_width]];
    let mut colours = [vec![0.0; width], vec![0.0; width], vec![0.0; width]];
    for (y, out) in out.chunks_exact_mut(3 * width).enumerate() {
        let near = y / 2;
        let far = if y % 2 == 0 {
            near.saturating_sub(1)
        } else {
            (near + 1).min(half_height - 1)
        };
        for ((plane, line), doubled) in [blue, red].into_iter().zip(&mut lines).zip(&mut doubled) {
            let row = |y: usize| &plane.values[y * plane.width..y * plane.width + half_width];
            for ((to, a), b) in line.iter_mut().zip(row(near)).zip(row(far)) {
                *to = 3.0 * a + b;
            }
            double(line, doubled);
        }
        let brightness = &brightness.values[y * brightness.width..];
        let [blue, red] = &doubled;
        let [r, g, b] = &mut colours;
        let to = r.iter_mut().zip(g).zip(b);
        for (((r, g), b), ((&y, &blue), &red)) in to.zip(brightness.iter().zip(blue).zip(red)) {
            let (blue, red) = (blue - 128.0, red - 128.0);
            // Half a step: what follows cuts off.
            let y = y + 0.5;
            *r = y + 1.402 * red;
            *g = y - 0.344_136 * blue - 0.714_136 * red;
            *b = y + 1.772 * blue;
        }
        together(colours.each_ref().map(Vec::as_slice), out);
    }
}

/// Each value of a line (four times too large) as two: three parts of it and one of its neighbour.
#[inline(always)]
fn double(line: &[f32], doubled: &mut [f32]) {
    let n = line.len();
    let pair = |own: f32, left: f32, right: f32| {
        [
            whole((3.0 * own + left + 8.0) * 0.0625),
            whole((3.0 * own + right + 7.0) * 0.0625),
        ]
    };
    let doubled = doubled.as_chunks_mut::<2>().0;
    let (first, last) = (line[0], line[n - 1]);
    doubled[0] = pair(first, first, *line.get(1).unwrap_or(&first));
    doubled[n - 1] = pair(last, if n > 1 { line[n - 2] } else { last }, last);
    for (to, around) in doubled[1..].iter_mut().zip(line.array_windows::<3>()) {
        let [left, own, right] = *around;
        *to = pair(own, left, right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_orthogonal() {
        let cosines = *cosines();
        let turned: Block = std::array::from_fn(|i| std::array::from_fn(|j| cosines[j][i]));
        let unit = product(&cosines, &turned);
        for (i, row) in unit.iter().enumerate() {
            for (j, v) in row.iter().enumerate() {
                assert!((v - f32::from(u8::from(i == j))).abs() < 1e-6);
            }
        }
    }
}
