//! One network on a device: its training steps and its inference.

use std::fmt;

use burn_tensor::Tensor;

use super::objective::value_and_gradient;
use super::tensors::{Accelerator, download, product, upload};
use crate::dum::objective::{Similarity, Value};
use crate::nn::{Adam, AdamState};

/// Rows inferred at a time: enough to fill a card, little enough that the activations of a
/// 4096-wide network take 128 MiB each.
const BLOCK: usize = 8192;

/// What a device says when it fails.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }

    pub(super) fn reason(self) -> String {
        self.0
    }
}

/// What a training step needs to know besides the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub(super) similarity: Similarity,
    pub(super) bag_size: usize,
    /// The soft clamp of the log-variances, `b tanh(s / b)`; 0 for none.
    pub(super) bound: f32,
    pub(super) adam: Adam,
}

/// A network and Adam's memory of it, on a device.
///
/// Parameters come and go in the flat layout of [`crate::nn::Mlp`].
#[derive(Debug)]
pub(super) struct DeviceNetwork<B: Accelerator> {
    layers: Vec<Layer<B>>,
    /// Steps taken.
    t: u64,
    device: B::Device,
}

/// One linear layer: `(in, out)` and `(1, out)`.
#[derive(Debug)]
struct Layer<B: Accelerator> {
    weight: Parameter<B>,
    bias: Parameter<B>,
}

/// A parameter, and Adam's running means of its gradient and of the gradient's square.
#[derive(Debug)]
struct Parameter<B: Accelerator> {
    value: Tensor<B, 2>,
    m: Tensor<B, 2>,
    v: Tensor<B, 2>,
}

impl<B: Accelerator> DeviceNetwork<B> {
    /// Copies a network to the device.
    ///
    /// # Shapes
    /// `sizes`: input, hidden ..., output; `params` and the state's buffers: as many values
    /// as these sizes take.
    pub(super) fn new(
        sizes: &[usize],
        params: &[f32],
        state: &AdamState,
        device: &B::Device,
    ) -> Self {
        let mut at = 0;
        let mut parameter = |shape: [usize; 2]| {
            let range = at..at + shape[0] * shape[1];
            at = range.end;
            let part = |values: &[f32]| upload(&values[range.clone()], shape, device);
            Parameter {
                value: part(params),
                m: part(&state.m),
                v: part(&state.v),
            }
        };
        let layers = sizes.windows(2).map(|pair| Layer {
            weight: parameter([pair[0], pair[1]]),
            bias: parameter([1, pair[1]]),
        });
        Self {
            layers: layers.collect(),
            t: state.t,
            device: device.clone(),
        }
    }

    /// One training step.
    ///
    /// # Shapes
    /// `vectors`: `(n, sizes[0])`, whole pairs of bags.
    pub(super) fn step(&mut self, recipe: &Recipe, vectors: &[f32]) -> Result<Value, Failure> {
        let z = self.vectors(vectors);
        let mut activations = vec![z.clone()];
        for l in 0..self.layers.len() {
            let next = self.apply(l, activations[l].clone())?;
            activations.push(next);
        }
        let s = activations.pop().unwrap_or_else(|| z.clone());
        let (value, gradient) = self.objective(recipe, z, s);
        self.t += 1;
        let mut delta = gradient;
        for (l, input) in activations.into_iter().enumerate().rev() {
            let by_weight = product(input.clone().transpose(), delta.clone())?;
            let by_bias = delta.clone().sum_dim(0);
            if l > 0 {
                let weight = self.layers[l].weight.value.clone();
                let silent = input.lower_equal_elem(0.0);
                delta = product(delta, weight.transpose())?.mask_fill(silent, 0.0);
            }
            let Layer { weight, bias } = &mut self.layers[l];
            weight.step(recipe.adam, self.t, by_weight);
            bias.step(recipe.adam, self.t, by_bias);
        }
        let value = download(value)?;
        let number = |i: usize| value.get(i).map_or(f64::NAN, |v| f64::from(*v));
        Ok(Value {
            loss: number(0),
            effective_rows: number(1),
        })
    }

    /// The value of a batch and the gradient by what the network gave, clamp included.
    fn objective(
        &self,
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

    /// One layer, with the rectifier unless it is the last.
    fn apply(&self, l: usize, x: Tensor<B, 2>) -> Result<Tensor<B, 2>, Failure> {
        let Layer { weight, bias } = &self.layers[l];
        let sum = product(x, weight.value.clone())? + bias.value.clone();
        if l + 1 == self.layers.len() {
            return Ok(sum);
        }
        // Not a maximum, which would turn NaN into 0 and hide an overflow.
        let negative = sum.clone().lower_elem(0.0);
        Ok(sum.mask_fill(negative, 0.0))
    }

    fn vectors(&self, values: &[f32]) -> Tensor<B, 2> {
        let d = self.layers.first().map_or(1, |l| l.weight.value.dims()[0]);
        upload(values, [values.len() / d, d], &self.device)
    }

    /// The network's output, before any clamp, for any number of rows.
    ///
    /// # Shapes
    /// `vectors`: `(n, sizes[0])`; returns `(n, sizes[last])`.
    pub(super) fn infer(&self, vectors: &[f32]) -> Result<Vec<f32>, Failure> {
        let d = self.layers.first().map_or(1, |l| l.weight.value.dims()[0]);
        let mut out = Vec::new();
        for block in vectors.chunks(BLOCK * d) {
            let mut x = self.vectors(block);
            for l in 0..self.layers.len() {
                x = self.apply(l, x)?;
            }
            out.extend(download(x)?);
        }
        Ok(out)
    }

    /// Copies parameters and Adam's memory back.
    ///
    /// # Shapes
    /// `params` and the state's buffers: as in [`DeviceNetwork::new`].
    pub(super) fn download(
        &self,
        params: &mut [f32],
        state: &mut AdamState,
    ) -> Result<(), Failure> {
        let mut at = 0;
        for layer in &self.layers {
            for parameter in [&layer.weight, &layer.bias] {
                let Parameter { value, m, v } = parameter;
                let end = at + value.dims()[0] * value.dims()[1];
                for (tensor, out) in [(value, &mut *params), (m, &mut state.m), (v, &mut state.v)] {
                    out[at..end].copy_from_slice(&download(tensor.clone())?);
                }
                at = end;
            }
        }
        state.t = self.t;
        Ok(())
    }
}

impl<B: Accelerator> Parameter<B> {
    /// Adam's step number `t`, from 1: the arithmetic of [`crate::nn::Adam`], but for the
    /// flush of numbers near the smallest float32, which cost a graphics card nothing.
    fn step(&mut self, adam: Adam, t: u64, gradient: Tensor<B, 2>) {
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(t.min(i32::MAX as u64) as i32);
        let rate = (f64::from(adam.learning_rate) / correction(Adam::BETA1)) as f32;
        let root = (1.0 / correction(Adam::BETA2).sqrt()) as f32;
        let keep = 1.0 - adam.learning_rate * adam.weight_decay;
        let square = gradient.clone() * gradient.clone();
        self.m = self.m.clone() * Adam::BETA1 + gradient * (1.0 - Adam::BETA1);
        self.v = self.v.clone() * Adam::BETA2 + square * (1.0 - Adam::BETA2);
        let size = self.v.clone().sqrt() * root + Adam::EPSILON;
        self.value = self.value.clone() * keep - self.m.clone() * rate / size;
    }
}
