//! The trained parts of a step: network and heads, each with its optimiser.

use qualm::Result;
use qualm::container::{Reader, Writer};
use qualm::nn::resnet::{Activations, Architecture, ImageSize, Role, TrainableResNet};
use qualm::nn::{Head, HeadLayout, HeadPass, Part, Sgd, move_average};
use qualm::rng::{Purpose, stream};

use super::spec::{Optimizer, TrainSpec};

/// First weights of a head; index: which.
const HEAD: Purpose = Purpose::of_crate(2, 11);

fn optimiser(spec: &TrainSpec, parts: Vec<Part>) -> Sgd {
    let eta = match spec.optimizer {
        Optimizer::Sgd {} => None,
        Optimizer::Lars { lars_eta } => Some(lars_eta as f32),
    };
    Sgd::new(spec.momentum as f32, spec.weight_decay as f32, eta, parts)
}

/// A network in training, and the buffers of its passes.
pub(super) struct Body {
    pub(super) network: TrainableResNet,
    pub(super) size: ImageSize,
    activations: Activations,
    gradient: Vec<f32>,
    sgd: Sgd,
}

impl Body {
    pub(super) fn new(architecture: Architecture, spec: &TrainSpec, seed: u64) -> Self {
        let network = TrainableResNet::new(architecture, seed);
        let parts = network.segments().into_iter().map(|segment| Part {
            range: segment.range,
            decays: segment.tensor.role == Role::Convolution,
        });
        let side = spec.image_size as usize;
        Self {
            size: ImageSize {
                rows: side,
                cols: side,
            },
            activations: Activations::default(),
            gradient: vec![0.0; network.parameters().len()],
            sgd: optimiser(spec, parts.collect()),
            network,
        }
    }

    /// Takes a batch through, `(n, side, side, 3)`; returns its features, `(n, width)`.
    pub(super) fn forward(&mut self, images: &[f32]) -> Result<&[f32]> {
        self.network
            .forward(images, self.size, &mut self.activations)?;
        Ok(self.activations.features())
    }

    /// Takes a gradient by the features of the same batch back.
    pub(super) fn backward(&mut self, images: &[f32], d_features: &[f32]) -> Result<()> {
        let Self {
            network,
            activations,
            gradient,
            ..
        } = self;
        network.backward(images, d_features, activations, gradient)
    }

    /// Moves the parameters against the gradient of the last pass back.
    pub(super) fn step(&mut self, rate: f64) -> Result<()> {
        self.sgd
            .step(self.network.parameters_mut(), &self.gradient, rate)
    }

    pub(super) fn save(&self, prefix: &str, writer: &mut Writer) {
        save_network(&self.network, prefix, writer);
        save(&format!("{prefix}.velocity"), self.sgd.velocity(), writer);
    }

    pub(super) fn restore(&mut self, prefix: &str, reader: &mut Reader) -> Result<()> {
        restore_network(&mut self.network, prefix, reader)?;
        let n = self.sgd.velocity().len();
        let velocity = reader.f32(&format!("{prefix}.velocity"), &[n])?;
        self.sgd.set_velocity(velocity)
    }
}

/// A head in training.
pub(super) struct TrainedHead {
    pub(super) head: Head,
    pub(super) pass: HeadPass,
    grads: Vec<f32>,
    sgd: Sgd,
}

impl TrainedHead {
    /// The number tells the heads of one training apart.
    pub(super) fn new(layout: &HeadLayout, spec: &TrainSpec, seed: u64, number: u64) -> Self {
        let head = Head::new(layout, &mut stream(seed, HEAD, [number, 0]));
        Self {
            pass: HeadPass::default(),
            grads: vec![0.0; head.params().len()],
            sgd: optimiser(spec, head.parts()),
            head,
        }
    }

    /// Takes rows through; see [`HeadPass::output`].
    pub(super) fn forward(&mut self, x: &[f32]) -> Result<&[f32]> {
        self.head.forward(x, &mut self.pass)?;
        Ok(self.pass.output())
    }

