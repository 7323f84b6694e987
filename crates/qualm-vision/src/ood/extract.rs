//! From images to the arrays of a detector.

use std::path::Path;
use std::sync::Arc;

use arrow_array::StringArray;
use qualm::nn::resnet::LinearClassifier;
use qualm::ood::gram::gram_rows;
use qualm::ood::{Layers, Network, OodInput, OodInputs, OodSpec, Perturbation};
use qualm::{Matrix, Rows};
use qualm_data::{ActivationBatch, Origin};

use super::classifier::Classifier;
use crate::encoder::EncoderError;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::read::Item;
use crate::turns::{TURNS, turn};

/// Values of prepared images that are run at once: 32 MiB of them.
const AT_ONCE: usize = 8 << 20;

/// What is made of a stage's feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Summary {
    /// The mean over its pixels.
    Mean,
    /// The row sums of its Gram matrices of orders 1 to this one.
    Gram(usize),
}

/// Runs a classifier over images, and makes what a detector needs of it.
#[derive(Debug)]
pub struct Extractor {
    classifier: Classifier,
    /// The name, the stage and the width of each layer; of a rotation head, nothing.
    layers: Vec<(String, usize, usize)>,
    summary: Summary,
    /// Whether the rotation head's outputs are the features.
    turned: bool,
    logits: bool,
    detector: &'static str,
}

/// The arrays of some images, in their order.
#[derive(Debug, Default)]
pub struct Arrays {
    /// `(n, width)` for each layer.
    pub features: Vec<Vec<f32>>,
    /// `(n, classes)`; empty for a detector that needs none.
    pub logits: Vec<f32>,
}

