//! Elliptic envelope: robust distances from the minimum covariance determinant (P. J.
//! Rousseeuw and K. Van Driessen, *A fast algorithm for the minimum covariance determinant
//! estimator*, Technometrics 41, 1999).
//!
//! Of n rows in d columns, h are sought whose covariance has the least determinant. The score
//! of a row is its squared distance from their location in the metric of their covariance,
//! after a reweighting:
//!
//! ```text
//! H  = arg min over |H| = h of det S(H)        h = ceil((n + d + 1) / 2)
//! H' = { x : (x - m(H))' S(H)^-1 (x - m(H)) / c(h / n) < q(0.975) }
//! s(x) = (x - m(H'))' S(H')^-1 (x - m(H')) / c(0.975)
//! c(a) = a / F_{d+2}(q(a))
//! ```
//!
//! m and S are the mean and the covariance, q the quantile of the chi-squared distribution
//! with d degrees of freedom, F that distribution's function with d + 2; c makes the
//! covariance consistent for normal rows (C. Croux and G. Haesbroeck, 1999).
//!
//! A C-step goes from a subset to the h rows nearest in its metric, whose determinant is no
//! greater. The search is that of scikit-learn's `MinCovDet`, which `PyOD`'s `MCD` uses too:
//! up to 500 rows, 30 random subsets take two C-steps each, and the best 10 go on until they
//! converge; above, at least 10 subsets in each of several groups of 300 rows (500 in all) take
//! two C-steps, the best 10 of a group go on over 1500 rows, and the best of these over all
//! rows. A single column is solved exactly.
//!
//! Where we differ from scikit-learn, mostly for speed:
//! - over the merged rows every candidate takes two C-steps and the best 10 go on, each once;
//!   over all rows likewise, and the best goes on (the paper's selective iteration);
//! - at most 100 groups (the paper has 5), so that the search does not grow with n;
//! - groups have at least 5 d rows, since the subsets of smaller ones may be singular;
//! - the rank of a covariance is that of its correlations, so that neither the columns' units
//!   nor constant columns matter: where it is singular, distances are measured and degrees of
//!   freedom counted in the directions that vary, and [`Warning::SingularCovariance`] says so.
//!   As in scikit-learn, C-steps end when a subset varies in fewer directions than all rows, and
//!   the last metric that measured all of these is used; among several such ends we take one
//!   that measures the most directions, scikit-learn takes any.
//!
//! Where the rows are known to be usual (`reference = clean`) there is nothing to leave out: the
//! location and the covariance are those of all rows, without a search and without a reweighting.
//! A `support_fraction` that was given is taken all the same.
//!
//! The score does not depend on the columns' scales.
//!
//! Default: `support_fraction` is `None`, the h above, as in scikit-learn.

#[cfg(test)]
#[path = "../../../tests/golden/ee.rs"]
pub(super) mod golden;
mod mcd;
mod scatter;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use self::mcd::Search;
use self::scatter::Scatter;
use super::spaced::Stage;
use crate::container::{Reader, Writer};
use crate::covariance::{Panels, WIDTH, Whitening, fill, subtract};
use crate::detector::{Detector, DetectorSpec, Outcome, check_finite, require};
use crate::error::{Error, Result};
use crate::fit::session::Session;
use crate::fit::warning::Warning;
use crate::fit::watch::{Extent, Halt, Watch};
use crate::nn::vectorised;
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::Scaling;

/// Share of normally distributed rows that the reweighting keeps.
const KEPT: f64 = 0.975;

/// Rows scored by a thread at a time.
const BLOCK: usize = 16 * WIDTH;

/// Hyper-parameters of `ee`: distances in the metric of a robust covariance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EeSpec {
    /// Share of the rows in the subset of least determinant, above 0 and at most 1; `None`
    /// for `(n + d + 1) / 2` rows, which has the highest breakdown point, or for all rows where
    /// `reference` is clean.
    pub support_fraction: Option<f64>,
    /// How rows are scaled first. Scaling feature by feature changes scores only by rounding.
    pub space: Scaling,
    /// Whether the fitted rows may hold outliers. Where they may not, the covariance is that of
    /// all rows, unless there is a `support_fraction`.
    pub reference: Reference,
}

impl Default for EeSpec {
    fn default() -> Self {
        Self {
            support_fraction: None,
            space: Scaling::Identity,
            reference: Reference::default(),
        }
    }
}

/// The robust location and metric.
#[derive(Debug, PartialEq)]
struct Ee {
    /// `(d,)`
    location: Vec<f64>,
    metric: Whitening,
}

