//! Heads on an encoder: classifiers, and the projections and predictions of contrastive training.
//!
//! A head is linear layers with rectifiers between. Batch norm can stand before each rectifier, and
//! after the last layer; a layer with batch norm has no bias. Tensors are named and shaped as those
//! of a PyTorch `Sequential` of `Linear`, `BatchNorm1d` and `ReLU`.

mod norm;

use std::ops::Range;

use rand::{Rng, RngExt};

use self::norm::Statistics;
use super::matmul::{Mat, Threads, matmul};
use super::sgd::Part;
use super::simd::vectorised;
use crate::error::{Error, Result};

/// What a head is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadLayout {
    /// Input, hidden ..., output; at least two, none 0.
    pub sizes: Vec<usize>,
    /// Whether batch norm stands before each rectifier.
    pub hidden_norm: bool,
    /// Whether batch norm stands after the last layer.
    pub last_norm: bool,
}

impl HeadLayout {
    /// One linear layer.
    #[must_use]
    pub fn linear(n_in: usize, n_out: usize) -> Self {
        Self {
            sizes: vec![n_in, n_out],
            hidden_norm: false,
            last_norm: false,
        }
    }
}

/// Where a layer lives in the buffers.
#[derive(Debug, Clone)]
struct Layer {
    n_in: usize,
    n_out: usize,
    weight: Range<usize>,
    bias: Option<Range<usize>>,
    /// Scale and shift of its batch norm.
    norm: Option<[Range<usize>; 2]>,
    /// Running mean and variance of its batch norm, in their own buffer.
    running: [Range<usize>; 2],
    relu: bool,
    /// Its number in PyTorch's `Sequential`.
    number: usize,
}

/// A head: its parameters and the running statistics of its batch norms.
#[derive(Debug, Clone)]
pub struct Head {
    layers: Vec<Layer>,
    params: Vec<f32>,
    running: Vec<f32>,
}

/// What a pass through a head leaves for the way back; reused from step to step.
#[derive(Debug, Clone, Default)]
pub struct HeadPass {
    layers: Vec<LayerPass>,
    /// The gradient under way, and the next one.
    gradient: Vec<f32>,
    before: Vec<f32>,
}

#[derive(Debug, Clone, Default)]
struct LayerPass {
    /// `(n, out)`: the linear layer's output less mean, over deviation; empty without batch norm.
    normalised: Vec<f32>,
    statistics: Statistics,
    /// `(n, out)`.
    output: Vec<f32>,
}

impl HeadPass {
    /// The head's output, `(n, out)`.
    #[must_use]
    pub fn output(&self) -> &[f32] {
        self.layers.last().map_or(&[], |layer| &layer.output)
    }

    /// The gradient by the head's input, `(n, in)`, after [`Head::backward`].
    #[must_use]
    pub fn d_input(&self) -> &[f32] {
        &self.gradient
    }
}

impl Head {
    /// A head with weights and biases from U(-1/sqrt(in), 1/sqrt(in)), the initialisation of
    /// PyTorch's linear layer; scales 1, shifts 0.
    pub fn new(layout: &HeadLayout, rng: &mut impl Rng) -> Self {
        let mut layers = Vec::new();
        let (mut end, mut running_end, mut number) = (0, 0, 0);
        let take = |end: &mut usize, n: usize| {
            *end += n;
            *end - n..*end
        };
        let last = layout.sizes.len().saturating_sub(2);
        for (l, pair) in layout.sizes.windows(2).enumerate() {
            let (n_in, n_out) = (pair[0], pair[1]);
            let relu = l < last;
            let norm = if relu {
                layout.hidden_norm
            } else {
                layout.last_norm
            };
            let weight = take(&mut end, n_in * n_out);
            let bias = (!norm).then(|| take(&mut end, n_out));
            let norm = norm.then(|| [take(&mut end, n_out), take(&mut end, n_out)]);
            let n_running = if norm.is_some() { n_out } else { 0 };
            let running = [
                take(&mut running_end, n_running),
                take(&mut running_end, n_running),
            ];
            layers.push(Layer {
                n_in,
                n_out,
                weight,
                bias,
                norm,
                running,
                relu,
                number,
            });
            number += 1 + usize::from(layers[l].norm.is_some()) + usize::from(relu);
        }
        let mut params = vec![0.0; end];
        let mut running = vec![0.0; running_end];
        for layer in &layers {
            let bound = 1.0 / (layer.n_in as f32).sqrt();
            let drawn = [Some(&layer.weight), layer.bias.as_ref()];
            for range in drawn.into_iter().flatten() {
                let values = params[range.clone()].iter_mut();
                values.for_each(|p| *p = rng.random_range(-bound..bound));
            }
            if let Some([scale, _]) = &layer.norm {
                params[scale.clone()].fill(1.0);
            }
            running[layer.running[1].clone()].fill(1.0);
        }
        Self {
            layers,
            params,
            running,
        }
    }

