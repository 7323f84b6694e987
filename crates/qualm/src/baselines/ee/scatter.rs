//! Location and scatter of some rows, and the metric that the scatter defines.

use crate::covariance::{Panels, Whitening, whiten};
use crate::fit::watch::{Halt, Watch};

/// Location and covariance of some rows, the latter as its metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scatter {
    /// `(d,)`
    pub(super) location: Vec<f64>,
    pub(super) metric: Whitening,
    /// Logarithm of the determinant over the directions that vary.
    log_det: f64,
}

impl Scatter {
    /// Location and scatter of the marked rows.
    ///
    /// # Shapes
    /// `marked`: `(n,)`.
    pub(super) fn from_rows(
        rows: &Panels,
        marked: &[bool],
        watch: &Watch<'_>,
    ) -> Result<Self, Halt> {
        let (location, covariance) = rows.moments(marked, watch)?;
        let (metric, log_det) = whiten(&location, &covariance, watch)?;
        Ok(Self {
            location,
            metric,
            log_det,
        })
    }

    /// Directions that vary.
    pub(super) fn rank(&self) -> usize {
        self.metric.rank()
    }

    /// The same with the covariance multiplied by a factor.
    pub(super) fn inflated(self, factor: f64) -> Self {
        Self {
            metric: self.metric.inflated(factor),
            ..self
        }
    }

    /// What `FastMCD` minimises: the number of directions that vary, then the determinant over
    /// them. It is the order of the determinants when all other directions shrink to 0.
    pub(super) fn objective(&self) -> (usize, f64) {
        (self.rank(), self.log_det)
    }
}
