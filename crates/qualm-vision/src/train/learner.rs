//! A training as a [`Learner`]: the loop, checkpoints and interruptions are those of every fit.
//!
//! A step is a function of the seed, its number and the state so far: the images of its batch, and
//! view `2 epoch` and `2 epoch + 1` of each (view `epoch` where one is enough).

use qualm::container::{Reader, Writer};
use qualm::fit::{Learner, Shuffled, StepOutcome};
use qualm::nn::WarmupCosine;
use qualm::nn::resnet::{Architecture, ResNet};
use qualm::reports::TrainEpoch;
use rayon::prelude::*;

use super::data::TrainImages;
use super::measure::measure;
use super::monitor::output_std;
use super::objective::{Batch, Objective, objective};
use super::parts::Body;
use super::spec::TrainSpec;
use crate::error::Result;
use crate::views::{View, Views};

/// Called with every finished epoch.
pub(super) type OnEpoch<'a> = Box<dyn FnMut(&TrainEpoch) + Send + 'a>;

/// A network in training, and all that its next step depends on.
pub(super) struct EncoderLearner<'a> {
    pub(super) spec: TrainSpec,
    pub(super) images: &'a TrainImages,
    /// What accuracy is measured on.
    pub(super) eval: Option<&'a TrainImages>,
    pub(super) body: Body,
    pub(super) objective: Box<dyn Objective>,
    pub(super) history: Vec<TrainEpoch>,
    pub(super) on_epoch: OnEpoch<'a>,
    seed: u64,
    order: Shuffled,
    rate: WarmupCosine,
    steps_per_epoch: u64,
    /// Sum of the losses of the epoch under way.
    open: f64,
    batch: Vec<f32>,
    views: Views,
}

impl<'a> EncoderLearner<'a> {
    pub(super) fn new(
        architecture: Architecture,
        spec: TrainSpec,
        images: &'a TrainImages,
        eval: Option<&'a TrainImages>,
        seed: u64,
    ) -> Result<Self> {
        let steps_per_epoch = spec.steps_per_epoch(images.len());
        let body = Body::new(architecture, &spec, seed);
        let n_classes = images.labels().map(|labels| labels.classes.len());
        Ok(Self {
            views: Views::new(spec.views.clone(), seed)?,
            objective: objective(&spec, &body, n_classes, seed),
            order: Shuffled::new(images.len(), spec.batch_size),
            rate: WarmupCosine {
                peak: spec.learning_rate,
                warmup: spec.warmup_epochs * steps_per_epoch,
                steps: spec.epochs * steps_per_epoch,
            },
            body,
            spec,
            images,
            eval,
            seed,
            steps_per_epoch,
            history: Vec::new(),
            on_epoch: Box::new(|_| {}),
            open: 0.0,
            batch: Vec::new(),
        })
    }

    /// Measures what the encoder has learned, where there are images and labels for it, into the
    /// last epoch of the history.
    pub(super) fn measure(&mut self) -> Result<()> {
        let Some(eval) = self.eval else {
            return Ok(());
        };
        let network = self.network()?;
        let classifier = self.objective.classifier();
        let found = measure(&self.spec, &network, classifier, self.images, eval)?;
        if let Some(last) = self.history.last_mut() {
            last.knn_accuracy = Some(found.knn_accuracy);
            last.accuracy = found.accuracy;
        }
        Ok(())
    }

    /// The encoder as it is now.
    fn network(&self) -> Result<ResNet> {
        let network = &self.body.network;
        Ok(ResNet::from_tensors(
            network.architecture(),
            &network.to_tensors(),
        )?)
    }

    /// The views of a step, `(views n, side, side, 3)`.
    fn fill_batch(&mut self, rows: &[usize], epoch: u64) -> Result<()> {
        let n_views = if self.spec.method.is_contrastive() {
            2
        } else {
            1
        };
        let indices = epoch * n_views..(epoch + 1) * n_views;
        let (images, ids) = (self.images.images(), self.images.ids());
        let views = indices.flat_map(|index| {
            rows.iter().map(move |&row| View {
                image: &images[row],
                id: ids[row],
                index,
            })
        });
        let views: Vec<View<'_>> = views.collect();
        self.batch.resize(views.len() * self.views.values(), 0.0);
        self.views.views_into(&views, &mut self.batch)?;
        let (mean, std) = (
            self.spec.mean.map(|v| v as f32),
            self.spec.std.map(|v| v as f32),
        );
        let images = self.batch.par_chunks_mut(self.views.values());
        images.for_each(|image| normalise(image, mean, std));
        Ok(())
    }