    /// All parameters in one buffer.
    #[must_use]
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// All parameters, to be moved.
    pub fn params_mut(&mut self) -> &mut [f32] {
        &mut self.params
    }

    /// Running means and variances of all batch norms.
    #[must_use]
    pub fn running(&self) -> &[f32] {
        &self.running
    }

    /// Running means and variances, to be restored.
    pub fn running_mut(&mut self) -> &mut [f32] {
        &mut self.running
    }

    /// Columns of the input.
    #[must_use]
    pub fn n_in(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.n_in)
    }

    /// Columns of the output.
    #[must_use]
    pub fn n_out(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.n_out)
    }

    /// The tensors of [`Head::params`], in order.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        for layer in &self.layers {
            let mut add = |range: &Range<usize>, decays| {
                parts.push(Part {
                    range: range.clone(),
                    decays,
                });
            };
            add(&layer.weight, true);
            layer.bias.iter().for_each(|bias| add(bias, false));
            layer
                .norm
                .iter()
                .flatten()
                .for_each(|part| add(part, false));
        }
        parts
    }

    /// All tensors, running statistics included, as PyTorch's `Sequential` names and shapes them:
    /// `0.weight` `(out, in)`, `0.bias`, `1.running_mean` and so on.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, &[f32])> {
        let mut tensors = Vec::new();
        for layer in &self.layers {
            let l = layer.number;
            let n = vec![layer.n_out];
            let params = |range: &Range<usize>| &self.params[range.clone()];
            let shape = vec![layer.n_out, layer.n_in];
            tensors.push((format!("{l}.weight"), shape, params(&layer.weight)));
            if let Some(bias) = &layer.bias {
                tensors.push((format!("{l}.bias"), n.clone(), params(bias)));
            }
            if let Some([scale, shift]) = &layer.norm {
                let l = l + 1;
                let running = layer.running.clone().map(|range| &self.running[range]);
                tensors.push((format!("{l}.weight"), n.clone(), params(scale)));
                tensors.push((format!("{l}.bias"), n.clone(), params(shift)));
                tensors.push((format!("{l}.running_mean"), n.clone(), running[0]));
                tensors.push((format!("{l}.running_var"), n, running[1]));
            }
        }
        tensors
    }

    /// Takes a training batch through: batch norms use and remember its statistics.
    ///
    /// # Shapes
    /// `x`: `(n, in)`, at least two rows where there is batch norm; the output is in
    /// [`HeadPass::output`].
    ///
    /// # Errors
    /// [`Error::Shape`] when they are no such rows.
    pub fn forward(&mut self, x: &[f32], pass: &mut HeadPass) -> Result<()> {
        let n_cols = self.n_in();
        if n_cols == 0 || x.is_empty() || !x.len().is_multiple_of(n_cols) {
            return Err(Error::Shape {
                len: x.len(),
                n_cols,
            });
        }
        let n = x.len() / n_cols;
        pass.layers
            .resize_with(self.layers.len(), LayerPass::default);
        for (l, layer) in self.layers.iter().enumerate() {
            let (before, here) = pass.layers.split_at_mut(l);
            let input = before.last().map_or(x, |pass| &pass.output);
            let pass = &mut here[0];
            let weight = Mat::new(&self.params[layer.weight.clone()], layer.n_out, layer.n_in);
            pass.output.resize(n * layer.n_out, 0.0);
            let input = Mat::new(input, n, layer.n_in);
            matmul(&mut pass.output, input, weight.t(), Threads::All);
            let (mut scale, mut shift) = (None, layer.bias.as_ref());
            if let Some([factor, offset]) = &layer.norm {
                let [mean, variance] = layer.running.clone();
                let (means, variances) = self.running.split_at_mut(variance.start);
                let variances = &mut variances[..layer.n_out];
                (pass.statistics).normalise(&mut pass.output, &mut means[mean], variances);
                pass.normalised.clone_from(&pass.output);
                (scale, shift) = (Some(factor), Some(offset));
            }
            let of = |range: Option<&Range<usize>>| {
                range
                    .map(|range| &self.params[range.clone()])
                    .unwrap_or_default()
            };
            finish(&mut pass.output, of(scale), of(shift), layer.relu);
        }
        Ok(())
    }

    /// The gradients by all parameters, and by the input in [`HeadPass::d_input`], after
    /// [`Head::forward`] with the same input.
    ///
    /// # Shapes
    /// `x`: `(n, in)`; `d_output`: `(n, out)`; `grads`: as [`Head::params`].
    ///
    /// # Errors
    /// [`Error::Shape`] when they are no such rows.
    pub fn backward(
        &self,
        x: &[f32],
        d_output: &[f32],
        pass: &mut HeadPass,
        grads: &mut [f32],
    ) -> Result<()> {
        let shape = |len, n_cols| Err(Error::Shape { len, n_cols });
        if d_output.len() != pass.output().len() {
            return shape(d_output.len(), self.n_out());
        }
        let n = d_output.len() / self.n_out();
        if x.len() != n * self.n_in() {
            return shape(x.len(), self.n_in());
        }
        if grads.len() != self.params.len() {
            return shape(grads.len(), self.params.len());
        }
        let HeadPass {
            layers: passes,
            gradient,
            before,
        } = pass;
        gradient.clear();
        gradient.extend_from_slice(d_output);
        for (l, layer) in self.layers.iter().enumerate().rev() {
            let pass = &passes[l];
            if layer.relu {
                for (d, out) in gradient.iter_mut().zip(&pass.output) {
                    *d = if *out > 0.0 { *d } else { 0.0 };
                }
            }
            if let Some([scale, shift]) = &layer.norm {
                let (front, back) = grads.split_at_mut(shift.start);
                pass.statistics.backward(
                    &pass.normalised,
                    &self.params[scale.clone()],
                    gradient,
                    &mut front[scale.clone()],
                    &mut back[..layer.n_out],
                );
            }
            if let Some(bias) = &layer.bias {
                sum_rows(gradient, &mut grads[bias.clone()]);
            }
            let input = l.checked_sub(1).map_or(x, |l| &passes[l].output);
            let d = Mat::new(gradient, n, layer.n_out);
            let d_weight = &mut grads[layer.weight.clone()];
            matmul(
                d_weight,
                d.t(),
                Mat::new(input, n, layer.n_in),
                Threads::All,
            );
            before.resize(n * layer.n_in, 0.0);
            let weight = &self.params[layer.weight.clone()];
            let weight = Mat::new(weight, layer.n_out, layer.n_in);
            matmul(before, d, weight, Threads::All);
            std::mem::swap(gradient, before);
        }
        Ok(())
    }
}

/// Multiplies by a scale, if there is one, adds a shift and applies the rectifier, in place.
fn finish(out: &mut [f32], scale: &[f32], shift: &[f32], relu: bool) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    vectorised(
        #[inline(always)]
        || {
            for row in out.chunks_exact_mut(shift.len()) {
                for (v, scale) in row.iter_mut().zip(scale) {
                    *v *= scale;
                }
                for (v, shift) in row.iter_mut().zip(shift) {
                    let sum = *v + shift;
                    // Not `max`: what is no number stays visible.
                    *v = if sum < floor { floor } else { sum };
                }
            }
        },
    );
}

/// The sum of each column.
fn sum_rows(rows: &[f32], out: &mut [f32]) {
    let mut sums = vec![0.0f64; out.len()];
    for row in rows.chunks_exact(out.len()) {
        sums.iter_mut()
            .zip(row)
            .for_each(|(s, &v)| *s += f64::from(v));
    }
    out.iter_mut()
        .zip(sums)
        .for_each(|(out, s)| *out = s as f32);
}
