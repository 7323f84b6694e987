//! One network on a device: its training steps and its inference.

use burn_tensor::Tensor;

use super::objective::value_and_gradient;
use super::tensors::{Accelerator, Failure, download, product, upload};
use crate::dum::objective::{Similarity, Value};
use crate::nn::{Adam, AdamState, AdamStep, TrainingState};

/// What a training step needs to know besides the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub(super) similarity: Similarity,
    pub(super) bag_size: usize,
    /// The soft clamp of the log-variances, `b tanh(s / b)`; 0 for none.
    pub(super) bound: f32,
    pub(super) adam: Adam,
}

/// A network's parameters, or numbers laid out as they are: each layer's weight,
/// `(in, out)`, and bias, `(1, out)`. In and out they go as one slice in the order of
/// [`crate::nn::Mlp`].
#[derive(Debug)]
pub(super) struct Layers<B: Accelerator> {
    layers: Vec<[Tensor<B, 2>; 2]>,
    device: B::Device,
}

impl<B: Accelerator> Layers<B> {
    /// Copies to the device.
    ///
    /// # Shapes
    /// `sizes`: input, hidden ..., output; `values`: as many as these sizes take.
    pub(super) fn new(sizes: &[usize], values: &[f32], device: &B::Device) -> Self {
        let mut rest = values;
        let mut next = |shape: [usize; 2]| {
            let (part, after) = rest.split_at(shape[0] * shape[1]);
            rest = after;
            upload(part, shape, device)
        };
        let layers = sizes
            .windows(2)
            .map(|pair| [next([pair[0], pair[1]]), next([1, pair[1]])]);
        Self {
            layers: layers.collect(),
            device: device.clone(),
        }
    }

    /// Copies back.
    fn download(&self) -> Result<Vec<f32>, Failure> {
        let mut values = Vec::new();
        for tensor in self.layers.iter().flatten() {
            values.extend(download(tensor.clone())?);
        }
        Ok(values)
    }

    /// Vectors for the first layer, `(n, sizes[0])`.
    fn vectors(&self, values: &[f32]) -> Tensor<B, 2> {
        let d = self.layers.first().map_or(1, |[w, _]| w.dims()[0]);
        upload(values, [values.len() / d, d], &self.device)
    }

    /// One layer, with the rectifier unless it is the last.
    fn apply(&self, l: usize, x: Tensor<B, 2>) -> Result<Tensor<B, 2>, Failure> {
        let [weight, bias] = &self.layers[l];
        let sum = product(x, weight.clone())? + bias.clone();
        if l + 1 == self.layers.len() {
            return Ok(sum);
        }
        // Not a maximum, which would turn NaN into 0 and hide an overflow.
        let negative = sum.clone().lower_elem(0.0);
        Ok(sum.mask_fill(negative, 0.0))
    }

    /// The network's output, before any clamp.
    ///
    /// # Shapes
    /// `vectors`: `(n, sizes[0])`; returns `(n, sizes[last])`.
    pub(super) fn infer(&self, vectors: &[f32]) -> Result<Vec<f32>, Failure> {
        let mut x = self.vectors(vectors);
        for l in 0..self.layers.len() {
            x = self.apply(l, x)?;
        }
        download(x)
    }
}

/// A network in training: its parameters, and Adam's running means of their gradients and
/// of the gradients' squares.
#[derive(Debug)]
pub(super) struct OnDevice<B: Accelerator> {
    values: Layers<B>,
    m: Layers<B>,
    v: Layers<B>,
    /// Steps taken.
    t: u64,
}

impl<B: Accelerator> OnDevice<B> {
    /// Copies a network and its optimiser to the device.
    pub(super) fn new(state: &TrainingState, device: &B::Device) -> Self {
        let (sizes, adam) = (state.network.sizes(), &state.adam);
        Self {
            values: Layers::new(sizes, state.network.params(), device),
            m: Layers::new(sizes, &adam.m, device),
            v: Layers::new(sizes, &adam.v, device),
            t: adam.t,
        }
    }

    /// Copies the parameters and Adam's memory back.
    pub(super) fn download(&self) -> Result<(Vec<f32>, AdamState), Failure> {
        let state = AdamState {
            m: self.m.download()?,
            v: self.v.download()?,
            t: self.t,
        };
        Ok((self.values.download()?, state))
    }