    fn finish_epoch(&mut self, epoch: u64) -> Result<()> {
        let (outputs, width) = self.objective.outputs();
        self.history.push(TrainEpoch {
            epoch,
            loss: self.open / self.steps_per_epoch as f64,
            output_std: output_std(outputs, width),
            knn_accuracy: None,
            accuracy: None,
        });
        self.open = 0.0;
        if epoch.is_multiple_of(self.spec.knn_every) || epoch == self.spec.epochs {
            self.measure()?;
        }
        if let Some(last) = self.history.last() {
            (self.on_epoch)(last);
        }
        Ok(())
    }
}

/// `(v - mean) / std` of values in \[0, 1\], in place.
fn normalise(pixels: &mut [f32], mean: [f32; 3], std: [f32; 3]) {
    for pixel in pixels.chunks_exact_mut(3) {
        for ((v, mean), std) in pixel.iter_mut().zip(mean).zip(std) {
            *v = (*v - mean) / std;
        }
    }
}

impl Learner for EncoderLearner<'_> {
    fn step(&mut self, step: u64) -> qualm::Result<StepOutcome> {
        let epoch = step / self.steps_per_epoch;
        let rows = self.order.batch(self.seed, 0, step).to_vec();
        self.fill_batch(&rows, epoch)?;
        let labels = self.images.labels();
        let labels: Option<Vec<u32>> =
            labels.map(|labels| rows.iter().map(|&row| labels.of[row]).collect());
        let loss = self.objective.step(
            &mut self.body,
            Batch {
                images: &self.batch,
                labels: labels.as_deref(),
                rate: self.rate.at(step),
                step,
                steps: self.rate.steps,
            },
        )?;
        self.open += loss;
        let ends = loss.is_finite() && (step + 1).is_multiple_of(self.steps_per_epoch);
        if ends {
            self.finish_epoch(epoch + 1)?;
        }
        Ok(StepOutcome {
            loss,
            effective_rows: None,
        })
    }

    fn save(&mut self, writer: &mut Writer) -> qualm::Result<()> {
        self.body.save("network", writer);
        self.objective.save(writer);
        let column = |of: fn(&TrainEpoch) -> Option<f64>| -> Vec<f64> {
            // Files hold finite numbers; what was not measured is below 0.
            let values = self.history.iter().map(|epoch| of(epoch).unwrap_or(-1.0));
            values.collect()
        };
        writer.f64("history.loss", &column(|epoch| Some(epoch.loss)));
        writer.f64(
            "history.output_std",
            &column(|epoch| Some(epoch.output_std)),
        );
        writer.f64("history.knn_accuracy", &column(|epoch| epoch.knn_accuracy));
        writer.f64("history.accuracy", &column(|epoch| epoch.accuracy));
        writer.f64("open", &[self.open]);
        Ok(())
    }

    fn restore(&mut self, steps: u64, reader: &mut Reader) -> qualm::Result<()> {
        self.body.restore("network", reader)?;
        self.objective.restore(reader)?;
        let n = (steps / self.steps_per_epoch) as usize;
        let loss = reader.f64_of("history.loss", n)?;
        let output_std = reader.f64_of("history.output_std", n)?;
        let knn_accuracy = reader.f64_of("history.knn_accuracy", n)?;
        let accuracy = reader.f64_of("history.accuracy", n)?;
        let measured = |v: f64| (v >= 0.0).then_some(v);
        let epochs = (0..n).map(|i| TrainEpoch {
            epoch: i as u64 + 1,
            loss: loss[i],
            output_std: output_std[i],
            knn_accuracy: measured(knn_accuracy[i]),
            accuracy: measured(accuracy[i]),
        });
        self.history = epochs.collect();
        self.open = reader.f64_of("open", 1)?.iter().sum();
        Ok(())
    }
}
