//! `SimCLR`, `MoCo` and BYOL: two views of each image in one batch, so that batch norm cannot tell
//! them apart.
//!
//! The projections are those of the published CIFAR-10 runs: with batch norm on both layers for
//! `SimCLR`, on the hidden layer for BYOL, without for `MoCo`.

use qualm::Result;
use qualm::container::{Reader, Writer};
use qualm::nn::losses::{ByolLoss, InfoNce, KeyQueue, NtXent};
use qualm::nn::{Head, rising_momentum};
use qualm::rng::{Purpose, stream};

use super::method::{Method, Projection};
use super::objective::{Batch, Objective, two_layers};
use super::parts::{Body, SlowCopy, TrainedHead};
use super::spec::TrainSpec;

/// First keys of a queue.
const QUEUE: Purpose = Purpose::of_crate(2, 12);

/// A contrastive objective.
pub(super) struct Contrastive {
    projection: TrainedHead,
    loss: Loss,
    features: Vec<f32>,
    targets: Vec<f32>,
    gradient: Vec<f32>,
}

enum Loss {
    Simclr(NtXent),
    Moco {
        loss: InfoNce,
        queue: KeyQueue,
        slow: SlowCopy,
        momentum: f64,
    },
    Byol {
        loss: ByolLoss,
        prediction: TrainedHead,
        slow: SlowCopy,
        momentum: f64,
    },
}

impl Contrastive {
    pub(super) fn new(spec: &TrainSpec, body: &Body, width: usize, seed: u64) -> Self {
        let Projection {
            projection_hidden: hidden,
            projection_width: out,
        } = spec.projection.unwrap_or(Projection {
            projection_hidden: width,
            projection_width: width,
        });
        let simclr = matches!(spec.method, Method::Simclr { .. });
        let moco = matches!(spec.method, Method::Moco { .. });
        let layout = two_layers([width, hidden, out], !moco, simclr);
        let projection = TrainedHead::new(&layout, spec, seed, 0);
        let slow = || SlowCopy::new(body, &projection);
        let loss = match spec.method {
            Method::Moco {
                temperature,
                bank_size,
                ema_momentum,
            } => Loss::Moco {
                loss: InfoNce::new(temperature as f32),
                queue: KeyQueue::new(bank_size, out, &mut stream(seed, QUEUE, [0, 0])),
                slow: slow(),
                momentum: ema_momentum,
            },
            Method::Byol { ema_momentum } => {
                let layout = two_layers([out, hidden, out], true, false);
                Loss::Byol {
                    loss: ByolLoss::new(),
                    prediction: TrainedHead::new(&layout, spec, seed, 1),
                    slow: slow(),
                    momentum: ema_momentum,
                }
            }
            Method::Simclr { temperature } => Loss::Simclr(NtXent::new(temperature as f32)),
            // They have an objective of their own.
            Method::Supervised {} | Method::Rotation { .. } => Loss::Simclr(NtXent::new(1.0)),
        };
        Self {
            projection,
            loss,
            features: Vec::new(),
            targets: Vec::new(),
            gradient: Vec::new(),
        }
    }
}

/// The other view's rows in the place of each: the halves change places.
fn swap_halves(rows: &[f32], into: &mut Vec<f32>) {
    let (first, second) = rows.split_at(rows.len() / 2);
    into.clear();
    into.extend_from_slice(second);
    into.extend_from_slice(first);
}

impl Objective for Contrastive {
    fn step(&mut self, body: &mut Body, batch: Batch<'_>) -> Result<f64> {
        let Self {
            projection,
            loss,
            features,
            targets,
            gradient,
        } = self;
        // First the slow copy's pass: it uses the same buffers.
        if let Loss::Moco { slow, .. } | Loss::Byol { slow, .. } = loss {
            swap_halves(slow.project(batch.images, body)?, targets);
        }
        features.clear();
        features.extend_from_slice(body.forward(batch.images)?);
        let outputs = projection.forward(features)?.to_vec();
        let width = projection.head.n_out();
        gradient.resize(outputs.len(), 0.0);
        let value = match loss {
            Loss::Simclr(loss) => loss.loss(&outputs, width, gradient)?,
            Loss::Moco { loss, queue, .. } => loss.loss(&outputs, targets, queue, gradient)?,
            Loss::Byol {
                loss, prediction, ..
            } => {
                let predictions = prediction.forward(&outputs)?;
                let value = loss.loss(predictions, targets, width, gradient)?;
                let d_outputs = prediction.backward(&outputs, gradient)?;
                gradient.copy_from_slice(d_outputs);
                value
            }
        };
        if !value.is_finite() {
            return Ok(value);
        }
        let d_features = projection.backward(features, gradient)?;
        body.backward(batch.images, d_features)?;
        body.step(batch.rate)?;
        projection.step(batch.rate)?;
        match loss {
            Loss::Simclr(_) => {}
            Loss::Moco {
                queue,
                slow,
                momentum,
                ..
            } => {
                slow.follow(body, projection, *momentum);
                queue.push(targets);
            }
            Loss::Byol {
                prediction,
                slow,
                momentum,
                ..
            } => {
                prediction.step(batch.rate)?;
                let momentum = rising_momentum(*momentum, batch.step, batch.steps);
                slow.follow(body, projection, momentum);
            }
        }
        Ok(value)
    }

    fn outputs(&self) -> (&[f32], usize) {
        (self.projection.pass.output(), self.projection.head.n_out())
    }

    fn heads(&self) -> Vec<(&'static str, &Head)> {
        let mut heads = vec![("projection", &self.projection.head)];
        if let Loss::Byol { prediction, .. } = &self.loss {
            heads.push(("prediction", &prediction.head));
        }
        heads
    }

    fn save(&self, writer: &mut Writer) {
        self.projection.save("projection", writer);
        match &self.loss {
            Loss::Simclr(_) => {}
            Loss::Moco { queue, slow, .. } => {
                slow.save("slow", writer);
                let rows = queue.rows();
                let width = self.projection.head.n_out();
                writer.f32("queue", &[rows.len() / width, width], rows);
                writer.u32("queue.oldest", &[queue.oldest() as u32]);
            }
            Loss::Byol {
                prediction, slow, ..
            } => {
                slow.save("slow", writer);
                prediction.save("prediction", writer);
            }
        }
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<()> {
        self.projection.restore("projection", reader)?;
        match &mut self.loss {
            Loss::Simclr(_) => {}
            Loss::Moco { queue, slow, .. } => {
                slow.restore("slow", reader)?;
                let width = self.projection.head.n_out();
                let n = queue.rows().len() / width;
                let rows = reader.f32("queue", &[n, width])?;
                let oldest = reader.u32("queue.oldest")?;
                let place = oldest.first().map_or(n, |oldest| *oldest as usize);
                if place >= n {
                    let found = format!("{oldest:?}");
                    return Err(reader.corrupt("queue.oldest", found, format!("a row below {n}")));
                }
                *queue = KeyQueue::from_rows(rows, width, place);
            }
            Loss::Byol {
                prediction, slow, ..
            } => {
                slow.restore("slow", reader)?;
                prediction.restore("prediction", reader)?;
            }
        }
        Ok(())
    }
}
