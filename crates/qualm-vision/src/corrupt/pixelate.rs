//! `pixelate`: the image made smaller, and its pixels large, as Pillow does both.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::parameters::{ParameterSet, Table};
use super::picture::Scene;
use super::random::Random;
use crate::simd::vectorised;

/// What is left of each side.
const LEFT: Table<f64> = Table {
    cifar: [0.95, 0.9, 0.85, 0.75, 0.65],
    tiny: [0.9, 0.8, 0.7, 0.6, 0.5],
    imagenet: [0.6, 0.5, 0.4, 0.3, 0.25],
};

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    let left = scene.pick(&LEFT);
    let size = [scene.width(), scene.height()];
    let small = size.map(|n| ((n as f64 * left) as usize).max(1));
    vectorised(
        #[inline(always)]
        || {
            if scene.channels() == 1 {
                let reduced = reduced::<1>(scene, small);
                enlarge::<1>(scene, &reduced, small, out);
            } else {
                let reduced = reduced::<3>(scene, small);
                enlarge::<3>(scene, &reduced, small, out);
            }
        },
    );
}

/// Pixels of a line of n that each of fewer pixels is the mean of: the first and how many
/// (`PIL.Image.BOX`).
fn boxes(n: usize, small: usize) -> Vec<(usize, usize)> {
    let scale = n as f64 / small as f64;
    let of = |i: usize| {
        let middle = (i as f64 + 0.5) * scale;
        let first = ((middle - 0.5 * scale + 0.5) as usize).min(n - 1);
        let end = ((middle + 0.5 * scale + 0.5) as usize).min(n);
        // Those whose middle lies inside; with Pillow's operations, whose rounding decides at the
        // very edge.
        let inside = |i: &usize| {
            let from_middle = (*i as f64 - middle + 0.5) * (1.0 / scale);
            from_middle > -0.5 && from_middle <= 0.5
        };
        let first = (first..end).find(inside).unwrap_or(first);
        (first, (first..end).filter(inside).count().max(1))
    };
    (0..small).map(of).collect()
}

/// The image made smaller: means of pixels beside each other, rounded, then of those below each
/// other.
#[inline(always)]
fn reduced<const CHANNELS: usize>(scene: &Scene<'_>, small: [usize; 2]) -> Vec<u8> {
    let length = scene.width() * CHANNELS;
    let columns = boxes(scene.width(), small[0]);
    // Means from every pixel on, a line for each number of pixels, of which those that are asked
    // for are picked: this is less work than to take each of them by itself.
    let mut numbers: Vec<usize> = columns.iter().map(|column| column.1).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let line_of = |n: usize| numbers.iter().position(|&other| other == n).unwrap_or(0);
    let picked: Vec<usize> = columns
        .iter()
        .map(|&(first, n)| line_of(n) * length + first * CHANNELS)
        .collect();
    let mut means = vec![0; numbers.len() * length];
    let stride = small[0] * CHANNELS;
    let mut rows = vec![0; scene.height() * stride];
    let pixels = scene.pixels.values.chunks_exact(length);
    for (row, pixels) in rows.chunks_exact_mut(stride).zip(pixels) {
        for (means, &n) in means.chunks_exact_mut(length).zip(&numbers) {
            // What lies behind the last pixel is asked for by none.
            let inside = length - (n - 1) * CHANNELS;
            mean(&mut means[..inside], pixels, n, CHANNELS);
        }
        for (to, &from) in row.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(&picked) {
            to.copy_from_slice(&means[from..from + CHANNELS]);
        }
    }
    let mut reduced = vec![0; small[1] * stride];
    let boxes = boxes(scene.height(), small[1]);
    for (to, (first, n)) in reduced.chunks_exact_mut(stride).zip(boxes) {
        mean(to, &rows[first * stride..], n, stride);
    }
    reduced
}

/// Means of n values that lie `step` apart, rounded.
#[inline(always)]
fn mean(to: &mut [u8], values: &[u8], n: usize, step: usize) {
    let length = to.len();
    let line = |i: usize| &values[i * step..i * step + length];
    match n {
        1 => to.copy_from_slice(line(0)),
        2 => {
            for ((to, &a), &b) in to.iter_mut().zip(line(0)).zip(line(1)) {
                *to = ((u16::from(a) + u16::from(b) + 1) >> 1) as u8;
            }
        }
        3 => {
            for (((to, &a), &b), &c) in to.iter_mut().zip(line(0)).zip(line(1)).zip(line(2)) {
                *to = share(u16::from(a) + u16::from(b) + u16::from(c), 3);
            }
        }
        _ => {
            for (i, to) in to.iter_mut().enumerate() {
                let values = values[i..].iter().step_by(step).take(n);
                *to = share(values.map(|&v| u16::from(v)).sum(), n as u16);
            }
        }
    }
}

/// `sum / n` of n values to the nearest whole number, halves up; n is at most 7.
#[inline(always)]
fn share(sum: u16, n: u16) -> u8 {
    let factor = 65_536u32.div_ceil(2 * u32::from(n));
    ((u32::from(2 * sum + n) * factor) >> 16) as u8
}

/// Each pixel that of the nearest one.
#[inline(always)]
fn enlarge<const CHANNELS: usize>(
    scene: &Scene<'_>,
    pixels: &[u8],
    [width, height]: [usize; 2],
    out: &mut [u8],
) {
    let places = |n: usize, new: usize| -> Vec<usize> {
        let step = n as f64 / new as f64;
        if scene.set != ParameterSet::Imagenet {
            // `PIL.Image.BOX`.
            let place = |i: usize| (((i as f64 + 0.5) * step) as usize).min(n - 1);
            return (0..new).map(place).collect();
        }
        // `PIL.Image.NEAREST`, added up step by step: where a place falls between two pixels,
        // rounding decides.
        let places = std::iter::successors(Some(0.5 * step), |place| Some(place + step));
        places
            .take(new)
            .map(|place| (place as usize).min(n - 1))
            .collect()
    };
    let columns = places(width, scene.width());
    let stride = scene.width() * CHANNELS;
    let mut last = usize::MAX;
    for (y, from) in places(height, scene.height()).into_iter().enumerate() {
        let (before, rest) = out.split_at_mut(y * stride);
        let to = &mut rest[..stride];
        if from == last {
            to.copy_from_slice(&before[(y - 1) * stride..]);
            continue;
        }
        last = from;
        let row = &pixels[from * width * CHANNELS..(from + 1) * width * CHANNELS];
        let row = row.as_chunks::<CHANNELS>().0;
        for (to, &x) in to.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(&columns) {
            *to = row[x];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_rounded_as_pillow_rounds_them() {
        for n in 1..=7u16 {
            let weight = (f64::from(1 << 22) / f64::from(n)).round() as u32;
            for sum in 0..=255 * n {
                let expected = (u32::from(sum) * weight + (1 << 21)) >> 22;
                // Halves of six, whose weight is cut off, alone differ.
                let half = n == 6 && sum % 6 == 3;
                assert!(half || u32::from(share(sum, n)) == expected, "{sum} / {n}");
            }
        }
    }

    #[test]
    fn boxes_cover_a_line_once() {
        for (n, small) in [(224, 89), (640, 256), (32, 30), (8, 2), (9, 9)] {
            let boxes = boxes(n, small);
            let ends = boxes.iter().map(|(first, n)| first + n);
            let next = boxes.iter().skip(1).map(|b| b.0).chain([n]);
            assert!(ends.eq(next), "{n} {small}: {boxes:?}");
            assert_eq!(boxes[0].0, 0);
            assert!(boxes.iter().all(|b| b.1 <= 7));
        }
    }
}
