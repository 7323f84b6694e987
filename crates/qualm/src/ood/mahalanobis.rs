//! Mahalanobis distance to the nearest class (K. Lee, K. Lee, H. Lee and J. Shin, *A simple unified
//! framework for detecting out-of-distribution samples and adversarial attacks*, `NeurIPS` 2018,
//! equations 1, 2 and 4).
//!
//! With the features `x`, `(d,)`, of a layer and Gaussians of all classes with
//! one covariance S, the score of the layer is
//!
//! ```text
//! M(x) = min_c (x - mu_c)' S^-1 (x - mu_c)
//! ```
//!
//! and that of several layers `sum_l M_l(x)`, or, where outliers are known, `b + sum_l w_l M_l(x)`
//! with the weights of a logistic regression of outlier against usual. The
//! paper ranks by `-M` (higher = usual) and weighs layers on a validation set of its own; here the
//! usual rows are the fitted ones. Its perturbation of the input needs the network and is not part
//! of this. pytorch-ood gives `M / 2n`, S being its sum over the n rows, plus 1e-6 on the diagonal;
//! it fits the label 0 to C - 1, here they are any numbers from 0.
//!
//! With `normalise` each row is divided by its norm first (M. Mueller and M. Hein, *Mahalanobis++:
//! improving OOD detection via feature normalization*, ICML 2025).

use serde::{Deserialize, Serialize};

use super::activations::Activations;
use super::detector::{Layers, Needs, OodDetector, OodDetectorSpec, OodOutcome, Widths};
use super::gaussians::{Classes, Gaussians};
use super::logistic::Logistic;
use super::panels::prepared;
use crate::container::{Reader, Writer};
use crate::error::{Error, Result};
use crate::fit::{Meter, Progress};

const NAME: &str = "mahalanobis";

/// Keys of `mahalanobis`: the distance to the nearest class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MahalanobisSpec {
    /// Whether features are divided by their Euclidean norm first (Mahalanobis++).
    pub normalise: bool,
    /// How the scores of several layers become one.
    pub combine: Combine,
}

/// How [`MahalanobisSpec`] combines layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// Their sum.
    #[default]
    Equal,
    /// A logistic regression on known outliers, which have labels below 0.
    Logistic,
}

/// The Gaussians of each layer.
#[derive(Debug)]
struct Mahalanobis {
    layers: Vec<Gaussians>,
    normalise: bool,
    weights: Option<Logistic>,
}

impl Mahalanobis {
    /// The score of each layer, `(n, layers)`.
    fn of_layers(&self, sample: &Activations<'_>) -> Vec<f64> {
        let (n, width) = (sample.n_rows(), self.layers.len());
        let mut scores = vec![0.0; n * width];
        let mut one = vec![0.0; n];
        for (l, (layer, rows)) in self.layers.iter().zip(sample.features()).enumerate() {
            layer.nearest(prepared(*rows, self.normalise).rows(), &mut one);
            let column = scores.iter_mut().skip(l).step_by(width);
            column.zip(&one).for_each(|(to, score)| *to = *score);
        }
        scores
    }
}

impl OodDetectorSpec for MahalanobisSpec {
    fn needs(&self) -> Needs {
        Needs {
            features: Layers::Several,
            logits: false,
            labels: true,
        }
    }

    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn memory(&self, n_rows: usize, widths: &Widths) -> u64 {
        let layers = widths.features.iter();
        let needed = layers.map(|d| Gaussians::memory(n_rows, *d));
        needed.max().unwrap_or(0)
    }

    fn uses_outliers(&self) -> bool {
        self.combine == Combine::Logistic
    }

    fn fit(
        &self,
        sample: &Activations<'_>,
        outliers: Option<&Activations<'_>>,
        _: u64,
        progress: &mut dyn Progress,
    ) -> Result<OodOutcome> {
        let classes = Classes::of(sample.labels(NAME)?)?;
        let meter = &mut Meter::new(progress);
        let (mut layers, mut warnings) = (Vec::new(), Vec::new());
        for rows in sample.features() {
            let rows = prepared(*rows, self.normalise);
            let (layer, warning) = Gaussians::fit(rows.rows(), &classes, meter)?;
            layers.push(layer);
            warnings.extend(warning);
        }
        let mut detector = Mahalanobis {
            layers,
            normalise: self.normalise,
            weights: None,
        };
        if self.combine == Combine::Logistic {
            let outliers = outliers.ok_or(Error::NoKnownOutliers)?;
            let usual = detector.of_layers(sample);
            let unusual = detector.of_layers(outliers);
            detector.weights = Some(Logistic::fit(&usual, &unusual, detector.layers.len()));
        }
        Ok(OodOutcome::new(detector).with_warnings(warnings))
    }

    fn restore(&self, widths: &Widths, reader: &mut Reader) -> Result<Box<dyn OodDetector>> {
        let layers = widths.features.iter().enumerate();
        let layers = layers.map(|(l, d)| Gaussians::restore(&format!("layer.{l}"), *d, reader));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let weights = match self.combine {
            Combine::Equal => None,
            Combine::Logistic => Some(Logistic::restore("weights", layers.len(), reader)?),
        };
        Ok(Box::new(Mahalanobis {
            layers,
            normalise: self.normalise,
            weights,
        }))
    }
}

impl OodDetector for Mahalanobis {
    fn score_into(&self, sample: &Activations<'_>, out: &mut [f64]) -> Result<()> {
        let scores = self.of_layers(sample);
        let rows = scores.chunks_exact(self.layers.len().max(1));
        for (row, out) in rows.zip(out) {
            *out = match &self.weights {
                Some(weights) => weights.log_odds(row),
                None => row.iter().sum(),
            };
        }
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        for (l, layer) in self.layers.iter().enumerate() {
            layer.save(&format!("layer.{l}"), writer);
        }
        if let Some(weights) = &self.weights {
            weights.save("weights", writer);
        }
    }
}
