//! Autoencoder (M. A. Kramer, *Nonlinear principal component analysis using autoassociative
//! neural networks*, `AIChE` Journal 37, 1991).
//!
//! A network f squeezes a row of d features through a narrow layer and is trained to give it
//! back; what it cannot reconstruct is anomalous. Of widths such as d, 64, 32, 64, d:
//!
//! ```text
//! loss   = mean over the batch's rows and features of (f(x)_j - x_j)^2
//! q(x)   = |f(x) - x|
//! ```
//!
//! All layers but the last end in a rectifier. A batch of n rows is `(n, d)`; each epoch
//! shuffles the rows and leaves out those that do not fill a last batch.
//!
//! The loss adds up errors of all columns, so it depends on their scales; the default brings them
//! to one. With `space = identity` wide columns decide.
//!
//! Defaults: those of `PyOD`'s `AutoEncoder` (standardised rows, widths 64 and 32, ten epochs
//! of batches of 32 rows, Adam with learning rate 1e-3 and weight decay 1e-5; score the
//! Euclidean norm), without its dropout and batch normalisation, which blur what a row is
//! compared with; first weights as there (He et al., 2015). Weight decay is decoupled from the gradient here; at this size it moves
//! nothing that can be measured.

use serde::{Deserialize, Serialize};

use super::network::{NetworkLearner, NetworkLoss, TrainingKeys, for_outputs, training_memory};
use super::spaced::Stage;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, DetectorSpec, Outcome, check_finite, require};
use crate::error::Result;
use crate::fit::warning::Warning;
use crate::fit::{Schedule, Session, Shuffled};
use crate::neighbours::squared_distance;
use crate::nn::{Adam, Mlp, TrainingState, Workspace, vectorised};
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::Scaling;

/// Hyper-parameters of `ae`: how badly a network gives a row back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AeSpec {
    /// Widths of the encoder's layers, 1 to 16 of them, each 1 to 65536; the decoder has the
    /// same in reverse, without the last.
    pub hidden: Vec<usize>,
    /// Passes over the rows, at least 1.
    pub epochs: u64,
    /// Rows a step, 1 to 16777216. With fewer rows than that, all of them.
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

impl Default for AeSpec {
    fn default() -> Self {
        Self {
            hidden: vec![64, 32],
            epochs: 10,
            batch_size: 32,
            learning_rate: 1e-3,
            weight_decay: 1e-5,
            space: Scaling::Standardise,
            reference: Reference::default(),
        }
    }
}

/// The trained network, whose output is as wide as its input.
#[derive(Debug)]
struct Ae {
    network: Mlp,
}

impl AeSpec {
    /// Widths of all layers, the input's and the output's included.
    fn layer_sizes(&self, d: usize) -> Vec<usize> {
        let back = self.hidden.iter().rev().skip(1);
        let inner = self.hidden.iter().chain(back).copied();
        std::iter::once(d).chain(inner).chain([d]).collect()
    }

    fn course(&self, n_rows: usize) -> Schedule {
        let batch_rows = self.batch_size.min(n_rows);
        Schedule {
            member: 0,
            members: 1,
            steps: self.epochs.saturating_mul((n_rows / batch_rows) as u64),
            batch_rows,
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
}

impl AeSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference)
    }
}

impl DetectorSpec for AeSpec {
    fn validate(&self) -> Result<()> {
        let widths = format!("{:?}", self.hidden);
        let some = (1..=16).contains(&self.hidden.len())
            && self.hidden.iter().all(|h| (1..=65_536).contains(h));
        require("hidden", widths, some, "1 to 16 widths, each 1 to 65536")?;
        self.training().check()
    }

    fn memory(&self, n_rows: usize, n_features: usize) -> u64 {
        let batch = self.batch_size.min(n_rows);
        let training = training_memory(&self.layer_sizes(n_features), batch);
        training.saturating_add(self.stage().memory(n_rows, n_features))
    }

