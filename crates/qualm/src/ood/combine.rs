//! How the scores of several layers become one.

use serde::{Deserialize, Serialize};

use super::activations::Activations;
use super::logistic::Logistic;
use crate::container::{Reader, Writer};
use crate::error::{Error, Result};
use crate::rows::Rows;

/// How a detector of several layers combines their scores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// Their sum.
    #[default]
    Equal,
    /// A logistic regression on known outliers, which have labels below 0.
    Logistic,
}

/// The score of each layer, `(n, n_layers)`.
///
/// `score` writes those of one layer, `(n,)`, from its rows.
pub(super) fn layer_scores<L>(
    layers: &[L],
    sample: &Activations<'_>,
    score: impl Fn(&L, Rows<'_>, &mut [f64]),
) -> Vec<f64> {
    let (n, width) = (sample.n_rows(), layers.len());
    let mut scores = vec![0.0; n * width];
    let mut one = vec![0.0; n];
    for (l, (layer, rows)) in layers.iter().zip(sample.features()).enumerate() {
        score(layer, *rows, &mut one);
        let column = scores.iter_mut().skip(l).step_by(width);
        column.zip(&one).for_each(|(to, score)| *to = *score);
    }
    scores
}

/// The weights of layers.
#[derive(Debug)]
pub(super) struct Combination {
    n_layers: usize,
    weights: Option<Logistic>,
}

impl Combination {
    /// Weights from the scores of layers.
    ///
    /// # Shapes
    /// `usual`, `outliers`: `(n, n_layers)`, row after row.
    ///
    /// # Errors
    /// [`Error::NoKnownOutliers`] for a regression without outliers.
    pub(super) fn fit(
        combine: Combine,
        n_layers: usize,
        usual: impl FnOnce() -> Vec<f64>,
        outliers: Option<impl FnOnce() -> Vec<f64>>,
    ) -> Result<Self> {
        let weights = match combine {
            Combine::Equal => None,
            Combine::Logistic => {
                let outliers = outliers.ok_or(Error::NoKnownOutliers)?;
                Some(Logistic::fit(&usual(), &outliers(), n_layers))
            }
        };
        Ok(Self { n_layers, weights })
    }

    /// One score a row.
    ///
    /// # Shapes
    /// `scores`: `(n, n_layers)`; `out`: `(n,)`.
    pub(super) fn combine_into(&self, scores: &[f64], out: &mut [f64]) {
        let rows = scores.chunks_exact(self.n_layers.max(1));
        for (row, out) in rows.zip(out) {
            *out = match &self.weights {
                Some(weights) => weights.log_odds(row),
                None => row.iter().sum(),
            };
        }
    }

    /// Writes the weights, where there are any.
    pub(super) fn save(&self, writer: &mut Writer) {
        if let Some(weights) = &self.weights {
            weights.save("weights", writer);
        }
    }

    /// Reads what [`Combination::save`] wrote.
    ///
    /// # Errors
    /// [`Error::CorruptModel`].
    pub(super) fn restore(combine: Combine, n_layers: usize, reader: &mut Reader) -> Result<Self> {
        let weights = match combine {
            Combine::Equal => None,
            Combine::Logistic => Some(Logistic::restore("weights", n_layers, reader)?),
        };
        Ok(Self { n_layers, weights })
    }
}
