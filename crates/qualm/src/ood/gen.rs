//! Generalised entropy (X. Liu, Y. Lochman and C. Zach, *GEN: pushing the limits of softmax-based
//! out-of-distribution detection*, CVPR 2023, equations 4 and 5).
//!
//! With `p = softmax(l)`, sorted so that `p_1 >= p_2 >= ...`, the score is
//!
//! ```text
//! G(p) = sum_(j <= M) p_j^gamma (1 - p_j)^gamma
//! ```
//!
//! over the M largest probabilities, all of them where there are fewer classes. Defaults: gamma =
//! 0.1 and M = 100, as in the paper. pytorch-ood gives the mean of the terms, which is this score
//! divided by a constant, takes all classes unless told otherwise, and moves probabilities below
//! 1e-7 up to it; the paper and we do not.

use serde::{Deserialize, Serialize};

use super::of_logits::LogitScore;
use super::softmax::probabilities;
use crate::detector::require;
use crate::error::Result;

/// Keys of `gen`: a generalised entropy of the softmax.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenSpec {
    /// Exponent; above 0. A small one weighs the shape of the tail.
    pub gamma: f64,
    /// Probabilities that count, the largest first; at least 1.
    pub m: usize,
}

impl Default for GenSpec {
    fn default() -> Self {
        Self { gamma: 0.1, m: 100 }
    }
}

impl LogitScore for GenSpec {
    const NAME: &'static str = "gen";

    fn check(&self) -> Result<()> {
        let holds = self.gamma > 0.0 && self.gamma.is_finite();
        require("gamma", self.gamma, holds, "a number above 0")?;
        require("m", self.m, self.m >= 1, "at least 1")
    }

    fn score(&self, logits: &[f32]) -> f64 {
        let mut parts = probabilities(logits, 1.0);
        parts.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
        let largest = parts.iter().take(self.m);
        largest.map(|(p, rest)| (p * rest).powf(self.gamma)).sum()
    }
}
