//! What the keys of an out-of-distribution detector can be asked, and what the fitted one can.

use std::fmt::{self, Debug};

use serde::{Deserialize, Serialize};

use super::activations::Activations;
use crate::container::{Reader, Writer};
use crate::detector::require;
use crate::error::Result;
use crate::fit::{Progress, Warning};
use crate::provenance::Provenance;
use crate::rows::Rows;

/// How many arrays of features a detector takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    /// No features.
    None,
    /// Those of one layer.
    One,
    /// Those of one or several layers.
    Several,
}

/// What the network itself has to give, beyond features and logits that any framework can write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing: arrays are enough.
    #[default]
    None,
    /// What it computes for an input that was moved against the gradient of the score; see
    /// [`Perturbation`].
    Gradient,
    /// In place of the features of each layer, row sums of the Gram matrices of its feature maps,
    /// of orders 1 to this one; see [`super::gram`].
    GramMatrices {
        /// The highest order.
        orders: usize,
    },
    /// In place of features, the outputs of the rotation head for each image turned by none to
    /// three quarters; see [`super::rotation`].
    Rotations,
}

/// What a detector needs. Labels are needed to fit only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Vectors of the network's layers.
    pub features: Layers,
    /// The network's logits.
    pub logits: bool,
    /// The class of each fitted item.
    pub labels: bool,
    /// What only the network can give.
    #[serde(default)]
    pub network: Network,
}

impl Needs {
    /// Logits alone.
    pub(super) const LOGITS: Self = Self {
        features: Layers::None,
        logits: true,
        labels: false,
        network: Network::None,
    };

    /// Features of one layer alone.
    pub(super) const FEATURES: Self = Self {
        features: Layers::One,
        logits: false,
        labels: false,
        network: Network::None,
    };

    /// Whether arrays of these widths are what it needs to score.
    pub(super) fn fits(self, widths: &Widths) -> bool {
        let layers = widths.features.len();
        let features = match self.features {
            Layers::None => layers == 0,
            Layers::One => layers == 1,
            Layers::Several => layers > 0,
        };
        let filled = widths
            .features
            .iter()
            .chain(&widths.logits)
            .all(|width| *width > 0);
        features && filled && widths.logits.is_some() == self.logits
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let features = match (self.network, self.features) {
            (Network::GramMatrices { .. }, _) => Some("Gram matrices of one or several layers"),
            (Network::Rotations, _) => Some("a rotation head"),
            (_, Layers::None) => None,
            (_, Layers::One) => Some("features"),
            (_, Layers::Several) => Some("features of one or several layers"),
        };
        let logits = self.logits.then_some("logits");
        let labels = self.labels.then_some("labels");
        let gradient = (self.network == Network::Gradient).then_some("gradients by the input");
        let words = features.into_iter().chain(logits).chain(labels);
        let words: Vec<&str> = words.chain(gradient).collect();
        f.write_str(&words.join(", "))
    }
}

/// Columns of the arrays that a detector sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Widths {
    /// Of the features of each layer.
    pub features: Vec<usize>,
    /// Of the logits: the number of classes.
    pub logits: Option<usize>,
}

impl Widths {
    /// Columns of the features of the first layer; 0 without features.
    #[must_use]
    pub fn first(&self) -> usize {
        self.features.first().copied().unwrap_or(0)
    }
}

/// An arm of [`super::OodSpec`]: the keys of one detector.
pub trait OodDetectorSpec: Debug + Send + Sync {
    /// What it needs.
    fn needs(&self) -> Needs;

    /// Checks every key.
    ///
    /// # Errors
    /// [`crate::Error::InvalidKey`] naming the key, its value and what it may be.
    fn validate(&self) -> Result<()>;

    /// Bytes that fitting takes besides the arrays, at the least.
    fn memory(&self, n_rows: usize, widths: &Widths) -> u64 {
        let _ = (n_rows, widths);
        0
    }

    /// Decides what is left to the arrays, and lowers what they do not allow; returns a warning
    /// for each lowered value.
    fn adapt(&mut self, sample: &Activations<'_>) -> Vec<Warning> {
        let _ = sample;
        Vec::new()
    }

    /// Whether known outliers have a part in the fit.
    fn uses_outliers(&self) -> bool {
        false
    }