impl Extractor {
    /// What a detector needs of a classifier.
    ///
    /// `layers` are names of [`Classifier::layers`], for a detector of one or several. Without
    /// any, `gram` and `residual_flow` see all stages, the others the features.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`]; [`Error::NoClassifier`], [`Error::NoRotationHead`],
    /// [`Error::NotSquare`] where the classifier lacks what the detector needs;
    /// [`qualm::Error::SeveralLayers`]; [`Error::NoLayers`].
    pub fn new(classifier: Classifier, spec: &OodSpec, layers: &[String]) -> Result<Self> {
        let needs = spec.needs();
        let detector = spec.detector();
        let turned = needs.network == Network::Rotations;
        let (summary, orders) = match needs.network {
            Network::GramMatrices { orders } => (Summary::Gram(orders), orders),
            _ => (Summary::Mean, 1),
        };
        let names = layers_of(&classifier, spec, layers)?;
        if turned {
            classifier.rotation_head()?;
        }
        if needs.logits {
            classifier.head(detector)?;
        }
        let widths = classifier.resnet().stage_widths();
        let layers = names.into_iter().map(|name| {
            let stage = classifier.stage(&name)?;
            let width = widths.get(stage).copied().unwrap_or_default();
            Ok((name, stage, width * orders))
        });
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            classifier,
            summary,
            turned,
            logits: needs.logits,
            detector,
        })
    }

    /// The classifier.
    #[must_use]
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// Names and widths of the arrays.
    #[must_use]
    pub fn inputs(&self) -> OodInputs {
        let layers = self.layers.iter();
        let layers = layers.map(|(name, _, width)| OodInput {
            name: name.clone(),
            width: *width,
        });
        let turned = self.turned.then(|| OodInput {
            name: "rotations".to_owned(),
            width: TURNS * TURNS,
        });
        let n_classes = self.classifier.n_classes().filter(|_| self.logits);
        OodInputs {
            features: layers.chain(turned).collect(),
            logits: n_classes.map(|width| OodInput {
                name: "logits".to_owned(),
                width,
            }),
        }
    }

    /// The arrays of images.
    ///
    /// With a perturbation, each array is of images that were moved against the gradient of its own
    /// score.
    ///
    /// # Errors
    /// [`EncoderError::Resize`], and those of the network.
    pub fn arrays(
        &self,
        images: &[Image],
        perturbation: Option<&dyn Perturbation>,
    ) -> Result<Arrays> {
        let inputs = self.inputs();
        let mut all = Arrays {
            features: vec![Vec::new(); inputs.features.len()],
            logits: Vec::new(),
        };
        for images in images.chunks(at_once(&self.classifier)) {
            let values = self.classifier.prepare(images)?;
            match perturbation {
                None if self.turned => self.turned(&values, &mut all)?,
                None => self.plain(&values, &mut all)?,
                Some(perturbation) => self.perturbed(&values, perturbation, &mut all)?,
            }
        }
        Ok(all)
    }

    /// The arrays of images as they are.
    fn plain(&self, values: &[f32], all: &mut Arrays) -> Result<()> {
        let stages: Vec<usize> = self.layers.iter().map(|(_, stage, _)| *stage).collect();
        self.run(values, &stages, self.logits, all)
    }

    /// One pass: what is made of some stages, which are added to the first arrays, and logits.
    fn run(&self, values: &[f32], stages: &[usize], logits: bool, all: &mut Arrays) -> Result<()> {
        let resnet = self.classifier.resnet();
        let widths = resnet.stage_widths();
        let read = |maps: &[&[f32]]| {
            let layers = stages
                .iter()
                .map(|stage| map_of(maps, &widths, *stage, self.summary));
            let last = logits.then(|| map_of(maps, &widths, widths.len() - 1, Summary::Mean));
            (layers.collect::<Vec<_>>(), last.unwrap_or_default())
        };
        let images = resnet.read_stages(values, self.classifier.size, read)?;
        let mut features = Vec::new();
        for (layers, last) in images {
            for (to, layer) in all.features.iter_mut().zip(layers) {
                to.extend(layer);
            }
            features.extend(last);
        }
        if logits {
            let head = self.classifier.head(self.detector)?;
            all.logits.extend(logits_of(head, &features)?);
        }
        Ok(())
    }

    /// The outputs of the rotation head, four for each turn, and logits of the images as they are.
    fn turned(&self, values: &[f32], all: &mut Arrays) -> Result<()> {
        let classifier = &self.classifier;
        let n = values.len() / classifier.values();
        let mut turned = Vec::new();
        turn(values, classifier.size.rows, &mut turned);
        let width = classifier.resnet().width();
        let mut features = vec![0.0; TURNS * n * width];
        let resnet = classifier.resnet();
        resnet.features_into(&turned, classifier.size, &mut features)?;
        let turns = logits_of(classifier.rotation_head()?, &features)?;
        if let Some(to) = all.features.first_mut() {
            for image in 0..n {
                // All images as they are, then all turned once, and so on.
                let rows = (0..TURNS).map(|turn| (turn * n + image) * TURNS);
                to.extend(rows.flat_map(|at| turns.iter().skip(at).take(TURNS)));
            }
        }
        if self.logits {
            let plain = features.get(..n * width).unwrap_or_default();
            all.logits
                .extend(logits_of(classifier.head(self.detector)?, plain)?);
        }
        Ok(())
    }

    /// Each array of images that were moved against the gradient of its score.
    fn perturbed(
        &self,
        values: &[f32],
        perturbation: &dyn Perturbation,
        all: &mut Arrays,
    ) -> Result<()> {
        for (array, (_, stage, _)) in self.layers.iter().enumerate() {
            let slope = |features: &[f32], width: usize, out: &mut [f32]| {
                perturbation.slope_into(array, Rows::new(features, width)?, out);
                Ok(())
            };
            let moved = self.moved(values, *stage, perturbation.epsilon(), slope)?;
            let mut one = Arrays {
                features: vec![Vec::new()],
                logits: Vec::new(),
            };
            self.run(&moved, &[*stage], false, &mut one)?;
            if let Some(to) = all.features.get_mut(array) {
                to.extend(one.features.into_iter().flatten());
            }
        }
        if self.logits {
            let head = self.classifier.head(self.detector)?;
            let array = self.layers.len();
            let slope = |features: &[f32], _: usize, out: &mut [f32]| {
                let logits = logits_of(head, features)?;
                let mut by_logits = vec![0.0; logits.len()];
                let rows = Rows::new(&logits, head.n_classes())?;
                perturbation.slope_into(array, rows, &mut by_logits);
                Ok(head.backward_into(&by_logits, out)?)
            };
            let last = self.classifier.resnet().stage_widths().len() - 1;
            let moved = self.moved(values, last, perturbation.epsilon(), slope)?;
            self.run(&moved, &[], true, all)?;
        }
        Ok(())
    }

    /// Images moved against the gradient of a function of a stage's features.
    fn moved(
        &self,
        values: &[f32],
        stage: usize,
        epsilon: f64,
        slope: impl Fn(&[f32], usize, &mut [f32]) -> Result<()> + Sync,
    ) -> Result<Vec<f32>> {
        let classifier = &self.classifier;
        let widths = classifier.resnet().stage_widths();
        let width = widths.get(stage).copied().unwrap_or(1);
        let mut gradient = vec![0.0; values.len()];
        let failed = std::sync::Mutex::new(None);
        let slope = |features: &[f32], out: &mut [f32]| {
            if let Err(error) = slope(features, width, out)
                && let Ok(mut failed) = failed.lock()
            {
                failed.get_or_insert(error);
            }
        };
        let network = &classifier.network;
        network.by_images(values, classifier.size, stage, slope, &mut gradient)?;
        if let Ok(Some(error)) = failed.into_inner() {
            return Err(error);
        }
        // Pixels were divided by their deviation, and so is the step.
        let steps = classifier.deviation.map(|std| epsilon / f64::from(std));
        let pixels = values.chunks_exact(3).zip(gradient.chunks_exact(3));
        let moved = pixels.flat_map(|(x, g)| {
            let each = x.iter().zip(g).zip(steps);
            each.map(|((x, g), step)| match g.partial_cmp(&0.0) {
                Some(std::cmp::Ordering::Greater) => (f64::from(*x) - step) as f32,
                Some(std::cmp::Ordering::Less) => (f64::from(*x) + step) as f32,
                _ => *x,
            })
        });
        Ok(moved.collect())
    }

    /// The arrays of items, checked.
    ///
    /// # Errors
    /// As [`Extractor::arrays`]; [`EncoderError::NotFiniteOf`] names the image.
    pub fn arrays_of(
        &self,
        items: Vec<Item>,
        perturbation: Option<&dyn Perturbation>,
    ) -> Result<Arrays> {
        Ok(self.named(items, perturbation)?.1)
    }

    /// The ids of items and their arrays, checked.
    fn named(
        &self,
        items: Vec<Item>,
        perturbation: Option<&dyn Perturbation>,
    ) -> Result<(Vec<String>, Arrays)> {
        let (ids, images): (Vec<String>, Vec<Image>) =
            items.into_iter().map(|item| (item.id, item.image)).unzip();
        let arrays = self.arrays(&images, perturbation)?;
        self.check_finite(&arrays, &ids)?;
        Ok((ids, arrays))
    }

    /// The items of an input as a detector takes them. `first` is the place of the first in the
    /// input, from 0.
    ///
    /// # Errors
    /// As [`Extractor::arrays_of`].
    pub fn batch(
        &self,
        items: Vec<Item>,
        perturbation: Option<&dyn Perturbation>,
        path: &Arc<Path>,
        first: usize,
    ) -> Result<ActivationBatch> {
        let (ids, arrays) = self.named(items, perturbation)?;
        let inputs = self.inputs();
        let matrix = |(values, input): (Vec<f32>, &OodInput)| Matrix::new(values, input.width);
        let features = arrays.features.into_iter().zip(&inputs.features);
        let logits = inputs.logits.as_ref().map(|input| (arrays.logits, input));
        Ok(ActivationBatch {
            features: features.map(matrix).collect::<qualm::Result<_>>()?,
            logits: logits.map(matrix).transpose()?,
            classes: None,
            labels: None,
            ids: vec![Arc::new(StringArray::from(ids))],
            origin: Origin::file(Arc::clone(path), first),
        })
    }

    pub(super) fn check_finite(&self, arrays: &Arrays, ids: &[String]) -> Result<(), EncoderError> {
        check_finite(&self.classifier, arrays, ids)
    }
}

