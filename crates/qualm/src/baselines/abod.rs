//! Angle-based outlier detection (H.-P. Kriegel, M. Schubert and A. Zimek, *Angle-based
//! outlier detection in high-dimensional data*, KDD 2008).
//!
//! The directions from a row inside a cluster to the other rows vary widely; from a row outside
//! they are alike. The score of a row p is minus the variance, over pairs of other rows a and b,
//! of the angle between a - p and b - p, weighted by nearness:
//!
//! ```text
//! t(a, b) = <a - p, b - p> / (|a - p|^2 |b - p|^2)
//! s(p)    = - variance over pairs {a, b} of t(a, b)
//! ```
//!
//! `fast` (the paper's `FastABOD`) takes the pairs of the k nearest fitted rows, `exact` those
//! of all n: O(n^3 d) for the fitted rows, hence for at most [`MOST_EXACT`] of them.
//!
//! The variant is `PyOD`'s. Every pair counts alike, where the paper's ABOF also weights each
//! term of the mean and of the variance by `1 / (|a - p| |b - p|)`. Rows that equal p form no
//! angle and are left out. As in `PyOD`, a fitted row counts as one of its own k neighbours,
//! so that k - 1 others are left; a new row that equals a fitted one gets the same score.
//! Unlike in `PyOD`, further copies of p do not count among the k: a row with k copies would
//! otherwise have no angle at all, and the highest possible score.
//!
//! Distances depend on the columns' scales: where their units differ, set `space` to `standardise`
//! or `robust`.
//!
//! Default: k = 10, as in the paper's Table 2; `PyOD` has 5.

use std::convert::Infallible;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spaced::Stage;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, DetectorSpec, Outcome, lower, require, require_more_rows};
use crate::error::{Error, Result};
use crate::fit::session::Session;
use crate::fit::warning::Warning;
use crate::fit::watch::Extent;
use crate::neighbours::{
    DistanceMetric, EUCLIDEAN_POWER, Neighbour, Neighbours, SelfMatch, dot, is_euclidean_power,
    unwritten,
};
use crate::nn::vectorised;
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::Scaling;

/// Fitted rows of the exact method, at most: two minutes on two cores at 100 columns.
const MOST_EXACT: usize = 2000;

/// Rows that the exact method scores between two reports of progress.
const STRETCH: usize = 64;

/// Hyper-parameters of `abod`: the variance of angles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AbodSpec {
    /// Neighbours whose pairs are taken: at least 4, and fewer than the fitted rows. A fitted row
    /// counts as one of its own. The exact method does not use it.
    #[serde(alias = "n_neighbours")]
    pub n_neighbors: usize,
    /// Which pairs of rows are taken.
    pub method: AbodMethod,
    /// How rows are scaled first.
    pub space: Scaling,
    /// How far two scaled rows are from each other: which are the nearest.
    #[serde(skip_serializing_if = "DistanceMetric::is_default")]
    pub metric: DistanceMetric,
    /// The power of the metric `minkowski`, at least 1; 2 for every other metric.
    #[serde(skip_serializing_if = "is_euclidean_power")]
    pub p: f64,
    /// Whether the fitted rows may hold outliers. Where they may not, the covariance of the space
    /// `robust` and of the metric `mahalanobis` is of all rows; nothing else changes.
    pub reference: Reference,
}

/// Which pairs of rows [`AbodSpec`] takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AbodMethod {
    /// Those of the nearest rows.
    Fast,
    /// All; for at most 2,000 fitted rows.
    Exact,
}

/// Fewer neighbours leave a fitted row without angles to compare.
const LEAST_NEIGHBORS: usize = 4;

impl Default for AbodSpec {
    fn default() -> Self {
        Self {
            n_neighbors: 10,
            method: AbodMethod::Fast,
            space: Scaling::Identity,
            metric: DistanceMetric::default(),
            p: EUCLIDEAN_POWER,
            reference: Reference::default(),
        }
    }
}

/// The fitted rows.
#[derive(Debug)]
struct Abod {
    rows: Neighbours,
    k: usize,
    method: AbodMethod,
}

impl Abod {
    /// The score of a row from its neighbours.
    fn by_nearest(&self, row: &[f32], nearest: &[Neighbour]) -> f64 {
        let others = nearest.iter().map(|n| (self.rows.row(n.row), n.weight));
        unstopped(minus_variance(row, others, |_| Ok(())))
    }

    /// The score of a row from all fitted rows.
    fn by_all<E>(&self, row: &[f32], tick: impl FnMut(usize) -> Result<(), E>) -> Result<f64, E> {
        let others = (0..self.rows.n_distinct() as u32)
            .map(|number| (self.rows.row(number), self.rows.count(number)));
        minus_variance(row, others, tick)
    }

