//! The backward pass: gradients and Adam in one sweep over the weights.
//!
//! With `D_l` the gradient of the loss by layer l before its rectifier, `(n, out)`,
//!
//! ```text
//! by W_l:  a_{l-1}^T D_l        by b_l:  the column sums of D_l
//! D_{l-1} = D_l W_l^T, and 0 where a_{l-1} = 0
//! ```
//!
//! Layer by layer from the last, the rows of `W_l` are cut into blocks, and one thread does
//! all there is to do for a block: it carries the gradient back through the old weights,
//! masks it and adds it up for the bias below; computes the block's own gradient into a
//! buffer that stays in the cache; and lets Adam consume it there. So the gradient of the
//! weights never exists in memory, and while one core waits for memory in Adam, another
//! multiplies.
//!
//! `D_l` is kept in both orders, `(n, out)` and `(out, n)`: of the two products each is fast
//! with one of them (see [`matmul`]), and reordering a batch costs far less than reordering
//! the weights.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::adam::{Adam, AdamState, AdamStep};
use super::matmul::{Mat, Threads, matmul};
use super::mlp::{Layer, Mlp};
use super::share::{VALUE, n_shares, share};
use super::simd::{sum, vectorised};
use super::transpose::{mask, transpose};
use super::workspace::Workspace;

impl Mlp {
    /// One step of Adam against the gradient of a loss, from its gradient by the output:
    /// [`super::workspace::Output::deltas`], which the caller has filled.
    ///
    /// # Shapes
    /// `x`: `(n, sizes[0])`, the batch given to [`Mlp::forward`]. The gradient by `x` is
    /// not computed.
    pub(crate) fn learn(
        &mut self,
        x: &[f32],
        work: &mut Workspace,
        state: &mut AdamState,
        adam: Adam,
    ) {
        state.t += 1;
        let step = adam.at(state.t);
        let n = work.n_rows;
        let layers = self.layers();
        if let Some(last) = work.layers.last_mut() {
            transpose(&mut last.columns, &last.deltas, last.bias.len());
            add_up(&last.columns, n, &mut last.bias);
        }
        for (l, layer) in layers.iter().enumerate().rev() {
            let (before, here) = work.layers.split_at_mut(l);
            let here = &here[0];
            let (input, below) = match before.last_mut() {
                Some(below) => (
                    below.activations.as_slice(),
                    Some(Below {
                        columns: &mut below.columns,
                        bias: &mut below.bias,
                    }),
                ),
                None => (x, None),
            };
            let mut row_cost = layer.n_out * (n + 2 * VALUE);
            if below.is_some() {
                row_cost += n * (layer.n_out + 2 * VALUE);
            }
            let n_shares = n_shares(layer.n_in, row_cost);
            let sweep = Sweep {
                step,
                n,
                input: Mat::new(input, n, layer.n_in),
                activations: input,
                deltas: Mat::new(&here.deltas, n, layer.n_out),
                columns: Mat::new(&here.columns, layer.n_out, n),
                tiles: &work.tiles,
                threads: match n_shares {
                    1 => Threads::All,
                    _ => Threads::One,
                },
            };
            let weights = Parameters::of(&mut self.params, state, &layer.weight);
            let mut blocks = Block::cut(layer, n, n_shares, weights, below);
            if let [block] = &mut blocks[..] {
                sweep.finish(block);
            } else {
                blocks
                    .into_par_iter()
                    .for_each(|mut block| sweep.finish(&mut block));
            }
            Parameters::of(&mut self.params, state, &layer.bias).update(step, &here.bias);
            if let Some(below) = before.last_mut() {
                transpose(&mut below.deltas, &below.columns, n);
            }
        }
    }
}

/// What all blocks of a layer read.
struct Sweep<'a> {
    step: AdamStep,
    n: usize,
    /// The layer's input, `(n, in)`.
    input: Mat<'a>,
    activations: &'a [f32],
    /// `D_l`, `(n, out)`.
    deltas: Mat<'a>,
    /// `D_l^T`, `(out, n)`.
    columns: Mat<'a>,
    tiles: &'a [Mutex<Vec<f32>>],
    threads: Threads,
}

/// Some rows of a layer's weights, and what depends on them alone.
struct Block<'a> {
    rows: Range<usize>,
    weights: Parameters<'a>,
    below: Option<Below<'a>>,
}

/// Features of the layer below: their share of `D_{l-1}^T` and of the bias gradient.
struct Below<'a> {
    columns: &'a mut [f32],
    bias: &'a mut [f32],
}

/// Some parameters and what Adam remembers of them.
struct Parameters<'a> {
    params: &'a mut [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
}

impl<'a> Block<'a> {
    /// Cuts a layer into blocks of rows.
    fn cut(
        layer: &Layer,
        n: usize,
        n_shares: usize,
        mut weights: Parameters<'a>,
        mut below: Option<Below<'a>>,
    ) -> Vec<Self> {
        (0..n_shares)
            .map(|i| {
                let rows = share(layer.n_in, n_shares, i);
                Self {
                    weights: weights.take(rows.len() * layer.n_out),
                    below: below.as_mut().map(|below| Below {
                        columns: below
                            .columns
                            .split_off_mut(..rows.len() * n)
                            .unwrap_or_default(),
                        bias: below.bias.split_off_mut(..rows.len()).unwrap_or_default(),
                    }),
                    rows,
                }
            })
            .collect()
    }
}

