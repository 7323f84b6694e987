//! Predicted rotations (D. Hendrycks, M. Mazeika, S. Kadavath and D. Song, *Using self-supervised
//! learning can improve model robustness and uncertainty*, `NeurIPS` 2019, section 4.1).
//!
//! A head of the network predicts by how many quarters an image was turned. With `p(y | x)`, `(c,)`,
//! the classifier's softmax, U the uniform distribution over the classes, and `q(x, r)`, `(4,)`, the
//! softmax of the rotation head for the image turned by r quarters, the score is
//!
//! ```text
//! -KL(U || p(y | x))  +  1/4 sum_r -log q_r(x, r)      KL(U || p) = -log c - 1/c sum_j log p_j
//! ```
//!
//! in nats. A usual image has a sure class, so that its softmax is far from uniform, and its
//! rotations are told apart. As the authors' code (`multiclass_ood`) has it, which takes logarithms
//! to base 2: the order is the same. With `classifier = false` the first part is left out, for
//! heads that were trained without labels.
//!
//! Features are the logits of the rotation head, `(n, 16)`: four for each turn, from none to three
//! quarters.

use serde::{Deserialize, Serialize};

use super::activations::Activations;
use super::detector::{Layers, Needs, Network, OodDetector, OodDetectorSpec, OodOutcome, Widths};
use super::softmax::log_sum_exp;
use crate::container::{Reader, Writer};
use crate::error::{Error, Location, Result};
use crate::fit::Progress;

const NAME: &str = "rotation";

/// Quarter turns, and the outputs of the rotation head.
const TURNS: usize = 4;

/// Keys of `rotation`: how badly rotations are predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RotationSpec {
    /// Whether the classifier's part counts.
    pub classifier: bool,
}

impl Default for RotationSpec {
    fn default() -> Self {
        Self { classifier: true }
    }
}

/// There is nothing to fit.
#[derive(Debug)]
struct Rotation(RotationSpec);

impl OodDetectorSpec for RotationSpec {
    fn needs(&self) -> Needs {
        Needs {
            features: Layers::One,
            logits: self.classifier,
            labels: false,
            network: Network::Rotations,
        }
    }

    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn fit(
        &self,
        sample: &Activations<'_>,
        _: Option<&Activations<'_>>,
        _: u64,
        _: &mut dyn Progress,
    ) -> Result<OodOutcome> {
        check_width(sample.only_features(NAME)?.n_cols())?;
        Ok(OodOutcome::new(Rotation(self.clone())))
    }

    fn unfitted(&self) -> Option<Box<dyn OodDetector>> {
        Some(Box::new(Rotation(self.clone())))
    }

    fn restore(&self, widths: &Widths, reader: &mut Reader) -> Result<Box<dyn OodDetector>> {
        check_width(widths.first()).map_err(|error| reader.refused("inputs", &error))?;
        Ok(Box::new(Rotation(self.clone())))
    }
}

/// Refuses rows that are not four outputs for each of four turns.
fn check_width(found: usize) -> Result<()> {
    if found == TURNS * TURNS {
        return Ok(());
    }
    Err(Error::Width {
        at: Location::default().column("features"),
        found,
        expected: TURNS * TURNS,
    })
}

impl OodDetector for Rotation {
    fn score_into(&self, sample: &Activations<'_>, out: &mut [f64]) -> Result<()> {
        let turned = sample.only_features(NAME)?;
        check_width(turned.n_cols())?;
        for (row, out) in turned.iter().zip(&mut *out) {
            *out = unpredicted(row);
        }
        if self.0.classifier {
            for (logits, out) in sample.logits(NAME)?.iter().zip(out) {
                *out -= from_uniform(logits);
            }
        }
        Ok(())
    }

    fn save(&self, _: &mut Writer) {}
}

/// The mean cross-entropy of the turns.
fn unpredicted(row: &[f32]) -> f64 {
    let turns = row.chunks_exact(TURNS).enumerate();
    let losses = turns.map(|(r, logits)| {
        let right = logits.get(r).copied().unwrap_or_default();
        log_sum_exp(logits, 1.0) - f64::from(right)
    });
    losses.sum::<f64>() / TURNS as f64
}

/// `KL(U || p)` of the softmax p.
fn from_uniform(logits: &[f32]) -> f64 {
    let c = logits.len() as f64;
    let mean = logits.iter().map(|l| f64::from(*l)).sum::<f64>() / c;
    log_sum_exp(logits, 1.0) - mean - c.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    #[test]
    fn both_parts_by_hand() {
        let ln = |x: f64| x.ln() as f32;
        // Softmax (1/4, 3/4): KL(U || p) = -ln 2 - (ln 1/4 + ln 3/4) / 2.
        let kl = -(2f64.ln()) - 0.5 * (0.25f64.ln() + 0.75f64.ln());
        assert!((from_uniform(&[ln(1.0), ln(3.0)]) - kl).abs() < 1e-7);
        assert!(from_uniform(&[5.0; 10]).abs() < 1e-12);
        // Each turn has half of the probability, the last one an eighth.
        let mut row = Vec::new();
        for r in 0..4 {
            let mut logits = [0.0; 4];
            logits[r] = ln(3.0);
            row.extend(logits);
        }
        row[12..].copy_from_slice(&[ln(5.0), 0.0, 0.0, 0.0]);
        let expected = (3.0 * 2f64.ln() + 8f64.ln()) / 4.0;
        assert!((unpredicted(&row) - expected).abs() < 1e-7);

        let turned = Matrix::new(row, 16).unwrap();
        let logits = Matrix::new(vec![ln(1.0), ln(3.0)], 2).unwrap();
        let sample = Activations::of_features(turned.rows()).with_logits(logits.rows());
        let mut score = [0.0];
        Rotation(RotationSpec::default())
            .score_into(&sample, &mut score)
            .unwrap();
        assert!((score[0] - (expected - kl)).abs() < 1e-7);
    }

    #[test]
    fn rows_of_another_width_are_refused() {
        let turned = Matrix::new(vec![0.0; 24], 12).unwrap();
        let sample = Activations::of_features(turned.rows());
        let spec = RotationSpec { classifier: false };
        let error = spec.fit(&sample, None, 0, &mut ()).unwrap_err();
        assert!(matches!(
            error,
            Error::Width {
                found: 12,
                expected: 16,
                ..
            }
        ));
    }
}
