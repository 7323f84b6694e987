//! Representations for random distances (G. Pang, L. Cao, L. Chen and H. Liu, *Learning
//! representations of ultrahigh-dimensional data for random distance-based outlier
//! detection*, KDD 2018): REPEN.
//!
//! One layer `z(x) = relu(W x + b)`, `(n, d)` to `(n, M)`, is trained so that rows which
//! already look anomalous lie far from the others:
//!
//! 1. Every row gets its `LeSiNN` score r (see `lesinn`).
//! 2. Rows with `r > mean + alpha * deviation` are outlier candidates, the others inlier
//!    candidates; by Cantelli's inequality at most `1 / (1 + alpha^2)` of any distribution
//!    lies up there. Without such a row, the ten highest are taken.
//! 3. A triplet is a query, drawn from the inlier candidates I with probability proportional
//!    to `(sum of r over I) - r`; another inlier candidate, uniformly; and an outlier
//!    candidate, with probability proportional to r. The paper's query set has one row.
//! 4. The loss of a batch of triplets (q, p, o), with Euclidean distances, is
//!
//! ```text
//! mean of max(0, margin + |z(q) - z(p)|^2 - |z(q) - z(o)|^2)
//! ```
//!
//! The score of a row is `LeSiNN`'s, over subsamples of the fitted rows, in the learned space.
//!
//! Distances depend on the columns' scales: where their units differ, set `space` to `standardise`
//! or `robust`.
//!
//! Defaults: M = 20, alpha = 1.732 (a quarter by Cantelli), margin 1000, 30 epochs of n / 256
//! batches of 256 triplets, 50 subsamples of 8 rows, as the authors publish them. Where they
//! use Adadelta and Keras's first weights, this has Adam and the first weights of
//! [`crate::nn`].

mod ranking;
mod triplets;

use serde::{Deserialize, Serialize};

use super::lesinn::check_subsamples;
use super::network::{NetworkLearner, TrainingKeys, for_outputs, training_memory};
use super::spaced::Stage;
use super::subsamples::Subsamples;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, DetectorSpec, Outcome, check_finite, require, require_more_rows};
use crate::error::{Error, Result};
use crate::fit::{Schedule, Session};
use crate::nn::{Mlp, TrainingState};
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::Scaling;
use ranking::{Loss, Ranking, rectify};
use triplets::Candidates;

#[cfg(test)]
pub(super) use ranking::rank;

/// Hyper-parameters of `repen`: `lesinn` in a learned space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepenSpec {
    /// Width of the learned space, 1 to 65536.
    pub n_components: usize,
    /// Subsamples of `lesinn`, in both spaces, 1 to 1,000,000.
    pub n_estimators: usize,
    /// Rows in each, at least 1 and fewer than there are rows.
    pub max_samples: usize,
    /// Outlier candidates lie so many standard deviations above the mean score; above 0.
    pub alpha: f64,
    /// How much farther from the query an outlier candidate shall be than an inlier candidate,
    /// in squared distance; above 0.
    pub margin: f64,
    /// As many batches an epoch as it takes to have a triplet for each row; at least 1 epoch.
    pub epochs: u64,
    /// Triplets a step, 1 to 16777216.
    pub batch_size: usize,
    /// Adam's step size, above 0.
    pub learning_rate: f64,
    /// Decoupled weight decay, 0 or above.
    pub weight_decay: f64,
    /// How rows are scaled first.
    pub space: Scaling,
    /// Whether the fitted rows may hold outliers. Where they may not, the covariance of the space
    /// `robust` is of all rows; nothing else changes.
    pub reference: Reference,
}

impl Default for RepenSpec {
    fn default() -> Self {
        Self {
            n_components: 20,
            n_estimators: 50,
            max_samples: 8,
            alpha: 1.732,
            margin: 1000.0,
            epochs: 30,
            batch_size: 256,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            space: Scaling::Identity,
            reference: Reference::default(),
        }
    }
}

