//! What the scores of a fitted detector mean.

use crate::calibrate::{Calibration, ThresholdRule};
use crate::container::{Reader, Writer};
use crate::error::Result;

/// The name of the reference scores in a file.
const SCORES: &str = "calibration.scores";

/// The reference scores, and the rule of the threshold among them.
#[derive(Debug)]
pub(crate) struct Decision {
    calibration: Calibration,
    rule: ThresholdRule,
    /// Scores of the fitted rows, in their order; not kept in a file.
    fitted_scores: Option<Vec<f64>>,
}

impl Decision {
    /// By the default rule against the scores of the fitted rows themselves, in their order.
    ///
    /// # Errors
    /// As [`Calibration::new`].
    pub(crate) fn on_fitted(scores: Vec<f64>) -> Result<Self> {
        Ok(Self {
            calibration: Calibration::new(scores.clone())?,
            rule: ThresholdRule::default(),
            fitted_scores: Some(scores),
        })
    }

    /// The same rule against new scores of the fitted rows.
    ///
    /// # Errors
    /// As [`Calibration::new`].
    pub(crate) fn refit(&mut self, scores: Vec<f64>) -> Result<()> {
        let rule = self.rule;
        *self = Self {
            rule,
            ..Self::on_fitted(scores)?
        };
        Ok(())
    }

    /// The same rule against other reference scores.
    pub(crate) fn calibrate(&mut self, calibration: Calibration) {
        self.calibration = calibration;
    }

    /// The score above which a row is an outlier.
    ///
    /// # Errors
    /// When the rule is out of range.
    pub(crate) fn threshold(&self) -> Result<f64> {
        self.calibration.threshold(self.rule)
    }

    /// Sets another rule.
    ///
    /// # Errors
    /// When the rule is out of range.
    pub(crate) fn set_rule(&mut self, rule: ThresholdRule) -> Result<()> {
        self.calibration.threshold(rule)?;
        self.rule = rule;
        Ok(())
    }

    pub(crate) fn rule(&self) -> ThresholdRule {
        self.rule
    }

    pub(crate) fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    pub(crate) fn fitted_scores(&self) -> Option<&[f64]> {
        self.fitted_scores.as_deref()
    }

    /// Writes the reference scores; the rule stands in the file's JSON.
    pub(crate) fn save(&self, writer: &mut Writer) {
        writer.f64(SCORES, self.calibration.scores());
    }

    /// Reads what [`Decision::save`] writes.
    ///
    /// # Errors
    /// On a damaged part, naming it.
    pub(crate) fn restore(rule: ThresholdRule, reader: &mut Reader) -> Result<Self> {
        let scores = reader.f64(SCORES)?;
        let calibration = Calibration::new(scores).map_err(|e| reader.refused(SCORES, &e))?;
        calibration
            .threshold(rule)
            .map_err(|e| reader.refused("threshold", &e))?;
        Ok(Self {
            calibration,
            rule,
            fitted_scores: None,
        })
    }
}
