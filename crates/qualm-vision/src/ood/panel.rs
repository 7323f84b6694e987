//! Several detectors over one pass of a classifier.

use qualm::Rows;
use qualm::ood::{Activations, Layers, Network, OodSpec};

use super::classifier::Classifier;
use super::extract::{Arrays, Summary, at_once, check_finite, layers_of, logits_of, map_of};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::read::Item;

/// Runs a classifier over images once for several detectors: each of its layers becomes one array,
/// of which every detector sees those that it needs.
///
/// It is for detectors that need no more of the network than one pass over the image as it is:
/// [`Network::None`] or [`Network::GramMatrices`]. For the others there is [`super::Extractor`].
#[derive(Debug)]
pub struct Panel {
    classifier: Classifier,
    parts: Vec<Part>,
    members: Vec<Member>,
    /// Whether logits are computed: wherever the classifier has any.
    logits: bool,
}

/// An array: what is made of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    stage: usize,
    summary: Summary,
    width: usize,
}

/// What a detector sees: places of arrays, and whether logits.
#[derive(Debug)]
struct Member {
    layers: Vec<usize>,
    logits: bool,
}

impl Panel {
    /// What some detectors need of a classifier: each with the names of its layers, or none for
    /// those that [`super::Extractor::new`] chooses.
    ///
    /// # Errors
    /// As [`super::Extractor::new`]; [`Error::NotShared`] for a detector that needs gradients or
    /// rotations.
    pub fn new(classifier: Classifier, detectors: &[(OodSpec, Vec<String>)]) -> Result<Self> {
        let mut panel = Self {
            logits: classifier.n_classes().is_some(),
            classifier,
            parts: Vec::new(),
            members: Vec::new(),
        };
        for (spec, layers) in detectors {
            let member = panel.member(spec, layers)?;
            panel.members.push(member);
        }
        Ok(panel)
    }

    fn member(&mut self, spec: &OodSpec, layers: &[String]) -> Result<Member> {
        let (needs, detector) = (spec.needs(), spec.detector());
        let (summary, orders) = match needs.network {
            Network::None => (Summary::Mean, 1),
            Network::GramMatrices { orders } => (Summary::Gram(orders), orders),
            Network::Gradient | Network::Rotations => return Err(Error::NotShared { detector }),
        };
        if needs.logits {
            self.classifier.head(detector)?;
        }
        let names = match needs.features {
            Layers::None if layers.is_empty() => Vec::new(),
            _ => layers_of(&self.classifier, spec, layers)?,
        };
        let mut member = Member {
            layers: Vec::new(),
            logits: needs.logits,
        };
        for name in names {
            let stage = self.classifier.stage(&name)?;
            let width = self.classifier.resnet().stage_widths();
            let part = Part {
                stage,
                summary,
                width: orders * width.get(stage).copied().unwrap_or_default(),
            };
            let known = self.parts.iter().position(|other| *other == part);
            let place = known.unwrap_or_else(|| {
                self.parts.push(part);
                self.parts.len() - 1
            });
            member.layers.push(place);
        }
        Ok(member)
    }

    /// The classifier.
    #[must_use]
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// Values that are held of an image.
    #[must_use]
    pub fn values(&self) -> usize {
        let logits = self.classifier.n_classes().filter(|_| self.logits);
        let parts: usize = self.parts.iter().map(|part| part.width).sum();
        parts + logits.unwrap_or_default()
    }

    /// No images yet.
    #[must_use]
    pub fn empty(&self) -> Arrays {
        Arrays {
            features: vec![Vec::new(); self.parts.len()],
            logits: Vec::new(),
        }
    }

    /// The arrays of all detectors for some images.
    ///
    /// # Errors
    /// Those of the network; [`crate::encoder::EncoderError::NotFiniteOf`] names the image.
    pub fn arrays(&self, items: Vec<Item>) -> Result<Arrays> {
        let items = items.into_iter().map(|item| (item.id, item.image));
        let (ids, images): (Vec<String>, Vec<Image>) = items.unzip();
        let mut all = self.empty();
        for images in images.chunks(at_once(&self.classifier)) {
            self.run(&self.classifier.prepare(images)?, &mut all)?;
        }
        check_finite(&self.classifier, &all, &ids)?;
        Ok(all)
    }

    fn run(&self, values: &[f32], all: &mut Arrays) -> Result<()> {
        let resnet = self.classifier.resnet();
        let widths = resnet.stage_widths();
        let read = |maps: &[&[f32]]| {
            let parts = self.parts.iter();
            let parts = parts.map(|part| map_of(maps, &widths, part.stage, part.summary));
            let last = self
                .logits
                .then(|| map_of(maps, &widths, widths.len() - 1, Summary::Mean));
            (parts.collect::<Vec<_>>(), last.unwrap_or_default())
        };
        let mut features = Vec::new();
        for (parts, last) in resnet.read_stages(values, self.classifier.size, read)? {
            for (to, part) in all.features.iter_mut().zip(parts) {
                to.extend(part);
            }
            features.extend(last);
        }
        if self.logits {
            let head = self.classifier.head("logits")?;
            all.logits.extend(logits_of(head, &features)?);
        }
        Ok(())
    }

    /// What a detector sees of arrays; it is counted from 0.
    ///
    /// # Errors
    /// [`qualm::Error::Empty`] for no images.
    pub fn activations<'a>(&self, member: usize, arrays: &'a Arrays) -> Result<Activations<'a>> {
        let Some(member) = self.members.get(member) else {
            return Ok(Activations::default());
        };
        let layers = member.layers.iter().filter_map(|place| {
            let (part, values) = (self.parts.get(*place)?, arrays.features.get(*place)?);
            Some(Rows::new(values, part.width))
        });
        let activations = Activations::of_layers(layers.collect::<qualm::Result<_>>()?);
        match self.classifier.n_classes().filter(|_| member.logits) {
            Some(width) => Ok(activations.with_logits(Rows::new(&arrays.logits, width)?)),
            None => Ok(activations),
        }
    }
}
