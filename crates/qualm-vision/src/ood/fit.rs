//! Detectors through images: fitting, and calibrating.

use qualm::ood::{Activations, OodFitted, OodSpec, Perturbation};
use qualm::{Progress, Rows};

use super::extract::{Arrays, Extractor};
use super::labels::Labels;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::read::ImageSource;
use qualm::fit::Meter;

/// Images that are read and run at a time.
const BATCH: usize = 256;

/// Fits a detector to the images of an input that are in distribution.
///
/// `extractor` was made for the same detector. Images with a negative number for a label are known
/// outliers, as in [`OodSpec::fit`]. A detector with a perturbation that learns from the images
/// goes through them twice.
///
/// # Errors
/// As [`OodSpec::fit`] and [`Extractor::batch`]; [`Error::NoClass`], [`Error::UnknownClass`],
/// [`Error::ClassCount`] and [`Error::ClassTooSmall`] on labels; those of reading images.
///
/// # Seed
/// The same seed, detector, classifier and images give the same bits at any number of threads.
pub fn fit(
    spec: &OodSpec,
    images: &mut ImageSource,
    extractor: &Extractor,
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<OodFitted> {
    // A detector that learns nothing knows its perturbation before the fit.
    let unfitted = spec.hyper_parameters().unfitted();
    let known = unfitted
        .as_ref()
        .and_then(|detector| detector.perturbation());
    let collected = Collected::new(images, extractor, known, progress)?;
    let labels = collected.numbers(spec, extractor)?;
    let numbers = labels.as_ref().map(|labels| labels.numbers.as_slice());
    let fitted = spec.fit(&collected.activations(extractor, numbers)?, seed, progress);
    let mut fitted = fitted.map_err(|error| match &labels {
        Some(labels) => labels.explain(error),
        None => Error::from(error),
    })?;
    drop(collected);
    if known.is_none()
        && let Some(perturbation) = fitted.perturbation()
    {
        images.rewind()?;
        let moved = Collected::new(images, extractor, Some(perturbation), progress)?;
        let moved_arrays = moved.activations(extractor, numbers)?;
        fitted.refit_to_perturbed(&moved_arrays)?;
    }
    let fitted = fitted.with_inputs(extractor.inputs())?;
    Ok(fitted.with_encoder(extractor.classifier().identity().clone()))
}

/// Calibrates a detector on images kept apart from fitting; see [`OodFitted::calibrate`].
///
/// # Errors
/// As [`OodFitted::calibrate`] and [`Extractor::batch`]; those of reading images.
pub fn calibrate(
    fitted: &mut OodFitted,
    images: &mut ImageSource,
    extractor: &Extractor,
    progress: &mut dyn Progress,
) -> Result<()> {
    let held_out = Collected::new(images, extractor, fitted.perturbation(), progress)?;
    fitted.calibrate(&held_out.activations(extractor, None)?)?;
    Ok(())
}

/// What a detector sees of all images of an input.
struct Collected {
    arrays: Arrays,
    ids: Vec<String>,
    labels: Vec<Option<String>>,
}

impl Collected {
    /// Reads and runs images, some at a time.
    fn new(
        images: &mut ImageSource,
        extractor: &Extractor,
        perturbation: Option<&dyn Perturbation>,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let inputs = extractor.inputs();
        let n = images.n_images_hint();
        let widths = inputs.features.iter().chain(&inputs.logits);
        let width: usize = widths.map(|input| input.width).sum();
        qualm::memory::check(4 * n.saturating_mul(width as u64), || {
            vec!["give fewer images or fewer layers".to_owned()]
        })?;
        let mut all = Self {
            arrays: Arrays {
                features: vec![Vec::new(); inputs.features.len()],
                logits: Vec::new(),
            },
            ids: Vec::new(),
            labels: Vec::new(),
        };
        let mut meter = Meter::new(progress);
        meter.work("images", 0, n)?;
        while let Some(items) = images.next_batch(BATCH)? {
            let mut batch: Vec<Image> = Vec::with_capacity(items.len());
            let first = all.ids.len();
            for item in items {
                all.ids.push(item.id);
                all.labels.push(item.label);
                batch.push(item.image);
            }
            let arrays = extractor.arrays(&batch, perturbation)?;
            let ids = all.ids.get(first..).unwrap_or_default();
            extractor.check_finite(&arrays, ids)?;
            for (to, from) in all.arrays.features.iter_mut().zip(arrays.features) {
                to.extend(from);
            }
            all.arrays.logits.extend(arrays.logits);
            meter.work("images", all.ids.len() as u64, n)?;
        }
        Ok(all)
    }

    /// The labels of the images; `None` where the detector needs none and they say nothing.
    fn numbers(&self, spec: &OodSpec, extractor: &Extractor) -> Result<Option<Labels>> {
        if spec.needs().labels {
            return Labels::new(&self.labels, &self.ids, extractor.classifier()).map(Some);
        }
        Ok(Labels::if_numbers(&self.labels).map(|numbers| Labels {
            numbers,
            names: Vec::new(),
        }))
    }

    fn activations<'a>(
        &'a self,
        extractor: &Extractor,
        labels: Option<&'a [i64]>,
    ) -> Result<Activations<'a>> {
        let inputs = extractor.inputs();
        let features = self.arrays.features.iter().zip(&inputs.features);
        let features = features.map(|(values, input)| Rows::new(values, input.width));
        let mut all = Activations::of_layers(features.collect::<qualm::Result<_>>()?);
        if let Some(input) = &inputs.logits {
            all = all.with_logits(Rows::new(&self.arrays.logits, input.width)?);
        }
        Ok(match labels {
            Some(labels) => all.with_labels(labels),
            None => all,
        })
    }
}
