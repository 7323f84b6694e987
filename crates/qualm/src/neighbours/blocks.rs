//! The nearest rows by matrix products, for rows that the boxes of a tree do not separate.
//!
//! `|x - y|^2 = |x|^2 - 2 (x.y - |y|^2 / 2)`, and the bracket is one matrix product, of the
//! query rows with a 1 appended and the fitted rows with `-|y|^2 / 2` appended, as columns.
//! The mean of a sample is subtracted from all rows first, so that norms are small. A fitted
//! row y can be among the nearest of x only if its product is at least
//!
//! ```text
//! (|x|^2 - bound - slack) / 2
//! ```
//!
//! where `bound` is the squared distance of the k-th nearest so far, and `slack` what
//! float32 may have lost. The distance of such rows is computed again in float64, so that the
//! result is exact however large the slack is.
//!
//! **The slack.** With `u = 2^-24` and `s = |x| + |y|`, moving the rows rounds each value by
//! a part u of itself, hence the squared distance by less than `2 u s^2`. A sum of `d + 1`
//! products, in any order, strays by `(d + 2) u` times the sum of their sizes, at most
//! `s^2 / 2`; twice that counts. Together less than `(d + 4) u s^2`, of which `slack` is
//! four times as much. It is in proportion to the squared norms: with rows far out, or
//! columns of very different size, most distances would have to be computed again. That, too,
//! is checked before blocks are preferred to the tree.

use std::ops::Range;

use rayon::prelude::*;

use super::nearest::{Neighbour, UNROTATED};
use super::query::{Query, QueryState};
use super::sample::{SAMPLE, mean};
use super::tile::LEAF;
use super::tree::Tree;
use crate::nn::{Mat, Threads, matmul, vectorised};

/// Fitted rows of a block. With [`QUERIES`] rows against them, a block of products takes half
/// a megabyte.
pub(super) const WIDTH: usize = 512;

/// Rows queried at a time.
pub(super) const QUERIES: usize = 256;

/// Products checked together.
pub(super) const RUN: usize = 32;

/// Fitted rows laid out for matrix products.
#[derive(Debug)]
pub(super) struct Blocks {
    /// The mean of a sample of rows, `(d,)`.
    centre: Vec<f64>,
    /// For each block of n rows `(d + 1, n)`: rows less the mean, as columns, and minus half
    /// of their squared norms. Blocks follow the order of the tree.
    columns: Vec<f32>,
    /// The norm of each row less the mean, `(m,)`.
    norms: Vec<f64>,
    /// The largest norm in each block.
    radii: Vec<f64>,
}

impl Blocks {
    pub(super) fn new(tree: &Tree) -> Self {
        let (m, d) = (tree.numbers.len(), tree.d);
        let mut blocks = Self {
            centre: mean(
                (0..m)
                    .step_by(m.div_ceil(SAMPLE))
                    .map(|place| tree.row(place)),
                d,
            ),
            columns: Vec::new(),
            norms: Vec::new(),
            radii: Vec::new(),
        };
        let mut columns = vec![0.0; m * (d + 1)];
        let each = columns.par_chunks_mut(WIDTH * (d + 1)).enumerate();
        let norms = each.map(|(block, columns)| {
            let places = block * WIDTH..((block + 1) * WIDTH).min(m);
            let rows: Vec<&[f32]> = places.map(|place| tree.row(place)).collect();
            blocks.fill(&rows, columns)
        });
        let norms: Vec<Vec<f64>> = norms.collect();
        let radii = norms
            .iter()
            .map(|norms| norms.iter().copied().fold(0.0, f64::max));
        blocks.radii = radii.collect();
        blocks.norms = norms.into_iter().flatten().collect();
        blocks.columns = columns;
        blocks
    }

    /// Fills in a block of rows, and returns their norms less the mean, `(n,)`.
    fn fill(&self, rows: &[&[f32]], columns: &mut [f32]) -> Vec<f64> {
        let mut moved = Vec::new();
        let norms = rows.iter().enumerate().map(|(lane, row)| {
            moved.clear();
            let squared = self.shift(row, &mut moved);
            moved.push((-squared / 2.0) as f32);
            for (column, x) in columns.chunks_exact_mut(rows.len()).zip(&moved) {
                column[lane] = *x;
            }
            squared.sqrt()
        });
        norms.collect()
    }

    /// Appends a row less the mean; returns its squared norm.
    fn shift(&self, row: &[f32], out: &mut Vec<f32>) -> f64 {
        let moved = row.iter().zip(&self.centre);
        let moved = moved.map(|(x, mean)| (f64::from(*x) - mean) as f32);
        let start = out.len();
        out.extend(moved);
        out[start..].iter().map(|x| f64::from(*x).powi(2)).sum()
    }

    /// Number of blocks.
    pub(super) fn len(&self) -> usize {
        self.radii.len()
    }

    /// The places of the rows of a block, in the order of the tree.
    pub(super) fn places(&self, block: usize) -> Range<usize> {
        block * WIDTH..((block + 1) * WIDTH).min(self.norms.len())
    }

