//! Supervised training, and that on rotations (Hendrycks et al., "Using Self-Supervised Learning
//! Can Improve Model Robustness and Uncertainty", 2019, section 3).
//!
//! For rotations each image stands in the batch four times, turned by none to three quarters, and a
//! head with four outputs tells by how many. With labels the loss is the cross-entropy of the
//! classes, on the images as they are, plus a weight times that of the rotations, on all four.

use qualm::Result;
use qualm::container::{Reader, Writer};
use qualm::nn::losses::cross_entropy;
use qualm::nn::{Head, HeadLayout};

use super::objective::{Batch, CLASSES, Objective};
use super::parts::{Body, TrainedHead};
use super::spec::TrainSpec;
use crate::turns::{TURNS, turn};

/// A classifier of labels, of rotations, or both.
pub(super) struct Classify {
    classes: Option<TrainedHead>,
    /// And the weight of its loss.
    rotations: Option<(TrainedHead, f64)>,
    width: usize,
    turned: Vec<f32>,
    features: Vec<f32>,
    gradient: Vec<f32>,
    d_features: Vec<f32>,
}

impl Classify {
    pub(super) fn new(
        spec: &TrainSpec,
        width: usize,
        n_classes: Option<usize>,
        rotation_weight: Option<f64>,
        seed: u64,
    ) -> Self {
        let head = |n, number| TrainedHead::new(&HeadLayout::linear(width, n), spec, seed, number);
        Self {
            classes: n_classes.map(|n| head(n, 2)),
            rotations: rotation_weight.map(|weight| (head(TURNS, 3), weight)),
            width,
            turned: Vec::new(),
            features: Vec::new(),
            gradient: Vec::new(),
            d_features: Vec::new(),
        }
    }
}

/// Adds a gradient to the rows of another that come first.
fn add(to: &mut [f32], d: &[f32]) {
    to.iter_mut().zip(d).for_each(|(to, d)| *to += d);
}

impl Objective for Classify {
    fn step(&mut self, body: &mut Body, batch: Batch<'_>) -> Result<f64> {
        let Self {
            classes,
            rotations,
            turned,
            features,
            gradient,
            d_features,
            ..
        } = self;
        let side = body.size.rows;
        let n = batch.images.len() / (side * side * 3);
        let images = if rotations.is_some() {
            turn(batch.images, side, turned);
            turned.as_slice()
        } else {
            batch.images
        };
        features.clear();
        features.extend_from_slice(body.forward(images)?);
        d_features.clear();
        d_features.resize(features.len(), 0.0);
        let mut value = 0.0;
        if let (Some(head), Some(labels)) = (classes.as_mut(), batch.labels) {
            let plain = &features[..n * self.width];
            let n_classes = head.head.n_out();
            let logits = head.forward(plain)?;
            gradient.resize(logits.len(), 0.0);
            value += cross_entropy(logits, n_classes, labels, gradient)?;
            add(d_features, head.backward(plain, gradient)?);
        }
        if let Some((head, weight)) = rotations {
            let labels: Vec<u32> = (0..TURNS * n).map(|i| (i / n) as u32).collect();
            let logits = head.forward(features)?;
            gradient.resize(logits.len(), 0.0);
            value += *weight * cross_entropy(logits, TURNS, &labels, gradient)?;
            for d in gradient.iter_mut() {
                *d *= *weight as f32;
            }
            add(d_features, head.backward(features, gradient)?);
        }
        if !value.is_finite() {
            return Ok(value);
        }
        body.backward(images, d_features)?;
        body.step(batch.rate)?;
        for head in (classes.iter_mut()).chain(rotations.iter_mut().map(|(head, _)| head)) {
            head.step(batch.rate)?;
        }
        Ok(value)
    }

    fn outputs(&self) -> (&[f32], usize) {
        (&self.features, self.width)
    }

    fn heads(&self) -> Vec<(&'static str, &Head)> {
        let classes = self.classes.iter().map(|head| (CLASSES, &head.head));
        let rotations = self.rotations.iter();
        classes
            .chain(rotations.map(|(head, _)| ("rotation", &head.head)))
            .collect()
    }

    fn save(&self, writer: &mut Writer) {
        if let Some(head) = &self.classes {
            head.save("classes", writer);
        }
        if let Some((head, _)) = &self.rotations {
            head.save("rotations", writer);
        }
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<()> {
        if let Some(head) = &mut self.classes {
            head.restore("classes", reader)?;
        }
        if let Some((head, _)) = &mut self.rotations {
            head.restore("rotations", reader)?;
        }
        Ok(())
    }
}
