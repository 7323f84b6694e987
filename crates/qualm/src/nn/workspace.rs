//! The buffers of a training step.

use std::sync::Mutex;

/// Everything a training step writes besides the parameters and Adam's memory, allocated
/// once for a fixed number of rows.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(super) n_rows: usize,
    pub(super) layers: Vec<LayerWork>,
    /// The gradient of a block of weights, one buffer for each thread.
    pub(super) tiles: Vec<Mutex<Vec<f32>>>,
}

/// What a step leaves at one layer.
#[derive(Debug)]
pub(super) struct LayerWork {
    /// Output, `(n, out)`.
    pub(super) activations: Vec<f32>,
    /// Gradient of the loss by the output before the rectifier, `(n, out)`.
    pub(super) deltas: Vec<f32>,
    /// The same, feature after feature: `(out, n)`.
    pub(super) columns: Vec<f32>,
    /// Gradient of the loss by the bias, `(out,)`.
    pub(super) bias: Vec<f32>,
}

/// The last layer's output and the place for the gradient of the loss by it.
#[derive(Debug)]
pub(crate) struct Output<'w> {
    /// `(n, out)`.
    pub(crate) activations: &'w mut [f32],
    /// `(n, out)`.
    pub(crate) deltas: &'w mut [f32],
}

impl Workspace {
    /// Buffers for `n_rows` rows through a network of these sizes.
    pub(crate) fn new(sizes: &[usize], n_rows: usize) -> Self {
        let layer = |&out: &usize| LayerWork {
            activations: vec![0.0; n_rows * out],
            deltas: vec![0.0; n_rows * out],
            columns: vec![0.0; n_rows * out],
            bias: vec![0.0; out],
        };
        Self {
            n_rows,
            layers: sizes.iter().skip(1).map(layer).collect(),
            tiles: (0..rayon::current_num_threads())
                .map(|_| Mutex::default())
                .collect(),
        }
    }

    /// Values that the buffers of these layers hold for each row.
    pub(crate) fn values(sizes: &[usize]) -> u64 {
        3 * sizes.iter().skip(1).map(|&out| out as u64).sum::<u64>()
    }

    /// The output of [`super::Mlp::forward`], and the gradient that [`super::Mlp::learn`] starts from.
    pub(crate) fn output(&mut self) -> Output<'_> {
        let (activations, deltas) = self.layers.last_mut().map_or_else(Default::default, |l| {
            (l.activations.as_mut_slice(), l.deltas.as_mut_slice())
        });
        Output {
            activations,
            deltas,
        }
    }
}
