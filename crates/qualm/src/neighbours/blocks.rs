//! The nearest rows by matrix products, where boxes tell rows apart no more.
//!
//! With rows moved to their mean, `|x - y|^2 = |x|^2 - 2 (x.y - |y|^2 / 2)`. The bracket is
//! one matrix product, of the asked rows with a 1 appended and the fitted rows with
//! `-|y|^2 / 2` appended, as columns. A fitted row matters only if its product reaches
//!
//! ```text
//! (|x|^2 - bound - slack) / 2
//! ```
//!
//! where `bound` is the squared distance of the k-th nearest so far, and `slack` what
//! float32 may have lost. Whatever reaches it is measured again in float64, so that answers
//! are exact however large the slack is.
//!
//! **The slack.** With `u = 2^-24` and `s = |x| + |y|`, moving the rows rounds each value by
//! a part u of itself, hence the squared distance by less than `2 u s^2`. A sum of `d + 1`
//! products, in any order, strays by `(d + 2) u` times the sum of their sizes, at most
//! `s^2 / 2`; twice that counts. Together less than `(d + 4) u s^2`, of which `slack` is
//! four times as much. It is in proportion to the squared norms: with rows far out, or
//! columns of very different size, most rows would have to be measured again. That, too, is
//! looked at before blocks are preferred to the tree.

use std::ops::Range;

use super::nearest::Neighbour;
use super::question::{Asked, Question};
use super::tree::Tree;
use crate::nn::{Mat, Threads, matmul, vectorised};

/// Fitted rows of a block. With [`ASKED`] rows against them, a block of products takes half
/// a megabyte.
const WIDTH: usize = 512;

/// Rows asked for at a time.
pub(super) const ASKED: usize = 256;

/// Products looked at together.
const RUN: usize = 32;

/// Fitted rows ready for matrix products.
#[derive(Debug)]
pub(super) struct Blocks {
    /// The mean row, `(d,)`.
    centre: Vec<f64>,
    /// For each block of n rows `(d + 1, n)`: rows less the mean, as columns, and minus half
    /// of their squared norms. Blocks follow the order of the tree.
    columns: Vec<f32>,
    /// The largest norm in each block.
    reach: Vec<f64>,
}

impl Blocks {
    pub(super) fn new(tree: &Tree) -> Self {
        let (m, d) = (tree.numbers.len(), tree.d);
        let mut centre = vec![0.0; d];
        for place in 0..m {
            for (mean, x) in centre.iter_mut().zip(tree.row(place)) {
                *mean += f64::from(*x) / m as f64;
            }
        }
        let mut blocks = Self {
            centre,
            columns: vec![0.0; m * (d + 1)],
            reach: Vec::new(),
        };
        let mut moved = Vec::new();
        let mut start = 0;
        for (block, places) in ranges(m).enumerate() {
            let n = places.len();
            debug_assert_eq!(
                places.start,
                block * WIDTH,
                "blocks are equal but for the last"
            );
            let mut reach = 0.0f64;
            for (column, place) in places.enumerate() {
                moved.clear();
                let squared = blocks.shift(tree.row(place), &mut moved);
                reach = reach.max(squared.sqrt());
                moved.push((-squared / 2.0) as f32);
                for (j, x) in moved.iter().enumerate() {
                    blocks.columns[start + j * n + column] = *x;
                }
            }
            start += n * (d + 1);
            blocks.reach.push(reach);
        }
        blocks
    }

    /// Appends a row less the mean; returns its squared norm.
    fn shift(&self, row: &[f32], out: &mut Vec<f32>) -> f64 {
        let moved = row.iter().zip(&self.centre);
        let moved = moved.map(|(x, mean)| (f64::from(*x) - mean) as f32);
        let start = out.len();
        out.extend(moved);
        out[start..].iter().map(|x| f64::from(*x).powi(2)).sum()
    }

    /// What float32 may lose of a squared distance between a row of norm `norm` and one of
    /// a block.
    fn slack(&self, norm: f64, block: usize) -> f64 {
        let terms = 4.0 * (self.centre.len() + 4) as f64;
        let relative = 2f64.powi(-24) * (norm + self.reach[block]).powi(2);
        // And what underflows.
        terms * (relative + 2f64.powi(-149))
    }