impl EeSpec {
    /// Whether no row is left out.
    fn takes_all(&self) -> bool {
        self.reference == Reference::Clean && self.support_fraction.is_none()
    }

    /// Rows in the subset.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] when they are no more than the columns.
    fn support(&self, n_rows: usize, n_features: usize) -> Result<usize> {
        let Some(fraction) = self.support_fraction else {
            return Ok((n_rows + n_features + 1).div_ceil(2).min(n_rows));
        };
        let support = ((fraction * n_rows as f64) as usize).min(n_rows);
        let expected = "a share of the rows that is more rows than there are columns, at most 1";
        require("support_fraction", fraction, support > n_features, expected)?;
        Ok(support)
    }
}

impl EeSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference)
    }
}

impl DetectorSpec for EeSpec {
    fn validate(&self) -> Result<()> {
        let fraction = self.support_fraction.unwrap_or(1.0);
        let holds = fraction > 0.0 && fraction <= 1.0;
        require("support_fraction", fraction, holds, "above 0, at most 1")
    }

    fn memory(&self, n_rows: usize, n_features: usize) -> u64 {
        // The rows in float64, and some covariances.
        let (n, d) = (n_rows as u64, n_features as u64);
        let rows = n.saturating_mul(d.saturating_mul(8));
        rows.saturating_add(d.saturating_mul(d).saturating_mul(8 * 8))
            .saturating_add(self.stage().memory(n_rows, n_features))
    }

    fn scaling_mut(&mut self) -> Option<&mut Scaling> {
        Some(&mut self.space)
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.stage().fit(rows, session, |rows, session| {
            let (n, d) = (rows.n_rows(), rows.n_cols());
            if n <= d {
                return Err(Error::TooFewRows {
                    found: n,
                    expected: d + 1,
                    why: "robust covariances of so many columns (fit fewer columns, or choose \
                          another detector)",
                });
            }
            let support = self.support(n, d)?;
            let seed = session.seed();
            let meter = &mut session.meter();
            let all = Extent::At(0, 1);
            let standard = meter.watch("covariance of all rows", all, |watch| {
                Standard::from_rows(rows, watch)
            })?;
            let robust = if self.takes_all() {
                let every = vec![true; n];
                meter.watch("covariance of all rows", all, |watch| {
                    Scatter::from_rows(&standard.panels, &every, watch)
                })?
            } else {
                let search = Search::new(&standard.panels, support, standard.rank);
                let raw = search.run(seed, meter)?;
                meter.watch("rows near to the subset", all, |watch| {
                    reweighted(&standard.panels, raw, support, watch)
                })?
            };
            let rank = robust.rank();
            let mut outcome = Outcome::new(standard.detector(&robust));
            outcome
                .warnings
                .extend((rank < d).then_some(Warning::SingularCovariance {
                    rank,
                    n_features: d,
                }));
            Ok(outcome)
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                Ee::restore(n_features, reader)
            })
    }
}

/// Rows with mean 0 and deviation 1 in every column; where some columns depend on others, in
/// the directions that vary.
#[derive(Debug)]
struct Standard {
    panels: Panels,
    /// The map to these directions.
    directions: Option<Whitening>,
    /// `(d,)`
    mean: Vec<f64>,
    /// One over the deviation; 0 for a constant column. `(d,)`
    scale: Vec<f64>,
    /// Directions that vary.
    rank: usize,
}

impl Standard {
    fn from_rows(rows: Rows<'_>, watch: &Watch<'_>) -> Result<Self, Halt> {
        let d = rows.n_cols();
        let mut panels = Panels::new(rows);
        let all = vec![true; rows.n_rows()];
        let (mean, covariance) = panels.moments(&all, watch)?;
        let variances = covariance.iter().step_by(d + 1);
        let scale = |(variance, mean): (&f64, &f64)| {
            let deviation = variance.sqrt();
            let varies = deviation > crate::covariance::CONSTANT * mean.abs();
            if varies { deviation.recip() } else { 0.0 }
        };
        let scale: Vec<f64> = variances.zip(&mean).map(scale).collect();
        panels.standardise(&mean, &scale);
        let metric = Scatter::from_rows(&panels, &all, watch)?.metric;
        let rank = metric.rank();
        let varying = scale.iter().filter(|s| **s > 0.0).count();
        let directions = (rank < varying).then_some(metric);
        if let Some(directions) = &directions {
            panels = panels.mapped(directions);
        }
        Ok(Self {
            panels,
            directions,
            mean,
            scale,
            rank,
        })
    }

