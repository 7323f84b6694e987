//! A flow of couplings, in float64: its log-likelihood, and its place in files.

use std::f64::consts::PI;

use crate::container::{Reader, Writer};
use crate::covariance::WIDTH;
use crate::error::Result;

/// The sizes of the flows of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Columns.
    pub(super) rank: usize,
    pub(super) couplings: usize,
    /// Neurons of each hidden layer.
    pub(super) hidden: usize,
}

impl Shape {
    /// Columns that coupling number `k` keeps, and those that it changes.
    pub(super) fn halves(&self, k: usize) -> [usize; 2] {
        let first = self.rank / 2;
        if k.is_multiple_of(2) {
            [first, self.rank - first]
        } else {
            [self.rank - first, first]
        }
    }

    /// Layer sizes of the network of coupling number `k`: its last layer gives s, then t.
    pub(super) fn sizes(&self, k: usize) -> [usize; 4] {
        let [kept, changed] = self.halves(k);
        [kept, self.hidden, self.hidden, 2 * changed]
    }

    /// Weights and biases of the network of coupling number `k`.
    fn n_parameters(&self, k: usize) -> usize {
        let sizes = self.sizes(k);
        sizes.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum()
    }

    /// Those of a flow.
    pub(super) fn all_parameters(&self) -> usize {
        (0..self.couplings).map(|k| self.n_parameters(k)).sum()
    }
}

/// The flow of a class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flow {
    /// For each pair of couplings an order of the columns, `(pairs, rank)`: the first half is kept
    /// by the first coupling.
    pub(super) splits: Vec<u32>,
    /// For each coupling the layers of its network: weights `(out, in)`, then biases `(out,)`.
    pub(super) parameters: Vec<f32>,
}

/// Columns of rows side by side.
type Column = [f64; WIDTH];

impl Flow {
    /// The columns that coupling number `k` keeps, and those that it changes.
    pub(super) fn split(&self, shape: &Shape, k: usize) -> [&[u32]; 2] {
        let pair = self.splits.get(k / 2 * shape.rank..).unwrap_or_default();
        let pair = pair.get(..shape.rank).unwrap_or_default();
        let (first, second) = pair.split_at(shape.rank / 2);
        if k.is_multiple_of(2) {
            [first, second]
        } else {
            [second, first]
        }
    }

    /// `-log p(z)` of the rows of a panel.
    ///
    /// # Shapes
    /// `z`: `(rank, WIDTH)`.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(super) fn negative_log_likelihood(&self, shape: &Shape, z: &[Column]) -> Column {
        let mut z = z.to_vec();
        let mut out = [shape.rank as f64 / 2.0 * (2.0 * PI).ln(); WIDTH];
        let mut parameters = self.parameters.as_slice();
        for k in 0..shape.couplings {
            let (here, rest) = parameters.split_at(shape.n_parameters(k));
            parameters = rest;
            let [kept, changed] = self.split(shape, k);
            let input = kept.iter().map(|j| z[*j as usize]);
            let moved = network(&shape.sizes(k), here, input.collect());
            let (s, t) = moved.split_at(changed.len());
            for (j, (s, t)) in changed.iter().zip(s.iter().zip(t)) {
                let column = &mut z[*j as usize];
                for lane in 0..WIDTH {
                    let s = s[lane].tanh();
                    column[lane] = (column[lane] - t[lane]) * (-s).exp();
                    out[lane] += s;
                }
            }
        }
        for column in &z {
            for lane in 0..WIDTH {
                out[lane] += column[lane] * column[lane] / 2.0;
            }
        }
        out
    }

    /// Writes the flows of a layer.
    pub(super) fn save(l: usize, shape: &Shape, flows: &[Self], writer: &mut Writer) {
        let splits: Vec<u32> = flows
            .iter()
            .flat_map(|f| f.splits.iter().copied())
            .collect();
        let parameters = flows.iter().flat_map(|f| f.parameters.iter().copied());
        let parameters: Vec<f32> = parameters.collect();
        writer.u32(format!("flow.{l}.splits"), &splits);
        let size = [flows.len(), shape.all_parameters()];
        writer.f32(format!("flow.{l}.parameters"), &size, &parameters);
    }

    /// Reads what [`Flow::save`] wrote for so many classes.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(super) fn restore(
        l: usize,
        shape: &Shape,
        n_classes: usize,
        reader: &mut Reader,
    ) -> Result<Vec<Self>> {
        let part = format!("flow.{l}.splits");
        let splits = reader.u32(&part)?;
        let pairs = shape.couplings.div_ceil(2);
        let orders = splits.chunks_exact(shape.rank);
        if splits.len() != n_classes * pairs * shape.rank || !orders.into_iter().all(is_order) {
            let found = format!("of {} values", splits.len());
            let expected = format!("{pairs} orders of {} columns a class", shape.rank);
            return Err(reader.corrupt(part, found, expected));
        }
        let n = shape.all_parameters();
        let parameters = reader.f32(&format!("flow.{l}.parameters"), &[n_classes, n])?;
        let flows = (0..n_classes).map(|class| Self {
            splits: part_of(&splits, class, pairs * shape.rank),
            parameters: part_of(&parameters, class, n),
        });
        Ok(flows.collect())
    }
}

