//! Loops over single values: what stands between convolutions. Images without a border unless
//! said otherwise; channels are a multiple of [`BLOCK`] but for the network's input.

use super::norm::{Norm, NormBlock, NormGradient, block};
use crate::nn::conv::{BLOCK, Map};
use crate::nn::simd::vectorised;

/// What a layer is given: as it lies there, or computed again from a convolution's output.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    Plain(&'a [f32]),
    /// The rectified batch norm of these.
    Normalised(&'a [f32], &'a Norm),
}

impl<'a> Source<'a> {
    /// Some images' share, by the values of an image.
    pub(super) fn images(self, first: usize, n: usize, len: usize) -> Self {
        let part = |values: &'a [f32]| &values[first * len..(first + n) * len];
        match self {
            Self::Plain(values) => Self::Plain(part(values)),
            Self::Normalised(y, norm) => Self::Normalised(part(y), norm),
        }
    }

    /// Writes images into ones with a border, which is left as it is.
    pub(super) fn fill(self, map: Map, to: &mut [f32]) {
        let plain = map.bordered(0);
        let rows = |image: usize| {
            (0..map.rows).map(move |row| {
                let from = image * plain.len() + plain.row_start(row);
                (from, image * map.len() + map.row_start(row))
            })
        };
        let rows = (0..to.len() / map.len()).flat_map(rows);
        let width = map.row_values();
        match self {
            Self::Plain(values) => {
                for (from, at) in rows {
                    to[at..at + width].copy_from_slice(&values[from..from + width]);
                }
            }
            Self::Normalised(y, norm) => vectorised(
                #[inline(always)]
                || {
                    for (from, at) in rows {
                        let (y, to) = (&y[from..from + width], &mut to[at..at + width]);
                        normalise(y, norm, to, |_, v| relu(v));
                    }
                },
            ),
        }
    }
}

/// Some pixels after batch norm: `finish` is given what is in `to` and the result.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn normalise(y: &[f32], norm: &Norm, to: &mut [f32], finish: impl Fn(f32, f32) -> f32) {
    let channels = norm.mean.len();
    for first in (0..channels).step_by(BLOCK) {
        let norm = NormBlock::of(norm, first);
        for (to, y) in to.chunks_exact_mut(channels).zip(y.chunks_exact(channels)) {
            let Some(to) = to[first..].first_chunk_mut::<BLOCK>() else {
                continue;
            };
            let (mut v, y) = (*to, *block(y, first));
            for lane in 0..BLOCK {
                v[lane] = finish(v[lane], norm.apply(y[lane], lane));
            }
            *to = v;
        }
    }
}

#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn relu(v: f32) -> f32 {
    // Not `max`, which would turn NaN into zero.
    if v < 0.0 { 0.0 } else { v }
}

/// How a block's input reaches its end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bypass<'a> {
    Identity(&'a [f32]),
    /// Every `stride`-th pixel, between channels of zeros.
    Padding(&'a [f32], Map, usize),
    /// Batch norm of a layer's output.
    Normalised(&'a [f32], &'a Norm),
}

/// A block's output for one image: the rectified sum of a batch norm and its shortcut.
pub(super) fn join(y: &[f32], norm: &Norm, bypass: Bypass<'_>, map: Map, to: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            let rows = |map: Map| (0..map.rows).map(move |row| map.row_start(row));
            for at in rows(map) {
                let row = at..at + map.row_values();
                let to = &mut to[row.clone()];
                match bypass {
                    Bypass::Identity(from) => {
                        to.copy_from_slice(&from[row.clone()]);
                        normalise(&y[row], norm, to, |before, v| relu(before + v));
                    }
                    Bypass::Normalised(other, other_norm) => {
                        normalise(&other[row.clone()], other_norm, to, |_, v| v);
                        normalise(&y[row], norm, to, |before, v| relu(before + v));
                    }
                    Bypass::Padding(..) => normalise(&y[row], norm, to, |_, v| v),
                }
            }
            if let Bypass::Padding(from, input, stride) = bypass {
                let width = input.channels;
                for (at, start) in padded(map, input, stride, 1) {
                    add(&mut to[at..at + width], &from[start..start + width]);
                }
                for v in to.iter_mut() {
                    *v = relu(*v);
                }
            }
        },
    );
}

#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn add(to: &mut [f32], from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// For every pixel of a padded shortcut's output, `map`, where its channels that are not zero
/// begin, there and in the input.
fn padded(
    map: Map,
    input: Map,
    stride: usize,
    images: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let side = (map.channels - input.channels) / 2;
    let pixels = move |image: usize| {
        (0..map.rows).flat_map(move |row| {
            let to = image * map.len() + map.row_start(row) + side;
            let from = image * input.len() + input.row_start(row * stride);
            (0..map.cols).map(move |col| {
                (
                    to + col * map.channels,
                    from + col * stride * input.channels,
                )
            })
        })
    };
    (0..images).flat_map(pixels)
}

