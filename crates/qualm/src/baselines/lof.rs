//! Local outlier factor (M. M. Breunig, H.-P. Kriegel, R. T. Ng and J. Sander, *LOF:
//! Identifying density-based local outliers*, SIGMOD 2000).
//!
//! `N(x)` are the k nearest of the n fitted rows, `D(o)` is the distance of a fitted row o to
//! its own k-th neighbour. The score compares the local density of a row with that of its
//! neighbours:
//!
//! ```text
//! density(x) = 1 / (mean over o in N(x) of max(|x - o|, D(o)) + 1e-10)
//! LOF(x)     = mean over o in N(x) of density(o) / density(x)
//! ```
//!
//! The variant is scikit-learn's `LocalOutlierFactor`, of which the score is minus
//! `negative_outlier_factor_` for fitted rows and minus `score_samples` of `novelty=True`
//! for new ones. It differs from the paper in taking exactly k neighbours, where the paper
//! takes all at the k-th distance (ours, of equal ones, is the row that occurs first), and
//! in the 1e-10, which keeps the density finite.
//!
//! A fitted row is not its own neighbour, but its copies are: with more than k copies of a
//! row all its neighbours lie at distance 0, its density is 1e10, and its score 1. Rows near
//! such copies then have very large scores; as scikit-learn says, a larger k avoids that.
//!
//! Distances depend on the columns' scales: where their units differ, set `space` to `standardise`
//! or `robust`.
//!
//! Default: k = 20, scikit-learn's and `PyOD`'s.

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
    DistanceMetric, EUCLIDEAN_POWER, Neighbour, Neighbours, SelfMatch, is_euclidean_power,
    unwritten,
};
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::Scaling;

/// Added to the mean reachability distance, so that densities are finite.
const LEAST_REACHABILITY: f64 = 1e-10;

/// Hyper-parameters of `lof`: the local outlier factor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LofSpec {
    /// Neighbours of a row: at least 1, and fewer than the fitted rows.
    #[serde(alias = "n_neighbours")]
    pub n_neighbors: usize,
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

impl Default for LofSpec {
    fn default() -> Self {
        Self {
            n_neighbors: 20,
            space: Scaling::Identity,
            metric: DistanceMetric::default(),
            p: EUCLIDEAN_POWER,
            reference: Reference::default(),
        }
    }
}

/// The fitted rows with their local densities.
#[derive(Debug)]
struct Lof {
    rows: Neighbours,
    k: usize,
    /// Distance of each distinct row to its k-th neighbour, `(m,)`.
    k_distance: Vec<f64>,
    /// Local reachability density of each distinct row, `(m,)`.
    density: Vec<f64>,
}

/// The mean of a value over neighbours, counted with their copies.
fn mean(nearest: &[Neighbour], value: impl Fn(&Neighbour) -> f64) -> f64 {
    let count: f64 = nearest.iter().map(|n| f64::from(n.weight)).sum();
    let terms = nearest.iter().map(|n| value(n) * f64::from(n.weight));
    terms.sum::<f64>() / count
}

/// The density of a row with these neighbours.
fn density(nearest: &[Neighbour], k_distance: &[f64]) -> f64 {
    let mean = mean(nearest, |n| n.distance.max(k_distance[n.row as usize]));
    1.0 / (mean + LEAST_REACHABILITY)
}

/// How much denser than a row its neighbours are.
fn factor(nearest: &[Neighbour], densities: &[f64], own: f64) -> f64 {
    mean(nearest, |n| densities[n.row as usize] / own)
}

impl LofSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference).measured_by(self.metric)
    }
}

