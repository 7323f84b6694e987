//! A multilayer perceptron: linear layers with rectifiers between, and its gradient.
//!
//! Layer l maps `(n, in)` to `(n, out)` by `a_l = relu(a_{l-1} W_l + b_l)`, the last one
//! without the rectifier. `W_l` is stored `(in, out)`, row-major, followed by `b_l`, layer
//! after layer in one buffer.

use std::ops::Range;

use rand::Rng;
use rand::RngExt;

use super::matmul::{Mat, Threads, matmul};

/// Layer sizes and all parameters of one network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mlp {
    sizes: Vec<usize>,
    params: Vec<f32>,
}

/// Where one layer lives in the flat buffer.
#[derive(Debug, Clone)]
struct Layer {
    n_in: usize,
    n_out: usize,
    weight: Range<usize>,
    bias: Range<usize>,
}

/// Everything a training step writes besides the parameters, allocated once for a
/// fixed number of rows.
#[derive(Debug)]
pub(crate) struct Workspace {
    n_rows: usize,
    /// Output of each layer, `(n, out)`.
    activations: Vec<Vec<f32>>,
    /// Gradient of the loss by each layer's output, `(n, out)`.
    deltas: Vec<Vec<f32>>,
    /// Gradient of the loss by the parameters, laid out as they are.
    grads: Vec<f32>,
}

/// Two buffers for inference, grown on demand and reused.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    front: Vec<f32>,
    back: Vec<f32>,
}

impl Mlp {
    /// A network with weights and biases drawn from U(-1/sqrt(in), 1/sqrt(in)), the
    /// initialisation of PyTorch's linear layer, which the paper's code base implies.
    ///
    /// # Shapes
    /// `sizes`: input, hidden ..., output; at least two.
    pub(crate) fn new(sizes: &[usize], rng: &mut impl Rng) -> Self {
        let mut mlp = Self {
            params: vec![0.0; Self::n_params(sizes).unwrap_or(0)],
            sizes: sizes.to_vec(),
        };
        for layer in mlp.layers() {
            let bound = 1.0 / (layer.n_in as f32).sqrt();
            for p in &mut mlp.params[layer.weight.start..layer.bias.end] {
                *p = rng.random_range(-bound..bound);
            }
        }
        mlp
    }

    /// A network from its parameters, or `None` when they are not as many as `sizes` needs.
    pub(crate) fn from_params(sizes: &[usize], params: Vec<f32>) -> Option<Self> {
        (Self::n_params(sizes)? == params.len()).then(|| Self {
            sizes: sizes.to_vec(),
            params,
        })
    }

    /// How many parameters these layer sizes take; `None` if that overflows.
    pub(crate) fn n_params(sizes: &[usize]) -> Option<usize> {
        sizes.windows(2).try_fold(0usize, |sum, pair| {
            let weights = pair[0].checked_mul(pair[1])?;
            sum.checked_add(weights)?.checked_add(pair[1])
        })
    }

    /// Layer sizes: input, hidden ..., output.
    pub(crate) fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// All parameters.
    pub(crate) fn params(&self) -> &[f32] {
        &self.params
    }

    /// All parameters, for the optimiser.
    pub(crate) fn params_mut(&mut self) -> &mut [f32] {
        &mut self.params
    }

    fn layers(&self) -> Vec<Layer> {
        let mut start = 0;
        self.sizes
            .windows(2)
            .map(|pair| {
                let (n_in, n_out) = (pair[0], pair[1]);
                let weight = start..start + n_in * n_out;
                let bias = weight.end..weight.end + n_out;
                start = bias.end;
                Layer {
                    n_in,
                    n_out,
                    weight,
                    bias,
                }
            })
            .collect()
    }

