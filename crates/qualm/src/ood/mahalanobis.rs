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
//! usual rows are the fitted ones.
//!
//! With `epsilon` above 0 the network's input is moved against the gradient of each layer's score
//! before that layer is scored (its section 2.2, equation 3): that needs the network. The paper
//! chooses it on known outliers from 0, 0.0005, 0.001, 0.0014, 0.002, 0.005 and 0.01 (the authors'
//! code), pytorch-ood has 0.002; 0, so that arrays are enough, is the default here. Where the
//! gradient is 0 the input stays; the authors' code moves it. pytorch-ood gives `M / 2n`, S being its sum over the n rows, plus 1e-6 on the diagonal;
//! it fits the label 0 to C - 1, here they are any numbers from 0.
//!
//! With `normalise` each row is divided by its norm first (M. Mueller and M. Hein, *Mahalanobis++:
//! improving OOD detection via feature normalization*, ICML 2025).

use serde::{Deserialize, Serialize};

use super::activations::Activations;
use super::combine::{Combination, Combine, layer_scores};
use super::detector::{
    Layers, Needs, Network, OodDetector, OodDetectorSpec, OodOutcome, Perturbation, Widths,
    require_epsilon,
};
use super::gaussians::{Classes, Gaussians};
use super::panels::prepared;
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::fit::{Meter, Progress};
use crate::rows::Rows;

const NAME: &str = "mahalanobis";

/// Keys of `mahalanobis`: the distance to the nearest class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MahalanobisSpec {
    /// Whether features are divided by their Euclidean norm first (Mahalanobis++).
    pub normalise: bool,
    /// How the scores of several layers become one.
    pub combine: Combine,
    /// The step of the perturbation of the input, in pixel values from 0 to 1; 0 for none. Above
    /// 0, it needs the network.
    pub epsilon: f64,
}

/// The Gaussians of each layer.
#[derive(Debug)]
struct Mahalanobis {
    layers: Vec<Gaussians>,
    keys: MahalanobisSpec,
    combination: Combination,
}

impl Mahalanobis {
    /// The score of each layer, `(n, layers)`.
    fn of_layers(&self, sample: &Activations<'_>) -> Vec<f64> {
        of_layers(&self.layers, self.keys.normalise, sample)
    }
}

/// The score of each layer, `(n, layers)`.
fn of_layers(layers: &[Gaussians], normalise: bool, sample: &Activations<'_>) -> Vec<f64> {
    layer_scores(layers, sample, |layer, rows, out| {
        layer.nearest(prepared(rows, normalise).rows(), out);
    })
}

impl OodDetectorSpec for MahalanobisSpec {
    fn needs(&self) -> Needs {
        Needs {
            features: Layers::Several,
            logits: false,
            labels: true,
            network: if self.epsilon > 0.0 {
                Network::Gradient
            } else {
                Network::None
            },
        }
    }

    fn validate(&self) -> Result<()> {
        require_epsilon(self.epsilon)
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
        let scores = |sample| of_layers(&layers, self.normalise, sample);
        let combination = Combination::fit(
            self.combine,
            layers.len(),
            || scores(sample),
            outliers.map(|outliers| || scores(outliers)),
        )?;
        let detector = Mahalanobis {
            layers,
            keys: self.clone(),
            combination,
        };
        Ok(OodOutcome::new(detector).with_warnings(warnings))
    }

    fn restore(&self, widths: &Widths, reader: &mut Reader) -> Result<Box<dyn OodDetector>> {
        let layers = widths.features.iter().enumerate();
        let layers = layers.map(|(l, d)| Gaussians::restore(&format!("layer.{l}"), *d, reader));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let combination = Combination::restore(self.combine, layers.len(), reader)?;
        Ok(Box::new(Mahalanobis {
            layers,
            keys: self.clone(),
            combination,
        }))
    }
}

impl OodDetector for Mahalanobis {
    fn score_into(&self, sample: &Activations<'_>, out: &mut [f64]) -> Result<()> {
        self.combination.combine_into(&self.of_layers(sample), out);
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        for (l, layer) in self.layers.iter().enumerate() {
            layer.save(&format!("layer.{l}"), writer);
        }
        self.combination.save(writer);
    }

    fn perturbation(&self) -> Option<&dyn Perturbation> {
        (self.keys.epsilon > 0.0).then_some(self)
    }

    fn refit_to_perturbed(
        &mut self,
        sample: &Activations<'_>,
        outliers: Option<&Activations<'_>>,
    ) -> Result<()> {
        let of_outliers = outliers.map(|outliers| || self.of_layers(outliers));
        let (combine, n_layers) = (self.keys.combine, self.layers.len());
        self.combination =
            Combination::fit(combine, n_layers, || self.of_layers(sample), of_outliers)?;
        Ok(())
    }
}

impl Perturbation for Mahalanobis {
    fn epsilon(&self) -> f64 {
        self.keys.epsilon
    }

    fn slope_into(&self, array: usize, rows: Rows<'_>, out: &mut [f32]) {
        let Some(layer) = self.layers.get(array) else {
            return;
        };
        let prepared = prepared(rows, self.keys.normalise);
        let d = rows.n_cols();
        let each = rows.iter().zip(prepared.rows().iter());
        for ((raw, row), out) in each.zip(out.chunks_exact_mut(d)) {
            let mut slope = layer.slope(row);
            if self.keys.normalise {
                through_norm(raw, row, &mut slope);
            }
            out.iter_mut().zip(slope).for_each(|(o, s)| *o = s as f32);
        }
    }
}

/// From the gradient by a row of unit length to that by the row before it was divided by its
/// norm: `(g - u (u . g)) / |x|`; 0 for a row of zeros, which was left as it was.
fn through_norm(raw: &[f32], unit: &[f32], slope: &mut [f64]) {
    let norm = raw
        .iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt();
    let along: f64 = unit
        .iter()
        .zip(&*slope)
        .map(|(u, g)| f64::from(*u) * g)
        .sum();
    for (g, u) in slope.iter_mut().zip(unit) {
        *g = if norm > 0.0 {
            (*g - f64::from(*u) * along) / norm
        } else {
            0.0
        };
    }
}