/// Images that are run at once.
pub(super) fn at_once(classifier: &Classifier) -> usize {
    (AT_ONCE / classifier.values()).max(1)
}

/// Refuses values that are not finite, by the name of their image.
pub(super) fn check_finite(
    classifier: &Classifier,
    arrays: &Arrays,
    ids: &[String],
) -> Result<(), EncoderError> {
    let all = arrays.features.iter().chain([&arrays.logits]);
    for array in all.filter(|array| !array.is_empty()) {
        if let Some(place) = array.iter().position(|v| !v.is_finite()) {
            let image = place / (array.len() / ids.len().max(1)).max(1);
            return Err(EncoderError::NotFiniteOf {
                encoder: classifier.identity().name.clone(),
                id: ids.get(image).cloned().unwrap_or_default(),
                value: array.get(place).copied().unwrap_or(f32::NAN),
            });
        }
    }
    Ok(())
}

/// The names of the layers that a detector sees.
pub(super) fn layers_of(
    classifier: &Classifier,
    spec: &OodSpec,
    asked: &[String],
) -> Result<Vec<String>> {
    let (needs, detector) = (spec.needs(), spec.detector());
    if needs.features == Layers::None || needs.network == Network::Rotations {
        return match asked {
            [] => Ok(Vec::new()),
            _ => Err(Error::NoLayers { detector }),
        };
    }
    if needs.features == Layers::One && asked.len() > 1 {
        let found = asked.len();
        return Err(qualm::Error::SeveralLayers { detector, found }.into());
    }
    Ok(match spec {
        _ if !asked.is_empty() => asked.to_vec(),
        // As their papers have it.
        OodSpec::Gram(_) | OodSpec::ResidualFlow(_) => classifier.stages(),
        _ => vec![Classifier::last()],
    })
}

/// What is made of the map of a stage.
pub(super) fn map_of(
    maps: &[&[f32]],
    widths: &[usize],
    stage: usize,
    summary: Summary,
) -> Vec<f32> {
    let (map, width) = (maps.get(stage), widths.get(stage));
    summarise(
        map.copied().unwrap_or_default(),
        *width.unwrap_or(&1),
        summary,
    )
}

/// What is made of a map, `(pixels, channels)`.
fn summarise(map: &[f32], channels: usize, summary: Summary) -> Vec<f32> {
    match summary {
        Summary::Mean => {
            let mut mean = vec![0.0; channels];
            for pixel in map.chunks_exact(channels) {
                mean.iter_mut().zip(pixel).for_each(|(m, v)| *m += v);
            }
            let n = (map.len() / channels) as f32;
            mean.iter().map(|m| m / n).collect()
        }
        Summary::Gram(orders) => {
            let mut rows = vec![0.0; orders * channels];
            gram_rows(map, channels, &mut rows);
            rows
        }
    }
}

pub(super) fn logits_of(head: &LinearClassifier, features: &[f32]) -> Result<Vec<f32>> {
    let n = features.len() / head.width();
    let mut logits = vec![0.0; n * head.n_classes()];
    head.logits_into(features, &mut logits)?;
    Ok(logits)
}