    /// Fits the detector to items that are in distribution. `outliers` are those that are known
    /// not to be, if any.
    ///
    /// # Errors
    /// On arrays that the detector cannot be fitted to, and whatever the progress returns.
    ///
    /// # Seed
    /// The same seed and sample give the same bits at any number of threads.
    fn fit(
        &self,
        sample: &Activations<'_>,
        outliers: Option<&Activations<'_>>,
        seed: u64,
        progress: &mut dyn Progress,
    ) -> Result<OodOutcome>;

    /// The detector, where there is nothing to fit.
    fn unfitted(&self) -> Option<Box<dyn OodDetector>> {
        None
    }

    /// Reads from a file what [`OodDetector::save`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`]. No content makes it panic, or allocate more than the file
    /// is long.
    fn restore(&self, widths: &Widths, reader: &mut Reader) -> Result<Box<dyn OodDetector>>;
}

/// What a fit leaves.
#[derive(Debug)]
pub struct OodOutcome {
    /// The fitted detector.
    pub detector: Box<dyn OodDetector>,
    /// Scores of the fitted rows, `(n,)`, where they are not what [`OodDetector::score_into`]
    /// gives: to `knn`, a fitted row is not its own neighbour.
    pub scores: Option<Vec<f64>>,
    /// What the user should know about the fit.
    pub warnings: Vec<Warning>,
    /// What a detector of rows says about its fit to the features.
    pub of_rows: Option<Provenance>,
}

impl OodOutcome {
    /// A detector that scores its fitted rows like any other.
    pub fn new(detector: impl OodDetector + 'static) -> Self {
        Self {
            detector: Box::new(detector),
            scores: None,
            warnings: Vec::new(),
            of_rows: None,
        }
    }

    /// The same with warnings.
    #[must_use]
    pub fn with_warnings(self, warnings: Vec<Warning>) -> Self {
        Self { warnings, ..self }
    }
}

/// A fitted detector. **Higher score = more out of distribution**, everywhere.
pub trait OodDetector: Debug + Send + Sync {
    /// Scores items. An item's score does not depend, to the bit, on the items beside it or on the
    /// number of threads.
    ///
    /// # Shapes
    /// `sample`: n items with all that the detector needs, of the widths that it was fitted to;
    /// `out`: `(n,)`.
    ///
    /// # Errors
    /// [`crate::Error::ScoreNotFinite`].
    fn score_into(&self, sample: &Activations<'_>, out: &mut [f64]) -> Result<()>;

    /// Writes all that was learned, as tensors.
    fn save(&self, writer: &mut Writer);

    /// How the network's input is perturbed before this scores what the network makes of it;
    /// `None` where it is not.
    fn perturbation(&self) -> Option<&dyn Perturbation> {
        None
    }

    /// Fits again what depends on scores alone, to items whose input was perturbed.
    ///
    /// # Errors
    /// [`crate::Error::NoKnownOutliers`].
    fn refit_to_perturbed(
        &mut self,
        sample: &Activations<'_>,
        outliers: Option<&Activations<'_>>,
    ) -> Result<()> {
        let _ = (sample, outliers);
        Ok(())
    }
}

/// A step of the network's input that lowers the score: `x - epsilon sign(d score / d x)` (Liang,
/// Li and Srikant, ICLR 2018, section 3). It lowers the scores of usual inputs more than others.
///
/// Where the network sees `(pixel - mean) / deviation`, pixels being from 0 to 1, the sign is
/// divided by the deviation: epsilon is in units of pixels, as in the authors' code. Each array has
/// a score of its own, and its input is moved against the gradient of that.
pub trait Perturbation: Sync {
    /// The size of the step, above 0.
    fn epsilon(&self) -> f64;

    /// The gradient of an array's score by the array: of the features of each layer, then of the
    /// logits, counted from 0. A row's gradient does not depend on the rows beside it.
    ///
    /// # Shapes
    /// `rows` and `out`: `(n, d)`.
    fn slope_into(&self, array: usize, rows: Rows<'_>, out: &mut [f32]);
}

/// Refuses a step that is negative or not finite.
pub(super) fn require_epsilon(epsilon: f64) -> Result<()> {
    let holds = epsilon >= 0.0 && epsilon.is_finite();
    require("epsilon", epsilon, holds, "a number from 0")
}