    fn scaling_mut(&mut self) -> Option<&mut Scaling> {
        Some(&mut self.space)
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.stage().fit(rows, session, |rows, session| {
            let course = self.course(rows.n_rows());
            let sizes = self.layer_sizes(rows.n_cols());
            let mut state = TrainingState::new(&sizes, session.seed(), 0);
            state.network.he_init();
            let loss = Reconstruction::new(self, rows, session.seed(), course, &sizes);
            let (network, curve) = NetworkLearner::new(state, loss).train(&course, session)?;
            let mut outcome = Outcome::trained(Ae { network }, course.steps, curve);
            let small = course.batch_rows < self.batch_size;
            outcome.warnings.extend(small.then(|| Warning::SmallBatch {
                n_rows: rows.n_rows(),
                batch_rows: course.batch_rows,
                batch_size: self.batch_size,
            }));
            Ok(outcome)
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                let sizes = self.layer_sizes(n_features);
                let network = Mlp::restore(&sizes, "network", reader)?;
                Ok(Ae { network })
            })
    }
}

/// Takes the steps of a training.
struct Reconstruction<'a> {
    rows: Rows<'a>,
    seed: u64,
    adam: Adam,
    order: Shuffled,
    /// The rows of a step, `(n, d)`.
    batch: Vec<f32>,
    work: Workspace,
}

impl<'a> Reconstruction<'a> {
    fn new(spec: &AeSpec, rows: Rows<'a>, seed: u64, course: Schedule, sizes: &[usize]) -> Self {
        Self {
            rows,
            seed,
            adam: spec.training().adam(),
            order: Shuffled::new(rows.n_rows(), course.batch_rows),
            batch: Vec::with_capacity(course.batch_rows * rows.n_cols()),
            work: Workspace::new(sizes, course.batch_rows),
        }
    }

    /// Gathers the rows of a step.
    fn draw(&mut self, step: u64) {
        self.batch.clear();
        let picked = self.order.batch(self.seed, 0, step).iter();
        let picked = picked.filter_map(|i| self.rows.get(*i));
        self.batch.extend(picked.flatten());
    }
}

/// One step on a batch: the loss before it.
///
/// # Shapes
/// `batch`: `(n, d)`, n the rows of the workspace.
pub(super) fn reconstruct(
    state: &mut TrainingState,
    batch: &[f32],
    work: &mut Workspace,
    adam: Adam,
) -> f64 {
    let network = &mut state.network;
    network.forward(batch, work);
    let output = work.output();
    let scale = 2.0 / batch.len() as f32;
    let mut squares = 0.0;
    let pairs = output.activations.iter().zip(batch);
    for ((found, wanted), delta) in pairs.zip(output.deltas) {
        let apart = found - wanted;
        squares += f64::from(apart).powi(2);
        *delta = scale * apart;
    }
    let loss = squares / batch.len() as f64;
    if loss.is_finite() {
        network.learn(batch, work, &mut state.adam, adam);
    }
    loss
}

impl NetworkLoss for Reconstruction<'_> {
    fn step(&mut self, state: &mut TrainingState, step: u64) -> f64 {
        self.draw(step);
        reconstruct(state, &self.batch, &mut self.work, self.adam)
    }
}

impl Detector for Ae {
    fn n_features(&self) -> usize {
        self.network.sizes().first().copied().unwrap_or(0)
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let d = rows.n_cols();
        for_outputs(&self.network, rows, out, |rows, outputs, out| {
            vectorised(
                #[inline(always)]
                || {
                    for ((row, found), out) in rows.iter().zip(outputs.chunks_exact(d)).zip(out) {
                        *out = squared_distance(row, found).sqrt();
                    }
                },
            );
        });
        check_finite(out)
    }

