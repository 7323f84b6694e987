//! `defocus_blur`: a disk with a soft rim.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::parameters::Table;
use super::picture::Scene;
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
    let (radius, rim) = scene.pick(&DISK);
    let disk = Disk::new(radius, rim);
    let mut picture = scene.picture();
    let width = picture.width;
    for plane in picture.planes_mut() {
        let blurred = disk.blur(plane, width);
        plane.copy_from_slice(&blurred);
    }
    picture.write(out);
}

/// A quarter of the kernel: it is the same to all four sides.
#[derive(Debug)]
struct Disk {
    /// Rows from the middle one down; each from the middle weight on to the last that is not 0.
    rows: Vec<Vec<f32>>,
}

impl Disk {
    fn new(radius: f64, rim: f64) -> Self {
        let reach = if radius <= 8.0 { 8 } else { radius as isize };
        let side = (2 * reach + 1).cast_unsigned();
        let places = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| (x, y)));
        let inside = places.map(|(x, y)| (x * x + y * y) as f64 <= radius * radius);
        let mut kernel: Vec<f32> = inside.map(|inside| f32::from(u8::from(inside))).collect();
        let total: f32 = kernel.iter().sum();
        for v in &mut kernel {
            *v /= total;
        }
        let blur = Kernel::gaussian(rim, if radius <= 8.0 { 1 } else { 2 });
        blur.blur(&mut kernel, side, Border::Mirror, &mut Room::default());
        let middle = reach.cast_unsigned();
        let rows = kernel.chunks_exact(side).skip(middle).map(|row| {
            let row = &row[middle..];
            let n = row
                .iter()
                .rposition(|&v| v != 0.0)
                .map_or(0, |last| last + 1);
            row[..n].to_vec()
        });
        let mut rows: Vec<_> = rows.collect();
        while rows.last().is_some_and(Vec::is_empty) {
            rows.pop();
        }
        Self { rows }
    }

    /// Pixels to either side of the middle.
    fn reach(&self) -> usize {
        let widest = self.rows.iter().map(Vec::len).max().unwrap_or(1);
        widest.max(self.rows.len()) - 1
    }

    fn blur(&self, plane: &[f32], width: usize) -> Vec<f32> {
        let mut out = vec![0.0; plane.len()];
        let reach = self.reach();
        let stride = width + 2 * reach;
        // For each row of the kernel the sum of the two rows of the image that it multiplies.
        let mut sums = vec![0.0; stride * self.rows.len()];
        vectorised(
            #[inline(always)]
            || {
                for (y, out) in out.chunks_exact_mut(width).enumerate() {
                    self.add_rows(plane, width, y, &mut sums);
                    let across = Across {
                        disk: self,
                        rows: &sums,
                        stride,
                    };
                    fill(out, &across);
                }
            },
        );
        out
    }

    /// Rows above and below added up, with their mirrored margins.
    #[inline(always)]
    fn add_rows(&self, plane: &[f32], width: usize, y: usize, sums: &mut [f32]) {
        let height = plane.len() / width;
        let reach = self.reach();
        let row = |y: isize| {
            let y = Border::Mirror.place(y, height);
            &plane[y * width..(y + 1) * width]
        };
        let sums = sums.chunks_exact_mut(width + 2 * reach);
        for (offset, sums) in sums.enumerate() {
            let (y, offset) = (y.cast_signed(), offset.cast_signed());
            let (above, below) = (row(y - offset), row(y + offset));
            // The middle row counts once.
            let share = if offset == 0 { 0.5 } else { 1.0 };
            let inner = &mut sums[reach..reach + width];
            for ((sum, a), b) in inner.iter_mut().zip(above).zip(below) {
                *sum = share * (a + b);
            }
            for i in (0..reach).chain(reach + width..width + 2 * reach) {
                let from = Border::Mirror.place(i.cast_signed() - reach.cast_signed(), width);
                sums[i] = sums[reach + from];
            }
        }
    }
}

/// A row of the result: the disk over the rows of [`Disk::add_rows`].
struct Across<'a> {
    disk: &'a Disk,
    rows: &'a [f32],
    stride: usize,
}

impl Sums for Across<'_> {
    #[inline(always)]
    fn sum<const N: usize>(&self, at: usize) -> [f32; N] {
        let middle = at + self.disk.reach();
        let mut sum = [0.0; N];
        for (weights, row) in self
            .disk
            .rows
            .iter()
            .zip(self.rows.chunks_exact(self.stride))
        {
            for (offset, weight) in weights.iter().enumerate() {
                let (a, b) = (
                    &row[middle + offset..middle + offset + N],
                    &row[middle - offset..middle - offset + N],
                );
                let weight = if offset == 0 { 0.5 * weight } else { *weight };
                for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
                    *sum += weight * (a + b);
                }
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_a_disk_that_sums_to_one() {
        for (radius, rim) in [(0.3, 0.4), (3.0, 0.1), (8.0, 0.5), (10.0, 0.5)] {
            let disk = Disk::new(radius, rim);
            let mut point = vec![0.0; 61 * 61];
            point[30 * 61 + 30] = 1.0;
            let blurred = disk.blur(&point, 61);
            let total: f32 = blurred.iter().sum();
            // The rim of the largest disks is mirrored within the kernel, as in the published code.
            assert!((total - 1.0).abs() < 0.02, "{radius}: {total}");
            let reach = radius as usize + 3;
            assert!(
                blurred[30 * 61..30 * 61 + 30 - reach]
                    .iter()
                    .all(|&v| v == 0.0)
            );
        }
    }
}
