//! The Deep Uncertainty Model on the features of a classifier, or on any other embedding of the
//! same items.
//!
//! Both are [`DumSpec`] with all of its keys; only what they start from differs:
//!
//! - `dum`, a variance for each feature (the paper's diagonal form): the preset `features`, for
//!   the outputs of an encoder after its last rectifier.
//! - `dum_circ`, one variance for all (the paper's circular form): the preset `clusters`, for
//!   vectors of several classes, with bags from one neighbourhood each on the centred unit sphere.
//!
//! The fitted rows are known to be in distribution (`reference = clean`). Labels play no part.

use serde::{Deserialize, Serialize};

use super::activations::Activations;
use super::detector::{Needs, OodDetector, OodDetectorSpec, OodOutcome, Widths};
use super::on_features;
use crate::container::Reader;
use crate::detector::DetectorSpec;
use crate::dum::DumSpec;
use crate::error::Result;
use crate::fit::{Progress, Warning};
use crate::reference::Reference;
use crate::spec::Spec;

/// A preset of the Deep Uncertainty Model, for rows that are known to be usual.
fn clean(preset: &str) -> DumSpec {
    DumSpec {
        reference: Reference::Clean,
        ..DumSpec::preset(preset).unwrap_or_default()
    }
}

/// A detector that is a Deep Uncertainty Model with other defaults.
macro_rules! on_features {
    ($(#[$doc:meta])* $type:ident, $name:literal, $preset:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub DumSpec);

        impl Default for $type {
            fn default() -> Self {
                Self(clean($preset))
            }
        }

        impl OodDetectorSpec for $type {
            fn needs(&self) -> Needs {
                Needs::FEATURES
            }

            fn validate(&self) -> Result<()> {
                self.0.validate()
            }

            fn memory(&self, n_rows: usize, widths: &Widths) -> u64 {
                self.0.memory(n_rows, widths.first())
            }

            fn adapt(&mut self, sample: &Activations<'_>) -> Vec<Warning> {
                let features = sample.features().first();
                features.map_or_else(Vec::new, |rows| self.0.adapt(*rows))
            }

            fn fit(
                &self,
                sample: &Activations<'_>,
                _: Option<&Activations<'_>>,
                seed: u64,
                progress: &mut dyn Progress,
            ) -> Result<OodOutcome> {
                let features = sample.only_features($name)?;
                on_features::fit($name, &Spec::Dum(self.0.clone()), features, seed, progress)
            }

            fn restore(
                &self,
                widths: &Widths,
                reader: &mut Reader,
            ) -> Result<Box<dyn OodDetector>> {
                let spec = Spec::Dum(self.0.clone());
                on_features::restore($name, &spec, widths.first(), reader)
            }
        }
    };
}

on_features!(
    /// Keys of `dum`: the Deep Uncertainty Model, a variance for each feature.
    OodDumSpec,
    "dum",
    "features"
);
on_features!(
    /// Keys of `dum_circ`: the Deep Uncertainty Model, one variance for all features.
    OodDumCircSpec,
    "dum_circ",
    "clusters"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dum::Covariance;

    #[test]
    fn the_forms_are_those_of_the_paper() {
        let forms = [OodDumSpec::default().0, OodDumCircSpec::default().0];
        assert_eq!(forms[0].covariance, Covariance::Diagonal);
        assert_eq!(forms[1].covariance, Covariance::Circular);
        assert!(forms.iter().all(|form| form.reference == Reference::Clean));
    }
}
