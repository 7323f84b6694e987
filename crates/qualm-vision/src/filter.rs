//! Filters of two equal halves on planes: columns, then rows.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use crate::simd::{Sums, fill, vectorised};

/// Weights below this part of the middle one are left out: they would not change a value by half
/// a unit of its last bit.
const NEGLIGIBLE: f64 = 1e-8;

/// What lies beyond the edge of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    /// The outermost pixel: `a a | a b c d | d d`.
    Nearest,
    /// The image mirrored with its outermost pixel twice: `b a | a b c d | d c`.
    Reflect,
    /// The image mirrored without it: `c b | a b c d | c b`.
    Mirror,
}

impl Border {
    /// The pixel of n that stands for one at `i`, which may lie outside.
    #[inline(always)]
    pub(crate) fn place(self, i: isize, n: usize) -> usize {
        if i >= 0 && i.cast_unsigned() < n {
            return i.cast_unsigned();
        }
        let last = n.saturating_sub(1);
        let (i, last_signed) = (i, last.cast_signed());
        match self {
            Self::Nearest => i.clamp(0, last_signed).cast_unsigned(),
            Self::Mirror if last == 0 => 0,
            Self::Mirror => {
                let i = i.rem_euclid(2 * last_signed).cast_unsigned();
                if i <= last { i } else { 2 * last - i }
            }
            Self::Reflect => {
                let i = i.rem_euclid(2 * last_signed + 2).cast_unsigned();
                if i <= last { i } else { 2 * last + 1 - i }
            }
        }
    }
}

/// Weights of a filter that is the same to both sides.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// The middle one, then those to one side.
    half: Vec<f32>,
}

/// Room that filters use.
#[derive(Debug, Default)]
pub(crate) struct Room {
    plane: Vec<f32>,
    line: Vec<f32>,
}

impl Kernel {
    /// The weights `exp(-i^2 / (2 sigma^2))`, i from -radius to radius, divided by their sum; the
    /// middle one alone where sigma is 0.
    pub(crate) fn gaussian(sigma: f64, radius: usize) -> Self {
        let weight = |i: usize| match i {
            0 => 1.0,
            _ => (-0.5 * (i as f64 / sigma).powi(2)).exp(),
        };
        let weights: Vec<f64> = (0..=radius).map(weight).collect();
        let total = 2.0 * weights.iter().sum::<f64>() - 1.0;
        let kept = weights.iter().take_while(|&&w| w > NEGLIGIBLE);
        Self {
            half: kept.map(|w| (w / total) as f32).collect(),
        }
    }

    /// Pixels to either side of the middle.
    pub(crate) fn radius(&self) -> usize {
        self.half.len().saturating_sub(1)
    }

    /// The middle weight, then those to one side.
    pub(crate) fn half(&self) -> &[f32] {
        &self.half
    }

    /// Filters a plane in place, both ways.
    ///
    /// # Shapes
    /// `plane`: `(height, width)`.
    pub(crate) fn blur(&self, plane: &mut [f32], width: usize, border: Border, room: &mut Room) {
        blur(plane, width, [self, self], border, room);
    }
}

/// Filters the columns of a plane by one kernel, then its rows by another, in place.
///
/// # Shapes
/// `plane`: `(height, width)`.
pub(crate) fn blur(
    plane: &mut [f32],
    width: usize,
    [columns, rows]: [&Kernel; 2],
    border: Border,
    room: &mut Room,
) {
    if columns.radius() + rows.radius() == 0 {
        return;
    }
    room.plane.resize(plane.len(), 0.0);
    room.line.resize(width + 2 * rows.radius(), 0.0);
    let (between, line) = (&mut room.plane, &mut room.line);
    vectorised(
        #[inline(always)]
        || {
            columns.down(plane, between, width, border);
            rows.along(between, plane, width, border, line);
        },
    );
}

/// Filters pixels of several channels both ways, as [`Kernel::blur`] each channel by itself, but
/// row by row: `write` gets the number of each row and its values.
///
/// Call it within [`vectorised`].
///
/// # Shapes
/// `values`: `(height, width, channels)`.
#[inline(always)]
pub(crate) fn blur_pixels(
    kernel: &Kernel,
    values: &[u8],
    [width, channels]: [usize; 2],
    border: Border,
    mut write: impl FnMut(usize, &[f32]),
) {
    let (radius, length) = (kernel.radius(), width * channels);
    let height = values.len() / length;
    // As many rows as a column of the kernel needs at once.
    let kept = 2 * radius + 1;
    let mut rows = vec![0.0; kept.min(height) * length];
    let mut line = vec![0.0; length + 2 * radius * channels];
    let mut out = vec![0.0; length];
    let mut read = values.chunks_exact(length).enumerate();
    for y in 0..height {
        let ready = if y == 0 { radius + 1 } else { 1 };
        for (i, row) in read.by_ref().take(ready) {
            for (to, &v) in rows[i % kept * length..][..length].iter_mut().zip(row) {
                *to = f32::from(v);
            }
        }
        let mut pairs = Vec::with_capacity(radius + 1);
        for (offset, &weight) in (0isize..).zip(&kernel.half) {
            let row = |y: isize| &rows[border.place(y, height) % kept * length..][..length];
            let y = y.cast_signed();
            pairs.push(Pair {
                weight: if offset == 0 { 0.5 * weight } else { weight },
                after: row(y + offset),
                before: row(y - offset),
            });
        }
        let inner = radius * channels;
        fill(&mut line[inner..inner + length], &Pairs(&pairs));
        for i in 0..radius {
            let (i, far) = (i.cast_signed(), radius.cast_signed());
            let before = border.place(i - far, width) * channels;
            let after = border.place(width.cast_signed() + i, width) * channels;
            let i = i.cast_unsigned() * channels;
            for c in 0..channels {
                line[i + c] = line[inner + before + c];
                line[inner + length + i + c] = line[inner + after + c];
            }
        }
        let along = Along {
            half: &kernel.half,
            line: &line,
            step: channels,
        };
        fill(&mut out, &along);
        write(y, &out);
    }
}

