//! Residual flow (E. Zisselman and A. Tamar, *Deep residual flow for out of distribution
//! detection*, CVPR 2020, section 3).
//!
//! The Gaussian of each class ([`mahalanobis`](super::mahalanobis)) is a linear flow: with the
//! whitening W of the covariance of all classes, `z = W (x - mu_c)` is normal. What is left of the
//! distribution is learned by a flow f of couplings after it, which starts as the identity, for
//! each class and layer. The score of a layer is
//!
//! ```text
//! min_c -log p_c(z)      log p_c(z) = -r/2 log 2 pi - |f_c(z)|^2 / 2 + log |det df_c/dz|
//! ```
//!
//! with the r directions that vary within the classes. `log |det W|`, the same for all items of a
//! layer, is left out. Scores of several layers are summed, or weighed where outliers are known, as
//! those of `mahalanobis`.
//!
//! A coupling splits z into two halves a and b, drawn for each pair of couplings; the second
//! of a pair changes the half that the first has kept:
//!
//! ```text
//! b' = (b - t(a)) exp(-s(a))      log |det| = -sum s(a)
//! ```
//!
//! As in the authors' code there are 10 couplings, s and t have two hidden layers as wide as the
//! features, `s` ends in tanh, and the last layer starts at 0. Otherwise than there, one network
//! gives s and t, it sees the kept half alone, its rectifiers do not leak, and tanh has no trained
//! factor. They train for 1000 epochs at a rate of 1e-5; here 20 at 1e-3 are the default, twice the
//! product in a fiftieth of the time. Their perturbation of the input is not part of this.

mod flow;
mod training;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::flow::{Flow, Shape};
use self::training::Training;
use super::activations::Activations;
use super::combine::{Combination, Combine, layer_scores};
use super::detector::{Layers, Needs, Network, OodDetector, OodDetectorSpec, OodOutcome, Widths};
use super::gaussians::{Classes, Gaussians};
use crate::container::{Reader, Writer};
use crate::detector::require;
use crate::error::Result;
use crate::fit::watch::Extent;
use crate::fit::{Meter, Progress};
use crate::rows::Rows;

const NAME: &str = "residual_flow";

/// Keys of `residual_flow`: the log-likelihood of a flow for each class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResidualFlowSpec {
    /// Couplings of a flow; 0 leaves the Gaussians.
    pub couplings: usize,
    /// Hidden neurons for each feature, above 0.
    pub hidden_ratio: f64,
    /// Passes over the rows of each class; at least 1.
    pub epochs: usize,
    /// Rows a step, or all of the class where it has fewer; at least 1.
    pub batch_size: usize,
    /// Adam's rate; above 0.
    pub learning_rate: f64,
    /// How the scores of several layers become one.
    pub combine: Combine,
}

impl Default for ResidualFlowSpec {
    fn default() -> Self {
        Self {
            couplings: 10,
            hidden_ratio: 1.0,
            epochs: 20,
            batch_size: 256,
            learning_rate: 1e-3,
            combine: Combine::Equal,
        }
    }
}

/// A layer: its Gaussians, and the flow of each class.
#[derive(Debug)]
struct Layer {
    gaussians: Gaussians,
    shape: Shape,
    flows: Vec<Flow>,
}

/// The layers.
#[derive(Debug)]
struct ResidualFlow {
    layers: Vec<Layer>,
    combination: Combination,
}

impl OodDetectorSpec for ResidualFlowSpec {
    fn needs(&self) -> Needs {
        Needs {
            features: Layers::Several,
            logits: false,
            labels: true,
            network: Network::None,
        }
    }

    fn validate(&self) -> Result<()> {
        let ratio = self.hidden_ratio;
        let holds = ratio > 0.0 && ratio <= 100.0;
        require(
            "hidden_ratio",
            ratio,
            holds,
            "a number above 0, at most 100",
        )?;
        for (key, value) in [("epochs", self.epochs), ("batch_size", self.batch_size)] {
            require(key, value, value >= 1, "a whole number from 1")?;
        }
        let holds = self.couplings <= 1000;
        require(
            "couplings",
            self.couplings,
            holds,
            "a whole number from 0 to 1000",
        )?;
        let rate = self.learning_rate;
        let holds = rate > 0.0 && rate.is_finite();
        require("learning_rate", rate, holds, "a number above 0")
    }

    fn memory(&self, n_rows: usize, widths: &Widths) -> u64 {
        let layers = widths.features.iter();
        let needed = layers.map(|d| Gaussians::memory(n_rows, *d));
        // The whitened rows of one layer at a time.
        let rows = widths.features.iter().max().unwrap_or(&0);
        let rows = 4 * (n_rows as u64).saturating_mul(*rows as u64);
        needed.max().unwrap_or(0).saturating_add(rows)
    }

    fn uses_outliers(&self) -> bool {
        self.combine == Combine::Logistic
    }