/// A padded shortcut's output; maps may have borders, which become zero.
pub(super) fn pad(from: &[f32], input: Map, stride: usize, map: Map, to: &mut [f32]) {
    to.fill(0.0);
    let width = input.channels;
    for (at, start) in padded(map, input, stride, to.len() / map.len()) {
        to[at..at + width].copy_from_slice(&from[start..start + width]);
    }
}

/// Images without the border of one pixel that they have.
pub(super) fn strip(from: &[f32], map: Map, to: &mut Vec<f32>) {
    let from_map = map.bordered(1);
    to.clear();
    for image in from.chunks_exact(from_map.len()) {
        for row in 0..map.rows {
            let start = from_map.row_start(row);
            to.extend_from_slice(&image[start..start + map.row_values()]);
        }
    }
}

/// Zeroes gradients where a rectifier has closed, whose outputs have a border of one pixel.
pub(super) fn close(gradients: &mut [f32], outputs: &[f32], map: Map) {
    let bordered = map.bordered(1);
    let images = gradients.chunks_exact_mut(map.len());
    for (gradients, outputs) in images.zip(outputs.chunks_exact(bordered.len())) {
        let rows = gradients.chunks_exact_mut(map.row_values()).enumerate();
        for (row, gradients) in rows {
            let start = bordered.row_start(row);
            let outputs = &outputs[start..start + map.row_values()];
            for (g, v) in gradients.iter_mut().zip(outputs) {
                // NaN stays what it is.
                *g = if *v <= 0.0 { 0.0 } else { *g };
            }
        }
    }
}

/// The gradient by the input of a padded shortcut, from that by its output.
pub(super) fn unpad(gradients: &[f32], map: Map, input: Map, stride: usize, to: &mut [f32]) {
    to.fill(0.0);
    let width = input.channels;
    for (start, at) in padded(map, input, stride, gradients.len() / map.len()) {
        to[at..at + width].copy_from_slice(&gradients[start..start + width]);
    }
}

/// The gradient by a convolution's output, from that by its batch norm's output, into images
/// with a border.
pub(super) fn through_norm(
    gradients: &[f32],
    y: &[f32],
    norm: &Norm,
    by: &NormGradient,
    map: Map,
    to: &mut [f32],
) {
    let plain = map.bordered(0);
    let width = map.row_values();
    vectorised(
        #[inline(always)]
        || {
            for image in 0..to.len() / map.len() {
                for row in 0..map.rows {
                    let from = image * plain.len() + plain.row_start(row);
                    let at = image * map.len() + map.row_start(row);
                    let (g, y) = (&gradients[from..from + width], &y[from..from + width]);
                    let to = &mut to[at..at + width];
                    for first in (0..map.channels).step_by(BLOCK) {
                        let norm = NormBlock::of(norm, first);
                        let constant = *block(&by.constant, first);
                        let slope = *block(&by.slope, first);
                        let values = g.chunks_exact(map.channels);
                        let values = values.zip(y.chunks_exact(map.channels));
                        for (to, (g, y)) in to.chunks_exact_mut(map.channels).zip(values) {
                            let (g, y) = (*block(g, first), *block(y, first));
                            let mut v = [0.0; BLOCK];
                            for lane in 0..BLOCK {
                                v[lane] = norm.factor[lane] * g[lane]
                                    - constant[lane]
                                    - (y[lane] - norm.mean[lane]) * slope[lane];
                            }
                            to[first..first + BLOCK].copy_from_slice(&v);
                        }
                    }
                }
            }
        },
    );
}

/// Means over the pixels of each image.
///
/// # Shapes
/// `images`: with a border, of zeros, or none; `to`: `(n, channels)`.
pub(super) fn average(images: &[f32], map: Map, to: &mut [f32]) {
    for (image, to) in images
        .chunks_exact(map.len())
        .zip(to.chunks_exact_mut(map.channels))
    {
        vectorised(
            #[inline(always)]
            || {
                to.fill(0.0);
                for pixel in image.chunks_exact(map.channels) {
                    add(to, pixel);
                }
                let n = map.n_pixels() as f32;
                for v in to {
                    *v /= n;
                }
            },
        );
    }
}

/// The gradient by what was averaged.
pub(super) fn spread(gradients: &[f32], map: Map, to: &mut [f32]) {
    let n = map.n_pixels() as f32;
    for (image, gradients) in to
        .chunks_exact_mut(map.len())
        .zip(gradients.chunks_exact(map.channels))
    {
        for pixel in image.chunks_exact_mut(map.channels) {
            for (to, g) in pixel.iter_mut().zip(gradients) {
                *to = g / n;
            }
        }
    }
}
