//! Distance to the nearest neighbours (S. Ramaswamy, R. Rastogi and K. Shim, *Efficient
//! algorithms for mining outliers from large data sets*, SIGMOD 2000; F. Angiulli and
//! C. Pizzuti, *Fast outlier detection in high dimensional spaces*, PKDD 2002).
//!
//! With `d_1(x) <= ... <= d_k(x)` the Euclidean distances of a row x to its k nearest among
//! the n fitted rows, the score is
//!
//! ```text
//! largest   d_k(x)                          Ramaswamy et al.
//! mean      (d_1(x) + ... + d_k(x)) / k     Angiulli and Pizzuti, who take the sum
//! median    the median of d_1(x) ... d_k(x)
//! ```
//!
//! A fitted row is not its own neighbour, but its copies are. A new row that equals a fitted
//! one has a neighbour at distance 0.
//!
//! Distances depend on the columns' scales: where their units differ, set `space` to `standardise`
//! or `robust`.
//!
//! Defaults: k = 5 and the largest distance, as in `PyOD`'s `KNN`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spaced::Stage;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, DetectorSpec, Outcome, lower, require, require_more_rows};
use crate::error::Result;
use crate::fit::session::Session;
use crate::fit::warning::Warning;
use crate::neighbours::{
    DistanceMetric, EUCLIDEAN_POWER, Neighbour, Neighbours, SelfMatch, is_euclidean_power,
    unwritten,
};
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::Scaling;

/// Hyper-parameters of `knn`: the distance to the nearest neighbours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KnnSpec {
    /// Neighbours of a row: at least 1, and fewer than the fitted rows.
    #[serde(alias = "n_neighbours")]
    pub n_neighbors: usize,
    /// How their distances make a score.
    pub method: KnnMethod,
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

/// How [`KnnSpec`] makes a score from the distances to the neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KnnMethod {
    /// The largest of them.
    Largest,
    /// Their mean.
    Mean,
    /// Their median.
    Median,
}

impl Default for KnnSpec {
    fn default() -> Self {
        Self {
            n_neighbors: 5,
            method: KnnMethod::Largest,
            space: Scaling::Identity,
            metric: DistanceMetric::default(),
            p: EUCLIDEAN_POWER,
            reference: Reference::default(),
        }
    }
}

impl KnnMethod {
    /// The score from the k nearest, by distance.
    fn score(self, nearest: &[Neighbour]) -> f64 {
        let k: u64 = nearest.iter().map(|n| u64::from(n.weight)).sum();
        let kth = |k: u64| {
            let mut passed = 0;
            let at = nearest.iter().find(|n| {
                passed += u64::from(n.weight);
                passed >= k
            });
            at.map_or(0.0, |n| n.distance)
        };
        match self {
            Self::Largest => kth(k),
            Self::Mean => {
                let terms = nearest.iter().map(|n| n.distance * f64::from(n.weight));
                terms.sum::<f64>() / k as f64
            }
            // The mean of the two middle ones where k is even.
            Self::Median => f64::midpoint(kth(k.div_ceil(2)), kth(k / 2 + 1)),
        }
    }
}

/// The fitted rows.
#[derive(Debug)]
struct Knn {
    rows: Neighbours,
    k: usize,
    method: KnnMethod,
}

impl KnnSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference).measured_by(self.metric)
    }
}

impl DetectorSpec for KnnSpec {
    fn validate(&self) -> Result<()> {
        self.metric.check(self.p)?;
        let holds = self.n_neighbors >= 1;
        require("n_neighbors", self.n_neighbors, holds, "at least 1")
    }

    fn memory(&self, n_rows: usize, n_features: usize) -> u64 {
        let search = Neighbours::memory(n_rows, n_features, self.n_neighbors);
        search.saturating_add(self.stage().memory(n_rows, n_features))
    }

    fn unwritten_keys(&self) -> Vec<(&'static str, Value)> {
        unwritten()
    }

