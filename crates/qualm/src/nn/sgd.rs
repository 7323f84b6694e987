//! Stochastic gradient descent with momentum, and LARS.
//!
//! SGD is that of PyTorch: with gradient g, decay w and momentum m,
//!
//! ```text
//! v = m v + g + w p,    p = p - rate v
//! ```
//!
//! LARS (You et al., "Large Batch Training of Convolutional Networks", 2017, algorithm 1) gives
//! each tensor a step in proportion to its own length: `g + w p` is multiplied by the trust ratio
//! `eta |p| / (|g| + w |p|)`, or by 1 where either length is 0.
//!
//! Biases, and scale and shift of batch norm, neither decay nor have a trust ratio, as in `SimCLR`
//! (Chen et al., 2020, appendix B.9).

use std::ops::Range;

use rayon::prelude::*;

use super::simd::{dot, flush, vectorised};
use crate::error::{Error, Result};

/// Values a task, and of one sum of a length: the order of sums must not depend on threads.
const BLOCK: usize = 1 << 14;

/// Below this a velocity counts as zero: arithmetic near the smallest float32 is slow.
const VELOCITY_FLOOR: f32 = 1e-30;

/// A tensor of parameters within a flat buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it lies.
    pub range: Range<usize>,
    /// Whether weight decay and a trust ratio apply to it: not to biases, nor to scale and shift
    /// of batch norm.
    pub decays: bool,
}

/// SGD with momentum, or LARS, with its memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Sgd {
    momentum: f32,
    weight_decay: f32,
    /// The factor of LARS's trust ratio.
    eta: Option<f32>,
    parts: Vec<Part>,
    velocity: Vec<f32>,
}

impl Sgd {
    /// Before the first step. With `eta` it is LARS.
    ///
    /// # Shapes
    /// `parts` cover the parameters in order, each once.
    #[must_use]
    pub fn new(momentum: f32, weight_decay: f32, eta: Option<f32>, parts: Vec<Part>) -> Self {
        let n = parts.last().map_or(0, |part| part.range.end);
        Self {
            momentum,
            weight_decay,
            eta,
            parts,
            velocity: vec![0.0; n],
        }
    }

    /// What it remembers between steps, one value a parameter.
    #[must_use]
    pub fn velocity(&self) -> &[f32] {
        &self.velocity
    }

    /// Goes on from a velocity of earlier.
    ///
    /// # Errors
    /// [`Error::Shape`] when it is of other parameters.
    pub fn set_velocity(&mut self, velocity: Vec<f32>) -> Result<()> {
        self.check(velocity.len())?;
        self.velocity = velocity;
        Ok(())
    }

    fn check(&self, len: usize) -> Result<()> {
        let n_cols = self.velocity.len();
        if len == n_cols {
            return Ok(());
        }
        Err(Error::Shape { len, n_cols })
    }

    /// Takes a step against a gradient.
    ///
    /// # Shapes
    /// `params`, `grads`: `(n,)`.
    ///
    /// # Errors
    /// [`Error::Shape`] when they are not as many as the parts cover.
    pub fn step(&mut self, params: &mut [f32], grads: &[f32], rate: f64) -> Result<()> {
        self.check(params.len())?;
        self.check(grads.len())?;
        let momentum = self.momentum;
        let rate = rate as f32;
        for part in &self.parts {
            let params = &mut params[part.range.clone()];
            let grads = &grads[part.range.clone()];
            let velocity = &mut self.velocity[part.range.clone()];
            let decay = if part.decays { self.weight_decay } else { 0.0 };
            let trust = match self.eta {
                Some(eta) if part.decays => trust(eta, decay, params, grads),
                _ => 1.0,
            };
            let blocks = params.par_chunks_mut(BLOCK).zip(grads.par_chunks(BLOCK));
            let blocks = blocks.zip(velocity.par_chunks_mut(BLOCK));
            blocks.for_each(|((params, grads), velocity)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for ((p, g), v) in params.iter_mut().zip(grads).zip(velocity) {
                            *v = momentum * *v + trust * (g + decay * *p);
                            *v = flush(*v, VELOCITY_FLOOR);
                            *p -= rate * *v;
                        }
                    },
                );
            });
        }
        Ok(())
    }
}

/// LARS's ratio of a tensor's length to that of its gradient.
fn trust(eta: f32, decay: f32, params: &[f32], grads: &[f32]) -> f32 {
    let (p, g) = (length(params), length(grads));
    if p > 0.0 && g > 0.0 {
        (f64::from(eta) * p / (g + f64::from(decay) * p)) as f32
    } else {
        1.0
    }
}

/// Euclidean length: each block's sum of squares, added in order.
fn length(values: &[f32]) -> f64 {
    let blocks = values.par_chunks(BLOCK);
    let blocks: Vec<f64> = blocks
        .map(|block| {
            f64::from(vectorised(
                #[inline(always)]
                || dot(block, block),
            ))
        })
        .collect();
    blocks.iter().sum::<f64>().sqrt()
}