    fn save(&self, writer: &mut Writer) {
        self.network.save("network", writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spec;
    use crate::error::Error;
    use crate::rng::{Purpose, stream};
    use crate::rows::Matrix;
    use rand::RngExt;

    #[test]
    fn the_decoder_mirrors_the_encoder() {
        assert_eq!(AeSpec::default().layer_sizes(9), [9, 64, 32, 64, 9]);
        let one = AeSpec {
            hidden: vec![3],
            ..AeSpec::default()
        };
        assert_eq!(one.layer_sizes(9), [9, 3, 9]);
    }

    #[test]
    fn an_epoch_is_as_many_whole_batches_as_there_are() {
        let spec = AeSpec::default();
        let course = |n| (spec.course(n).batch_rows, spec.course(n).steps);
        assert_eq!(course(100), (32, 30));
        assert_eq!(course(31), (31, 10));
        assert_eq!(course(2), (2, 10));
    }

    /// A network that halves: loss and score of (2, -4) and of 0 are known.
    #[test]
    fn loss_and_score_by_hand() {
        let params = vec![0.5, -0.5, 0.0, 0.0, 1.0, -1.0, 0.0];
        let network = Mlp::from_params(&[1, 2, 1], params).unwrap();
        let mut state = TrainingState::of_network(network.clone());
        let rows = Matrix::new(vec![2.0, -4.0, 0.0], 1).unwrap();
        let mut scores = vec![0.0; 3];
        Ae { network }.score_into(rows.rows(), &mut scores).unwrap();
        assert_eq!(scores, [1.0, 2.0, 0.0]);
        let mut work = Workspace::new(&[1, 2, 1], 3);
        let adam = AeSpec::default().training().adam();
        let loss = reconstruct(&mut state, rows.rows().as_slice(), &mut work, adam);
        assert_eq!(loss, 5.0 / 3.0);
    }

    fn line(n: usize) -> Matrix {
        let mut rng = stream(2, Purpose::SAMPLE, [0, 0]);
        let data = (0..n).flat_map(|_| {
            let x = rng.random_range(-1.0..1.0f32);
            [x, 2.0 * x, -x]
        });
        Matrix::new(data.collect(), 3).unwrap()
    }

    #[test]
    fn what_leaves_the_learned_line_is_strange() {
        let spec = AeSpec {
            hidden: vec![16, 4],
            epochs: 60,
            learning_rate: 1e-2,
            ..AeSpec::default()
        };
        let fitted = Spec::Ae(spec).fit(line(500).rows(), 1, &mut ()).unwrap();
        let losses = &fitted.provenance().losses[0];
        assert_eq!(fitted.provenance().steps, 900);
        assert!(losses[losses.len() - 1] < 0.05 * losses[0], "{losses:?}");
        let new = Matrix::new(vec![0.5, 1.0, -0.5, 0.5, -1.0, -0.5], 3).unwrap();
        let scores = fitted.score(new.rows()).unwrap();
        assert!(scores[1] > 5.0 * scores[0], "{scores:?}");
    }

    #[test]
    fn a_training_that_diverges_is_an_error() {
        let spec = AeSpec {
            learning_rate: 1e12,
            ..AeSpec::default()
        };
        let error = Spec::Ae(spec).fit(line(500).rows(), 1, &mut ());
        assert!(matches!(error, Err(Error::Diverged { .. })), "{error:?}");
    }

    #[test]
    fn keys_out_of_range_are_refused() {
        for (key, value) in [
            ("hidden", serde_json::json!([])),
            ("hidden", serde_json::json!([8, 0])),
            ("epochs", serde_json::json!(0)),
            ("batch_size", serde_json::json!(0)),
            ("learning_rate", serde_json::json!(0.0)),
            ("learning_rate", serde_json::json!(1e-60)),
            ("weight_decay", serde_json::json!(-1.0)),
        ] {
            let keys = [(key.to_owned(), value)].into_iter().collect();
            let error = Spec::Ae(AeSpec::default()).with(keys).unwrap_err();
            assert!(matches!(error, Error::InvalidKey { key: k, .. } if k == key));
        }
    }
}
