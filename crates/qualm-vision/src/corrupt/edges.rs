//! Edges of an image, and how far they are, as `OpenCV` finds both.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use crate::filter::Border;
use crate::simd::vectorised;

/// A plane with a margin, so that what lies around a pixel needs no questions.
pub(super) struct Padded<T> {
    values: Vec<T>,
    stride: usize,
    margin: usize,
    width: usize,
    height: usize,
}

impl<T: Copy> Padded<T> {
    pub(super) fn new(plane: &[T], width: usize, margin: usize, border: Border) -> Self {
        let height = plane.len() / width;
        let place = |i: usize, n: usize| border.place(i.cast_signed() - margin.cast_signed(), n);
        let stride = width + 2 * margin;
        let mut values = Vec::with_capacity(stride * (height + 2 * margin));
        for y in 0..height + 2 * margin {
            let row = &plane[place(y, height) * width..][..width];
            values.extend((0..margin).map(|x| row[place(x, width)]));
            values.extend_from_slice(row);
            values.extend((width + margin..stride).map(|x| row[place(x, width)]));
        }
        Self {
            values,
            stride,
            margin,
            width,
            height,
        }
    }

    /// A margin of one value around pixels of another.
    pub(super) fn filled(plane: &[T], width: usize, margin: usize, around: T) -> Self {
        let height = plane.len() / width;
        let stride = width + 2 * margin;
        let mut values = vec![around; stride * (height + 2 * margin)];
        let rows = values.chunks_exact_mut(stride).skip(margin);
        for (to, from) in rows.zip(plane.chunks_exact(width)) {
            to[margin..margin + width].copy_from_slice(from);
        }
        Self {
            values,
            stride,
            margin,
            width,
            height,
        }
    }

    /// Where a pixel lies among the values.
    fn at(&self, i: usize) -> usize {
        (i / self.width + self.margin) * self.stride + i % self.width + self.margin
    }

    /// The three rows from the one above row y on, with their margins of one pixel.
    pub(super) fn rows(&self, y: usize) -> [&[T]; 3] {
        [0, 1, 2].map(|offset| {
            let from = (y + offset) * self.stride;
            &self.values[from..from + self.stride]
        })
    }
}

/// Thresholds of the gradient's size: an edge begins above the second, and goes on above the first.
const GRADIENT: [i32; 2] = [50, 150];

/// Edges by J. Canny's method (1986), as `OpenCV` computes it: Sobel's gradients, their size the sum
/// of both parts.
pub(super) fn edges(image: &[u8], width: usize) -> Vec<bool> {
    let padded = Padded::new(image, width, 1, Border::Nearest);
    let mut across = vec![0; image.len()];
    let mut down = vec![0; image.len()];
    vectorised(
        #[inline(always)]
        || {
            let rows = across
                .chunks_exact_mut(width)
                .zip(down.chunks_exact_mut(width));
            for (y, (across, down)) in rows.enumerate() {
                let rows = padded.rows(y);
                let at = |row: usize, x: usize| i32::from(rows[row][x]);
                for (x, (across, down)) in across.iter_mut().zip(down).enumerate() {
                    let column = |x: usize| at(0, x) + 2 * at(1, x) + at(2, x);
                    let row = |row: usize| at(row, x) + 2 * at(row, x + 1) + at(row, x + 2);
                    (*across, *down) = (column(x + 2) - column(x), row(2) - row(0));
                }
            }
        },
    );
    let mut sizes = vec![0i32; image.len()];
    vectorised(
        #[inline(always)]
        || {
            for ((size, dx), dy) in sizes.iter_mut().zip(&across).zip(&down) {
                *size = dx.abs() + dy.abs();
            }
        },
    );
    let sizes = Padded::filled(&sizes, width, 1, 0);
    // Largest along the gradient: of equal ones the first.
    let is_peak = |i: usize| {
        let (dx, dy) = (across[i], down[i]);
        let (at, stride) = (sizes.at(i), sizes.stride);
        let own = sizes.values[at];
        let (before, after, strictly) = {
            // tan 22.5 degrees in 1/32768, as OpenCV rounds it.
            let (flat, along) = (i64::from(dx.abs()) * 13573, i64::from(dy.abs()) << 15);
            if along < flat {
                (at - 1, at + 1, false)
            } else if along > flat + (i64::from(dx.abs()) << 16) {
                (at - stride, at + stride, false)
            } else if (dx ^ dy) < 0 {
                (at - stride + 1, at + stride - 1, true)
            } else {
                (at - stride - 1, at + stride + 1, true)
            }
        };
        let (before, after) = (sizes.values[before], sizes.values[after]);
        own > before && (own > after || (own == after && !strictly))
    };
    let mut weak = vec![false; image.len()];
    let mut found = Padded::filled(&weak, width, 1, false);
    let mut open = Vec::new();
    for y in 0..sizes.height {
        let row = &sizes.values[(y + 1) * sizes.stride + 1..][..width];
        for (x, &own) in row.iter().enumerate() {
            let i = y * width + x;
            if own > GRADIENT[0] && is_peak(i) {
                weak[i] = true;
                if own > GRADIENT[1] {
                    let at = found.at(i);
                    found.values[at] = true;
                    open.push(at);
                }
            }
        }
    }
    let weak = Padded::filled(&weak, width, 1, false);
    let stride = found.stride;
    while let Some(at) = open.pop() {
        for row in [at - stride, at, at + stride] {
            for next in row - 1..=row + 1 {
                if weak.values[next] && !found.values[next] {
                    found.values[next] = true;
                    open.push(next);
                }
            }
        }
    }
    let rows = found.values.chunks_exact(stride).skip(1).take(found.height);
    rows.flat_map(|row| row[1..=width].iter().copied())
        .collect()
}

