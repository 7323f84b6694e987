//! A multilayer perceptron: linear layers with rectifiers between.
//!
//! Layer l maps `(n, in)` to `(n, out)` by `a_l = relu(a_{l-1} W_l + b_l)`, the last one
//! without the rectifier. `W_l` is stored `(in, out)`, row-major, followed by `b_l`, layer
//! after layer in one buffer.

use std::ops::Range;

use rand::Rng;
use rand::RngExt;
use rayon::prelude::*;

use super::matmul::{Mat, Threads, matmul};
use super::share::{VALUE, n_column_shares, n_shares, share};
use super::simd::vectorised;
use super::workspace::Workspace;

/// Weights of a layer that every core can keep in its own cache.
const CACHED_WEIGHTS: usize = 1 << 20;

/// Layer sizes and all parameters of one network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mlp {
    pub(super) sizes: Vec<usize>,
    pub(super) params: Vec<f32>,
}

/// Where one layer lives in the flat buffer.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) n_in: usize,
    pub(super) n_out: usize,
    pub(super) weight: Range<usize>,
    pub(super) bias: Range<usize>,
}

impl Layer {
    /// What the layer is given, `(n, in)`.
    fn input<'x>(&self, x: &'x [f32]) -> Mat<'x> {
        Mat::new(x, x.len() / self.n_in, self.n_in)
    }

    /// What a row of the batch costs, in multiplications.
    fn cost(&self) -> usize {
        self.n_out * (self.n_in + VALUE)
    }
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

    /// Widens the first weights of every layer that ends in a rectifier to
    /// U(-sqrt(6 / in), sqrt(6 / in)) (He et al., 2015), which keeps the size of activations
    /// from layer to layer.
    pub(crate) fn he_init(&mut self) {
        let layers = self.layers();
        for layer in layers.iter().rev().skip(1) {
            for weight in &mut self.params[layer.weight.clone()] {
                *weight *= 6f32.sqrt();
            }
        }
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

    pub(super) fn layers(&self) -> Vec<Layer> {
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

    /// One layer by one thread: `out = x W + b`, then the rectifier unless it is the last.
    fn apply(&self, layer: &Layer, relu: bool, x: &[f32], out: &mut [f32]) {
        matmul(out, layer.input(x), self.weight(layer), Threads::One);
        finish(out, &self.params[layer.bias.clone()], relu);
    }

    /// One layer by all threads.
    fn apply_shared(&self, layer: &Layer, relu: bool, x: &[f32], out: &mut [f32]) {
        let n = out.len() / layer.n_out;
        let n_shares = n_shares(n, layer.cost());
        if n_shares == 1 {
            self.apply(layer, relu, x, out);
        } else if layer.weight.len() <= CACHED_WEIGHTS {
            // Each thread takes some rows through its own copy of the weights in the cache.
            let mut rest = (x, out);
            let shares = (0..n_shares).map(|i| {
                let n = share(n, n_shares, i).len();
                let x = rest.0.split_off(..n * layer.n_in).unwrap_or_default();
                (
                    x,
                    rest.1.split_off_mut(..n * layer.n_out).unwrap_or_default(),
                )
            });
            let shares: Vec<_> = shares.collect();
            shares
                .into_par_iter()
                .for_each(|(x, out)| self.apply(layer, relu, x, out));
        } else {
            self.apply_by_columns(layer, relu, x, out);
        }
    }

    /// One large layer by all threads: its weights come from memory, so each thread takes
    /// columns of them, and each weight is read once.
    fn apply_by_columns(&self, layer: &Layer, relu: bool, x: &[f32], out: &mut [f32]) {
        let (input, weight) = (layer.input(x), self.weight(layer));
        let bias = &self.params[layer.bias.clone()];
        let n_shares = n_column_shares(layer.n_out);
        let mut shares: Vec<(Range<usize>, Vec<&mut [f32]>)> = (0..n_shares)
            .map(|i| (share(layer.n_out, n_shares, i), Vec::new()))
            .collect();
        for mut row in out.chunks_exact_mut(layer.n_out) {
            for (columns, segments) in &mut shares {
                segments.push(row.split_off_mut(..columns.len()).unwrap_or_default());
            }
        }
        shares
            .into_par_iter()
            .for_each_init(Vec::new, |tile, (columns, segments)| {
                tile.resize(segments.len() * columns.len(), 0.0);
                let weight = weight.columns(columns.clone());
                matmul(tile, input, weight, Threads::One);
                finish(tile, &bias[columns.clone()], relu);
                for (segment, row) in segments.into_iter().zip(tile.chunks(columns.len())) {
                    segment.copy_from_slice(row);
                }
            });
    }

    fn weight(&self, layer: &Layer) -> Mat<'_> {
        let weight = &self.params[layer.weight.clone()];
        Mat::new(weight, layer.n_in, layer.n_out)
    }

    /// The network's output for a training batch, kept with all activations in `work`.
    ///
    /// # Shapes
    /// `x`: `(n, sizes[0])` with `n` the workspace's rows. The output, `(n, sizes[last])`,
    /// is then in [`Workspace::output`].
    pub(crate) fn forward(&self, x: &[f32], work: &mut Workspace) {
        let layers = self.layers();
        let n = x.len() / self.sizes[0];
        if layers.iter().all(|l| l.weight.len() <= CACHED_WEIGHTS) {
            // A small network: each thread takes its rows through all layers at once.
            let n_shares = n_shares(n, layers.iter().map(Layer::cost).sum());
            let mut rest = x;
            let mut outs: Vec<&mut [f32]> = work
                .layers
                .iter_mut()
                .map(|l| &mut l.activations[..])
                .collect();
            let shares = (0..n_shares).map(|i| {
                let n = share(n, n_shares, i).len();
                let outs = outs.iter_mut().zip(&layers);
                let outs: Vec<_> = outs
                    .map(|(out, l)| out.split_off_mut(..n * l.n_out).unwrap_or_default())
                    .collect();
                (
                    rest.split_off(..n * self.sizes[0]).unwrap_or_default(),
                    outs,
                )
            });
            let shares: Vec<_> = shares.collect();
            return shares.into_par_iter().for_each(|(x, mut outs)| {
                for (l, layer) in layers.iter().enumerate() {
                    let (before, here) = outs.split_at_mut(l);
                    let input = before.last().map_or(x, |out| &**out);
                    self.apply(layer, l + 1 < layers.len(), input, here[0]);
                }
            });
        }
        for (l, layer) in layers.iter().enumerate() {
            let (before, here) = work.layers.split_at_mut(l);
            let input = before.last().map_or(x, |layer| &layer.activations);
            let out = &mut here[0].activations;
            self.apply_shared(layer, l + 1 < layers.len(), input, out);
        }
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
            match threads {
                Threads::One => self.apply(layer, l < last, input, front),
                Threads::All => self.apply_shared(layer, l < last, input, front),
            }
        }
        front
    }
}

