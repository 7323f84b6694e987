//! Distance to a sample (M. Sugiyama and K. Borgwardt, *Rapid distance-based outlier
//! detection via sampling*, NIPS 2013).
//!
//! From n rows a sample S of m rows is drawn once, without replacement. The score of a row
//! is the distance to the nearest of them:
//!
//! ```text
//! q(x) = min over s in S of |x - s|
//! ```
//!
//! Distances depend on the columns' scales: where their units differ, set `space` to `standardise`
//! or `robust`.
//!
//! Defaults: m = 20, as in the paper and in `PyOD`'s `Sampling`. As there, a sampled row is
//! compared with itself too, so the sampled rows score 0.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spaced::Stage;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, DetectorSpec, Outcome, lower, require, require_more_rows};
use crate::error::Result;
use crate::fit::session::Session;
use crate::fit::warning::Warning;
use crate::neighbours::{
    DistanceMetric, EUCLIDEAN_POWER, Norm, distance, is_euclidean_power, squared_distance,
    unwritten,
};
use crate::nn::vectorised;
use crate::reference::Reference;
use crate::rng::{Purpose, stream};
use crate::rows::Rows;
use crate::space::Scaling;

/// Rows scored by a thread at a time.
const BLOCK: usize = 256;

/// Hyper-parameters of `sp`: the distance to the nearest of a few sampled rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpSpec {
    /// Rows in the sample: at least 1, and fewer than the fitted rows.
    pub subset_size: usize,
    /// How rows are scaled first.
    pub space: Scaling,
    /// How far two scaled rows are from each other.
    #[serde(skip_serializing_if = "DistanceMetric::is_default")]
    pub metric: DistanceMetric,
    /// The power of the metric `minkowski`, at least 1; 2 for every other metric.
    #[serde(skip_serializing_if = "is_euclidean_power")]
    pub p: f64,
    /// Whether the fitted rows may hold outliers. Where they may not, the covariance of the space
    /// `robust` and of the metric `mahalanobis` is of all rows; nothing else changes.
    pub reference: Reference,
}

impl Default for SpSpec {
    fn default() -> Self {
        Self {
            subset_size: 20,
            space: Scaling::Identity,
            metric: DistanceMetric::default(),
            p: EUCLIDEAN_POWER,
            reference: Reference::default(),
        }
    }
}

/// The sampled rows.
#[derive(Debug)]
struct Sp {
    /// `(m, d)`
    sample: Vec<f32>,
    d: usize,
    norm: Norm,
}

impl SpSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference).measured_by(self.metric)
    }
}

impl DetectorSpec for SpSpec {
    fn validate(&self) -> Result<()> {
        self.metric.check(self.p)?;
        let holds = self.subset_size >= 1;
        require("subset_size", self.subset_size, holds, "at least 1")
    }

    fn memory(&self, n_rows: usize, n_features: usize) -> u64 {
        let sample = 4 * (self.subset_size.min(n_rows) as u64).saturating_mul(n_features as u64);
        sample.saturating_add(self.stage().memory(n_rows, n_features))
    }

    fn unwritten_keys(&self) -> Vec<(&'static str, Value)> {
        unwritten()
    }

    fn scaling_mut(&mut self) -> Option<&mut Scaling> {
        Some(&mut self.space)
    }

    fn adapt(&mut self, rows: Rows<'_>) -> Vec<Warning> {
        let n_rows = rows.n_rows();
        let most = (n_rows / 2).max(1);
        lower("subset_size", &mut self.subset_size, most, n_rows)
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.stage().fit(rows, session, |rows, session| {
            let m = self.subset_size;
            // With all rows in the sample every score would be 0.
            require_more_rows("subset_size", m, rows.n_rows())?;
            let mut rng = stream(session.seed(), Purpose::SAMPLE, [0, 0]);
            let picked = rand::seq::index::sample(&mut rng, rows.n_rows(), m);
            let picked = picked.iter().filter_map(|i| rows.get(i));
            Ok(Outcome::new(Sp {
                sample: picked.flatten().copied().collect(),
                d: rows.n_cols(),
                norm: self.metric.norm(self.p),
            }))
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        let norm = self.metric.norm(self.p);
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                Ok(Sp {
                    sample: reader.f32_rows("sample", n_features)?,
                    d: n_features,
                    norm,
                })
            })
    }
}

impl Sp {
    /// The distance to the nearest sampled row.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn nearest(&self, row: &[f32]) -> f64 {
        let sample = self.sample.chunks_exact(self.d);
        let mut least = f64::INFINITY;
        if self.norm == Norm::Euclidean {
            for other in sample {
                least = least.min(squared_distance(row, other));
            }
            return least.sqrt();
        }
        for other in sample {
            least = least.min(distance(self.norm, row, other));
        }
        least
    }
}

impl Detector for Sp {
    fn n_features(&self) -> usize {
        self.d
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let blocks: Vec<_> = rows.blocks(BLOCK).collect();
        blocks
            .into_par_iter()
            .zip(out.par_chunks_mut(BLOCK))
            .for_each(|(rows, out)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (row, out) in rows.iter().zip(out) {
                            *out = self.nearest(row);
                        }
                    },
                );
            });
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        let shape = [self.sample.len() / self.d, self.d];
        writer.f32("sample", &shape, &self.sample);
    }
}

#[cfg(test)]
mod tests {
    use crate::Spec;
    use crate::rows::Matrix;
    use serde_json::json;

    #[test]
    fn a_sample_of_all_rows_is_lowered_with_a_warning() {
        let rows = Matrix::new((0..40).map(|i| i as f32).collect(), 2).unwrap();
        let spec = Spec::preset("sp", "default").unwrap();
        let fitted = spec.fit(rows.rows(), 0, &mut ()).unwrap();
        assert_eq!(
            fitted.provenance().warnings[0].to_string(),
            "subset_size = 20 is not smaller than the 20 rows: 10 is used"
        );
        assert_eq!(fitted.spec().keys()["subset_size"], 10);
    }

    /// A sampled row is at distance 0 of itself; any other is as far as its nearest.
    #[test]
    fn the_nearest_sampled_row_by_hand() {
        let rows = Matrix::new(vec![0.0, 0.0, 3.0, 4.0, 100.0, 0.0], 2).unwrap();
        let spec = Spec::preset("sp", "default").unwrap();
        let keys = json!({"subset_size": 2}).as_object().cloned();
        let spec = spec.with(keys.unwrap()).unwrap();
        let fitted = spec.fit(rows.rows(), 0, &mut ()).unwrap();
        let scores = fitted.score(rows.rows()).unwrap();
        // Two of the three rows are sampled: the third is 5, 97.08 or 5 away.
        assert_eq!(scores.iter().filter(|s| **s == 0.0).count(), 2);
        let far = scores.iter().copied().fold(0.0, f64::max);
        assert!(far == 5.0 || (far - 97.0824).abs() < 1e-4, "{far}");
    }
}
