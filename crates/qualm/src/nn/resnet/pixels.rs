//! Loops over single values: what stands between convolutions. Images without a border unless
//! said otherwise; channels are a multiple of [`BLOCK`] but for the network's input.

use super::norm::{Norm, NormGradient};
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
                        normalise(y, norm, to, |v| if v < 0.0 { 0.0 } else { v });
                    }
                },
            ),
        }
    }

    /// Zeroes gradients where the rectifier has closed.
    pub(super) fn mask(self, gradients: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || match self {
                Self::Plain(values) => {
                    for (g, v) in gradients.iter_mut().zip(values) {
                        *g = if *v <= 0.0 { 0.0 } else { *g };
                    }
                }
                Self::Normalised(y, norm) => {
                    for (g, y) in pixels_mut(gradients, norm).zip(pixels(y, norm)) {
                        for (b, (g, y)) in g.iter_mut().zip(y).enumerate() {
                            let norm = NormBlock::of(norm, b);
                            for lane in 0..BLOCK {
                                let v = norm.apply(y[lane], lane);
                                g[lane] = if v <= 0.0 { 0.0 } else { g[lane] };
                            }
                        }
                    }
                }
            },
        );
    }
}

/// A block of channels of a batch norm.
struct NormBlock<'a> {
    mean: &'a [f32; BLOCK],
    factor: &'a [f32; BLOCK],
    shift: &'a [f32; BLOCK],
}

impl<'a> NormBlock<'a> {
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn of(norm: &'a Norm, block: usize) -> Self {
        Self {
            mean: &norm.mean.as_chunks().0[block],
            factor: &norm.factor.as_chunks().0[block],
            shift: &norm.shift.as_chunks().0[block],
        }
    }

    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn apply(&self, y: f32, lane: usize) -> f32 {
        (y - self.mean[lane]) * self.factor[lane] + self.shift[lane]
    }
}

/// Pixels as blocks of channels.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn pixels<'v>(values: &'v [f32], norm: &Norm) -> impl Iterator<Item = &'v [[f32; BLOCK]]> {
    values.as_chunks().0.chunks_exact(norm.mean.len() / BLOCK)
}

#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn pixels_mut<'v>(
    values: &'v mut [f32],
    norm: &Norm,
) -> impl Iterator<Item = &'v mut [[f32; BLOCK]]> {
    let (blocks, _) = values.as_chunks_mut();
    blocks.chunks_exact_mut(norm.mean.len() / BLOCK)
}

#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn normalise(y: &[f32], norm: &Norm, to: &mut [f32], finish: impl Fn(f32) -> f32) {
    for (to, y) in pixels_mut(to, norm).zip(pixels(y, norm)) {
        for (b, (to, y)) in to.iter_mut().zip(y).enumerate() {
            let norm = NormBlock::of(norm, b);
            for lane in 0..BLOCK {
                to[lane] = finish(norm.apply(y[lane], lane));
            }
        }
    }
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

/// A block's output: the rectified sum of a batch norm and its shortcut.
pub(super) fn join(y: &[f32], norm: &Norm, bypass: Bypass<'_>, map: Map, to: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            normalise(y, norm, to, |v| v);
            match bypass {
                Bypass::Identity(from) => add(to, from),
                Bypass::Normalised(other, norm) => {
                    for (to, y) in pixels_mut(to, norm).zip(pixels(other, norm)) {
                        for (b, (to, y)) in to.iter_mut().zip(y).enumerate() {
                            let norm = NormBlock::of(norm, b);
                            for lane in 0..BLOCK {
                                to[lane] += norm.apply(y[lane], lane);
                            }
                        }
                    }
                }
                Bypass::Padding(from, input, stride) => {
                    let width = input.channels;
                    for (at, start) in padded(map, input, stride, to.len() / map.len()) {
                        add(&mut to[at..at + width], &from[start..start + width]);
                    }
                }
            }
            for v in to.iter_mut() {
                *v = if *v < 0.0 { 0.0 } else { *v };
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
                    let to = pixels_mut(&mut to[at..at + width], norm);
                    let values = pixels(&gradients[from..from + width], norm)
                        .zip(pixels(&y[from..from + width], norm));
                    for (to, (g, y)) in to.zip(values) {
                        for (b, (to, (g, y))) in to.iter_mut().zip(g.iter().zip(y)).enumerate() {
                            let norm = NormBlock::of(norm, b);
                            let constant = &by.constant.as_chunks::<BLOCK>().0[b];
                            let slope = &by.slope.as_chunks::<BLOCK>().0[b];
                            for lane in 0..BLOCK {
                                to[lane] = norm.factor[lane] * g[lane]
                                    - constant[lane]
                                    - (y[lane] - norm.mean[lane]) * slope[lane];
                            }
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