/// The trained layer, and subsamples of what it makes of the fitted rows.
#[derive(Debug)]
struct Repen {
    network: Mlp,
    subsamples: Subsamples,
}

impl RepenSpec {
    fn course(&self, n_rows: usize) -> Schedule {
        let batches = n_rows.div_ceil(self.batch_size) as u64;
        Schedule {
            member: 0,
            members: 1,
            steps: self.epochs.saturating_mul(batches),
            batch_rows: self.batch_size,
        }
    }

    fn training(&self) -> TrainingKeys {
        TrainingKeys {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
        }
    }

    /// Outlier and inlier candidates by `LeSiNN`'s scores.
    fn candidates(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Candidates> {
        let (n, t, psi) = (rows.n_rows(), self.n_estimators, self.max_samples);
        session.meter().work("candidates", 0, n as u64)?;
        let mut scores = vec![0.0; n];
        let subsamples = Subsamples::draw(rows, t, psi, session.seed(), 0);
        subsamples.mean_distances(rows.as_slice(), &mut scores);
        session.meter().work("candidates", n as u64, n as u64)?;
        Candidates::new(&scores, self.alpha)
    }
}

impl RepenSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference)
    }
}

impl DetectorSpec for RepenSpec {
    fn validate(&self) -> Result<()> {
        let width = (1..=65_536).contains(&self.n_components);
        require("n_components", self.n_components, width, "1 to 65536")?;
        check_subsamples(self.n_estimators, self.max_samples)?;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        require(
            "alpha",
            self.alpha,
            positive(self.alpha),
            "a number above 0",
        )?;
        let margin = positive(self.margin) && (self.margin as f32).is_finite();
        require(
            "margin",
            self.margin,
            margin,
            "a number above 0 that float32 can hold",
        )?;
        self.training().check()
    }

    fn memory(&self, n_rows: usize, n_features: usize) -> u64 {
        let (n, size) = (n_rows as u64, self.max_samples.min(n_rows));
        // Scores and weights of the candidates, then the rows in the learned space.
        let rows = n.saturating_mul(16 + 4 * self.n_components as u64);
        let batch = self.batch_size.saturating_mul(3);
        training_memory(&[n_features, self.n_components], batch)
            .saturating_add(rows)
            .saturating_add(self.stage().memory(n_rows, n_features))
            .saturating_add(Subsamples::memory(
                self.n_estimators,
                size,
                self.n_components,
            ))
    }

    fn scaling_mut(&mut self) -> Option<&mut Scaling> {
        Some(&mut self.space)
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.stage().fit(rows, session, |rows, session| {
            require_more_rows("max_samples", self.max_samples, rows.n_rows())?;
            let candidates = self.candidates(rows, session)?;
            let course = self.course(rows.n_rows());
            let sizes = [rows.n_cols(), self.n_components];
            let loss = Loss {
                batch_size: self.batch_size,
                margin: self.margin,
                adam: self.training().adam(),
            };
            let loss = Ranking::new(rows, candidates, session.seed(), sizes, loss);
            let state = TrainingState::new(&sizes, session.seed(), 0);
            let (network, curve) = NetworkLearner::new(state, loss).train(&course, session)?;
            let z = represent(&network, rows);
            if z.iter().any(|z| !z.is_finite()) {
                return Err(Error::Diverged {
                    step: course.steps,
                    loss: f64::INFINITY,
                });
            }
            let (t, psi) = (self.n_estimators, self.max_samples);
            let z = Rows::checked(&z, self.n_components);
            let subsamples = Subsamples::draw(z, t, psi, session.seed(), 1);
            let repen = Repen {
                network,
                subsamples,
            };
            Ok(Outcome::trained(repen, course.steps, curve))
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                let sizes = [n_features, self.n_components];
                let (t, psi) = (self.n_estimators, self.max_samples);
                Ok(Repen {
                    network: Mlp::restore(&sizes, "network", reader)?,
                    subsamples: Subsamples::restore(t, psi, self.n_components, reader)?,
                })
            })
    }
}

