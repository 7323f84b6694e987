//! The metrics of a score against labels, as one table.

use serde::{Deserialize, Serialize};

use super::roc::Roc;
use crate::error::Result;

/// The metrics of scored, labelled rows, all but the counts as fractions.
///
/// Serialises to one flat object with these fields in this order, as `qualm eval --json`
/// prints them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Rows.
    pub n: u64,
    /// Rows labelled as outliers.
    pub n_outliers: u64,
    /// See [`Roc::auroc`].
    pub auroc: f64,
    /// The lower end of the 95 per cent interval of the AUROC; see
    /// [`Roc::auroc_interval`].
    pub auroc_ci_low: f64,
    /// The upper end of the same interval.
    pub auroc_ci_high: f64,
    /// The area under the precision-recall curve; see [`Roc::average_precision`].
    pub aupr: f64,
    /// [`Roc::fpr_at_tpr`] at 0.95.
    pub fpr95: f64,
    /// See [`Roc::precision_at_n`].
    pub precision_at_n: f64,
    /// See [`Roc::auroc_unoriented`].
    pub auroc_unoriented: f64,
}

impl Metrics {
    /// Computes all of them with one sort.
    ///
    /// ```
    /// use qualm::stats::Metrics;
    ///
    /// let metrics = Metrics::compute(&[0.9, 0.2, 0.7, 0.1], &[true, false, false, false])?;
    /// assert_eq!(metrics.auroc, 1.0);
    /// # Ok::<(), qualm::Error>(())
    /// ```
    ///
    /// # Shapes
    /// `scores`: `(n,)`, higher = more anomalous; `outlier`: `(n,)`.
    ///
    /// # Errors
    /// See [`Roc::new`].
    pub fn compute(scores: &[f64], outlier: &[bool]) -> Result<Self> {
        let roc = Roc::new(scores, outlier)?;
        let interval = roc.auroc_interval(0.95)?;
        Ok(Self {
            n: roc.n(),
            n_outliers: roc.n_outliers(),
            auroc: roc.auroc(),
            auroc_ci_low: interval.low,
            auroc_ci_high: interval.high,
            aupr: roc.average_precision(),
            fpr95: roc.fpr_at_tpr(0.95)?,
            precision_at_n: roc.precision_at_n(),
            auroc_unoriented: roc.auroc_unoriented(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_their_order_are_the_contract() {
        let metrics =
            Metrics::compute(&[3.0, 1.0, 0.0, 2.0], &[false, true, false, false]).unwrap();
        assert_eq!(
            serde_json::to_string(&metrics).unwrap(),
            r#"{"n":4,"n_outliers":1,"auroc":0.3333333333333333,"auroc_ci_low":0.0,"#.to_owned()
                + r#""auroc_ci_high":1.0,"aupr":0.3333333333333333,"fpr95":0.6666666666666666,"#
                + r#""precision_at_n":0.0,"auroc_unoriented":0.6666666666666667}"#
        );
    }
}
