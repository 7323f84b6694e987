//! Training an encoder on images, without labels or with them.
//!
//! [`TrainSpec`] holds all settings; [`Training`] runs them on [`TrainImages`] through the loop
//! that all fits of `qualm` share, so that checkpoints, interruptions and progress are those of a
//! fit, and leaves a [`TrainedEncoder`]. The same seed gives the same bits at any number of threads,
//! interrupted or not.

mod classify;
mod contrastive;
mod data;
mod encoder_file;
mod learner;
mod measure;
mod method;
mod monitor;
mod objective;
mod parts;
mod room;
mod spec;

pub use data::{LabelUse, Labels, TrainImages, input_side};
pub use encoder_file::{EncoderDescription, METADATA_KEY, TrainedEncoder};
pub use method::{Method, Projection};
pub use monitor::COLLAPSED;
pub use spec::{Note, Optimizer, TrainSpec};

use qualm::fit::{Identity, Schedule, Session};
use qualm::nn::resnet::Architecture;
use qualm::reports::TrainEpoch;
use qualm::{Checkpoint, Progress};
use serde_json::Value;

use self::learner::EncoderLearner;
use crate::error::{Error, Result};

/// An encoder in training. After an interruption it is still there: what it has learned so far can
/// be kept.
pub struct Training<'a> {
    learner: EncoderLearner<'a>,
    architecture: Architecture,
    identity: Identity,
}

impl std::fmt::Debug for Training<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Training")
            .field("architecture", &self.architecture)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl<'a> Training<'a> {
    /// A training before its first step. With images to measure on, both sets must have labels.
    ///
    /// # Errors
    /// [`Error::LabelsNeeded`] for a method that learns labels without any, [`Error::OneClass`]
    /// when all images have the same, [`Error::MeasureLabels`] when a set has none to measure by, [`qualm::Error::InvalidKey`] for settings out of range,
    /// [`qualm::Error::Memory`] when a batch does not fit into the memory that is free.
    pub fn new(
        spec: TrainSpec,
        images: &'a TrainImages,
        eval: Option<&'a TrainImages>,
        seed: u64,
    ) -> Result<Self> {
        spec.validate()?;
        let architecture: Architecture = spec.network.parse()?;
        let classes = images.labels().map(|labels| labels.classes.as_slice());
        match (spec.method, classes) {
            (Method::Supervised {}, None) => {
                return Err(Error::LabelsNeeded {
                    method: spec.method.name(),
                });
            }
            (Method::Supervised {} | Method::Rotation { .. }, Some([class])) => {
                return Err(Error::OneClass {
                    class: class.clone(),
                });
            }
            _ => {}
        }
        let mut measured = [Some(images), eval].into_iter().flatten();
        let labelled = |set: &TrainImages| set.labels().is_some_and(|labels| !labels.of.is_empty());
        if eval.is_some() && !measured.all(labelled) {
            return Err(Error::MeasureLabels);
        }
        if images.len() < spec.batch_size {
            return Err(qualm::Error::KeyForRows {
                key: "batch_size".to_owned(),
                value: spec.batch_size,
                most: images.len(),
                n_rows: images.len(),
            }
            .into());
        }
        // Not lowered to what fits: the same call would learn something else on another machine.
        qualm::memory::check(room::memory(&spec, architecture), || {
            vec!["lower batch_size".to_owned()]
        })?;
        let identity = Identity {
            spec: Value::Object(spec.keys()),
            seed,
            input_digest: images.digest().to_owned(),
            n_features: 3 * (spec.image_size as usize).pow(2),
        };
        Ok(Self {
            learner: EncoderLearner::new(architecture, spec, images, eval, seed)?,
            architecture,
            identity,
        })
    }

    /// Has every finished epoch told to `listener`, from whichever thread finishes it.
    #[must_use]
    pub fn on_epoch(mut self, listener: impl FnMut(&TrainEpoch) + Send + 'a) -> Self {
        self.learner.on_epoch = Box::new(listener);
        self
    }

    /// Steps of an epoch.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        let spec = &self.learner.spec;
        spec.steps_per_epoch(self.learner.images.len())
    }

    /// Trains, from the start or from a checkpoint.
    ///
    /// # Errors
    /// As [`Session::train`]: [`qualm::Error::Interrupted`] when the listener stops it, after
    /// which the encoder of the steps so far is there; [`qualm::Error::CheckpointMismatch`] for
    /// the checkpoint of another training.
    pub fn run(&mut self, resume: Option<Checkpoint>, progress: &mut dyn Progress) -> Result<()> {
        let spec = &self.learner.spec;
        let schedule = Schedule {
            member: 0,
            members: 1,
            steps: spec.epochs * self.steps_per_epoch(),
            batch_rows: spec.batch_size,
        };
        let mut session = Session::new(self.identity.clone(), resume, progress)?;
        session.train(&schedule, &mut self.learner)?;
        Ok(())
    }

    /// All finished epochs.
    #[must_use]
    pub fn curve(&self) -> &[TrainEpoch] {
        &self.learner.history
    }

    /// Measures the encoder where the last finished epoch did not: after an interruption.
    ///
    /// # Errors
    /// Those of embedding the images.
    pub fn measure(&mut self) -> Result<()> {
        let last = self.learner.history.last();
        match last {
            Some(epoch) if epoch.knn_accuracy.is_none() => self.learner.measure(),
            _ => Ok(()),
        }
    }

    /// The encoder as it is now, with its heads.
    #[must_use]
    pub fn encoder(&self) -> TrainedEncoder {
        let EncoderLearner {
            spec,
            images,
            body,
            objective,
            history,
            ..
        } = &self.learner;
        let labels = images.labels().filter(|_| objective.classifier().is_some());
        TrainedEncoder::new(
            body.network.to_tensors(),
            &objective.heads(),
            EncoderDescription {
                architecture: self.architecture.to_string(),
                preprocessing: spec.preprocessing(),
                spec: spec.clone(),
                seed: self.identity.seed,
                n_images: images.len(),
                classes: labels.map_or(Vec::new(), |labels| labels.classes.clone()),
                curve: history.clone(),
                qualm_version: env!("CARGO_PKG_VERSION").to_owned(),
                tensors_sha256: String::new(),
            },
        )
    }
}
