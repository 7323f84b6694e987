//! A Gaussian blur: rows, then columns, the border mirrored without its outermost pixel twice.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::params::Blur;

/// Weights below this part of the middle one are left out: they would not change a value by half
/// a unit of its last bit.
const NEGLIGIBLE: f64 = 1e-8;
/// Values summed at once, in registers.
const LANES: usize = 32;

/// The weights `exp(-i^2 / (2 sigma^2))`, i from -r to r, divided by their sum.
#[derive(Debug)]
pub(super) struct Kernel {
    /// The middle one, then those to one side.
    half: Vec<f32>,
}

impl Kernel {
    pub(super) fn new(blur: Blur) -> Self {
        let weight = |i: usize| (-0.5 * (i as f64 / blur.sigma).powi(2)).exp();
        let weights: Vec<f64> = (0..=blur.radius).map(weight).collect();
        let total = 2.0 * weights.iter().sum::<f64>() - 1.0;
        let kept = weights.iter().take_while(|&&w| w > NEGLIGIBLE);
        Self {
            half: kept.map(|w| (w / total) as f32).collect(),
        }
    }

    /// Pixels to either side of the middle.
    pub(super) fn radius(&self) -> usize {
        self.half.len().saturating_sub(1)
    }

    /// Blurs three planes of `side * side` values in place. `spare` has the size of the planes,
    /// `line` room for a row and the radius at both of its ends.
    #[inline(always)]
    pub(super) fn blur(
        &self,
        planes: &mut [f32],
        spare: &mut [f32],
        line: &mut [f32],
        side: usize,
    ) {
        let radius = self.radius();
        if radius == 0 {
            return;
        }
        // Places within the mirrored row.
        let mirrored = |i: usize| {
            let i = i.abs_diff(radius);
            if i < side { i } else { 2 * (side - 1) - i }
        };
        for (row, out) in planes.chunks_exact(side).zip(spare.chunks_exact_mut(side)) {
            line[radius..radius + side].copy_from_slice(row);
            for i in (0..radius).chain(radius + side..side + 2 * radius) {
                line[i] = row[mirrored(i)];
            }
            self.combine(
                out,
                |offset| &line[radius + offset..],
                |offset| &line[radius - offset..],
            );
        }
        let planes = planes.chunks_exact_mut(side * side);
        for (plane, spare) in planes.zip(spare.chunks_exact(side * side)) {
            for (y, out) in plane.chunks_exact_mut(side).enumerate() {
                let row = |y: usize| &spare[mirrored(y) * side..];
                self.combine(
                    out,
                    |offset| row(y + radius + offset),
                    |offset| row(y + radius - offset),
                );
            }
        }
    }

    /// The weighted sum of lines of values: the middle one, and for each further weight the two
    /// that are `offset` after and before it.
    #[inline(always)]
    fn combine<'a>(
        &self,
        out: &mut [f32],
        after: impl Fn(usize) -> &'a [f32],
        before: impl Fn(usize) -> &'a [f32],
    ) {
        let n = out.len();
        let (blocks, tail) = out.as_chunks_mut::<LANES>();
        for (block, out) in blocks.iter_mut().enumerate() {
            *out = self.sum::<LANES>(block * LANES, &after, &before);
        }
        for (i, out) in tail.iter_mut().enumerate() {
            let at = n - n % LANES + i;
            [*out] = self.sum::<1>(at, &after, &before);
        }
    }

    #[inline(always)]
    fn sum<'a, const N: usize>(
        &self,
        at: usize,
        after: &impl Fn(usize) -> &'a [f32],
        before: &impl Fn(usize) -> &'a [f32],
    ) -> [f32; N] {
        let mut sum = [0.0; N];
        for (offset, weight) in self.half.iter().enumerate() {
            let (a, b) = (&after(offset)[at..at + N], &before(offset)[at..at + N]);
            let weight = if offset == 0 { 0.5 * weight } else { *weight };
            for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
                *sum += weight * (a + b);
            }
        }
        sum
    }
}
