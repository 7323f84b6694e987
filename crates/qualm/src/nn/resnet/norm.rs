//! Batch norm (Ioffe & Szegedy, 2015) in training mode, and the sums that it needs.
//!
//! Over the m pixels of all images of a batch, for each channel:
//!
//! ```text
//! y' = (y - mean) factor + shift,   factor = scale / sqrt(variance + 1e-5)
//! by shift:  sum g                  by scale:  sum g (y - mean) / sqrt(variance + 1e-5)
//! by y:      factor (g - mean of g - (y - mean) (sum g (y - mean)) / (m (variance + 1e-5)))
//! ```
//!
//! A mean far from zero must not cost the variance its digits, as `mean of y^2 - mean^2` would
//! in float32. So each image is summed around a centre of its own, the mean of some of its
//! pixels, in float32; images are then joined in float64 (Chan, Golub & `LeVeque`, 1979), always
//! in the same order.

use super::network::EPSILON;
use crate::nn::conv::BLOCK;
use crate::nn::simd::vectorised;

/// Pixels whose mean is an image's centre.
const CENTRE: usize = 8;

/// Count, means and sums of squared distances from them, of each channel.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    n: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Adds an image.
    ///
    /// # Shapes
    /// `image`: `(pixels, channels)`.
    pub(super) fn add(&mut self, image: &[f32], channels: usize) {
        let n = image.len() / channels;
        let mut other = Self {
            n: n as f64,
            mean: Vec::with_capacity(channels),
            squares: Vec::with_capacity(channels),
        };
        vectorised(
            #[inline(always)]
            || {
                for first in (0..channels).step_by(BLOCK) {
                    let (centre, sums, squares) = block_sums(image, channels, first);
                    for lane in 0..BLOCK {
                        let off = f64::from(sums[lane]) / n as f64;
                        other.mean.push(f64::from(centre[lane]) + off);
                        let squares = f64::from(squares[lane]) - n as f64 * off * off;
                        other.squares.push(squares.max(0.0));
                    }
                }
            },
        );
        self.join(&other);
    }

    /// Adds what others have counted.
    pub(super) fn join(&mut self, other: &Self) {
        if self.n == 0.0 {
            self.clone_from(other);
            return;
        }
        let n = self.n + other.n;
        for c in 0..self.mean.len() {
            let distance = other.mean[c] - self.mean[c];
            self.mean[c] += distance * other.n / n;
            self.squares[c] += other.squares[c] + distance * distance * self.n * other.n / n;
        }
        self.n = n;
    }

    /// Batch norm by these moments; moves the running statistics a tenth of the way to them, the
    /// variance as that of a sample (n - 1), both as PyTorch does.
    pub(super) fn finish(
        &self,
        scale: &[f32],
        shift: &[f32],
        running_mean: &mut [f32],
        running_variance: &mut [f32],
    ) -> Norm {
        const MOMENTUM: f64 = 0.1;
        let mut norm = Norm::default();
        for c in 0..self.mean.len() {
            let variance = self.squares[c] / self.n;
            let inverse = 1.0 / (variance + f64::from(EPSILON)).sqrt();
            norm.mean.push(self.mean[c] as f32);
            norm.inverse.push(inverse as f32);
            norm.factor.push((f64::from(scale[c]) * inverse) as f32);
            let step = |running: &mut f32, now: f64| {
                *running = ((1.0 - MOMENTUM) * f64::from(*running) + MOMENTUM * now) as f32;
            };
            step(&mut running_mean[c], self.mean[c]);
            step(&mut running_variance[c], self.squares[c] / (self.n - 1.0));
        }
        norm.shift = shift.to_vec();
        norm
    }
}

/// The centre of a block of channels, and the sums of distances from it and of their squares.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn block_sums(
    image: &[f32],
    channels: usize,
    first: usize,
) -> ([f32; BLOCK], [f32; BLOCK], [f32; BLOCK]) {
    let n = image.len() / channels;
    let mut centre = [0.0; BLOCK];
    let step = n.div_ceil(CENTRE);
    let picked = image.chunks_exact(channels).step_by(step);
    let count = picked.len() as f32;
    for pixel in picked {
        let values = block(pixel, first);
        for lane in 0..BLOCK {
            centre[lane] += values[lane] / count;
        }
    }
    let (mut sums, mut squares) = ([0.0; BLOCK], [0.0; BLOCK]);
    for pixel in image.chunks_exact(channels) {
        let values = block(pixel, first);
        for lane in 0..BLOCK {
            let distance = values[lane] - centre[lane];
            sums[lane] += distance;
            squares[lane] += distance * distance;
        }
    }
    (centre, sums, squares)
}

/// A block of a pixel's channels.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn block(pixel: &[f32], first: usize) -> &[f32; BLOCK] {
    pixel[first..].first_chunk().unwrap_or(&[0.0; BLOCK])
}