    /// The share of blocks in which the slack is small beside a squared distance.
    pub(super) fn share_sharp(&self, row: &[f32], squared: f64) -> f64 {
        let norm = self.shift(row, &mut Vec::new()).sqrt();
        let blocks = 0..self.reach.len();
        let sharp = blocks.filter(|block| self.slack(norm, *block) < squared / 8.0);
        sharp.count() as f64 / self.reach.len() as f64
    }

    /// The answers to at most [`ASKED`] rows; those near the leaf `home` come first.
    pub(super) fn ask(
        &self,
        question: Question<'_>,
        rows: &[&[f32]],
        home: usize,
    ) -> Vec<Vec<Neighbour>> {
        let d = self.centre.len();
        let mut left = Vec::with_capacity(rows.len() * (d + 1));
        let norms: Vec<f64> = rows
            .iter()
            .map(|row| {
                let squared = self.shift(row, &mut left);
                left.push(1.0);
                squared.sqrt()
            })
            .collect();
        let left = Mat::new(&left, rows.len(), d + 1);
        let mut asked: Vec<Asked<'_>> = rows.iter().map(|row| question.start(row)).collect();
        let mut products = vec![0.0; rows.len() * WIDTH];
        let m = question.tree.numbers.len();
        for block in outwards(home * super::LEAF / WIDTH, self.reach.len()) {
            let places = block * WIDTH..((block + 1) * WIDTH).min(m);
            let n = places.len();
            let columns = &self.columns[places.start * (d + 1)..places.end * (d + 1)];
            let products = &mut products[..rows.len() * n];
            matmul(products, left, Mat::new(columns, d + 1, n), Threads::One);
            let rows = asked.iter_mut().zip(&norms).zip(products.chunks_exact(n));
            for ((asked, norm), products) in rows {
                let slack = self.slack(*norm, block);
                vectorised(
                    #[inline(always)]
                    || pick(question, asked, products, places.start, [*norm, slack]),
                );
            }
        }
        asked
            .into_iter()
            .map(|asked| question.finish(asked))
            .collect()
    }
}

/// The places of each block.
fn ranges(m: usize) -> impl Iterator<Item = Range<usize>> {
    (0..m)
        .step_by(WIDTH)
        .map(move |start| start..(start + WIDTH).min(m))
}

/// All numbers below n, nearest to `home` first.
fn outwards(home: usize, n: usize) -> impl Iterator<Item = usize> {
    let steps = (1..n).flat_map(move |step| [home.checked_sub(step), home.checked_add(step)]);
    let steps = [Some(home)].into_iter().chain(steps).flatten();
    steps.filter(move |block| *block < n)
}

/// Offers a row those whose products are large enough.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn pick(
    question: Question<'_>,
    asked: &mut Asked<'_>,
    products: &[f32],
    start: usize,
    [norm, slack]: [f64; 2],
) {
    let least = |asked: &Asked<'_>| {
        let least = (norm * norm - asked.nearest.bound() - slack) / 2.0;
        (least as f32).next_down()
    };
    let mut needed = least(asked);
    for (run, products) in products.chunks(RUN).enumerate() {
        // Most runs have none: one comparison of their largest, in vectors.
        let mut largest = [f32::NEG_INFINITY; RUN];
        for (largest, product) in largest.iter_mut().zip(products) {
            *largest = *product;
        }
        if !reaches(&largest, needed) {
            continue;
        }
        for (lane, product) in products.iter().enumerate() {
            if *product >= needed && question.offer(asked, start + run * RUN + lane) {
                needed = least(asked);
            }
        }
    }
}

/// Whether any value is at least `needed`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn reaches(values: &[f32; RUN], needed: f32) -> bool {
    let each = values.iter().map(|value| u32::from(*value >= needed));
    // Not `any`, which would leave early and keep the loop out of vectors.
    each.fold(0, |all, one| all | one) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_met_outwards_and_once() {
        assert!(outwards(1, 4).eq([1, 0, 2, 3]));
        assert!(outwards(3, 4).eq([3, 2, 1, 0]));
        assert!(outwards(0, 1).eq([0]));
        assert!(ranges(1030).eq([0..512, 512..1024, 1024..1030]));
    }
}