    /// The gradient by the rows that [`TrainedHead::forward`] was given.
    pub(super) fn backward(&mut self, x: &[f32], d_output: &[f32]) -> Result<&[f32]> {
        let Self {
            head, pass, grads, ..
        } = self;
        head.backward(x, d_output, pass, grads)?;
        Ok(pass.d_input())
    }

    pub(super) fn step(&mut self, rate: f64) -> Result<()> {
        self.sgd.step(self.head.params_mut(), &self.grads, rate)
    }

    pub(super) fn save(&self, prefix: &str, writer: &mut Writer) {
        save_head(&self.head, prefix, writer);
        save(&format!("{prefix}.velocity"), self.sgd.velocity(), writer);
    }

    pub(super) fn restore(&mut self, prefix: &str, reader: &mut Reader) -> Result<()> {
        restore_head(&mut self.head, prefix, reader)?;
        let n = self.sgd.velocity().len();
        let velocity = reader.f32(&format!("{prefix}.velocity"), &[n])?;
        self.sgd.set_velocity(velocity)
    }
}

/// The slowly moving copy of a network and its projection. It is never trained: its batch norms
/// use the statistics of their own batch.
pub(super) struct SlowCopy {
    network: TrainableResNet,
    head: Head,
    pass: HeadPass,
}

impl SlowCopy {
    pub(super) fn new(body: &Body, projection: &TrainedHead) -> Self {
        Self {
            network: body.network.clone(),
            head: projection.head.clone(),
            pass: HeadPass::default(),
        }
    }

    /// Projections of a batch, `(n, width)`. The buffers are those of the network that it copies,
    /// whose own pass over the batch comes after.
    pub(super) fn project(&mut self, images: &[f32], body: &mut Body) -> Result<&[f32]> {
        (self.network).forward(images, body.size, &mut body.activations)?;
        self.head
            .forward(body.activations.features(), &mut self.pass)?;
        Ok(self.pass.output())
    }

    /// Moves towards the network it copies.
    pub(super) fn follow(&mut self, body: &Body, projection: &TrainedHead, momentum: f64) {
        let fast = body.network.parameters();
        move_average(self.network.parameters_mut(), fast, momentum);
        move_average(self.head.params_mut(), projection.head.params(), momentum);
    }

    pub(super) fn save(&self, prefix: &str, writer: &mut Writer) {
        save_network(&self.network, prefix, writer);
        save_head(&self.head, &format!("{prefix}.projection"), writer);
    }

    pub(super) fn restore(&mut self, prefix: &str, reader: &mut Reader) -> Result<()> {
        restore_network(&mut self.network, prefix, reader)?;
        restore_head(&mut self.head, &format!("{prefix}.projection"), reader)
    }
}

fn save(name: &str, values: &[f32], writer: &mut Writer) {
    writer.f32(name, &[values.len()], values);
}

fn restore(name: &str, into: &mut [f32], reader: &mut Reader) -> Result<()> {
    into.copy_from_slice(&reader.f32(name, &[into.len()])?);
    Ok(())
}

fn save_network(network: &TrainableResNet, prefix: &str, writer: &mut Writer) {
    save(&format!("{prefix}.params"), network.parameters(), writer);
    save(&format!("{prefix}.running"), network.running(), writer);
}

fn restore_network(network: &mut TrainableResNet, prefix: &str, reader: &mut Reader) -> Result<()> {
    restore(
        &format!("{prefix}.params"),
        network.parameters_mut(),
        reader,
    )?;
    restore(&format!("{prefix}.running"), network.running_mut(), reader)
}

fn save_head(head: &Head, prefix: &str, writer: &mut Writer) {
    save(&format!("{prefix}.params"), head.params(), writer);
    if !head.running().is_empty() {
        save(&format!("{prefix}.running"), head.running(), writer);
    }
}

fn restore_head(head: &mut Head, prefix: &str, reader: &mut Reader) -> Result<()> {
    restore(&format!("{prefix}.params"), head.params_mut(), reader)?;
    if head.running().is_empty() {
        return Ok(());
    }
    restore(&format!("{prefix}.running"), head.running_mut(), reader)
}