impl DetectorSpec for LofSpec {
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
        let k = self.n_neighbors;
        self.stage().fit(rows, session, |rows, session| {
            require_more_rows("n_neighbors", k, rows.n_rows())?;
            let (rows, numbers) = Neighbours::fit(rows, self.metric.norm(self.p));
            let nearest =
                rows.for_fitted(k, SelfMatch::DropOne, &mut session.meter(), |_, found| {
                    found
                })?;
            let last = |found: &Vec<Neighbour>| found.last().map_or(0.0, |n| n.distance);
            let k_distance: Vec<f64> = nearest.par_iter().map(last).collect();
            let densities = nearest.par_iter().map(|found| density(found, &k_distance));
            let densities: Vec<f64> = densities.collect();
            let scores = nearest.par_iter().zip(&densities);
            let scores = scores.map(|(found, own)| factor(found, &densities, *own));
            let scores: Vec<f64> = scores.collect();
            Ok(Outcome {
                scores: Some(numbers.iter().map(|i| scores[*i as usize]).collect()),
                ..Outcome::new(Lof {
                    rows,
                    k,
                    k_distance,
                    density: densities,
                })
            })
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        let norm = self.metric.norm(self.p);
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                let rows = Neighbours::restore(self.n_neighbors, n_features, norm, reader)?;
                let mut values = |name, expected, holds: fn(f64) -> bool| {
                    let values = reader.f64(name)?;
                    if values.len() == rows.n_distinct() && values.iter().all(|v| holds(*v)) {
                        return Ok(values);
                    }
                    let found = format!("{} values, or some out of range", values.len());
                    let expected = format!("{} {expected}", rows.n_distinct());
                    Err(reader.corrupt(name, found, expected))
                };
                let k_distance = values("reach", "distances", |v| v >= 0.0)?;
                let most = |v| v > 0.0 && v <= 1.0 / LEAST_REACHABILITY;
                let density = values("density", "densities above 0, at most 1e10", most)?;
                Ok(Lof {
                    rows,
                    k: self.n_neighbors,
                    k_distance,
                    density,
                })
            })
    }
}

impl Detector for Lof {
    fn n_features(&self) -> usize {
        self.rows.n_features()
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let score = |_: &[f32], nearest: Vec<Neighbour>| {
            let own = density(&nearest, &self.k_distance);
            factor(&nearest, &self.density, own)
        };
        out.copy_from_slice(&self.rows.for_rows(rows, self.k, SelfMatch::Keep, score));
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        self.rows.save(writer);
        writer.f64("reach", &self.k_distance);
        writer.f64("density", &self.density);
    }
}

#[cfg(test)]
mod tests {
    use crate::Spec;
    use crate::rows::{Matrix, Rows};
    use serde_json::json;

    fn fit(n_neighbors: usize, data: &[f32]) -> crate::Fitted {
        let keys = json!({ "n_neighbors": n_neighbors });
        let spec = Spec::preset("lof", "default").unwrap();
        let spec = spec.with(keys.as_object().unwrap().clone()).unwrap();
        spec.fit(Rows::new(data, 1).unwrap(), 0, &mut ()).unwrap()
    }

    /// Four rows on a line, k = 1: the last is 8 from a row whose own neighbour is 1 away.
    #[test]
    fn factors_by_hand() {
        let fitted = fit(1, &[0.0, 1.0, 2.0, 10.0]);
        // Row 1 has two neighbours at 1: the first counts. Densities 1, 1, 1, 1/8.
        let expected = [1.0, 1.0, 1.0, 8.0];
        for (found, expected) in fitted.fitted_scores().unwrap().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-8, "{found} {expected}");
        }
        // New rows: 0.5 from row 0, which reaches 1; 5 from row 3, which reaches 8.
        let new = Matrix::new(vec![-0.5, 15.0, 10.0], 1).unwrap();
        let scores = fitted.score(new.rows()).unwrap();
        for (found, expected) in scores.iter().zip([1.0, 1.0, 1.0]) {
            assert!((found - expected).abs() < 1e-8, "{found} {expected}");
        }
    }

    #[test]
    fn copies_are_neighbours_at_distance_zero() {
        let fitted = fit(2, &[1.0, 1.0, 1.0, 1.0, 2.0, 4.0]);
        let scores = fitted.fitted_scores().unwrap();
        assert!(scores[..4].iter().all(|s| *s == 1.0), "{scores:?}");
        // Row 4 is 1 away from rows of density 1e10.
        assert!((scores[4] - 1e10).abs() < 1e3, "{scores:?}");
    }
}
