//! What an encoder has learned: the accuracy of nearest neighbours, and of its classifier.

use qualm::Rows;
use qualm::nn::resnet::{ImageSize, ResNet};
use qualm::nn::{Head, HeadPass};
use qualm::stats::NearestClasses;

use super::data::{Labels, TrainImages};
use super::spec::TrainSpec;
use crate::encoder::Preparer;
use crate::error::Result;
use crate::image::Image;

/// Images that are embedded at once.
const BLOCK: usize = 256;

/// What was found, as fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub(super) knn_accuracy: f64,
    pub(super) accuracy: Option<f64>,
}

/// Measures on labelled images: neighbours are the images trained on, as they are.
pub(super) fn measure(
    spec: &TrainSpec,
    network: &ResNet,
    classifier: Option<&Head>,
    images: &TrainImages,
    eval: &TrainImages,
) -> Result<Measured> {
    let vote = NearestClasses {
        k: spec.knn_neighbours,
        temperature: spec.knn_temperature,
    };
    let classes = |labels: Option<&Labels>| labels.map_or(Vec::new(), |labels| labels.of.clone());
    let (known, asked) = (classes(images.labels()), classes(eval.labels()));
    let bank = embed(spec, network, images.images())?;
    let queries = embed(spec, network, eval.images())?;
    let width = network.architecture().width();
    let accuracy = (classifier)
        .map(|head| classified(head, &queries, &asked))
        .transpose()?;
    Ok(Measured {
        knn_accuracy: vote.accuracy(
            Rows::new(&bank, width)?,
            &known,
            Rows::new(&queries, width)?,
            &asked,
        )?,
        accuracy,
    })
}

/// The share of rows that a linear classifier puts into their class.
fn classified(head: &Head, rows: &[f32], labels: &[u32]) -> Result<f64> {
    let mut head = head.clone();
    let mut pass = HeadPass::default();
    head.forward(rows, &mut pass)?;
    let logits = pass.output().chunks_exact(head.n_out());
    let right = logits.zip(labels).filter(|(logits, label)| {
        let largest = logits.iter().enumerate();
        let largest = largest.max_by(|a, b| a.1.total_cmp(b.1));
        largest.is_some_and(|(class, _)| class as u32 == **label)
    });
    Ok(right.count() as f64 / labels.len().max(1) as f64)
}

/// Embeds images as the encoder's file says.
fn embed(spec: &TrainSpec, network: &ResNet, images: &[Image]) -> Result<Vec<f32>> {
    let preprocessing = spec.preprocessing();
    let prepare = Preparer::new(&preprocessing, |value, _| value);
    let values = preprocessing.size.values();
    let size = ImageSize {
        rows: preprocessing.size.height,
        cols: preprocessing.size.width,
    };
    let width = network.architecture().width();
    let mut rows = vec![0.0; images.len() * width];
    let mut batch = vec![0.0; BLOCK * values];
    for (images, rows) in images.chunks(BLOCK).zip(rows.chunks_mut(BLOCK * width)) {
        let batch = &mut batch[..images.len() * values];
        prepare.fill(images, false, batch)?;
        network.features_into(batch, size, rows)?;
    }
    Ok(rows)
}
