//! `defocus_blur`: a disk with a soft rim.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use std::sync::OnceLock;

use super::parameters::{ParameterSet, Severity, Table};
use super::picture::{Pixels, Scene, cut};
use super::random::Random;
use crate::filter::{Border, Kernel, Room};
use crate::simd::{Sums, fill, vectorised};

/// The radius of the disk and the deviation of the rim's blur, in pixels.
const DISK: Table<(f64, f64)> = Table {
    cifar: [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)],
    tiny: [(0.5, 0.6), (1.0, 0.1), (1.5, 0.1), (2.5, 0.01), (3.0, 0.1)],
    imagenet: [(3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)],
};

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    let disk = disk(scene.set, scene.severity);
    vectorised(
        #[inline(always)]
        || disk.blur(scene.pixels, out),
    );
}

/// A disk of equal weights, blurred at its rim.
///
/// The disk is made of columns: each is a sum over as many rows above and below as the column is
/// high, which goes from row to row by one addition and one subtraction. The sums are whole numbers
/// and exact. The blur of the rim comes after the disk, on fewer weights.
#[derive(Debug)]
struct Disk {
    /// Different heights of columns: rows above and below the middle.
    heights: Vec<usize>,
    /// Columns from the leftmost to the rightmost: which height each has.
    columns: Vec<usize>,
    /// 1 / the number of pixels.
    share: f32,
    rim: Kernel,
    /// The published kernel ends at a square and is mirrored there: what that adds or takes away,
    /// right and down from the middle.
    corrections: Vec<([isize; 2], f32)>,
}

impl Disk {
    fn new(radius: f64, rim: f64) -> Self {
        let far = radius as usize;
        let height = |x: usize| (radius * radius - (x * x) as f64).sqrt() as usize;
        let mut heights: Vec<usize> = (0..=far).map(height).collect();
        heights.dedup();
        let which = |x: usize| heights.iter().position(|&h| h == height(x)).unwrap_or(0);
        let columns: Vec<usize> = (0..=far).rev().chain(1..=far).map(which).collect();
        let n: usize = columns.iter().map(|&which| 2 * heights[which] + 1).sum();
        let rim = Kernel::gaussian(rim, if radius <= 8.0 { 1 } else { 2 });
        // The square, and one so large that nothing is mirrored into the rim.
        let square = if radius <= 8.0 { 8 } else { far };
        let room = square + 2 * rim.radius();
        let published = kernel(radius, square, n, &rim);
        let whole = kernel(radius, room, n, &rim);
        let reach = room.cast_signed();
        let places = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| [x, y]));
        let corrections = places.zip(whole).filter_map(|([x, y], whole)| {
            let side = square.cast_signed();
            let inside = x.abs() <= side && y.abs() <= side;
            let place = (y + side) * (2 * side + 1) + x + side;
            let kept = if inside {
                published[place.cast_unsigned()]
            } else {
                0.0
            };
            let difference: f32 = kept - whole;
            (difference.abs() > 0.0).then_some(([x, y], difference))
        });
        let corrections = corrections.collect();
        Self {
            heights,
            columns,
            share: 1.0 / n as f32,
            rim,
            corrections,
        }
    }

    #[inline(always)]
    fn blur(&self, pixels: Pixels<'_>, out: &mut [u8]) {
        let (width, height, channels) = (pixels.width, pixels.height, pixels.channels);
        let soft = self.rim.radius();
        let margin = self.columns.len() / 2 + 2 * soft;
        let stride = (width + 2 * margin) * channels;
        let mut padded = vec![0; stride * height];
        let rows = padded.chunks_exact_mut(stride);
        for (to, from) in rows.zip(pixels.values.chunks_exact(width * channels)) {
            mirrored(to, from, margin, channels);
        }
        let row = |y: isize| {
            let y = Border::Mirror.place(y, height);
            &padded[y * stride..(y + 1) * stride]
        };
        let mut sums = vec![0u16; stride * self.heights.len()];
        for (sums, &far) in sums.chunks_exact_mut(stride).zip(&self.heights) {
            for y in -far.cast_signed()..=far.cast_signed() {
                add(sums, row(y), &[]);
            }
        }
        // As many rows of the disk's sums as the rim's blur needs.
        let kept = 2 * soft + 1;
        let length = width * channels;
        let mut disks = vec![0.0; kept * length];
        let mut down = vec![0.0; length];
        let mut line = vec![0.0; length + 2 * soft * channels];
        for y in 0..height + soft {
            if y < height {
                let columns = Columns {
                    sums: &sums,
                    stride,
                    which: &self.columns,
                    from: 2 * soft * channels,
                    channels,
                };
                fill(&mut disks[y % kept * length..][..length], &columns);
                let y = y.cast_signed();
                for (sums, far) in sums.chunks_exact_mut(stride).zip(&self.heights) {
                    let far = far.cast_signed();
                    add(sums, row(y + far + 1), row(y - far));
                }
            }
            let Some(y) = y.checked_sub(soft) else {
                continue;
            };
            let disk_row = |y: isize| {
                let y = Border::Mirror.place(y, height);
                &disks[y % kept * length..][..length]
            };
            weigh(&mut down, self.rim.half(), self.share, |offset| {
                let (y, offset) = (y.cast_signed(), offset.cast_signed());
                [disk_row(y - offset), disk_row(y + offset)]
            });
            mirrored(&mut line, &down, soft, channels);
            weigh(&mut down, self.rim.half(), 1.0, |offset| {
                let (before, after) = (soft - offset, soft + offset);
                [before, after].map(|x| &line[x * channels..][..length])
            });
            for &([x, down_by], weight) in &self.corrections {
                let from = margin.saturating_add_signed(x) * channels;
                let row = &row(y.cast_signed() + down_by)[from..from + length];
                for (v, &pixel) in down.iter_mut().zip(row) {
                    *v += weight * f32::from(pixel);
                }
            }
            for (out, &v) in out[y * length..][..length].iter_mut().zip(&down) {
                *out = cut(v);
            }
        }
    }
}