    fn fit(
        &self,
        sample: &Activations<'_>,
        outliers: Option<&Activations<'_>>,
        seed: u64,
        progress: &mut dyn Progress,
    ) -> Result<OodOutcome> {
        let classes = Classes::of(sample.labels(NAME)?)?;
        let meter = &mut Meter::new(progress);
        let (mut layers, mut warnings) = (Vec::new(), Vec::new());
        for (number, rows) in sample.features().iter().enumerate() {
            let (gaussians, warning) = Gaussians::fit(*rows, &classes, meter)?;
            warnings.extend(warning);
            layers.push(self.fit_layer(number, gaussians, *rows, &classes, seed, meter)?);
        }
        let combination = Combination::fit(
            self.combine,
            layers.len(),
            || of_layers(&layers, sample),
            outliers.map(|outliers| || of_layers(&layers, outliers)),
        )?;
        let detector = ResidualFlow {
            layers,
            combination,
        };
        Ok(OodOutcome::new(detector).with_warnings(warnings))
    }

    fn restore(&self, widths: &Widths, reader: &mut Reader) -> Result<Box<dyn OodDetector>> {
        let layers = widths.features.iter().enumerate();
        let layers = layers.map(|(l, d)| {
            let gaussians = Gaussians::restore(&format!("layer.{l}"), *d, reader)?;
            let shape = self.shape(&gaussians);
            let flows = Flow::restore(l, &shape, gaussians.classes().count(), reader)?;
            Ok(Layer {
                gaussians,
                shape,
                flows,
            })
        });
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let combination = Combination::restore(self.combine, layers.len(), reader)?;
        Ok(Box::new(ResidualFlow {
            layers,
            combination,
        }))
    }
}

impl ResidualFlowSpec {
    /// The sizes of the flows of a layer. A single direction has no halves, and no couplings.
    fn shape(&self, gaussians: &Gaussians) -> Shape {
        let rank = gaussians.rank();
        let couplings = if rank < 2 { 0 } else { self.couplings };
        let hidden = (self.hidden_ratio * rank as f64).round() as usize;
        Shape {
            rank,
            couplings,
            hidden: hidden.max(1),
        }
    }

    /// The flows of all classes of a layer, several at a time.
    fn fit_layer(
        &self,
        number: usize,
        gaussians: Gaussians,
        rows: Rows<'_>,
        classes: &Classes,
        seed: u64,
        meter: &mut Meter<'_>,
    ) -> Result<Layer> {
        let shape = self.shape(&gaussians);
        let whitened = whitened(&gaussians, rows, classes);
        let training = Training {
            shape,
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            seed,
        };
        let products = whitened
            .iter()
            .map(|z| training.products(z.len() / shape.rank));
        let extent = Extent::Products(products.sum());
        let flows = meter.watch("flows", extent, |watch| {
            let each = whitened.par_iter().enumerate().map(|(class, z)| {
                let member = (number * whitened.len() + class) as u64;
                training.run(z, member, &mut watch.ticks())
            });
            each.collect::<Result<Vec<_>, _>>()
        })?;
        Ok(Layer {
            flows: flows.into_iter().collect::<Result<_>>()?,
            gaussians,
            shape,
        })
    }
}

/// The rows of each class, whitened by its Gaussian: `(n_c, rank)` each.
fn whitened(gaussians: &Gaussians, rows: Rows<'_>, classes: &Classes) -> Vec<Vec<f32>> {
    let means: Vec<&[f64]> = gaussians.classes().collect();
    let each = rows.iter().collect::<Vec<_>>();
    let images = each.par_iter().zip(classes.places()).map(|(row, class)| {
        let mean = means.get(*class).copied().unwrap_or_default();
        let image = gaussians.image(row).into_iter().zip(mean);
        image.map(|(z, m)| (z - m) as f32).collect::<Vec<f32>>()
    });
    let images: Vec<Vec<f32>> = images.collect();
    let mut whitened = vec![Vec::new(); classes.n_classes()];
    for (image, class) in images.iter().zip(classes.places()) {
        if let Some(rows) = whitened.get_mut(*class) {
            rows.extend_from_slice(image);
        }
    }
    whitened
}

/// The score of each layer, `(n, layers)`.
fn of_layers(layers: &[Layer], sample: &Activations<'_>) -> Vec<f64> {
    layer_scores(layers, sample, Layer::score_into)
}

impl Layer {
    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) {
        self.gaussians.score_images(
            rows,
            out,
            #[inline(always)]
            |class, z| match self.flows.get(class) {
                Some(flow) => flow.negative_log_likelihood(&self.shape, z),
                None => [f64::INFINITY; _],
            },
        );
    }
}

impl OodDetector for ResidualFlow {
    fn score_into(&self, sample: &Activations<'_>, out: &mut [f64]) -> Result<()> {
        let scores = of_layers(&self.layers, sample);
        self.combination.combine_into(&scores, out);
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        for (l, layer) in self.layers.iter().enumerate() {
            layer.gaussians.save(&format!("layer.{l}"), writer);
            Flow::save(l, &layer.shape, &layer.flows, writer);
        }
        self.combination.save(writer);
    }
}

#[cfg(test)]
#[path = "../../../tests/golden/residual_flow.rs"]
mod golden;