fn part_of<T: Copy>(values: &[T], class: usize, n: usize) -> Vec<T> {
    values.iter().skip(class * n).take(n).copied().collect()
}

/// Whether each column stands in it once.
fn is_order(columns: &[u32]) -> bool {
    let mut seen = vec![false; columns.len()];
    columns.iter().all(|j| {
        let place = seen.get_mut(*j as usize);
        place.is_some_and(|seen| !std::mem::replace(seen, true))
    })
}

/// Linear layers with rectifiers between: `(in, WIDTH)` to `(out, WIDTH)`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn network(sizes: &[usize], parameters: &[f32], input: Vec<Column>) -> Vec<Column> {
    let mut rest = parameters;
    let mut x = input;
    for (l, pair) in sizes.windows(2).enumerate() {
        let (n_in, n_out) = (pair[0], pair[1]);
        let (weights, after) = rest.split_at(n_in * n_out);
        let (biases, after) = after.split_at(n_out);
        rest = after;
        let floor = if l + 2 < sizes.len() {
            0.0
        } else {
            f64::NEG_INFINITY
        };
        let neurons = weights.chunks_exact(n_in).zip(biases);
        x = neurons
            .map(|(weights, bias)| {
                let mut sum = [f64::from(*bias); WIDTH];
                for (weight, column) in weights.iter().zip(&x) {
                    let weight = f64::from(*weight);
                    for lane in 0..WIDTH {
                        sum[lane] += weight * column[lane];
                    }
                }
                // Not `max`: what is no number stays visible.
                sum.map(|v| if v < floor { floor } else { v })
            })
            .collect();
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_coupling_by_hand() {
        // Columns (0 | 1); hidden layers of one neuron each: h = relu(relu(2 a)), then
        // s = tanh(0.5 h - 0.25), t = h + 1.
        let shape = Shape {
            rank: 2,
            couplings: 1,
            hidden: 1,
        };
        let flow = Flow {
            splits: vec![0, 1],
            parameters: vec![2.0, 0.0, 1.0, 0.0, 0.5, 1.0, -0.25, 1.0],
        };
        assert_eq!(shape.all_parameters(), flow.parameters.len());
        let z = [[1.5; WIDTH], [3.0; WIDTH]];
        let found = flow.negative_log_likelihood(&shape, &z);
        let s = 1.25f64.tanh();
        let b = (3.0 - 4.0) * (-s).exp();
        let expected = (2.0 * PI).ln() + s + 0.5 * (1.5f64.powi(2) + b * b);
        assert!(
            found.iter().all(|f| (f - expected).abs() < 1e-12),
            "{found:?}"
        );
        // Without couplings, the normal distribution.
        let none = Shape {
            couplings: 0,
            ..shape
        };
        let found = flow.negative_log_likelihood(&none, &z)[0];
        let expected = (2.0 * PI).ln() + 0.5 * (1.5f64.powi(2) + 9.0);
        assert!((found - expected).abs() < 1e-12);
    }

    #[test]
    fn orders_hold_each_column_once() {
        assert!(is_order(&[2, 0, 1]) && is_order(&[]));
        assert!(!is_order(&[0, 0]) && !is_order(&[0, 2]));
    }
}