/// Moves a slow copy of parameters towards them: `slow = m slow + (1 - m) fast`, the momentum
/// encoder of `MoCo` and the target network of BYOL.
///
/// # Shapes
/// `slow`, `fast`: `(n,)`.
pub fn move_average(slow: &mut [f32], fast: &[f32], momentum: f64) {
    let (keep, take) = (momentum as f32, (1.0 - momentum) as f32);
    (slow.par_chunks_mut(BLOCK))
        .zip(fast.par_chunks(BLOCK))
        .for_each(|(slow, fast)| {
            for (slow, fast) in slow.iter_mut().zip(fast) {
                *slow = keep * *slow + take * fast;
            }
        });
}

/// A learning rate that rises linearly, then falls by half a cosine to 0.
///
/// Steps count from 0, and the first already moves: with W steps of warm-up out of T the rate is
/// `peak (step + 1) / W`, then `peak (1 + cos(pi (step - W) / (T - W))) / 2`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmupCosine {
    /// The highest rate.
    pub peak: f64,
    /// Steps of the rise.
    pub warmup: u64,
    /// Steps in all.
    pub steps: u64,
}

impl WarmupCosine {
    /// The rate of a step.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let length = self.steps.saturating_sub(self.warmup).max(1);
        self.peak * half_cosine(step - self.warmup, length)
    }
}

/// From 1 at step 0 down to 0 at the last.
fn half_cosine(step: u64, steps: u64) -> f64 {
    let share = (step as f64 / steps as f64).min(1.0);
    f64::midpoint(1.0, (std::f64::consts::PI * share).cos())
}

/// The momentum of a slow copy that rises by half a cosine to 1 (BYOL, section 3.3):
/// `1 - (1 - first) (cos(pi step / steps) + 1) / 2`.
#[must_use]
pub fn rising_momentum(first: f64, step: u64, steps: u64) -> f64 {
    1.0 - (1.0 - first) * half_cosine(step, steps.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Vec<Part> {
        let part = |range, decays| Part { range, decays };
        vec![part(0..2, true), part(2..3, false)]
    }

    #[test]
    fn momentum_and_decay_by_hand() {
        let mut sgd = Sgd::new(0.5, 0.1, None, parts());
        let mut params = [1.0, 0.0, 1.0];
        for (step, expected) in [(0, [0.6, 0.0, 0.5]), (1, [0.372, 0.0, 0.25])] {
            let grads = if step == 0 {
                [1.9, 0.0, 2.5]
            } else {
                [0.08, 0.0, 0.0]
            };
            sgd.step(&mut params, &grads, 0.2).unwrap();
            for (found, expected) in params.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{step}: {params:?}");
            }
        }
        assert!(sgd.step(&mut params[..2], &[0.0; 2], 0.2).is_err());
        assert!(sgd.set_velocity(vec![0.0; 4]).is_err());
    }

    #[test]
    fn a_step_of_lars_has_a_length_in_proportion_to_the_weights() {
        for scale in [1.0, 1000.0] {
            let mut lars = Sgd::new(0.9, 0.0, Some(0.01), parts());
            let mut params = [3.0, 4.0, 1.0];
            lars.step(&mut params, &[0.6 * scale, 0.8 * scale, 2.0], 1.0)
                .unwrap();
            // eta |p| = 0.05, along the gradient; the last is plain SGD.
            for (found, expected) in params.iter().zip([2.97, 3.96, -1.0]) {
                assert!((found - expected).abs() < 1e-5, "{params:?}");
            }
        }
    }

    #[test]
    fn a_tensor_of_zeros_takes_a_plain_step() {
        let mut lars = Sgd::new(0.0, 0.5, Some(0.01), parts());
        let mut params = [0.0; 3];
        lars.step(&mut params, &[1.0, 2.0, 3.0], 0.5).unwrap();
        assert_eq!(params, [-0.5, -1.0, -1.5]);
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let rate = WarmupCosine {
            peak: 2.0,
            warmup: 4,
            steps: 12,
        };
        assert_eq!([0, 1, 3, 4].map(|s| rate.at(s)), [0.5, 1.0, 2.0, 2.0]);
        assert!((rate.at(8) - 1.0).abs() < 1e-12 && rate.at(11) > 0.0);
        assert!(rate.at(12).abs() < 1e-12);
        let short = WarmupCosine {
            peak: 1.0,
            warmup: 2,
            steps: 2,
        };
        assert_eq!(short.at(1), 1.0);
    }

    #[test]
    fn the_momentum_rises_to_one() {
        assert_eq!(rising_momentum(0.9, 0, 10), 0.9);
        assert!((rising_momentum(0.9, 5, 10) - 0.95).abs() < 1e-12);
        assert!((rising_momentum(0.9, 10, 10) - 1.0).abs() < 1e-12);
        let mut slow = [1.0, 2.0];
        move_average(&mut slow, &[3.0, 2.0], 0.75);
        assert_eq!(slow, [1.5, 2.0]);
    }
}