    /// Scores of the distinct fitted rows.
    fn fitted_scores(&self, session: &mut Session<'_>) -> Result<Vec<f64>> {
        if self.method == AbodMethod::Fast {
            let score = |row: &[f32], nearest: Vec<Neighbour>| self.by_nearest(row, &nearest);
            return self
                .rows
                .for_fitted(self.k, SelfMatch::DropAll, &mut session.meter(), score);
        }
        let numbers: Vec<u32> = (0..self.rows.n_distinct() as u32).collect();
        let mut scores = Vec::with_capacity(numbers.len());
        for stretch in numbers.chunks(STRETCH) {
            let extent = Extent::At(scores.len() as u64, numbers.len() as u64);
            let of_stretch = session.meter().watch("angles", extent, |watch| {
                let score = |number: &u32| {
                    let mut ticks = watch.ticks();
                    self.by_all(self.rows.row(*number), |products| ticks.add(products))
                };
                stretch.par_iter().map(score).collect::<Result<Vec<_>, _>>()
            })?;
            scores.extend(of_stretch);
        }
        Ok(scores)
    }
}

/// Minus the variance of the weighted angles at `row` between pairs of other rows, each with the
/// number of its copies. Rows that equal `row` are left out. With fewer than two pairs it is 0.
/// `tick` is told of the products that are summed, and can end it with an error.
///
/// # Shapes
/// `row` and the others: `(d,)`.
fn minus_variance<'a, E>(
    row: &[f32],
    others: impl Iterator<Item = (&'a [f32], u32)>,
    tick: impl FnMut(usize) -> Result<(), E>,
) -> Result<f64, E> {
    // Each difference divided by its squared length, so that t is a plain product. It is always
    // finite: float32 differences are at least 1e-45, the fourth power of which is a float64.
    let mut sides: Vec<f64> = Vec::new();
    let mut weights: Vec<f64> = Vec::new();
    for (other, weight) in others {
        let start = sides.len();
        let apart = other.iter().zip(row);
        sides.extend(apart.map(|(a, p)| f64::from(*a) - f64::from(*p)));
        let side = &mut sides[start..];
        let squared: f64 = side.iter().map(|x| x * x).sum();
        if squared > 0.0 {
            for x in side {
                *x /= squared;
            }
            weights.push(f64::from(weight));
        } else {
            sides.truncate(start);
        }
    }
    vectorised(
        #[inline(always)]
        || Ok(0.0 - variance(&sides, &weights, row.len(), tick)?),
    )
}

/// The variance of the products of all pairs of sides, weighted by the pairs of copies.
///
/// # Shapes
/// `sides`: `(m, d)`; `weights`: `(m,)`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn variance<E>(
    sides: &[f64],
    weights: &[f64],
    d: usize,
    mut tick: impl FnMut(usize) -> Result<(), E>,
) -> Result<f64, E> {
    let n: f64 = weights.iter().sum();
    let n_pairs = n * (n - 1.0) / 2.0;
    // The mean in closed form: the square of the sum, less the terms that are no pairs.
    let mut total = vec![0.0; d];
    let mut squares = 0.0;
    for (side, weight) in sides.chunks_exact(d).zip(weights) {
        squares += weight * dot(side, side);
        for (total, x) in total.iter_mut().zip(side) {
            *total += weight * x;
        }
    }
    let mean = (dot(&total, &total) - squares) / 2.0 / n_pairs;
    // And the variance about it; the second term corrects the rounding of the mean above.
    let [mut first, mut second] = [0.0; 2];
    let mut add = |product: f64, times: f64| {
        let off = product - mean;
        first += times * off;
        second += times * off * off;
    };
    let each = || sides.chunks_exact(d).zip(weights);
    for (i, (a, weight)) in each().enumerate() {
        if *weight > 1.0 {
            add(dot(a, a), weight * (weight - 1.0) / 2.0);
        }
        for (b, other) in each().skip(i + 1) {
            add(dot(a, b), weight * other);
        }
        tick(sides.len() - i * d)?;
    }
    if n_pairs < 2.0 {
        return Ok(0.0);
    }
    Ok((second / n_pairs - (first / n_pairs).powi(2)).max(0.0))
}

/// The result of what cannot be stopped.
fn unstopped(result: Result<f64, Infallible>) -> f64 {
    let Ok(found) = result;
    found
}

impl AbodSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference).measured_by(self.metric)
    }
}