/// Adds the bias and applies the rectifier: `(n, out)`, in place.
fn finish(out: &mut [f32], bias: &[f32], relu: bool) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    vectorised(
        #[inline(always)]
        || {
            for row in out.chunks_exact_mut(bias.len()) {
                for (v, b) in row.iter_mut().zip(bias) {
                    let sum = *v + b;
                    // Not `max`, which would turn NaN into the floor and hide an overflow.
                    *v = if sum < floor { floor } else { sum };
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    #[test]
    fn two_layers_by_hand() {
        // x = (1, 2); hidden = relu(1*1 + 2*-1 + 0.5, 1*2 + 2*1 - 1) = (0, 3); out = 3*4 + 1.
        let params = vec![1.0, 2.0, -1.0, 1.0, 0.5, -1.0, 7.0, 4.0, 1.0];
        let mlp = Mlp::from_params(&[2, 2, 1], params).unwrap();
        let mut scratch = Scratch::default();
        assert_eq!(mlp.infer(&[1.0, 2.0], &mut scratch, Threads::One), [13.0]);
    }

    #[test]
    fn inference_and_training_see_the_same_network() {
        for (sizes, n) in [
            ([3, 70, 1], 5),
            ([100, 11_000, 3], 300),
            ([90, 2000, 90], 300),
        ] {
            let mut rng = stream(3, Purpose::INIT, [0, 0]);
            let mlp = Mlp::new(&sizes, &mut rng);
            let x: Vec<f32> = (0..n * sizes[0])
                .map(|_| rng.random_range(-1.0..1.0))
                .collect();
            let mut work = Workspace::new(&sizes, n);
            let mut scratch = Scratch::default();
            mlp.forward(&x, &mut work);
            for threads in [Threads::One, Threads::All] {
                let inferred = mlp.infer(&x, &mut scratch, threads);
                assert_eq!(work.output().activations, inferred);
            }
        }
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
    fn widened_layers_keep_the_size_of_activations() {
        let mut rng = stream(3, Purpose::INIT, [0, 0]);
        let narrow = Mlp::new(&[40, 300, 20, 5], &mut rng);
        let mut wide = narrow.clone();
        wide.he_init();
        for (l, layer) in narrow.layers().iter().enumerate() {
            let most = |mlp: &Mlp, range: &Range<usize>| {
                let params = &mlp.params[range.clone()];
                params.iter().fold(0.0f32, |a, w| a.max(w.abs()))
            };
            let bound = if l < 2 { 6.0f32 } else { 1.0 } / layer.n_in as f32;
            let widest = most(&wide, &layer.weight);
            assert!(widest <= bound.sqrt() && widest > 0.9 * bound.sqrt(), "{l}");
            let (before, after) = (most(&narrow, &layer.bias), most(&wide, &layer.bias));
            assert_eq!(before, after, "{l}");
        }
    }

    #[test]
    fn impossible_sizes_are_none() {
        assert_eq!(Mlp::n_params(&[2, 3, 1]), Some(13));
        assert_eq!(Mlp::n_params(&[usize::MAX, 2]), None);
        assert!(Mlp::from_params(&[2, 3, 1], vec![0.0; 12]).is_none());
    }
}