    fn scaling_mut(&mut self) -> Option<&mut Scaling> {
        Some(&mut self.space)
    }

    fn adapt(&mut self, rows: Rows<'_>) -> Vec<Warning> {
        let n_rows = rows.n_rows();
        lower("n_neighbors", &mut self.n_neighbors, n_rows - 1, n_rows)
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.stage().fit(rows, session, |rows, session| {
            require_more_rows("n_neighbors", self.n_neighbors, rows.n_rows())?;
            let (rows, numbers) = Neighbours::fit(rows, self.metric.norm(self.p));
            let knn = Knn {
                rows,
                k: self.n_neighbors,
                method: self.method,
            };
            let score = |_: &[f32], nearest: Vec<Neighbour>| knn.method.score(&nearest);
            let scores =
                knn.rows
                    .for_fitted(knn.k, SelfMatch::DropOne, &mut session.meter(), score)?;
            Ok(Outcome {
                scores: Some(numbers.iter().map(|i| scores[*i as usize]).collect()),
                ..Outcome::new(knn)
            })
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        let norm = self.metric.norm(self.p);
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                Ok(Knn {
                    rows: Neighbours::restore(self.n_neighbors, n_features, norm, reader)?,
                    k: self.n_neighbors,
                    method: self.method,
                })
            })
    }
}

impl Detector for Knn {
    fn n_features(&self) -> usize {
        self.rows.n_features()
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let score = |_: &[f32], nearest: Vec<Neighbour>| self.method.score(&nearest);
        out.copy_from_slice(&self.rows.for_rows(rows, self.k, SelfMatch::Keep, score));
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        self.rows.save(writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spec;
    use crate::rows::Matrix;
    use serde_json::json;

    fn fit(method: &str, n_neighbors: usize, data: &[f32]) -> Result<crate::Fitted> {
        let keys = json!({"method": method, "n_neighbors": n_neighbors});
        let spec = Spec::preset("knn", "default").unwrap();
        let spec = spec.with(keys.as_object().unwrap().clone()).unwrap();
        spec.fit(Rows::new(data, 1).unwrap(), 0, &mut ())
    }

    #[test]
    fn distances_by_hand() {
        // From 6, which is there twice: 0, 1, 3, 4, 6. From 7: 1, 1, 4, 5, 7.
        let data = [0.0, 2.0, 3.0, 6.0, 7.0, 6.0];
        let new = Matrix::new(vec![6.0, 100.0], 1).unwrap();
        for (method, k, of_6, of_7, of_new_6) in [
            ("largest", 3, 3.0, 4.0, 1.0),
            ("largest", 4, 4.0, 5.0, 3.0),
            ("mean", 4, 2.0, 11.0 / 4.0, 1.0),
            ("mean", 2, 0.5, 1.0, 0.0),
            ("median", 4, 2.0, 2.5, 0.5),
            ("median", 3, 1.0, 1.0, 0.0),
        ] {
            let fitted = fit(method, k, &data).unwrap();
            let scores = fitted.fitted_scores().unwrap();
            assert_eq!(scores[3..], [of_6, of_7, of_6], "{method} {k}");
            let new = fitted.score(new.rows()).unwrap();
            assert_eq!(new[0], of_new_6, "{method} {k}");
        }
    }

    #[test]
    fn as_many_neighbours_as_rows_are_lowered_with_a_warning() {
        let fitted = fit("largest", 3, &[0.0, 1.0, 5.0]).unwrap();
        let warning = fitted.provenance().warnings[0].to_string();
        assert_eq!(
            warning,
            "n_neighbors = 3 is not smaller than the 3 rows: 2 is used"
        );
        let two = fit("largest", 2, &[0.0, 1.0, 5.0]).unwrap();
        assert_eq!(two.provenance().warnings, []);
        assert_eq!(fitted.fitted_scores(), two.fitted_scores());
    }
}
