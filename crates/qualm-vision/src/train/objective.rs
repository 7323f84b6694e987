//! What a step of each method does with its batch.

use qualm::Result;
use qualm::container::{Reader, Writer};
use qualm::nn::{Head, HeadLayout};

use super::classify::Classify;
use super::contrastive::Contrastive;
use super::method::Method;
use super::parts::Body;
use super::spec::TrainSpec;

/// A batch of views.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    /// `(n, side, side, 3)`: of contrastive methods first one view of each image, then the other.
    pub(super) images: &'a [f32],
    /// The class of each image, where there are labels.
    pub(super) labels: Option<&'a [u32]>,
    /// The learning rate of the step.
    pub(super) rate: f64,
    /// The step, from 0, of so many.
    pub(super) step: u64,
    pub(super) steps: u64,
}

/// A loss with its heads, on top of a network.
pub(super) trait Objective: Send {
    /// Takes a step and returns the loss before it. A loss that is not finite moves nothing.
    fn step(&mut self, body: &mut Body, batch: Batch<'_>) -> Result<f64>;

    /// The outputs of the last step, and their width: what must not collapse.
    fn outputs(&self) -> (&[f32], usize);

    /// The heads that are kept with the encoder, by name.
    fn heads(&self) -> Vec<(&'static str, &Head)>;

    /// The classifier, where there is one.
    fn classifier(&self) -> Option<&Head> {
        let mut heads = self.heads().into_iter();
        heads.find_map(|(name, head)| (name == CLASSES).then_some(head))
    }

    fn save(&self, writer: &mut Writer);

    fn restore(&mut self, reader: &mut Reader) -> Result<()>;
}

/// The name of the classifier's head; its tensors are `fc.weight` and `fc.bias` in files.
pub(super) const CLASSES: &str = "fc";

/// The objective of a method.
pub(super) fn objective(
    spec: &TrainSpec,
    body: &Body,
    n_classes: Option<usize>,
    seed: u64,
) -> Box<dyn Objective> {
    let width = body.network.architecture().width();
    match spec.method {
        Method::Simclr { .. } | Method::Moco { .. } | Method::Byol { .. } => {
            Box::new(Contrastive::new(spec, body, width, seed))
        }
        Method::Supervised {} => Box::new(Classify::new(spec, width, n_classes, None, seed)),
        Method::Rotation { rotation_weight } => {
            let weight = if n_classes.is_some() {
                rotation_weight
            } else {
                1.0
            };
            Box::new(Classify::new(spec, width, n_classes, Some(weight), seed))
        }
    }
}

/// The layout of a projection or prediction: one hidden layer.
pub(super) fn two_layers(sizes: [usize; 3], hidden_norm: bool, last_norm: bool) -> HeadLayout {
    HeadLayout {
        sizes: sizes.to_vec(),
        hidden_norm,
        last_norm,
    }
}
