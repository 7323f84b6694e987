//! Maximum softmax probability (D. Hendrycks and K. Gimpel, *A baseline for detecting
//! misclassified and out-of-distribution examples in neural networks*, ICLR 2017, section 3).
//!
//! With logits `l`, `(c,)`, and a temperature T, the score is
//!
//! ```text
//! 1 - max_j p_j      p = softmax(l / T)
//! ```
//!
//! the probability that the classifier leaves to all other classes. The paper ranks by `max p`
//! (higher = usual) and pytorch-ood by `-max p`: the order is the same. Here the rest is summed
//! instead of rounded away, so that very sure rows do not tie. T = 1 as in the paper.

use serde::{Deserialize, Serialize};

use super::of_logits::{LogitScore, require_temperature};
use super::softmax::probabilities;
use crate::error::Result;

/// Keys of `msp`: the maximum softmax probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MspSpec {
    /// What logits are divided by first; above 0.
    pub temperature: f64,
}

impl Default for MspSpec {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl LogitScore for MspSpec {
    const NAME: &'static str = "msp";

    fn check(&self) -> Result<()> {
        require_temperature(self.temperature)
    }

    fn score(&self, logits: &[f32]) -> f64 {
        let parts = probabilities(logits, self.temperature).into_iter();
        parts.map(|(_, rest)| rest).fold(1.0, f64::min)
    }
}