impl Kernel {
    #[inline(always)]
    fn down(&self, from: &[f32], to: &mut [f32], width: usize, border: Border) {
        let height = from.len() / width;
        let row = |y: isize| {
            let y = border.place(y, height);
            &from[y * width..(y + 1) * width]
        };
        let mut pairs = Vec::with_capacity(self.half.len());
        for (y, out) in to.chunks_exact_mut(width).enumerate() {
            let y = y.cast_signed();
            // Looked up before the sums, which stay in registers then.
            pairs.clear();
            pairs.extend(self.half.iter().zip(0..).map(|(&weight, offset)| Pair {
                weight: if offset == 0 { 0.5 * weight } else { weight },
                after: row(y + offset),
                before: row(y - offset),
            }));
            fill(out, &Pairs(&pairs));
        }
    }

    #[inline(always)]
    fn along(&self, from: &[f32], to: &mut [f32], width: usize, border: Border, line: &mut [f32]) {
        let radius = self.radius();
        for (row, out) in from.chunks_exact(width).zip(to.chunks_exact_mut(width)) {
            line[radius..radius + width].copy_from_slice(row);
            for i in (0..radius).chain(radius + width..width + 2 * radius) {
                line[i] = row[border.place(i.cast_signed() - radius.cast_signed(), width)];
            }
            let (half, step) = (&self.half, 1);
            fill(out, &Along { half, line, step });
        }
    }
}

/// The weighted sum of the values of one line.
struct Along<'a> {
    half: &'a [f32],
    /// With as many pixels before the first place and after the last one as there are weights.
    line: &'a [f32],
    /// Values of a pixel.
    step: usize,
}

impl Sums for Along<'_> {
    #[inline(always)]
    fn sum<const N: usize>(&self, at: usize) -> [f32; N] {
        let middle = at + (self.half.len() - 1) * self.step;
        let mut sum = [0.0; N];
        for (offset, &weight) in self.half.iter().enumerate() {
            let apart = offset * self.step;
            let after = &self.line[middle + apart..middle + apart + N];
            let before = &self.line[middle - apart..middle - apart + N];
            let weight = if offset == 0 { 0.5 * weight } else { weight };
            add(&mut sum, weight, after, before);
        }
        sum
    }
}

/// Adds two lines to a sum.
#[inline(always)]
fn add<const N: usize>(sum: &mut [f32; N], weight: f32, after: &[f32], before: &[f32]) {
    for ((sum, a), b) in sum.iter_mut().zip(after).zip(before) {
        *sum += weight * (a + b);
    }
}

/// Two lines of values that have the same weight, one on either side of the middle. The middle one
/// is both, with half its weight.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) weight: f32,
    pub(crate) after: &'a [f32],
    pub(crate) before: &'a [f32],
}

/// The weighted sum of pairs.
pub(crate) struct Pairs<'a>(pub(crate) &'a [Pair<'a>]);

impl Sums for Pairs<'_> {
    #[inline(always)]
    fn sum<const N: usize>(&self, at: usize) -> [f32; N] {
        let mut sum = [0.0; N];
        for pair in self.0 {
            let (after, before) = (&pair.after[at..at + N], &pair.before[at..at + N]);
            add(&mut sum, pair.weight, after, before);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders() {
        let of = |border: Border| (-3..7).map(|i| border.place(i, 4)).collect::<Vec<_>>();
        assert_eq!(of(Border::Nearest), [0, 0, 0, 0, 1, 2, 3, 3, 3, 3]);
        assert_eq!(of(Border::Reflect), [2, 1, 0, 0, 1, 2, 3, 3, 2, 1]);
        assert_eq!(of(Border::Mirror), [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]);
        for border in [Border::Nearest, Border::Reflect, Border::Mirror] {
            assert!((-9..9).all(|i| border.place(i, 1) == 0));
        }
    }

    #[test]
    fn the_same_as_the_definition() {
        let (width, height) = (37, 21);
        let plane: Vec<f32> = (0..width * height)
            .map(|i| (i * 7919 % 251) as f32)
            .collect();
        for border in [Border::Nearest, Border::Reflect, Border::Mirror] {
            for (sigma, radius) in [(0.7, 3), (2.5, 10), (9.0, 30)] {
                let kernel = Kernel::gaussian(sigma, radius);
                let mut out = plane.clone();
                kernel.blur(&mut out, width, border, &mut Room::default());
                let weight = |i: isize| (-0.5 * (i as f64 / sigma).powi(2)).exp();
                let reach = radius.cast_signed();
                let total: f64 = (-reach..=reach).map(weight).sum();
                for (x, y) in [(0, 0), (36, 20), (18, 10), (1, 19)] {
                    let mut sum = 0.0;
                    for dy in -reach..=reach {
                        for dx in -reach..=reach {
                            let row = border.place(y + dy, height);
                            let col = border.place(x + dx, width);
                            let v = f64::from(plane[row * width + col]);
                            sum += weight(dx) * weight(dy) * v;
                        }
                    }
                    let found = out[y.cast_unsigned() * width + x.cast_unsigned()];
                    assert!((f64::from(found) - sum / total / total).abs() < 1e-3);
                }
            }
        }
    }
}
