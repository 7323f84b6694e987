//! Distance to the k-th nearest fitted row (Y. Sun, Y. Ming, X. Zhu and Y. Li,
//! *Out-of-distribution detection with deep nearest neighbors*, ICML 2022, section 3).
//!
//! With the features divided by their norms, `z = x / |x|`, and `z_(k)` the k-th nearest of the
//! fitted ones, the score is
//!
//! ```text
//! |z - z_(k)|
//! ```
//!
//! It is [`KnnSpec`] on rows of unit norm. The search is exact; the paper's and ours take all
//! fitted rows, and labels play no part. A fitted row is not its own neighbour, so that the
//! reference scores are those of new rows. Default: k = 50, the paper's for CIFAR-10 (200 for
//! CIFAR-100, 1000 for `ImageNet`), as in pytorch-ood.

use serde::{Deserialize, Serialize};

use super::activations::Activations;
use super::detector::{Needs, OodDetector, OodDetectorSpec, OodOutcome, Widths};
use super::on_features;
use crate::baselines::KnnSpec;
use crate::container::Reader;
use crate::detector::{DetectorSpec, lower, require};
use crate::error::Result;
use crate::fit::{Progress, Warning};
use crate::space::Scaling;
use crate::spec::Spec;

const NAME: &str = "knn";

/// Keys of `knn`: the distance to the k-th nearest fitted row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OodKnnSpec {
    /// Which neighbour: at least 1, and fewer than the fitted rows.
    pub n_neighbors: usize,
    /// Whether features are divided by their Euclidean norm first.
    pub normalise: bool,
}

impl Default for OodKnnSpec {
    fn default() -> Self {
        Self {
            n_neighbors: 50,
            normalise: true,
        }
    }
}

impl OodKnnSpec {
    fn rows(&self) -> KnnSpec {
        KnnSpec {
            n_neighbors: self.n_neighbors,
            space: if self.normalise {
                Scaling::Unit
            } else {
                Scaling::Identity
            },
            ..KnnSpec::default()
        }
    }
}

impl OodDetectorSpec for OodKnnSpec {
    fn needs(&self) -> Needs {
        Needs::FEATURES
    }

    fn validate(&self) -> Result<()> {
        let holds = self.n_neighbors >= 1;
        require("n_neighbors", self.n_neighbors, holds, "at least 1")
    }

    fn memory(&self, n_rows: usize, widths: &Widths) -> u64 {
        self.rows().memory(n_rows, widths.first())
    }

    fn adapt(&mut self, sample: &Activations<'_>) -> Vec<Warning> {
        let n_rows = sample.n_rows();
        let most = n_rows.saturating_sub(1);
        lower("n_neighbors", &mut self.n_neighbors, most, n_rows)
    }

    fn fit(
        &self,
        sample: &Activations<'_>,
        _: Option<&Activations<'_>>,
        seed: u64,
        progress: &mut dyn Progress,
    ) -> Result<OodOutcome> {
        let features = sample.only_features(NAME)?;
        on_features::fit(NAME, &Spec::Knn(self.rows()), features, seed, progress)
    }

    fn restore(&self, widths: &Widths, reader: &mut Reader) -> Result<Box<dyn OodDetector>> {
        on_features::restore(NAME, &Spec::Knn(self.rows()), widths.first(), reader)
    }
}