    /// One layer: `out = x W + b`, then the rectifier unless it is the last.
    fn apply(&self, layer: &Layer, relu: bool, x: &[f32], out: &mut [f32], threads: Threads) {
        let n = out.len() / layer.n_out;
        let weight = Mat::new(&self.params[layer.weight.clone()], layer.n_in, layer.n_out);
        matmul(out, Mat::new(x, n, layer.n_in), weight, threads);
        let bias = &self.params[layer.bias.clone()];
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        for row in out.chunks_exact_mut(layer.n_out) {
            for (v, b) in row.iter_mut().zip(bias) {
                let sum = *v + b;
                // Not `max`, which would turn NaN into the floor and hide an overflow.
                *v = if sum < floor { floor } else { sum };
            }
        }
    }

    /// The network's output for a training batch, kept with all activations in `work`.
    ///
    /// # Shapes
    /// `x`: `(n, sizes[0])` with `n` the workspace's rows; returns `(n, sizes[last])`.
    pub(crate) fn forward<'w>(&self, x: &[f32], work: &'w mut Workspace) -> &'w mut [f32] {
        let layers = self.layers();
        let last = layers.len() - 1;
        for (l, layer) in layers.iter().enumerate() {
            let (before, here) = work.activations.split_at_mut(l);
            let input = before.last().map_or(x, Vec::as_slice);
            self.apply(layer, l < last, input, &mut here[0], Threads::All);
        }
        &mut work.activations[last]
    }

    /// Parameter gradients of a loss, from its gradient by the output.
    ///
    /// # Shapes
    /// `x`: the batch given to [`Mlp::forward`]; `d_out`: `(n, sizes[last])`; returns
    /// `(n_params,)` in the order of [`Mlp::params`]. The gradient by `x` is not computed.
    pub(crate) fn backward<'w>(
        &self,
        x: &[f32],
        d_out: &[f32],
        work: &'w mut Workspace,
    ) -> &'w [f32] {
        let layers = self.layers();
        let n = work.n_rows;
        for (l, layer) in layers.iter().enumerate().rev() {
            let input = if l == 0 { x } else { &work.activations[l - 1] };
            let (before, here) = work.deltas.split_at_mut(l);
            let delta = here.first().filter(|_| l + 1 < layers.len());
            let delta = delta.map_or(d_out, Vec::as_slice);
            let d_rows = Mat::new(delta, n, layer.n_out);
            matmul(
                &mut work.grads[layer.weight.clone()],
                Mat::new(input, n, layer.n_in).t(),
                d_rows,
                Threads::All,
            );
            sum_rows(delta, &mut work.grads[layer.bias.clone()]);
            if let Some(d_input) = before.last_mut() {
                let weight = &self.params[layer.weight.clone()];
                let weight = Mat::new(weight, layer.n_in, layer.n_out).t();
                matmul(d_input, d_rows, weight, Threads::All);
                for (d, a) in d_input.iter_mut().zip(input) {
                    if *a <= 0.0 {
                        *d = 0.0;
                    }
                }
            }
        }
        &work.grads
    }

    /// The network's output for any number of rows, keeping nothing.
    ///
    /// # Shapes
    /// `x`: `(n, sizes[0])`; returns `(n, sizes[last])`, valid until the next call.
    pub(crate) fn infer<'s>(
        &self,
        x: &[f32],
        scratch: &'s mut Scratch,
        threads: Threads,
    ) -> &'s [f32] {
        let layers = self.layers();
        let last = layers.len() - 1;
        let n = x.len() / self.sizes[0];
        let Scratch { front, back } = scratch;
        for (l, layer) in layers.iter().enumerate() {
            std::mem::swap(front, back);
            front.resize(n * layer.n_out, 0.0);
            let input = if l == 0 { x } else { back.as_slice() };
            self.apply(layer, l < last, input, front, threads);
        }
        front
    }
}

impl Workspace {
    /// Buffers for `n_rows` rows through a network of these sizes.
    pub(crate) fn new(sizes: &[usize], n_rows: usize) -> Self {
        let buffers = |sizes: &[usize]| -> Vec<Vec<f32>> {
            sizes.iter().map(|s| vec![0.0; n_rows * s]).collect()
        };
        Self {
            n_rows,
            activations: buffers(&sizes[1..]),
            deltas: buffers(&sizes[1..sizes.len() - 1]),
            grads: vec![0.0; Mlp::n_params(sizes).unwrap_or(0)],
        }
    }
}