    /// The norms of fitted rows less the mean, by their places.
    pub(super) fn norms(&self, places: Range<usize>) -> &[f64] {
        &self.norms[places]
    }

    /// Rows laid out for [`Blocks::multiply`], `(n, d + 1)`, and their norms less the mean, `(n,)`.
    pub(super) fn left(&self, rows: &[&[f32]]) -> (Vec<f32>, Vec<f64>) {
        let mut left = Vec::with_capacity(rows.len() * (self.centre.len() + 1));
        let norms = rows.iter().map(|row| {
            let squared = self.shift(row, &mut left);
            left.push(1.0);
            squared.sqrt()
        });
        let norms = norms.collect();
        (left, norms)
    }

    /// The products of rows laid out by [`Blocks::left`] with the rows of a block.
    ///
    /// # Shapes
    /// `left`: `(n, d + 1)`; `products`: `(n, rows of the block)`.
    pub(super) fn multiply(&self, left: &[f32], block: usize, products: &mut [f32]) {
        let places = self.places(block);
        let (n, k) = (places.len(), self.centre.len() + 1);
        let columns = &self.columns[places.start * k..places.end * k];
        let left = Mat::new(left, left.len() / k, k);
        matmul(products, left, Mat::new(columns, k, n), Threads::One);
    }

    /// What float32 may lose of a squared distance between a row of norm `norm` and one of
    /// a block.
    pub(super) fn slack(&self, norm: f64, block: usize) -> f64 {
        let terms = 4.0 * (self.centre.len() + 4) as f64;
        let relative = 2f64.powi(-24) * (norm + self.radii[block]).powi(2);
        // And what underflows.
        terms * (relative + 2f64.powi(-149))
    }

    /// The share of blocks in which the slack is small beside a squared distance.
    pub(super) fn share_precise(&self, row: &[f32], squared: f64) -> f64 {
        let norm = self.shift(row, &mut Vec::new()).sqrt();
        let blocks = 0..self.radii.len();
        let precise = blocks.filter(|block| self.slack(norm, *block) < squared / 8.0);
        precise.count() as f64 / self.radii.len() as f64
    }

    /// The neighbours of at most [`QUERIES`] rows. Blocks near the leaf `leaf` are compared
    /// first, so that bounds soon are low.
    pub(super) fn search(
        &self,
        query: Query<'_>,
        rows: &[&[f32]],
        leaf: usize,
    ) -> Vec<Vec<Neighbour>> {
        let (left, norms) = self.left(rows);
        let states = rows.iter().map(|row| query.start(row, UNROTATED));
        let mut states: Vec<QueryState<'_>> = states.collect();
        let mut products = vec![0.0; rows.len() * WIDTH];
        for block in outwards(leaf * LEAF / WIDTH, self.len()) {
            let places = self.places(block);
            let n = places.len();
            let products = &mut products[..rows.len() * n];
            self.multiply(&left, block, products);
            let rows = states.iter_mut().zip(&norms).zip(products.chunks_exact(n));
            for ((state, norm), products) in rows {
                let gap = norm * norm - self.slack(*norm, block);
                vectorised(
                    #[inline(always)]
                    || pick(query, state, products, places.start, gap),
                );
            }
        }
        states
            .into_iter()
            .map(|state| query.finish(state))
            .collect()
    }
}

/// All numbers below n, nearest to `from` first.
fn outwards(from: usize, n: usize) -> impl Iterator<Item = usize> {
    let steps = (1..n).flat_map(move |step| [from.checked_sub(step), from.checked_add(step)]);
    let steps = [Some(from)].into_iter().chain(steps).flatten();
    steps.filter(move |block| *block < n)
}

/// Compares a row with those of a block, from the place `start` on, whose products are large
/// enough. `gap` is as for [`least`].
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn pick(
    query: Query<'_>,
    state: &mut QueryState<'_>,
    products: &[f32],
    start: usize,
    gap: f64,
) {
    let mut needed = least(state, gap);
    for (run, products) in products.chunks(RUN).enumerate() {
        // Most runs have none: one comparison of all, in vectors.
        let mut all = [f32::NEG_INFINITY; RUN];
        for (value, product) in all.iter_mut().zip(products) {
            *value = *product;
        }
        if !any(all.iter().map(|product| *product >= needed)) {
            continue;
        }
        for (lane, product) in products.iter().enumerate() {
            if *product >= needed && query.compare(state, start + run * RUN + lane) {
                needed = least(state, gap);
            }
        }
    }
}

/// The least product of a row that may be among the nearest: half of what `gap`, the squared
/// norm less the slack, exceeds the bound by.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn least(state: &QueryState<'_>, gap: f64) -> f32 {
    (((gap - state.nearest.bound()) / 2.0) as f32).next_down()
}

/// Whether any holds, without leaving early, so that the loop vectorises.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn any(each: impl Iterator<Item = bool>) -> bool {
    each.fold(0, |all, one| all | u32::from(one)) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_compared_outwards_and_once() {
        assert!(outwards(1, 4).eq([1, 0, 2, 3]));
        assert!(outwards(3, 4).eq([3, 2, 1, 0]));
        assert!(outwards(0, 1).eq([0]));
    }
}
