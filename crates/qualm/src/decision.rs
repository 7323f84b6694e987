//! What the scores of a fitted detector mean.

use crate::calibrate::{Calibration, ThresholdRule};
use crate::container::{Reader, Writer};
use crate::error::Result;

/// The names of the reference scores, and of those of the fitted rows, in a file.
const SCORES: &str = "calibration.scores";
const FITTED: &str = "fitted.scores";

/// The reference scores, and the rule of the threshold among them.
#[derive(Debug)]
pub(crate) struct Decision {
    calibration: Calibration,
    rule: ThresholdRule,
    /// Scores of the fitted rows, in their order.
    fitted_scores: Option<Vec<f64>>,
    /// Whether a file keeps these.
    keeps_fitted: bool,
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
            keeps_fitted: false,
        })
    }

    /// The same rule against new scores of the fitted rows.
    ///
    /// # Errors
    /// As [`Calibration::new`].
    pub(crate) fn refit(&mut self, scores: Vec<f64>) -> Result<()> {
        let (rule, keeps_fitted) = (self.rule, self.keeps_fitted);
        *self = Self {
            rule,
            keeps_fitted,
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

    /// Whether a file is to keep the scores of the fitted rows.
    pub(crate) fn keep_fitted(&mut self, keep: bool) {
        self.keeps_fitted = keep;
    }

    /// Writes the scores; the rule stands in the file's JSON.
    pub(crate) fn save(&self, writer: &mut Writer) {
        writer.f64(SCORES, self.calibration.scores());
        if let Some(scores) = self.fitted_scores.as_ref().filter(|_| self.keeps_fitted) {
            writer.f64(FITTED, scores);
        }
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
        let keeps_fitted = reader.has(FITTED);
        let fitted_scores = keeps_fitted.then(|| reader.f64(FITTED)).transpose()?;
        let not_finite = |scores: &Vec<f64>| scores.iter().any(|score| !score.is_finite());
        if fitted_scores.as_ref().is_some_and(not_finite) {
            return Err(reader.corrupt(FITTED, "a value that is not finite", "finite scores"));
        }
        Ok(Self {
            calibration,
            rule,
            fitted_scores,
            keeps_fitted,
        })
    }
}
