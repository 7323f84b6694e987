//! Relative Mahalanobis distance (J. Ren, S. Fort, J. Liu, A. G. Roy, S. Padhy and B.
//! Lakshminarayanan, *A simple fix to Mahalanobis distance for improving near-OOD detection*,
//! 2021, equations 2 and 3).
//!
//! With the Gaussians of [`mahalanobis`](super::mahalanobis) and one more Gaussian of all rows,
//! whatever their class, with mean `mu_0` and covariance `S_0`, the score is
//!
//! ```text
//! min_c (x - mu_c)' S^-1 (x - mu_c)  -  (x - mu_0)' S_0^-1 (x - mu_0)
//! ```
//!
//! What makes a row unusual among all rows, and tells no class from another, cancels out. The
//! paper ranks by the negative (higher = usual); pytorch-ood gives the score divided by n, see
//! there. `normalise` divides each row by its norm first (RMDS++, M. Mueller and M. Hein, ICML
//! 2025).

use serde::{Deserialize, Serialize};

use super::activations::Activations;
use super::detector::{Layers, Needs, Network, OodDetector, OodDetectorSpec, OodOutcome, Widths};
use super::gaussians::{Classes, Gaussians};
use super::panels::prepared;
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::fit::{Meter, Progress};

const NAME: &str = "rmds";

/// Keys of `rmds`: the relative Mahalanobis distance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmdsSpec {
    /// Whether features are divided by their Euclidean norm first (RMDS++).
    pub normalise: bool,
}

/// The Gaussians of the classes, and that of all rows.
#[derive(Debug)]
struct Rmds {
    classes: Gaussians,
    background: Gaussians,
    normalise: bool,
}

impl OodDetectorSpec for RmdsSpec {
    fn needs(&self) -> Needs {
        Needs {
            features: Layers::One,
            logits: false,
            labels: true,
            network: Network::None,
        }
    }

    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn memory(&self, n_rows: usize, widths: &Widths) -> u64 {
        Gaussians::memory(n_rows, widths.first())
    }

    fn fit(
        &self,
        sample: &Activations<'_>,
        _: Option<&Activations<'_>>,
        _: u64,
        progress: &mut dyn Progress,
    ) -> Result<OodOutcome> {
        let classes = Classes::of(sample.labels(NAME)?)?;
        let rows = prepared(sample.only_features(NAME)?, self.normalise);
        let meter = &mut Meter::new(progress);
        let (classes, warning) = Gaussians::fit(rows.rows(), &classes, meter)?;
        let one = Classes::one(sample.n_rows());
        // Its rank is that of the classes at the least: it needs no warning of its own.
        let (background, _) = Gaussians::fit(rows.rows(), &one, meter)?;
        let rmds = Rmds {
            classes,
            background,
            normalise: self.normalise,
        };
        Ok(OodOutcome::new(rmds).with_warnings(warning.into_iter().collect()))
    }

    fn restore(&self, widths: &Widths, reader: &mut Reader) -> Result<Box<dyn OodDetector>> {
        let d = widths.first();
        Ok(Box::new(Rmds {
            classes: Gaussians::restore("classes", d, reader)?,
            background: Gaussians::restore("background", d, reader)?,
            normalise: self.normalise,
        }))
    }
}

impl OodDetector for Rmds {
    fn score_into(&self, sample: &Activations<'_>, out: &mut [f64]) -> Result<()> {
        let rows = prepared(sample.only_features(NAME)?, self.normalise);
        self.classes.nearest(rows.rows(), out);
        let mut background = vec![0.0; out.len()];
        self.background.nearest(rows.rows(), &mut background);
        out.iter_mut()
            .zip(background)
            .for_each(|(out, b)| *out -= b);
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        self.classes.save("classes", writer);
        self.background.save("background", writer);
    }
}