impl Detector for Repen {
    fn n_features(&self) -> usize {
        self.network.sizes().first().copied().unwrap_or(0)
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let z = represent(&self.network, rows);
        self.subsamples.mean_distances(&z, out);
        check_finite(out)
    }

    fn save(&self, writer: &mut Writer) {
        self.network.save("network", writer);
        self.subsamples.save(writer);
    }
}

/// Rows in the learned space, `(n, M)`.
fn represent(network: &Mlp, rows: Rows<'_>) -> Vec<f32> {
    let width = network.sizes().last().copied().unwrap_or(0);
    let mut z = vec![0.0; rows.n_rows() * width];
    for_outputs(network, rows, &mut z, |_, outputs, z| {
        let outputs = outputs.get(..z.len()).unwrap_or(outputs);
        z.copy_from_slice(outputs);
        rectify(z);
    });
    z
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spec;
    use crate::rng::{Purpose, stream};
    use crate::rows::Matrix;
    use rand::RngExt;

    /// Rows around 0, and every twentieth far off in one of the columns.
    fn rows(n: usize) -> Matrix {
        let mut rng = stream(6, Purpose::BATCH, [0, 0]);
        let mut data: Vec<f32> = (0..4 * n).map(|_| rng.random_range(-1.0..1.0)).collect();
        for row in data.chunks_exact_mut(4).step_by(20) {
            row[2] += 6.0;
        }
        Matrix::new(data, 4).unwrap()
    }

    #[test]
    fn candidates_that_lie_far_off_lie_farther_in_the_learned_space() {
        let spec = RepenSpec {
            epochs: 200,
            learning_rate: 1e-2,
            ..RepenSpec::default()
        };
        let rows = rows(400);
        let fitted = Spec::Repen(spec).fit(rows.rows(), 0, &mut ()).unwrap();
        assert_eq!(fitted.provenance().steps, 400);
        let losses = &fitted.provenance().losses[0];
        assert!(losses[losses.len() - 1] < losses[0], "{losses:?}");
        let scores = fitted.score(rows.rows()).unwrap();
        let (far, near): (Vec<_>, Vec<_>) = (0..400).partition(|i| i % 20 == 0);
        let least = far.iter().map(|i| scores[*i]).fold(f64::MAX, f64::min);
        let most = near.iter().map(|i| scores[*i]).fold(0.0, f64::max);
        assert!(least > most, "{least} {most}");
    }

    /// Units that no row opens again: every row is the zero vector, and that is an error.
    #[test]
    fn a_representation_that_has_died_is_an_error() {
        // Steps so large that the first throws every unit far to one side; with negative
        // features alone none comes back.
        let data: Vec<f32> = rows(400)
            .rows()
            .as_slice()
            .iter()
            .map(|x| -(x.abs() + 1.0))
            .collect();
        let rows = Matrix::new(data, 4).unwrap();
        let spec = RepenSpec {
            n_components: 1,
            learning_rate: 1e3,
            ..RepenSpec::default()
        };
        let errors = (0..20).filter_map(|seed| {
            let fitted = Spec::Repen(spec.clone()).fit(rows.rows(), seed, &mut ());
            fitted.err()
        });
        let errors: Vec<_> = errors.collect();
        assert!(!errors.is_empty());
        for error in errors {
            let dead = matches!(error, Error::ConstantScores { score, .. } if score == 0.0);
            assert!(dead, "{error}");
        }
    }

    #[test]
    fn more_triplets_a_batch_than_rows_is_no_fewer_steps_than_epochs() {
        let spec = RepenSpec::default();
        assert_eq!(spec.course(10).steps, 30);
        assert_eq!(spec.course(257).steps, 60);
        assert_eq!(spec.course(257).batch_rows, 256);
    }
}