/// The kernel of a square of `2 reach + 1` by its definition: n weights, blurred within the square.
fn kernel(radius: f64, reach: usize, n: usize, rim: &Kernel) -> Vec<f32> {
    let far = reach.cast_signed();
    let places = (-far..=far).flat_map(|y| (-far..=far).map(move |x| (x, y)));
    let inside = places.map(|(x, y)| (x * x + y * y) as f64 <= radius * radius);
    let share = 1.0 / n as f32;
    let mut kernel: Vec<f32> = inside
        .map(|inside| if inside { share } else { 0.0 })
        .collect();
    rim.blur(
        &mut kernel,
        2 * reach + 1,
        Border::Mirror,
        &mut Room::default(),
    );
    kernel
}

/// Made once for each set and severity.
fn disk(set: ParameterSet, severity: Severity) -> &'static Disk {
    static MADE: [[OnceLock<Disk>; 5]; 3] = [const { [const { OnceLock::new() }; 5] }; 3];
    let place = &MADE[set as usize][usize::from(severity.get() - 1)];
    place.get_or_init(|| {
        let (radius, rim) = DISK.get(set, severity);
        Disk::new(radius, rim)
    })
}

/// A line of pixels with some more at both ends, mirrored.
#[inline(always)]
fn mirrored<T: Copy>(to: &mut [T], from: &[T], margin: usize, channels: usize) {
    let (length, inner) = (from.len(), margin * channels);
    to[inner..inner + length].copy_from_slice(from);
    let width = length / channels;
    for i in 0..margin {
        let i_signed = i.cast_signed();
        let before = Border::Mirror.place(i_signed - margin.cast_signed(), width) * channels;
        let after = Border::Mirror.place(width.cast_signed() + i_signed, width) * channels;
        for c in 0..channels {
            to[i * channels + c] = from[before + c];
            to[inner + length + i * channels + c] = from[after + c];
        }
    }
}

