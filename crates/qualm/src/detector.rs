//! The centre: what every fitted detector can be asked.

use std::fmt::Debug;

use crate::artefact::Writer;
use crate::data::Rows;
use crate::dum::{Device, Statistic};
use crate::error::Result;

/// A fitted detector. **Higher score = stranger**, everywhere.
///
/// Fitting makes one from a [`crate::Spec`], so a detector that has not been fitted
/// cannot be asked anything.
pub(crate) trait Detector: Debug + Send + Sync {
    /// Width of the rows it scores.
    fn n_features(&self) -> usize;

    /// Scores rows. A row's score does not depend, to the bit, on the rows beside it or on
    /// the number of threads.
    ///
    /// # Shapes
    /// `rows`: `(n, n_features)`; `out`: `(n,)`.
    ///
    /// # Errors
    /// [`crate::Error::ScoreNotFinite`], [`crate::Error::Device`].
    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()>;

    /// The log-variance of each row and dimension, for detectors that have them.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    fn log_variances(&self, rows: Rows<'_>) -> Result<Option<Variances>> {
        let _ = rows;
        Ok(None)
    }

    /// Scores on this device from now on.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when it cannot; nothing has changed then.
    fn move_to(&mut self, device: Device) -> Result<()>;

    /// Writes all that was learned, as tensors.
    fn save(&self, writer: &mut Writer);
}

/// Per-row log-variances of a Deep Uncertainty Model.
#[derive(Debug, Clone, PartialEq)]
pub struct Variances {
    /// `(n, width)`, row after row.
    pub log: Vec<f32>,
    /// Dimensions: those of the vectors the model sees, or 1 for a circular covariance.
    pub width: usize,
    /// Whether dimension j is feature j of the input.
    pub by_feature: bool,
    /// The statistic that turns a row's variances into its score.
    pub(crate) statistic: Statistic,
}