    /// The detector for rows before they were standardised.
    fn detector(&self, robust: &Scatter) -> Ee {
        let (location, metric) = match &self.directions {
            Some(map) => (map.source(&robust.location), robust.metric.after(map)),
            None => (robust.location.clone(), robust.metric.clone()),
        };
        let columns = self.mean.iter().zip(&self.scale).zip(&location);
        let location = columns.map(|((mean, scale), at)| {
            let offset = if *scale > 0.0 { at / scale } else { 0.0 };
            mean + offset
        });
        Ee {
            location: location.collect(),
            metric: metric.rescaled(&self.scale),
        }
    }
}

/// The chi-squared quantile at `alpha`, and the factor that makes the covariance of the nearest
/// share `alpha` of normally distributed rows consistent.
///
/// # Shapes
/// `freedom`: degrees of freedom.
fn consistency(freedom: usize, alpha: f64) -> (f64, f64) {
    let law = |freedom: f64| ChiSquared::new(freedom).ok();
    match (law(freedom as f64), law(freedom as f64 + 2.0)) {
        (Some(of_distance), Some(of_variance)) if alpha < 1.0 => {
            let quantile = of_distance.inverse_cdf(alpha);
            (quantile, alpha / of_variance.cdf(quantile))
        }
        _ => (f64::INFINITY, 1.0),
    }
}

/// Location and covariance of the rows that are near to those of the subset.
fn reweighted(
    panels: &Panels,
    raw: Scatter,
    support: usize,
    watch: &Watch<'_>,
) -> Result<Scatter, Halt> {
    let n = panels.n_rows();
    let (_, factor) = consistency(raw.rank(), support as f64 / n as f64);
    let raw = raw.inflated(factor);
    let mut distances = vec![0.0; n];
    panels.distances(&raw.location, &raw.metric, &mut distances, watch)?;
    let (most, _) = consistency(raw.rank(), KEPT);
    let near: Vec<bool> = distances.iter().map(|d| *d < most).collect();
    let robust = Scatter::from_rows(panels, &near, watch)?;
    let (_, factor) = consistency(robust.rank(), KEPT);
    Ok(robust.inflated(factor))
}

impl Ee {
    fn restore(n_features: usize, reader: &mut Reader) -> Result<Self> {
        let location = reader.f64_of("location", n_features)?;
        let weights = reader.f64("whitening")?;
        let rank = weights.len() / n_features;
        if !(1..=n_features).contains(&rank) || !weights.len().is_multiple_of(n_features) {
            let found = format!("of {} values", weights.len());
            let expected = format!("1 to {n_features} rows of {n_features} values");
            return Err(reader.corrupt("whitening", found, expected));
        }
        let metric = Whitening::new(weights, n_features);
        Ok(Self { location, metric })
    }
}

impl Detector for Ee {
    fn n_features(&self) -> usize {
        self.location.len()
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let d = self.location.len();
        let blocks: Vec<_> = rows.blocks(BLOCK).collect();
        blocks
            .into_par_iter()
            .zip(out.par_chunks_mut(BLOCK))
            .for_each(|(rows, out)| {
                let mut panel = vec![0.0; WIDTH * d];
                let mut centred = vec![0.0; WIDTH * d];
                vectorised(
                    #[inline(always)]
                    || {
                        for (rows, out) in rows.blocks(WIDTH).zip(out.chunks_mut(WIDTH)) {
                            fill(rows.as_slice(), d, &mut panel);
                            subtract(&panel, &self.location, &mut centred);
                            let squared = self.metric.squared(&centred);
                            out.iter_mut().zip(squared).for_each(|(out, s)| *out = s);
                        }
                    },
                );
            });
        check_finite(out)
    }

