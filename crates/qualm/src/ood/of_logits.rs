//! Detectors whose score is a function of an item's logits: there is nothing to fit.

use std::fmt::Debug;

use rayon::prelude::*;

use super::activations::Activations;
use super::detector::{
    Needs, Network, OodDetector, OodDetectorSpec, OodOutcome, Perturbation, Widths,
};
use crate::container::{Reader, Writer};
use crate::detector::require;
use crate::error::Result;
use crate::fit::Progress;

/// The fewest rows that are worth a task of their own.
const LEAST: usize = 64;

/// Keys that make a score of logits.
pub(super) trait LogitScore: Debug + Clone + Send + Sync + 'static {
    /// The detector's name.
    const NAME: &'static str;

    /// Checks every key; see [`OodDetectorSpec::validate`].
    fn check(&self) -> Result<()>;

    /// The score of one item's logits, `(c,)`.
    fn score(&self, logits: &[f32]) -> f64;

    /// What the network has to give beyond its logits.
    fn network(&self) -> Network {
        Network::None
    }

    /// How the network's input is perturbed first; see [`OodDetector::perturbation`].
    fn perturbation(&self) -> Option<&dyn Perturbation> {
        None
    }
}

/// The detector that such keys make.
#[derive(Debug)]
struct OfLogits<S>(S);

impl<S: LogitScore> OodDetectorSpec for S {
    fn needs(&self) -> Needs {
        Needs {
            network: self.network(),
            ..Needs::LOGITS
        }
    }

    fn validate(&self) -> Result<()> {
        self.check()
    }

    fn fit(
        &self,
        _: &Activations<'_>,
        _: Option<&Activations<'_>>,
        _: u64,
        _: &mut dyn Progress,
    ) -> Result<OodOutcome> {
        Ok(OodOutcome::new(OfLogits(self.clone())))
    }

    fn unfitted(&self) -> Option<Box<dyn OodDetector>> {
        Some(Box::new(OfLogits(self.clone())))
    }

    fn restore(&self, _: &Widths, _: &mut Reader) -> Result<Box<dyn OodDetector>> {
        Ok(Box::new(OfLogits(self.clone())))
    }
}

impl<S: LogitScore> OodDetector for OfLogits<S> {
    fn score_into(&self, sample: &Activations<'_>, out: &mut [f64]) -> Result<()> {
        let logits = sample.logits(S::NAME)?;
        let rows = logits.as_slice().par_chunks_exact(logits.n_cols());
        let scored = rows.zip(out).with_min_len(LEAST);
        scored.for_each(|(row, out)| *out = self.0.score(row));
        Ok(())
    }

    fn save(&self, _: &mut Writer) {}

    fn perturbation(&self) -> Option<&dyn Perturbation> {
        self.0.perturbation()
    }
}

/// Refuses a temperature that is not above 0.
pub(super) fn require_temperature(temperature: f64) -> Result<()> {
    let holds = temperature > 0.0 && temperature.is_finite();
    require("temperature", temperature, holds, "a number above 0")
}
