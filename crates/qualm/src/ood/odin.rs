//! ODIN (S. Liang, Y. Li and R. Srikant, *Enhancing the reliability of out-of-distribution image
//! detection in neural networks*, ICLR 2018, equations 1 and 2).
//!
//! With the logits `f(x)`, `(c,)`, of an input x, a temperature T and `S(x) = softmax(f(x) / T)`,
//! the network's input is moved a step towards the predicted class y, and the score is the maximum
//! softmax probability of what the network makes of that:
//!
//! ```text
//! x' = x - epsilon sign(d/dx -log S_y(x))
//! 1 - max_j S_j(x')
//! ```
//!
//! The paper ranks by `max S` (higher = usual). T = 1000 as in its section 3. It chooses epsilon on
//! known outliers; without any, 0.0014 is the default, the value for a `DenseNet` on CIFAR-10 in
//! the authors' code and the default of pytorch-ood. See
//! [`Perturbation`] for its unit. With epsilon 0, logits are enough: it
//! is `msp` at this temperature.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::detector::{Network, Perturbation, require_epsilon};
use super::msp::MspSpec;
use super::of_logits::{LogitScore, require_temperature};
use super::softmax::probabilities;
use crate::error::Result;
use crate::rows::Rows;

/// Keys of `odin`: the maximum softmax probability after a step of the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OdinSpec {
    /// What logits are divided by first; above 0.
    pub temperature: f64,
    /// The step of the perturbation of the input, in pixel values from 0 to 1; 0 for none.
    pub epsilon: f64,
}

impl Default for OdinSpec {
    fn default() -> Self {
        Self {
            temperature: 1000.0,
            epsilon: 0.0014,
        }
    }
}

impl LogitScore for OdinSpec {
    const NAME: &'static str = "odin";

    fn check(&self) -> Result<()> {
        require_temperature(self.temperature)?;
        require_epsilon(self.epsilon)
    }

    fn score(&self, logits: &[f32]) -> f64 {
        let msp = MspSpec {
            temperature: self.temperature,
        };
        msp.score(logits)
    }

    fn network(&self) -> Network {
        if self.epsilon > 0.0 {
            Network::Gradient
        } else {
            Network::None
        }
    }

    fn perturbation(&self) -> Option<&dyn Perturbation> {
        (self.epsilon > 0.0).then_some(self)
    }
}

impl Perturbation for OdinSpec {
    fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// That of `-log S_y`: `(S - e_y) / T`.
    fn slope_into(&self, _: usize, rows: Rows<'_>, out: &mut [f32]) {
        let c = rows.n_cols();
        let each = rows.as_slice().par_chunks_exact(c);
        each.zip(out.par_chunks_exact_mut(c))
            .for_each(|(logits, out)| {
                let parts = probabilities(logits, self.temperature);
                let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let top = logits.iter().position(|l| *l >= largest).unwrap_or(0);
                for (j, (out, (p, rest))) in out.iter_mut().zip(parts).enumerate() {
                    let slope = if j == top { -rest } else { p };
                    *out = (slope / self.temperature) as f32;
                }
            });
    }
}

#[cfg(test)]
mod tests {
    use super::super::detector::{Needs, OodDetectorSpec};
    use super::*;
    use crate::rows::Matrix;

    #[test]
    fn the_slope_by_hand() {
        // Softmax (0.1, 0.6, 0.3) at temperature 2.
        let logits = [1.0f64, 6.0, 3.0].map(|w| (2.0 * w.ln()) as f32);
        let rows = Matrix::new(logits.to_vec(), 3).unwrap();
        let odin = OdinSpec {
            temperature: 2.0,
            epsilon: 0.1,
        };
        let mut slope = [0.0; 3];
        odin.slope_into(0, rows.rows(), &mut slope);
        for (found, expected) in slope.iter().zip([0.05, -0.2, 0.15]) {
            assert!((found - expected).abs() < 1e-6, "{slope:?}");
        }
    }

    #[test]
    fn without_a_step_logits_are_enough() {
        let spec = OdinSpec {
            epsilon: 0.0,
            ..OdinSpec::default()
        };
        assert_eq!(spec.needs(), Needs::LOGITS);
        assert_eq!(OdinSpec::default().needs().network, Network::Gradient);
        assert!(
            OdinSpec {
                epsilon: -1.0,
                ..spec
            }
            .validate()
            .is_err()
        );
    }
}
