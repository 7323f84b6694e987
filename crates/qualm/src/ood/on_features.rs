//! A detector of rows ([`Spec`]) on the features of one layer.

use super::activations::Activations;
use super::detector::{OodDetector, OodOutcome};
use crate::container::{Reader, Writer};
use crate::detector::Detector;
use crate::error::{Error, Result};
use crate::fit::Progress;
use crate::rows::Rows;
use crate::spec::Spec;

/// A fitted detector of rows.
#[derive(Debug)]
struct OnFeatures {
    name: &'static str,
    detector: Box<dyn Detector>,
}

/// Fits a detector of rows whose keys are decided.
///
/// # Errors
/// Those of [`Spec::fit`]; [`Error::OutOfRange`] for features too large to be squared in float32.
pub(super) fn fit(
    name: &'static str,
    spec: &Spec,
    features: Rows<'_>,
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<OodOutcome> {
    let fitted = spec.fit(features, seed, progress)?;
    if !fitted.rounding().is_plain() {
        let sizes = features.as_slice().iter().map(|x| f64::from(x.abs()));
        return Err(Error::OutOfRange {
            name: "the largest feature",
            found: sizes.fold(0.0, f64::max),
            expected: "at most 1e14; divide the features by a constant",
        });
    }
    let mut of_rows = fitted.provenance().clone();
    let scores = fitted.fitted_scores().map(<[f64]>::to_vec);
    let warnings = std::mem::take(&mut of_rows.warnings);
    let detector = OnFeatures {
        name,
        detector: fitted.into_detector(),
    };
    Ok(OodOutcome {
        scores,
        warnings,
        of_rows: Some(of_rows),
        ..OodOutcome::new(detector)
    })
}

/// Reads what the detector wrote.
///
/// # Errors
/// [`Error::CorruptModel`].
pub(super) fn restore(
    name: &'static str,
    spec: &Spec,
    n_features: usize,
    reader: &mut Reader,
) -> Result<Box<dyn OodDetector>> {
    let detector = spec.hyper_parameters().restore(n_features, reader)?;
    Ok(Box::new(OnFeatures { name, detector }))
}

impl OodDetector for OnFeatures {
    fn score_into(&self, sample: &Activations<'_>, out: &mut [f64]) -> Result<()> {
        self.detector
            .score_into(sample.only_features(self.name)?, out)
    }

    fn save(&self, writer: &mut Writer) {
        self.detector.save(writer);
    }
}
