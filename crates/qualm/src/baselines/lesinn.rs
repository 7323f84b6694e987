//! Least similar nearest neighbours (G. Pang, K. M. Ting and D. Albrecht, *`LeSiNN`: detecting
//! anomalies by identifying least similar nearest neighbours*, ICDM Workshops 2015).
//!
//! t subsamples `S_i` of psi rows are drawn, each without replacement. The score of a row is
//! the mean distance to its nearest neighbour in each of them:
//!
//! ```text
//! q(x) = mean over i of (min over s in S_i of |x - s|)
//! ```
//!
//! The distance is Euclidean, summed in float64. As in the definition, and in the authors'
//! code, a row is compared with itself in a subsample that it was drawn into, and adds 0 there.
//!
//! Distances depend on the columns' scales: where their units differ, set `space` to `standardise`
//! or `robust`.
//!
//! Defaults: t = 50, psi = 8, as the authors use it in their REPEN.

use serde::{Deserialize, Serialize};

use super::spaced::Stage;
use super::subsamples::Subsamples;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, DetectorSpec, Outcome, require, require_more_rows};
use crate::error::Result;
use crate::fit::session::Session;
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::Scaling;

/// Hyper-parameters of `lesinn`: the mean distance to the nearest of a few sampled rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LesinnSpec {
    /// Number of subsamples, 1 to 1,000,000.
    pub n_estimators: usize,
    /// Rows in each: at least 1, and fewer than the fitted rows, since with all of them every
    /// score would be 0.
    pub max_samples: usize,
    /// How rows are scaled first.
    pub space: Scaling,
    /// Whether the fitted rows may hold outliers. Where they may not, the covariance of the space
    /// `robust` is of all rows; nothing else changes.
    pub reference: Reference,
}

impl Default for LesinnSpec {
    fn default() -> Self {
        Self {
            n_estimators: 50,
            max_samples: 8,
            space: Scaling::Identity,
            reference: Reference::default(),
        }
    }
}

#[derive(Debug)]
struct Lesinn {
    subsamples: Subsamples,
    d: usize,
}

/// Checks the two keys that `lesinn` and `repen` share.
pub(super) fn check_subsamples(n_estimators: usize, max_samples: usize) -> Result<()> {
    let few = (1..=1_000_000).contains(&n_estimators);
    require("n_estimators", n_estimators, few, "1 to 1,000,000")?;
    require("max_samples", max_samples, max_samples >= 1, "at least 1")
}

impl LesinnSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference)
    }
}

impl DetectorSpec for LesinnSpec {
    fn validate(&self) -> Result<()> {
        check_subsamples(self.n_estimators, self.max_samples)
    }

    fn memory(&self, n_rows: usize, n_features: usize) -> u64 {
        let size = self.max_samples.min(n_rows);
        Subsamples::memory(self.n_estimators, size, n_features)
            .saturating_add(self.stage().memory(n_rows, n_features))
    }

    fn scaling_mut(&mut self) -> Option<&mut Scaling> {
        Some(&mut self.space)
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.stage().fit(rows, session, |rows, session| {
            require_more_rows("max_samples", self.max_samples, rows.n_rows())?;
            let (t, psi) = (self.n_estimators, self.max_samples);
            Ok(Outcome::new(Lesinn {
                subsamples: Subsamples::draw(rows, t, psi, session.seed(), 0),
                d: rows.n_cols(),
            }))
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        let (t, psi) = (self.n_estimators, self.max_samples);
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                Ok(Lesinn {
                    subsamples: Subsamples::restore(t, psi, n_features, reader)?,
                    d: n_features,
                })
            })
    }
}

impl Detector for Lesinn {
    fn n_features(&self) -> usize {
        self.d
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        self.subsamples.mean_distances(rows.as_slice(), out);
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        self.subsamples.save(writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spec;
    use crate::rows::Matrix;

    /// Two of three rows in each of many subsamples: a row is left out of a third of them.
    #[test]
    fn three_rows_by_hand() {
        let rows = Matrix::new(vec![0.0, 3.0, 10.0], 1).unwrap();
        let spec = LesinnSpec {
            n_estimators: 30_000,
            max_samples: 2,
            ..LesinnSpec::default()
        };
        let fitted = Spec::Lesinn(spec).fit(rows.rows(), 0, &mut ()).unwrap();
        let scores = fitted.score(rows.rows()).unwrap();
        for (score, apart) in scores.iter().zip([3.0, 3.0, 7.0]) {
            assert!((score - apart / 3.0).abs() < 0.05, "{scores:?}");
        }
    }

    #[test]
    fn subsamples_of_all_rows_are_refused_with_what_to_change() {
        let rows = Matrix::new((0..8u8).map(f32::from).collect(), 1).unwrap();
        let error = Spec::Lesinn(LesinnSpec::default()).fit(rows.rows(), 0, &mut ());
        let message = error.unwrap_err().to_string();
        let expected = "max_samples = 8: expected at most 7 with 8 rows";
        assert!(message.starts_with(expected), "{message}");
    }
}
