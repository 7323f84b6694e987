//! Adam (Kingma & Ba, 2014, Algorithm 1), fused into one pass over memory.

use super::simd::{flush, vectorised};

/// Below these, the running means and a gradient that is squared count as zero. Against
/// epsilon (1e-8) they move nothing, and arithmetic near the smallest float32 (1e-38) is a
/// hundred times slower than any other on most processors.
const MEAN_FLOOR: f32 = 1e-30;
const GRADIENT_FLOOR: f32 = 1e-15;
const SQUARE_FLOOR: f32 = 1e-34;

/// The optimiser's hyper-parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adam {
    /// Step size (the paper's alpha).
    pub(crate) learning_rate: f32,
    /// Decoupled weight decay (Loshchilov & Hutter, 2019); 0 is plain Adam.
    pub(crate) weight_decay: f32,
}

/// What Adam remembers between steps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AdamState {
    /// Running mean of gradients, one per parameter.
    pub(crate) m: Vec<f32>,
    /// Running mean of squared gradients, one per parameter.
    pub(crate) v: Vec<f32>,
    /// Steps taken.
    pub(crate) t: u64,
}

impl AdamState {
    /// Before the first step of `n` parameters.
    pub(crate) fn new(n: usize) -> Self {
        Self {
            m: vec![0.0; n],
            v: vec![0.0; n],
            t: 0,
        }
    }
}

/// One step of Adam: its factors, the same for every parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    /// Learning rate over the first bias correction.
    pub(crate) rate: f32,
    /// One over the root of the second bias correction.
    pub(crate) root: f32,
    /// What weight decay leaves of a parameter.
    pub(crate) keep: f32,
}

impl Adam {
    pub(crate) const BETA1: f32 = 0.9;
    pub(crate) const BETA2: f32 = 0.999;
    pub(crate) const EPSILON: f32 = 1e-8;

    /// The factors of step `t`, counted from 1.
    pub(crate) fn at(self, t: u64) -> AdamStep {
        let t = t.min(i32::MAX as u64) as i32;
        let correction1 = 1.0 - f64::from(Self::BETA1).powi(t);
        let correction2 = 1.0 - f64::from(Self::BETA2).powi(t);
        AdamStep {
            rate: (f64::from(self.learning_rate) / correction1) as f32,
            root: (1.0 / correction2.sqrt()) as f32,
            keep: 1.0 - self.learning_rate * self.weight_decay,
        }
    }
}

impl AdamStep {
    /// Moves parameters against their gradient, in place.
    ///
    /// # Shapes
    /// All: `(n,)`.
    pub(crate) fn update(self, params: &mut [f32], grads: &[f32], m: &mut [f32], v: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                for (((p, &g), m), v) in params.iter_mut().zip(grads).zip(m).zip(v) {
                    *m = flush(Adam::BETA1 * *m + (1.0 - Adam::BETA1) * g, MEAN_FLOOR);
                    let g = flush(g, GRADIENT_FLOOR);
                    *v = flush(Adam::BETA2 * *v + (1.0 - Adam::BETA2) * g * g, SQUARE_FLOOR);
                    *p = self.keep * *p - self.rate * *m / (v.sqrt() * self.root + Adam::EPSILON);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_has_the_size_of_the_learning_rate() {
        // With zero history both corrections cancel: the step is lr * sign(g).
        let adam = Adam {
            learning_rate: 0.01,
            weight_decay: 0.0,
        };
        let mut params = [1.0, 1.0, 1.0];
        let (mut m, mut v) = ([0.0; 3], [0.0; 3]);
        adam.at(1)
            .update(&mut params, &[5.0, -0.3, 0.0], &mut m, &mut v);
        for (found, expected) in params.iter().zip([0.99, 1.01, 1.0]) {
            assert!((found - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn weight_decay_shrinks_what_no_gradient_holds() {
        let adam = Adam {
            learning_rate: 0.1,
            weight_decay: 0.5,
        };
        let mut params = [2.0];
        adam.at(1)
            .update(&mut params, &[0.0], &mut [0.0], &mut [0.0]);
        assert!((params[0] - 1.9).abs() < 1e-6);
    }
}