/// Distances to the nearest edge by G. Borgefors' chamfers of 5x5 (1986): 1 straight, 1.4 across,
/// 2.1969 as a knight moves.
pub(super) fn distances(edges: &[bool], width: usize) -> Vec<f32> {
    let start = |&edge: &bool| if edge { 0.0 } else { f32::MAX };
    let plane: Vec<f32> = edges.iter().map(start).collect();
    let mut padded = Padded::filled(&plane, width, 2, f32::MAX);
    let (stride, height) = (padded.stride, padded.height);
    // From the upper left down, then with all moves turned round.
    vectorised(
        #[inline(always)]
        || {
            for y in 0..height {
                come_from_rows(&mut padded.values, [width, stride], y, 1);
            }
            for y in (0..height).rev() {
                come_from_rows(&mut padded.values, [width, stride], y, -1);
            }
        },
    );
    let rows = padded.values.chunks_exact(stride).skip(2).take(height);
    rows.flat_map(|row| row[2..2 + width].iter().copied())
        .collect()
}

/// Moves from other rows: right, down and how long.
const MOVES: [(isize, isize, f32); 7] = [
    (0, -1, 1.0),
    (-1, -1, 1.4),
    (1, -1, 1.4),
    (-2, -1, 2.1969),
    (2, -1, 2.1969),
    (-1, -2, 2.1969),
    (1, -2, 2.1969),
];

/// Shorter ways to row y from the rows before (sign 1) or behind it (sign -1), and then along it.
/// What comes from other rows is taken for a whole row at once.
#[inline(always)]
fn come_from_rows(values: &mut [f32], [width, stride]: [usize; 2], y: usize, sign: isize) {
    let here = (y + 2) * stride + 2;
    let (before, rest) = values.split_at_mut(here - 2);
    let (row, after) = rest.split_at_mut(stride);
    let row = &mut row[2..2 + width];
    for (dx, dy, length) in MOVES {
        let far = dy.unsigned_abs();
        // Two pixels of the margin lie left of the first.
        let column = 2usize.wrapping_add_signed(sign * dx);
        let other = if sign > 0 {
            &before[before.len() - far * stride + column..]
        } else {
            &after[(far - 1) * stride + column..]
        };
        for (to, from) in row.iter_mut().zip(other) {
            let other = from + length;
            *to = if other < *to { other } else { *to };
        }
    }
    let along = |before: f32, to: &mut f32| {
        *to = (before + 1.0).min(*to);
        *to
    };
    if sign > 0 {
        row.iter_mut().fold(f32::MAX, along);
    } else {
        row.iter_mut().rev().fold(f32::MAX, along);
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_from_a_point() {
        let mut edges = vec![false; 49];
        edges[24] = true;
        let distances = distances(&edges, 7);
        assert_eq!(distances[24], 0.0);
        assert_eq!(distances[27], 3.0);
        assert!((distances[16] - 1.4).abs() < 1e-6);
        assert!((distances[3 * 7 + 3 - 7 - 2] - 2.1969).abs() < 1e-6);
    }

    #[test]
    fn the_edge_of_a_square() {
        let image: Vec<u8> = (0..400)
            .map(|i| {
                if (5..15).contains(&(i % 20)) && (5..15).contains(&(i / 20)) {
                    200
                } else {
                    0
                }
            })
            .collect();
        let edges = edges(&image, 20);
        assert!(!edges[0] && !edges[10 * 20 + 10]);
        let row: Vec<usize> = (0..20).filter(|x| edges[10 * 20 + x]).collect();
        assert_eq!(row.len(), 2, "{row:?}");
    }
}