/// Adds up the rows of `x`, in order, into `out`.
fn sum_rows(x: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for row in x.chunks_exact(out.len()) {
        for (sum, v) in out.iter_mut().zip(row) {
            *sum += v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    fn network(sizes: &[usize]) -> (Mlp, Vec<f32>) {
        let mut rng = stream(3, Purpose::Init, [0, 0]);
        let mlp = Mlp::new(sizes, &mut rng);
        let x = (0..5 * sizes[0])
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        (mlp, x)
    }

    #[test]
    fn two_layers_by_hand() {
        // x = (1, 2); hidden = relu(1*1 + 2*-1 + 0.5, 1*2 + 2*1 - 1) = (0, 3); out = 3*4 + 1.
        let params = vec![1.0, 2.0, -1.0, 1.0, 0.5, -1.0, 7.0, 4.0, 1.0];
        let mlp = Mlp::from_params(&[2, 2, 1], params).unwrap();
        let mut scratch = Scratch::default();
        assert_eq!(mlp.infer(&[1.0, 2.0], &mut scratch, Threads::One), [13.0]);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let sizes = [3, 4, 4, 2];
        let (mut mlp, x) = network(&sizes);
        let mut work = Workspace::new(&sizes, 5);
        // The loss is a weighted sum of outputs, so its gradient by the output is known.
        let weights: Vec<f32> = (0..10).map(|i| (i as f32 - 4.0) / 5.0).collect();
        mlp.forward(&x, &mut work);
        let grads = mlp.backward(&x, &weights, &mut work).to_vec();
        let mut loss = |mlp: &Mlp| -> f64 {
            let out = mlp.forward(&x, &mut work);
            let terms = out.iter().zip(&weights);
            terms.map(|(o, w)| f64::from(*o) * f64::from(*w)).sum()
        };
        for (i, grad) in grads.iter().enumerate() {
            let at = mlp.params()[i];
            let h = 1e-3;
            mlp.params_mut()[i] = at + h;
            let up = loss(&mlp);
            mlp.params_mut()[i] = at - h;
            let down = loss(&mlp);
            mlp.params_mut()[i] = at;
            let numeric = (up - down) / f64::from(2.0 * h);
            assert!((numeric - f64::from(*grad)).abs() < 2e-3, "parameter {i}");
        }
    }

    #[test]
    fn inference_and_training_see_the_same_network() {
        let sizes = [3, 70, 1];
        let (mlp, x) = network(&sizes);
        let mut work = Workspace::new(&sizes, 5);
        let mut scratch = Scratch::default();
        let trained = mlp.forward(&x, &mut work).to_vec();
        assert_eq!(trained, mlp.infer(&x, &mut scratch, Threads::One));
    }

    #[test]
    fn an_overflow_is_not_hidden_by_the_relu() {
        // Hidden units inf and inf; the output inf - inf.
        let params = vec![3e38, 3e38, 0.0, 0.0, 1.0, -1.0, 0.0];
        let mlp = Mlp::from_params(&[1, 2, 1], params).unwrap();
        let mut scratch = Scratch::default();
        assert!(mlp.infer(&[2.0], &mut scratch, Threads::One)[0].is_nan());
        // NaN at a hidden unit: inf - inf before the ReLU.
        let params = vec![3e38, -3e38, 0.0, 1.0, 0.0];
        let mlp = Mlp::from_params(&[2, 1, 1], params).unwrap();
        assert!(mlp.infer(&[2.0, 2.0], &mut scratch, Threads::One)[0].is_nan());
    }

    #[test]
    fn impossible_sizes_are_none() {
        assert_eq!(Mlp::n_params(&[2, 3, 1]), Some(13));
        assert_eq!(Mlp::n_params(&[usize::MAX, 2]), None);
        assert!(Mlp::from_params(&[2, 3, 1], vec![0.0; 12]).is_none());
    }
}