    fn save(&self, writer: &mut Writer) {
        writer.f64("location", &self.location);
        writer.f64("whitening", self.metric.weights());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::Spec;
    use crate::rng::{Purpose, stream};
    use crate::rows::Matrix;
    use rand_distr::{Distribution, StandardNormal};

    fn normal(n: usize, d: usize) -> Vec<f32> {
        let mut rng = stream(5, Purpose::SUBSET, [n as u64, d as u64]);
        let mut value = || -> f32 { StandardNormal.sample(&mut rng) };
        (0..n * d).map(|_| value()).collect()
    }

    fn spec(keys: Value) -> Result<Spec> {
        let Value::Object(keys) = keys else {
            panic!("{keys} are no keys");
        };
        Spec::preset("ee", "default")?.with(keys)
    }

    #[test]
    fn the_consistency_factors_are_those_of_the_literature() {
        // Quantiles of two degrees of freedom are -2 ln(1 - p), F_4 is 1 - e^(-x/2) (1 + x/2).
        let (quantile, factor) = consistency(2, 0.5);
        assert!((quantile - 2.0 * 2f64.ln()).abs() < 1e-9);
        assert!((factor - 0.5 / (1.0 - 0.5 * (1.0 + 2f64.ln()))).abs() < 1e-9);
        assert_eq!(consistency(3, 1.0), (f64::INFINITY, 1.0));
        assert_eq!(consistency(0, 0.5), (f64::INFINITY, 1.0));
    }

    /// Normally distributed rows, a tenth of which is moved to one place far away: the distances
    /// of the others keep their chi-squared distribution.
    #[test]
    fn a_cluster_of_outliers_does_not_move_the_metric() {
        for (n, d) in [(400, 3), (4000, 5)] {
            let mut data = normal(n, d);
            for row in data.chunks_exact_mut(d).take(n / 10) {
                for x in row {
                    *x = 8.0 + 0.1 * *x;
                }
            }
            let rows = Matrix::new(data, d).unwrap();
            let fitted = spec(json!({})).unwrap().fit(rows.rows(), 0, &mut ());
            let scores = fitted.unwrap().score(rows.rows()).unwrap();
            let (out, inner) = scores.split_at(n / 10);
            let mean = inner.iter().sum::<f64>() / inner.len() as f64;
            assert!((mean / d as f64 - 1.0).abs() < 0.1, "{n} {d}: {mean}");
            let top = inner.iter().copied().fold(0.0, f64::max);
            assert!(out.iter().all(|s| *s > top), "{n} {d}");
        }
    }

    #[test]
    fn columns_that_repeat_others_are_reported_and_change_no_distance() {
        let (n, d) = (900, 3);
        let plain = Matrix::new(normal(n, d), d).unwrap();
        let wide = plain
            .rows()
            .iter()
            .flat_map(|r| [r[0], r[1], r[2], 7.0, r[0] + r[1]]);
        let wide = Matrix::new(wide.collect(), 5).unwrap();
        let fit = |rows: Rows<'_>| {
            // The same size of subsets in both.
            let spec = spec(json!({"support_fraction": 0.6})).unwrap();
            let fitted = spec.fit(rows, 0, &mut ()).unwrap();
            (
                fitted.score(rows).unwrap(),
                fitted.provenance().warnings.clone(),
            )
        };
        let (expected, none) = fit(plain.rows());
        assert!(none.is_empty());
        let (found, warnings) = fit(wide.rows());
        let (rank, n_features) = (3, 5);
        assert_eq!(warnings, [Warning::SingularCovariance { rank, n_features }]);
        let far = found.iter().zip(&expected).map(|(a, b)| (a - b).abs() / b);
        let far = far.fold(0.0, f64::max);
        assert!(far < 1e-4, "{far}");
    }

    #[test]
    fn fewer_rows_than_columns_and_shares_too_small_are_refused() {
        let rows = Matrix::new(normal(6, 6), 6).unwrap();
        let error = spec(json!({})).unwrap().fit(rows.rows(), 0, &mut ());
        let error = error.unwrap_err();
        assert!(
            matches!(error, Error::TooFewRows { expected: 7, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("fewer columns"), "{error}");
        let rows = Matrix::new(normal(40, 6), 6).unwrap();
        let few = spec(json!({"support_fraction": 0.1})).unwrap();
        let error = few.fit(rows.rows(), 0, &mut ()).unwrap_err();
        assert!(matches!(error, Error::InvalidKey { .. }), "{error}");
        assert!(
            spec(json!({"support_fraction": 1.0}))
                .unwrap()
                .fit(rows.rows(), 0, &mut ())
                .is_ok()
        );
        assert!(spec(json!({"support_fraction": 0.0})).is_err());
    }

    #[test]
    fn parts_of_another_size_are_refused() {
        for (location, whitening) in [(2, 9), (3, 0), (3, 8), (3, 12), (4, 9)] {
            let mut writer = Writer::default();
            writer.f64("location", &vec![0.0; location]);
            writer.f64("whitening", &vec![1.0; whitening]);
            let bytes = writer.into_bytes(&json!({})).unwrap();
            let mut reader = Reader::from_bytes(Path::new("a"), &bytes).unwrap();
            let error = Ee::restore(3, &mut reader).unwrap_err();
            assert!(matches!(error, Error::CorruptModel { .. }), "{error}");
        }
    }
}