impl Sweep<'_> {
    /// Does all there is to do for a block.
    fn finish(&self, block: &mut Block<'_>) {
        let n_rows = block.rows.len();
        let n_out = self.deltas.cols();
        if let Some(below) = &mut block.below {
            let weights = Mat::new(block.weights.params, n_rows, n_out);
            matmul(below.columns, weights, self.columns, self.threads);
            mask(
                below.columns,
                self.activations,
                self.input.cols(),
                block.rows.start,
            );
            add_up(below.columns, self.n, below.bias);
        }
        let thread = rayon::current_thread_index().unwrap_or(0);
        let mut tile = self.tiles[thread % self.tiles.len()]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let len = block.weights.params.len();
        if tile.len() < len {
            tile.resize(len, 0.0);
        }
        let input = self.input.columns(block.rows.clone());
        matmul(&mut tile[..len], input.t(), self.deltas, self.threads);
        block.weights.update(self.step, &tile[..len]);
    }
}

impl<'a> Parameters<'a> {
    fn of(params: &'a mut [f32], state: &'a mut AdamState, range: &Range<usize>) -> Self {
        Self {
            params: &mut params[range.clone()],
            m: &mut state.m[range.clone()],
            v: &mut state.v[range.clone()],
        }
    }

    /// Cuts off the first `n`.
    fn take(&mut self, n: usize) -> Self {
        Self {
            params: self.params.split_off_mut(..n).unwrap_or_default(),
            m: self.m.split_off_mut(..n).unwrap_or_default(),
            v: self.v.split_off_mut(..n).unwrap_or_default(),
        }
    }

    fn update(&mut self, step: AdamStep, grads: &[f32]) {
        step.update(self.params, grads, self.m, self.v);
    }
}

/// The sum of each row of `n` values.
fn add_up(columns: &[f32], n: usize, sums: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for (total, column) in sums.iter_mut().zip(columns.chunks_exact(n)) {
                *total = sum(column);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::RngExt;

    const ADAM: Adam = Adam {
        learning_rate: 1e-3,
        weight_decay: 0.0,
    };

    fn network(sizes: &[usize], n: usize) -> (Mlp, Vec<f32>) {
        let mut rng = stream(3, Purpose::INIT, [0, 0]);
        let mlp = Mlp::new(sizes, &mut rng);
        let x = (0..n * sizes[0])
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        (mlp, x)
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let sizes = [3, 4, 4, 2];
        let (mlp, x) = network(&sizes, 5);
        let mut work = Workspace::new(&sizes, 5);
        // The loss is a weighted sum of outputs, so its gradient by the output is known.
        let weights: Vec<f32> = (0..10).map(|i| (i as f32 - 4.0) / 5.0).collect();
        let mut state = AdamState::new(mlp.params().len());
        mlp.forward(&x, &mut work);
        work.output().deltas.copy_from_slice(&weights);
        mlp.clone().learn(&x, &mut work, &mut state, ADAM);
        let mut loss = |params: Vec<f32>| -> f64 {
            let mlp = Mlp::from_params(&sizes, params).unwrap();
            mlp.forward(&x, &mut work);
            let terms = work.output().activations.iter().zip(&weights);
            terms.map(|(o, w)| f64::from(*o) * f64::from(*w)).sum()
        };
        for (i, m) in state.m.iter().enumerate() {
            // After the first step the running mean is a tenth of the gradient.
            let grad = f64::from(*m) / f64::from(1.0 - Adam::BETA1);
            let mut at = |h: f32| {
                let mut params = mlp.params().to_vec();
                params[i] += h;
                loss(params)
            };
            let numeric = (at(1e-3) - at(-1e-3)) / 2e-3;
            assert!((numeric - grad).abs() < 2e-3, "parameter {i}");
        }
    }

    #[test]
    fn the_bits_of_a_step_do_not_depend_on_the_number_of_threads() {
        for sizes in [vec![33, 700, 300, 33], vec![200, 400, 1], vec![3, 1200, 1]] {
            let n = 200;
            let (start, x) = network(&sizes, n);
            let trained = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.unwrap().install(|| {
                    let mut mlp = start.clone();
                    let mut work = Workspace::new(&sizes, n);
                    let mut state = AdamState::new(mlp.params().len());
                    for _ in 0..3 {
                        mlp.forward(&x, &mut work);
                        let output = work.output();
                        for (d, a) in output.deltas.iter_mut().zip(output.activations) {
                            *d = *a - 1.0;
                        }
                        mlp.learn(&x, &mut work, &mut state, ADAM);
                    }
                    (mlp, state)
                })
            };
            let alone = trained(1);
            for threads in [2, 3, 5] {
                assert!(alone == trained(threads), "{sizes:?} on {threads} threads");
            }
        }
    }
}
