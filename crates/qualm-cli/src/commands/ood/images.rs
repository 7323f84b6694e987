//! Images where `qualm ood` expects arrays: they go through a classifier on the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow_schema::{DataType, Field};
use qualm::Progress;
use qualm::ood::{Network, OodFitted, OodSpec};
use qualm_data::{ActivationBatch, ColumnNotes, Rejects};
use qualm_vision::encoder::EncoderOptions;
use qualm_vision::ood::{Classifier, Extractor, calibrate, fit};
use qualm_vision::read::{ImageSource, Item, ReadOptions};

use crate::args;
use crate::images::{BATCH, are_images, beside, check_same};
use crate::pipeline::{self, Input, ReadAhead};

/// Images that a detector is fitted to, opened.
#[derive(Debug)]
pub(super) struct ImageFit {
    extractor: Extractor,
    images: ImageSource,
    /// Those of `--calibrate`.
    held_out: Option<ImageSource>,
}

impl ImageFit {
    /// # Errors
    /// What is known before the images are read: a classifier without what the detector needs, an
    /// input that holds no images.
    pub(super) fn open(args: &args::OodFit, spec: &OodSpec, classifier: &Path) -> Result<Self> {
        let options = EncoderOptions {
            preprocessing: args.network.preprocessing.clone(),
            ..EncoderOptions::default()
        };
        let classifier = Classifier::open(classifier, &options)?;
        let options = ReadOptions {
            label: args.label.clone(),
            ..ReadOptions::default()
        };
        Ok(Self {
            extractor: Extractor::new(classifier, spec, &args.features)?,
            images: ImageSource::open(&args.input, &options)?,
            held_out: (args.calibrate.as_deref())
                .map(|path| ImageSource::open(path, &ReadOptions::default()))
                .transpose()?,
        })
    }

    /// Where the labels come from, if there are any.
    pub(super) fn label(&self) -> Option<String> {
        self.images.label_name().map(str::to_owned)
    }

    pub(super) fn fit(
        mut self,
        spec: &OodSpec,
        seed: u64,
        progress: &mut dyn Progress,
    ) -> Result<OodFitted, qualm_vision::Error> {
        let mut fitted = fit(spec, &mut self.images, &self.extractor, seed, progress)?;
        if let Some(held_out) = &mut self.held_out {
            calibrate(&mut fitted, held_out, &self.extractor, progress)?;
        }
        Ok(fitted)
    }
}

/// Refuses arrays for a detector that needs the network itself.
pub(super) fn refuse_arrays(spec: &OodSpec) -> Result<()> {
    if spec.needs().network == Network::None {
        return Ok(());
    }
    bail!(
        "detector '{}' needs the network itself ({}): give images, and --classifier FILE",
        spec.detector(),
        spec.needs()
    );
}

/// Images to score, opened.
#[derive(Debug)]
pub(super) struct ImageScore {
    extractor: Extractor,
    path: Arc<Path>,
    n_given: usize,
}

impl ImageScore {
    /// The images of an input; `None` where it holds arrays.
    ///
    /// # Errors
    /// When the classifier is not found, cannot be opened, or is not the one of the fit.
    pub(super) fn open(args: &args::OodScore, fitted: &OodFitted) -> Result<Option<Self>> {
        let expected = fitted.provenance().encoder.as_ref();
        let file = match (&args.network.classifier, expected) {
            (Some(file), Some(_)) => file.clone(),
            (Some(file), None) => bail!(
                "{}: the detector was fitted to arrays, so that no classifier is known to give \
                 them; leave --classifier out",
                file.display()
            ),
            (None, Some(expected)) if are_images(&args.input) => {
                beside(&args.model, expected, "--classifier")?
            }
            (None, _) => return Ok(None),
        };
        let options = EncoderOptions {
            preprocessing: args.network.preprocessing.clone(),
            recorded: expected.and_then(|expected| expected.preprocessing.clone()),
            ..EncoderOptions::default()
        };
        let classifier = Classifier::open(&file, &options)?;
        check_same(&file, expected, classifier.identity())?;
        let layers = fitted.inputs().features.iter();
        let layers = layers.map(|input| input.name.clone());
        let layers = layers.filter(|_| fitted.spec().needs().network != Network::Rotations);
        let layers: Vec<String> = layers.collect();
        if args.label.is_some() || !args.id.is_empty() {
            bail!("--label and --id are of arrays; images have their names");
        }
        Ok(Some(Self {
            extractor: Extractor::new(classifier, fitted.spec(), &layers)?,
            path: Arc::from(args.input.as_path()),
            n_given: 0,
        }))
    }

    /// Begins to read the images.
    pub(super) fn read(&self) -> Result<(Input, ReadAhead<Vec<Item>>)> {
        let path = PathBuf::from(&*self.path);
        let open = move || {
            let source = ImageSource::open(&path, &ReadOptions::default())?;
            let input = Input {
                id_fields: vec![Field::new(source.id_name(), DataType::Utf8, false)],
                n_rows_hint: Some(source.n_images_hint()),
                notes: ColumnNotes::default(),
                rejects: Rejects::default(),
            };
            Ok((input, source))
        };
        pipeline::read(open, |source: &mut ImageSource| {
            Ok(source.next_batch(BATCH)?)
        })
    }

    /// What the detector sees of the next images.
    pub(super) fn batch(
        &mut self,
        items: Vec<Item>,
        fitted: &OodFitted,
    ) -> Result<ActivationBatch> {
        let n = items.len();
        let batch = (self.extractor)
            .batch(items, fitted.perturbation(), &self.path, self.n_given)
            .with_context(|| self.path.display().to_string());
        self.n_given += n;
        batch
    }
}