impl DetectorSpec for AbodSpec {
    fn validate(&self) -> Result<()> {
        self.metric.check(self.p)?;
        let expected = "at least 4, so that a fitted row has angles to compare";
        require(
            "n_neighbors",
            self.n_neighbors,
            self.n_neighbors >= LEAST_NEIGHBORS,
            expected,
        )
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
        if self.method == AbodMethod::Exact || n_rows <= LEAST_NEIGHBORS {
            return Vec::new();
        }
        lower("n_neighbors", &mut self.n_neighbors, n_rows - 1, n_rows)
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.stage().fit(rows, session, |rows, session| {
            match self.method {
                AbodMethod::Fast => {
                    require_more_rows("n_neighbors", self.n_neighbors, rows.n_rows())?;
                }
                AbodMethod::Exact if rows.n_rows() < 4 => {
                    return Err(Error::TooFewRows {
                        found: rows.n_rows(),
                        expected: 4,
                        why: "angles between pairs of other rows",
                    });
                }
                AbodMethod::Exact => {
                    let expected = "fast, as there are more than 2,000 rows: the exact method \
                                    goes through all pairs of them for each; or fit fewer rows";
                    require("method", "exact", rows.n_rows() <= MOST_EXACT, expected)?;
                }
            }
            let (rows, numbers) = Neighbours::fit(rows, self.metric.norm(self.p));
            let abod = Abod {
                rows,
                k: self.n_neighbors,
                method: self.method,
            };
            let scores = abod.fitted_scores(session)?;
            Ok(Outcome {
                scores: Some(numbers.iter().map(|i| scores[*i as usize]).collect()),
                ..Outcome::new(abod)
            })
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        let norm = self.metric.norm(self.p);
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                let least = match self.method {
                    AbodMethod::Fast => self.n_neighbors,
                    AbodMethod::Exact => 3,
                };
                Ok(Abod {
                    rows: Neighbours::restore(least, n_features, norm, reader)?,
                    k: self.n_neighbors,
                    method: self.method,
                })
            })
    }
}

impl Detector for Abod {
    fn n_features(&self) -> usize {
        self.rows.n_features()
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        match self.method {
            AbodMethod::Fast => {
                let score = |row: &[f32], nearest: Vec<Neighbour>| self.by_nearest(row, &nearest);
                out.copy_from_slice(&self.rows.for_rows(rows, self.k, SelfMatch::DropAll, score));
            }
            AbodMethod::Exact => {
                let rows = rows.as_slice().par_chunks_exact(rows.n_cols());
                let scores = rows.zip(out.par_iter_mut());
                scores.for_each(|(row, out)| *out = unstopped(self.by_all(row, |_| Ok(()))));
            }
        }
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        self.rows.save(writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(row: [f32; 2], others: &[([f32; 2], u32)]) -> f64 {
        let others = others.iter().map(|(other, n)| (&other[..], *n));
        unstopped(minus_variance(&row, others, |_| Ok(())))
    }

    /// From the origin: a right angle, and twice half of a right one.
    #[test]
    fn the_variance_of_angles_by_hand() {
        let others = [([1.0, 0.0], 1), ([0.0, 2.0], 1), ([1.0, 1.0], 1)];
        // 0, 1 / (1 * 2) and 2 / (4 * 2).
        let terms = [0.0f64, 0.5, 0.25];
        let mean = terms.iter().sum::<f64>() / 3.0;
        let expected = terms.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / 3.0;
        assert!((score([0.0; 2], &others) + expected).abs() < 1e-15);
        // The row itself and its copies form no angle.
        let with_itself = [&others[..], &[([0.0, 0.0], 3)]].concat();
        assert_eq!(score([0.0; 2], &with_itself), score([0.0; 2], &others));
    }

    #[test]
    fn copies_count_as_rows_of_their_own() {
        let apart = [
            ([1.0, 0.5], 1),
            ([3.0, 1.0], 1),
            ([3.0, 1.0], 1),
            ([0.0, 7.0], 1),
        ];
        let together = [([1.0, 0.5], 1), ([3.0, 1.0], 2), ([0.0, 7.0], 1)];
        let [apart, together] = [&apart[..], &together].map(|others| score([1.0, 1.0], others));
        assert!((apart / together - 1.0).abs() < 1e-12, "{apart} {together}");
    }

    #[test]
    fn scores_are_finite_however_near_or_far() {
        let least = f32::from_bits(1);
        for unit in [least, 1.0, 1e15] {
            let others = [1.0, 2.0, 3.0].map(|i| ([unit * i, unit], 1));
            assert!(score([0.0; 2], &others).is_finite(), "{unit}");
        }
        assert_eq!(score([0.0; 2], &[([1.0, 0.0], 1)]), 0.0);
        assert_eq!(score([0.0; 2], &[]), 0.0);
        // Seen from far away, where the variance is all rounding, it is still none below 0.
        let others = [([0.0, 0.0], 1), ([0.0, 1.0], 1), ([1.0, 0.0], 2)];
        assert!(score([1e15, 1e15], &others) <= 0.0);
    }
}