    /// One training step. A loss that is not finite leaves everything as it was.
    ///
    /// # Shapes
    /// `vectors`: `(n, sizes[0])`, whole pairs of bags.
    pub(super) fn step(&mut self, recipe: &Recipe, vectors: &[f32]) -> Result<Value, Failure> {
        let z = self.values.vectors(vectors);
        let mut inputs = Vec::with_capacity(self.values.layers.len());
        let mut s = z.clone();
        for l in 0..self.values.layers.len() {
            let next = self.values.apply(l, s.clone())?;
            inputs.push(std::mem::replace(&mut s, next));
        }
        let (value, gradient) = objective(recipe, z, s);
        // Waiting here costs nothing: while the device goes on, the next batch is drawn.
        let value = download(value)?;
        let number = |i: usize| value.get(i).map_or(f64::NAN, |v| f64::from(*v));
        let value = Value {
            loss: number(0),
            effective_rows: number(1),
        };
        if value.loss.is_finite() {
            self.learn(recipe.adam, inputs, gradient)?;
        }
        Ok(value)
    }

    /// The backward pass, and Adam's step on each layer as its gradient is known.
    ///
    /// # Shapes
    /// `inputs`: what each layer was given, `(n, in)`; `gradient`: of the loss by the
    /// network's output, `(n, sizes[last])`.
    fn learn(
        &mut self,
        adam: Adam,
        inputs: Vec<Tensor<B, 2>>,
        gradient: Tensor<B, 2>,
    ) -> Result<(), Failure> {
        self.t += 1;
        let step = adam.at(self.t);
        let mut delta = gradient;
        for (l, input) in inputs.into_iter().enumerate().rev() {
            let by_weight = product(input.clone().transpose(), delta.clone())?;
            let by_bias = delta.clone().sum_dim(0);
            if l > 0 {
                let weight = self.values.layers[l][0].clone();
                let silent = input.lower_equal_elem(0.0);
                delta = product(delta, weight.transpose())?.mask_fill(silent, 0.0);
            }
            let values = self.values.layers[l].iter_mut();
            let memory = self.m.layers[l].iter_mut().zip(&mut self.v.layers[l]);
            for ((value, (m, v)), gradient) in values.zip(memory).zip([by_weight, by_bias]) {
                update(step, value, m, v, gradient);
            }
        }
        Ok(())
    }
}

/// Adam on one tensor: the arithmetic of [`crate::nn::AdamStep::update`], but for the flush
/// of numbers near the smallest float32, which cost a graphics card nothing.
fn update<B: Accelerator>(
    step: AdamStep,
    value: &mut Tensor<B, 2>,
    m: &mut Tensor<B, 2>,
    v: &mut Tensor<B, 2>,
    gradient: Tensor<B, 2>,
) {
    let square = gradient.clone() * gradient.clone();
    let mean = m.clone() * Adam::BETA1 + gradient * (1.0 - Adam::BETA1);
    let size = v.clone() * Adam::BETA2 + square * (1.0 - Adam::BETA2);
    let by = mean.clone() * step.rate / (size.clone().sqrt() * step.root + Adam::EPSILON);
    *value = value.clone() * step.keep - by;
    (*m, *v) = (mean, size);
}

/// The value of a batch and the gradient by what the network gave, clamp included.
fn objective<B: Accelerator>(
    recipe: &Recipe,
    z: Tensor<B, 2>,
    s: Tensor<B, 2>,
) -> (Tensor<B, 1>, Tensor<B, 2>) {
    let (similarity, m, bound) = (recipe.similarity, recipe.bag_size, recipe.bound);
    if bound == 0.0 {
        return value_and_gradient(similarity, m, z, s);
    }
    // Beyond 15 the tangent is 1 in float32, and some drivers overflow.
    let tangent = (s / bound).clamp(-15.0, 15.0).tanh();
    let (value, gradient) = value_and_gradient(similarity, m, z, tangent.clone() * bound);
    let slope = (tangent.clone() * tangent).neg() + 1.0;
    (value, gradient * slope)
}
