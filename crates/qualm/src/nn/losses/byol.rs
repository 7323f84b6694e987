//! The regression loss of BYOL (Grill et al., "Bootstrap Your Own Latent", 2020, eq. 2).
//!
//! With unit rows p of a prediction and t of its target, `l = |p - t|^2 = 2 - 2 p . t`, and the
//! loss of the batch is the mean over its rows. Targets come from a slowly moving copy of the
//! network: no gradient goes to them. The paper's symmetric loss is that of both views, each
//! predicting the other's target; with both in one batch it is twice this mean.

use super::units::Units;
use super::{n_rows, same_len};
use crate::error::Result;
use crate::nn::simd::{dot, vectorised};

/// The mean squared error of unit rows, with buffers that are reused.
#[derive(Debug, Clone, Default)]
pub struct ByolLoss {
    predictions: Units,
    targets: Units,
}

impl ByolLoss {
    /// The loss; it has no setting.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The mean loss of a batch, and its gradient by the predictions.
    ///
    /// # Shapes
    /// `predictions`, `targets`, `gradient`: `(n, width)`, of any length.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when they are no such rows.
    pub fn loss(
        &mut self,
        predictions: &[f32],
        targets: &[f32],
        width: usize,
        gradient: &mut [f32],
    ) -> Result<f64> {
        let n = n_rows(predictions, width)?;
        same_len(predictions, targets, width)?;
        same_len(predictions, gradient, width)?;
        self.predictions.fill(predictions, width);
        self.targets.fill(targets, width);
        let pairs = (self.predictions.rows.chunks(width)).zip(self.targets.rows.chunks(width));
        let along = vectorised(
            #[inline(always)]
            || pairs.map(|(p, t)| f64::from(dot(p, t))).sum::<f64>(),
        );
        gradient.copy_from_slice(&self.targets.rows);
        self.predictions.backward(gradient, width, -2.0 / n as f32);
        Ok(2.0 - 2.0 * along / n as f64)
    }
}