/// Adds a row to sums and takes another away, if there is one.
#[inline(always)]
fn add(sums: &mut [u16], row: &[u8], gone: &[u8]) {
    if gone.is_empty() {
        for (sum, &v) in sums.iter_mut().zip(row) {
            *sum += u16::from(v);
        }
        return;
    }
    for ((sum, &v), &gone) in sums.iter_mut().zip(row).zip(gone) {
        *sum = sum.wrapping_add(u16::from(v)).wrapping_sub(u16::from(gone));
    }
}

/// The sum of two rows for each weight, from the middle on, where both are the same.
#[inline(always)]
fn weigh<'a>(to: &mut [f32], half: &[f32], factor: f32, rows: impl Fn(usize) -> [&'a [f32]; 2]) {
    for (offset, weight) in half.iter().enumerate() {
        let [before, after] = rows(offset);
        let weight = weight * factor;
        let pairs = to.iter_mut().zip(before).zip(after);
        if offset == 0 {
            pairs.for_each(|((to, v), _)| *to = weight * v);
        } else {
            pairs.for_each(|((to, a), b)| *to += weight * (a + b));
        }
    }
}

/// A row of the disk's sums: its columns added up.
struct Columns<'a> {
    /// A line for each height.
    sums: &'a [u16],
    stride: usize,
    which: &'a [usize],
    /// Where the leftmost column of the first pixel stands.
    from: usize,
    channels: usize,
}

impl Sums for Columns<'_> {
    #[inline(always)]
    fn sum<const N: usize>(&self, at: usize) -> [f32; N] {
        let mut sum = [0i32; N];
        for (i, which) in self.which.iter().enumerate() {
            let from = which * self.stride + self.from + i * self.channels + at;
            for (sum, &v) in sum.iter_mut().zip(&self.sums[from..from + N]) {
                *sum += i32::from(v);
            }
        }
        let mut found = [0.0; N];
        for (to, sum) in found.iter_mut().zip(sum) {
            *to = sum as f32;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_its_kernel() {
        let (width, height) = (41, 37);
        let values: Vec<u8> = (0..width * height)
            .map(|i| (i * 7919 % 251) as u8)
            .collect();
        let pixels = Pixels {
            values: &values,
            width,
            height,
            channels: 1,
        };
        for (radius, rim) in [(0.3, 0.4), (1.5, 0.1), (3.0, 0.1), (8.0, 0.5), (10.0, 0.5)] {
            let disk = Disk::new(radius, rim);
            let mut out = vec![0; values.len()];
            disk.blur(pixels, &mut out);
            let reach = if radius <= 8.0 { 8 } else { radius as usize };
            let n = disk.columns.iter().map(|&i| 2 * disk.heights[i] + 1).sum();
            let kernel = kernel(radius, reach, n, &disk.rim);
            // The rim of the largest disks is mirrored within the kernel, as in the published code.
            let total: f32 = kernel.iter().sum();
            assert!((total - 1.0).abs() < 0.02, "{radius}: {total}");
            let far = reach.cast_signed();
            for (x, y) in [(0, 0), (40, 36), (20, 18), (1, 30), (33, 4)] {
                let mut sum = 0.0;
                for dy in -far..=far {
                    for dx in -far..=far {
                        let row = Border::Mirror.place(y + dy, height);
                        let column = Border::Mirror.place(x + dx, width);
                        let place = (dy + far) * (2 * far + 1) + dx + far;
                        let weight = f64::from(kernel[place.cast_unsigned()]);
                        sum += weight * f64::from(values[row * width + column]);
                    }
                }
                let found = out[y.cast_unsigned() * width + x.cast_unsigned()];
                let above = sum - f64::from(found);
                assert!((-1e-3..1.001).contains(&above), "{radius}: {found} {sum}");
            }
        }
    }
}
