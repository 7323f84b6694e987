//! Free energy (W. Liu, X. Wang, J. Owens and Y. Li, *Energy-based out-of-distribution
//! detection*, `NeurIPS` 2020, equation 4).
//!
//! With logits `l`, `(c,)`, and a temperature T, the score is the energy
//!
//! ```text
//! E(l) = -T log sum_j exp(l_j / T)
//! ```
//!
//! The paper ranks by `-E` (higher = usual); its T is 1, the default here and in pytorch-ood.

use serde::{Deserialize, Serialize};

use super::of_logits::{LogitScore, require_temperature};
use super::softmax::log_sum_exp;
use crate::error::Result;

/// Keys of `energy`: the free energy of the logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnergySpec {
    /// What logits are divided by; above 0.
    pub temperature: f64,
}

impl Default for EnergySpec {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl LogitScore for EnergySpec {
    const NAME: &'static str = "energy";

    fn check(&self) -> Result<()> {
        require_temperature(self.temperature)
    }

    fn score(&self, logits: &[f32]) -> f64 {
        -self.temperature * log_sum_exp(logits, self.temperature)
    }
}
