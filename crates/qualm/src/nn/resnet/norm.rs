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
    // Two of each, so that an addition need not wait for the one before.
    let mut sums = [[0.0; BLOCK]; 2];
    let mut squares = [[0.0; BLOCK]; 2];
    for (i, pixel) in image.chunks_exact(channels).enumerate() {
        let values = block(pixel, first);
        for lane in 0..BLOCK {
            let distance = values[lane] - centre[lane];
            sums[i % 2][lane] += distance;
            squares[i % 2][lane] += distance * distance;
        }
    }
    for lane in 0..BLOCK {
        sums[0][lane] += sums[1][lane];
        squares[0][lane] += squares[1][lane];
    }
    (centre, sums[0], squares[0])
}

/// A block of a pixel's channels.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn block(pixel: &[f32], first: usize) -> &[f32; BLOCK] {
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

/// What batch norm's gradient is made of: for each channel
/// `by y = factor g - constant - (y - mean) slope`.
#[derive(Debug, Clone, Default)]
pub(super) struct NormGradient {
    pub(super) constant: Vec<f32>,
    pub(super) slope: Vec<f32>,
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
    /// Adds an image.
    ///
    /// # Shapes
    /// `gradients`, `y`: `(pixels, channels)`.
    pub(super) fn add(&mut self, gradients: &[f32], y: &[f32], norm: &Norm) {
        let channels = norm.mean.len();
        self.plain.resize(channels, 0.0);
        self.centred.resize(channels, 0.0);
        vectorised(
            #[inline(always)]
            || {
                for first in (0..channels).step_by(BLOCK) {
                    let mean = block(&norm.mean, first);
                    let mut plain = [[0.0; BLOCK]; 2];
                    let mut centred = [[0.0; BLOCK]; 2];
                    let pixels = gradients
                        .chunks_exact(channels)
                        .zip(y.chunks_exact(channels));
                    for (i, (gradients, y)) in pixels.enumerate() {
                        let (gradients, y) = (block(gradients, first), block(y, first));
                        for lane in 0..BLOCK {
                            plain[i % 2][lane] += gradients[lane];
                            centred[i % 2][lane] += gradients[lane] * (y[lane] - mean[lane]);
                        }
                    }
                    for lane in 0..BLOCK {
                        self.plain[first + lane] += f64::from(plain[0][lane] + plain[1][lane]);
                        self.centred[first + lane] +=
                            f64::from(centred[0][lane] + centred[1][lane]);
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
