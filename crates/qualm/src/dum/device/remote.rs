//! A network on a device, as the rest of the crate sees it.

use std::fmt;

use crate::error::Result;

/// Rows scored at a time on a device: enough to fill it, little enough that a layer's
/// output of a 4096-wide network takes 128 MiB.
pub(crate) const DEVICE_BLOCK: usize = 8192;

/// A network on a device, ready to score.
pub(crate) trait Remote: fmt::Debug + Send + Sync {
    /// Log-variances before the clamp.
    ///
    /// # Shapes
    /// `vectors`: `(n, d)`; returns `(n, k)`.
    ///
    /// # Errors
    /// [`crate::DeviceError::Failed`].
    fn infer(&self, vectors: &[f32]) -> Result<Vec<f32>>;
}