/// Batch norm with the statistics of a batch, one number a channel each.
#[derive(Debug, Clone, Default)]
pub(super) struct Norm {
    pub(super) mean: Vec<f32>,
    /// `1 / sqrt(variance + 1e-5)`.
    pub(super) inverse: Vec<f32>,
    /// The inverse times the scale.
    pub(super) factor: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

/// A block of channels of a batch norm: a copy, so that the compiler knows that no loop changes
/// it.
#[derive(Debug, Clone, Copy)]
pub(super) struct NormBlock {
    pub(super) mean: [f32; BLOCK],
    pub(super) factor: [f32; BLOCK],
    shift: [f32; BLOCK],
}

impl NormBlock {
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(super) fn of(norm: &Norm, first: usize) -> Self {
        Self {
            mean: *block(&norm.mean, first),
            factor: *block(&norm.factor, first),
            shift: *block(&norm.shift, first),
        }
    }

    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(super) fn apply(&self, y: f32, lane: usize) -> f32 {
        (y - self.mean[lane]) * self.factor[lane] + self.shift[lane]
    }
}

/// What batch norm's gradient is made of: for each channel
/// `by y = factor g - constant - (y - mean) slope`.
#[derive(Debug, Clone, Default)]
pub(super) struct NormGradient {
    pub(super) constant: Vec<f32>,
    pub(super) slope: Vec<f32>,
}

/// What zeroes gradients.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mask<'a> {
    None,
    /// The rectifier after the batch norm that the sums are for.
    Own,
    /// The rectifier whose output this is.
    Of(&'a [f32]),
}

/// Gradients where a rectifier is open.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn masked(g: [f32; BLOCK], v: [f32; BLOCK]) -> [f32; BLOCK] {
    let mut to = [0.0; BLOCK];
    for lane in 0..BLOCK {
        // NaN stays what it is.
        to[lane] = if v[lane] <= 0.0 { 0.0 } else { g[lane] };
    }
    to
}

/// Changes gradients pixel by pixel, and sums them and their products with distances from the
/// mean.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn sum_pixels<'v>(
    gradients: impl Iterator<Item = &'v mut [f32; BLOCK]>,
    y: impl Iterator<Item = &'v [f32; BLOCK]>,
    norm: NormBlock,
    mut change: impl FnMut([f32; BLOCK], [f32; BLOCK]) -> [f32; BLOCK],
) -> [[f32; BLOCK]; 2] {
    let (mut plain, mut centred) = ([0.0; BLOCK], [0.0; BLOCK]);
    for (g, y) in gradients.zip(y) {
        let changed = change(*g, *y);
        for lane in 0..BLOCK {
            plain[lane] += changed[lane];
            centred[lane] += changed[lane] * (y[lane] - norm.mean[lane]);
        }
        *g = changed;
    }
    [plain, centred]
}

/// Sums of gradients by a layer's output after batch norm.
#[derive(Debug, Clone, Default)]
pub(super) struct GradientSums {
    /// `sum g`.
    pub(super) plain: Vec<f64>,
    /// `sum g (y - mean)`.
    pub(super) centred: Vec<f64>,
}

impl GradientSums {
    /// Adds an image, first zeroing gradients where the rectifier after this batch norm, or
    /// `mask`, has closed.
    ///
    /// # Shapes
    /// `gradients`, `y` and what masks: `(pixels, channels)`.
    pub(super) fn add(&mut self, gradients: &mut [f32], mask: Mask<'_>, y: &[f32], norm: &Norm) {
        let channels = norm.mean.len();
        self.plain.resize(channels, 0.0);
        self.centred.resize(channels, 0.0);
        vectorised(
            #[inline(always)]
            || {
                for first in (0..channels).step_by(BLOCK) {
                    let norm = NormBlock::of(norm, first);
                    let pixels = gradients.chunks_exact_mut(channels).filter_map(
                        #[inline(always)]
                        |pixel| pixel[first..].first_chunk_mut(),
                    );
                    let y = y.chunks_exact(channels).map(
                        #[inline(always)]
                        |pixel| block(pixel, first),
                    );
                    let sums = match mask {
                        Mask::None => sum_pixels(pixels, y, norm, |g, _| g),
                        Mask::Own => sum_pixels(
                            pixels,
                            y,
                            norm,
                            #[inline(always)]
                            |g, y| {
                                let mut v = [0.0; BLOCK];
                                for lane in 0..BLOCK {
                                    v[lane] = norm.apply(y[lane], lane);
                                }
                                masked(g, v)
                            },
                        ),
                        Mask::Of(values) => {
                            let mut values = values.chunks_exact(channels);
                            sum_pixels(
                                pixels,
                                y,
                                norm,
                                #[inline(always)]
                                |g, _| masked(g, *block(values.next().unwrap_or(&[]), first)),
                            )
                        }
                    };
                    let [plain, centred] = sums;
                    for lane in 0..BLOCK {
                        self.plain[first + lane] += f64::from(plain[lane]);
                        self.centred[first + lane] += f64::from(centred[lane]);
                    }
                }
            },
        );
    }

    /// Adds what others have summed.
    pub(super) fn join(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.plain, &other.plain),
            (&mut self.centred, &other.centred),
        ] {
            mine.resize(theirs.len(), 0.0);
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
    }

    /// Writes the gradients by scale and shift; returns what that by the input is made of.
    pub(super) fn finish(
        &self,
        norm: &Norm,
        n_values: usize,
        by_scale: &mut [f32],
        by_shift: &mut [f32],
    ) -> NormGradient {
        let mut gradient = NormGradient::default();
        for c in 0..self.plain.len() {
            let (inverse, factor) = (f64::from(norm.inverse[c]), f64::from(norm.factor[c]));
            by_shift[c] = self.plain[c] as f32;
            by_scale[c] = (self.centred[c] * inverse) as f32;
            let n = n_values as f64;
            gradient.constant.push((factor * self.plain[c] / n) as f32);
            let slope = factor * inverse * inverse * self.centred[c] / n;
            gradient.slope.push(slope as f32);
        }
        gradient
    }
}
