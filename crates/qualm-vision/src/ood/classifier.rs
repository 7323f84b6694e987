//! A classifier of images: a residual network with its preprocessing, and its heads.

use std::path::{Path, PathBuf};

use qualm::EncoderIdentity;
use qualm::nn::resnet::{ImageSize, InputGradient, LinearClassifier, ResNet};

use crate::encoder::{
    EncoderError, EncoderOptions, Layout, Pooling, Preparer, Preprocessing, ResNetFile,
    open_resnet_file,
};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::turns::TURNS;

/// The head that `rotation` training leaves.
const ROTATION: &str = "rotation";

/// The layer of the features, the last stage by another name.
const FEATURES: &str = "features";

/// A residual network that classifies images, with what its file says of it.
#[derive(Debug)]
pub struct Classifier {
    file: PathBuf,
    identity: EncoderIdentity,
    pub(super) network: InputGradient,
    rotations: Option<LinearClassifier>,
    classes: Vec<String>,
    pub(super) size: ImageSize,
    /// Deviation of red, green and blue, by which pixels were divided.
    pub(super) deviation: [f32; 3],
    preparer: Preparer<f32>,
}

impl Classifier {
    /// Opens a classifier: a `ResNet` as safetensors or a PyTorch state dict, such as those that
    /// training writes. How images are prepared is found as for an encoder
    /// ([`crate::encoder::open`]).
    ///
    /// # Errors
    /// [`EncoderError`].
    pub fn open(file: &Path, options: &EncoderOptions) -> Result<Self> {
        let ResNetFile {
            identity,
            preprocessing,
            weights,
            classes,
        } = open_resnet_file(file, options)?;
        check(file, &preprocessing)?;
        let ours = Preprocessing {
            layout: Layout::Nhwc,
            ..preprocessing
        };
        Ok(Self {
            network: weights.build(file, InputGradient::from_tensors)?,
            rotations: weights.head(file, ROTATION, TURNS)?,
            file: file.to_owned(),
            identity,
            classes,
            size: ImageSize {
                rows: ours.size.height,
                cols: ours.size.width,
            },
            deviation: ours.std,
            preparer: Preparer::new(&ours, |value, _| value),
        })
    }

    /// Which classifier it is: as an encoder, by weights and preprocessing.
    #[must_use]
    pub fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    /// The names of the classes in the order of the logits; none where its file does not say them.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many classes it tells apart; `None` without a classifier's layer.
    #[must_use]
    pub fn n_classes(&self) -> Option<usize> {
        self.network.network().n_classes()
    }

    /// The names of its layers: the stages, and `features` for the last of them.
    #[must_use]
    pub fn layers(&self) -> Vec<String> {
        let mut layers = self.stages();
        layers.push(FEATURES.to_owned());
        layers
    }

    /// The names of its stages: `stage_1` and so on.
    pub(super) fn stages(&self) -> Vec<String> {
        let n = self.resnet().stage_widths().len();
        (1..=n).map(|stage| format!("stage_{stage}")).collect()
    }

    /// The layer that detectors of one layer see.
    pub(super) fn last() -> String {
        FEATURES.to_owned()
    }

    /// The stage of a layer, from 0.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`].
    pub(super) fn stage(&self, layer: &str) -> Result<usize> {
        let stages = self.stages();
        let place = stages.iter().position(|stage| stage == layer);
        let last = (layer == FEATURES).then(|| stages.len().saturating_sub(1));
        place.or(last).ok_or_else(|| Error::UnknownLayer {
            file: self.file.clone(),
            found: layer.to_owned(),
            known: self.layers(),
        })
    }

    pub(super) fn resnet(&self) -> &ResNet {
        self.network.network()
    }

    /// The classifier's layer.
    ///
    /// # Errors
    /// [`Error::NoClassifier`].
    pub(super) fn head(&self, detector: &'static str) -> Result<&LinearClassifier> {
        let head = self.resnet().classifier();
        head.map_err(|_| Error::NoClassifier {
            file: self.file.clone(),
            detector,
        })
    }

    /// The rotation head. Quarter turns need an input as high as wide.
    ///
    /// # Errors
    /// [`Error::NoRotationHead`], [`Error::NotSquare`].
    pub(super) fn rotation_head(&self) -> Result<&LinearClassifier> {
        let ImageSize { rows, cols } = self.size;
        if rows != cols {
            return Err(Error::NotSquare {
                file: self.file.clone(),
                rows,
                cols,
            });
        }
        self.rotations
            .as_ref()
            .ok_or_else(|| Error::NoRotationHead {
                file: self.file.clone(),
            })
    }

    /// The network's input for images, `(n, rows, columns, 3)`.
    ///
    /// # Errors
    /// [`EncoderError::Resize`].
    pub(super) fn prepare(&self, images: &[Image]) -> Result<Vec<f32>> {
        let mut values = vec![0.0; images.len() * self.values()];
        self.preparer.fill(images, false, &mut values)?;
        Ok(values)
    }

    /// Values of an input.
    pub(super) fn values(&self) -> usize {
        self.size.rows * self.size.cols * 3
    }
}

/// Refuses a preprocessing that is of vectors: a classifier's layer takes them as they are.
fn check(file: &Path, preprocessing: &Preprocessing) -> Result<(), EncoderError> {
    let refuse = |key, found: &str, expected| EncoderError::Key {
        origin: file.display().to_string(),
        key,
        found: found.to_owned(),
        expected,
    };
    let expected = "false: a classifier takes its vectors as they are";
    if preprocessing.l2 {
        return Err(refuse("l2", "true", expected));
    }
    if preprocessing.statistics {
        return Err(refuse("statistics", "true", expected));
    }
    if preprocessing.pooling != Pooling::None {
        let expected = "'none': a ResNet averages its map itself";
        return Err(refuse("pooling", "another", expected));
    }
    Ok(())
}
