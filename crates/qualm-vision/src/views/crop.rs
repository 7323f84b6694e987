//! A part of an image, resized: bilinear, over all pixels that a new one covers.
//!
//! Pixel i of n, of a side of m pixels, is the mean of the pixels j under a triangle around its
//! centre `c = (m / n)(i + 1/2)`, whose half-width is `s = max(m / n, 1)`:
//!
//! ```text
//! w(j) = max(0, 1 - |j + 1/2 - c| / s),   divided by their sum
//! ```
//!
//! as in Pillow, and in `torch.nn.functional.interpolate` with `antialias`. Rows are combined
//! first, then columns; the other order differs in the last bits alone.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use crate::error::{Error, Result};
use crate::image::Image;

use super::params::Crop;

/// A part of an image.
#[derive(Debug)]
pub(super) struct Window<'a> {
    /// The image's rows, from the first of the window on.
    rows: &'a [u8],
    /// Values of a row of the image.
    stride: usize,
    /// Values of a row that are not in the window, to its left, and those that are.
    left: usize,
    width: usize,
}

impl<'a> Window<'a> {
    pub(super) fn of(image: &'a Image, crop: Crop) -> Result<Self> {
        let fits = |start: u32, length: u32, whole: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
        };
        let stride = 3 * image.width() as usize;
        let inside = fits(crop.left, crop.width, image.width())
            && fits(crop.top, crop.height, image.height());
        let rows = image.pixels().get(crop.top as usize * stride..);
        match rows.filter(|_| inside) {
            Some(rows) => Ok(Self {
                rows,
                stride,
                left: 3 * crop.left as usize,
                width: 3 * crop.width as usize,
            }),
            None => Err(Error::CropOutside {
                crop: format!(
                    "{} x {} at ({}, {})",
                    crop.width, crop.height, crop.left, crop.top
                ),
                width: image.width(),
                height: image.height(),
            }),
        }
    }

    /// A row of the window. The caller asks for those that there are.
    #[inline(always)]
    fn row(&self, row: usize) -> &[u8] {
        let start = row * self.stride + self.left;
        &self.rows[start..start + self.width]
    }
}

/// For each new pixel of a side, where its pixels begin and what each weighs.
#[derive(Debug)]
pub(super) struct Taps {
    /// The first pixel, and the place of its weight.
    starts: Vec<(usize, usize)>,
    weights: Vec<f32>,
}

impl Taps {
    /// A side of `from` pixels to one of `to`, the last pixel first when it is flipped.
    pub(super) fn new(from: u32, to: u32, flip: bool) -> Self {
        let scale = f64::from(from) / f64::from(to);
        let support = scale.max(1.0);
        let mut taps = Self {
            starts: Vec::with_capacity(to as usize + 1),
            weights: Vec::new(),
        };
        for i in 0..to {
            let i = if flip { to - 1 - i } else { i };
            let centre = scale * (f64::from(i) + 0.5);
            let first = (centre - support + 0.5).max(0.0) as u32;
            let end = ((centre + support + 0.5) as u32).min(from);
            let weight = |j: u32| {
                let distance = (f64::from(j) + 0.5 - centre).abs() / support;
                (1.0 - distance).max(0.0)
            };
            let total: f64 = (first..end).map(weight).sum();
            taps.starts.push((first as usize, taps.weights.len()));
            let weights = (first..end).map(|j| (weight(j) / total) as f32);
            taps.weights.extend(weights);
        }
        taps.starts.push((0, taps.weights.len()));
        taps
    }

    /// For each new pixel its first pixel, and the weights from there on.
    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let pairs = self.starts.windows(2);
        pairs.map(|pair| (pair[0].0, &self.weights[pair[0].1..pair[1].1]))
    }
}

/// Resizes a window to three planes of `side * side` values, from 0 to 1.
///
/// `line` has room for a row of the window.
#[inline(always)]
pub(super) fn resize(
    window: &Window,
    columns: &Taps,
    rows: &Taps,
    line: &mut [f32],
    planes: &mut [f32],
    side: usize,
) {
    let (red, rest) = planes.split_at_mut(side * side);
    let (green, blue) = rest.split_at_mut(side * side);
    let planes = red.chunks_exact_mut(side).zip(green.chunks_exact_mut(side));
    for ((first, weights), ((red, green), blue)) in
        rows.iter().zip(planes.zip(blue.chunks_exact_mut(side)))
    {
        combine_rows(window, first, weights, line);
        let (pixels, _) = line.as_chunks::<3>();
        let out = red.iter_mut().zip(green).zip(blue);
        for ((first, weights), ((r, g), b)) in columns.iter().zip(out) {
            let pixels = &pixels[first..first + weights.len()];
            let (mut sum_r, mut sum_g, mut sum_b) = (0.0, 0.0, 0.0);
            for (w, [r, g, b]) in weights.iter().zip(pixels) {
                sum_r += w * r;
                sum_g += w * g;
                sum_b += w * b;
            }
            (*r, *g, *b) = (sum_r, sum_g, sum_b);
        }
    }
}

/// The weighted sum of some rows of a window, divided by 255.
#[inline(always)]
fn combine_rows(window: &Window, first: usize, weights: &[f32], line: &mut [f32]) {
    line.fill(0.0);
    for (i, w) in weights.iter().enumerate() {
        let w = w * (1.0 / 255.0);
        for (sum, v) in line.iter_mut().zip(window.row(first + i)) {
            *sum += w * f32::from(*v);
        }
    }
}
