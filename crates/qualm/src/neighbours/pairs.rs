//! The nearest rows of all fitted rows, by the products of [`super::blocks`]: a product belongs
//! to two rows, and is computed once for both.
//!
//! With `p = x.y - |y|^2 / 2` of a row x of one block and a row y of another, y can be among the
//! nearest of x if `p` is at least the limit of x, as in [`super::blocks`], and x among those
//! of y if
//!
//! ```text
//! p - |x|^2 / 2 >= -(bound + slack) / 2
//! ```
//!
//! with the bound of y. Rounding `|x|^2 / 2` and the difference adds at most `2 u s^2` to what
//! float32 loses of a squared distance, for which the slack has room.
//!
//! Blocks are compared in rounds: first each block with itself, then with the next, then with
//! the one after that, and so on around the circle. Near rows come early, so that bounds soon
//! are low; and in a round no block is compared with more than two others, so that threads
//! seldom wait. The order within a round may differ between runs; the result does not.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::blocks::{Blocks, QUERIES, RUN, any, least, pick};
use super::nearest::{Neighbour, UNROTATED};
use super::query::{Query, QueryState};
use crate::error::Result;
use crate::nn::vectorised;

/// The nearest of each fitted row, in the order of the tree. `round` is called with the number
/// of rounds done, and of all rounds.
///
/// # Errors
/// What `round` returns.
pub(super) fn nearest_of_all(
    query: Query<'_>,
    blocks: &Blocks,
    mut round: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<Vec<Neighbour>>> {
    let n = blocks.len();
    let start = |place| query.start(query.tree.row(place), UNROTATED);
    let states = (0..n).map(|block| Mutex::new(blocks.places(block).map(start).collect()));
    let pairs = Pairs {
        query,
        blocks,
        states: states.collect(),
    };
    let rounds = n / 2 + 1;
    for step in 0..rounds {
        round(step, rounds)?;
        // Half way around the circle each pair would come up twice.
        let firsts = if step > 0 && 2 * step == n { step } else { n };
        (0..firsts).into_par_iter().for_each(|first| match step {
            0 => pairs.compare_within(first),
            _ => pairs.compare_between([first, (first + step) % n]),
        });
    }
    let states = pairs.states.into_par_iter().flat_map_iter(|states| {
        let states = states.into_inner().unwrap_or_else(PoisonError::into_inner);
        states.into_iter().map(|state| query.finish(state))
    });
    Ok(states.collect())
}

/// The blocks, and the search of each of their rows.
struct Pairs<'a> {
    query: Query<'a>,
    blocks: &'a Blocks,
    /// Of each block, those of its rows.
    states: Vec<Mutex<Vec<QueryState<'a>>>>,
}

impl<'a> Pairs<'a> {
    fn lock(&self, block: usize) -> MutexGuard<'_, Vec<QueryState<'a>>> {
        let states = self.states[block].lock();
        // A thread that panicked ends all of the work anyway.
        states.unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `then` with the products of the rows of one block, some rows at a time, with
    /// those of another, and with the place of the first of those rows.
    fn multiply(&self, [x, y]: [usize; 2], mut then: impl FnMut(usize, &[f32])) {
        let [places, others] = [x, y].map(|block| self.blocks.places(block));
        let mut products = vec![0.0; QUERIES.min(places.len()) * others.len()];
        for start in places.clone().step_by(QUERIES) {
            let rows = start..(start + QUERIES).min(places.end);
            let rows: Vec<&[f32]> = rows.map(|place| self.query.tree.row(place)).collect();
            let (left, _) = self.blocks.left(&rows);
            let products = &mut products[..rows.len() * others.len()];
            self.blocks.multiply(&left, y, products);
            then(start, products);
        }
    }

    /// For each row of a block its squared norm, and the slack beside rows of another block.
    fn norms(&self, [block, other]: [usize; 2]) -> Vec<[f64; 2]> {
        let norms = self.blocks.norms(self.blocks.places(block)).iter();
        let norms = norms.map(|norm| [norm * norm, self.blocks.slack(*norm, other)]);
        norms.collect()
    }

    /// Compares the rows of a block with each other.
    fn compare_within(&self, block: usize) {
        let query = self.query;
        let places = self.blocks.places(block);
        let norms = self.norms([block, block]);
        let mut states = self.lock(block);
        self.multiply([block, block], |start, products| {
            let first = start - places.start;
            let rows = states[first..].iter_mut().zip(&norms[first..]);
            let rows = rows.zip(products.chunks_exact(places.len()));
            for ((state, [squared, slack]), products) in rows {
                vectorised(
                    #[inline(always)]
                    || pick(query, state, products, places.start, squared - slack),
                );
            }
        });
    }

    /// Compares the rows of one block with those of another.
    fn compare_between(&self, [x, y]: [usize; 2]) {
        let [x_start, y_start] = [x, y].map(|block| self.blocks.places(block).start);
        let [x_norms, y_norms] = [self.norms([x, y]), self.norms([y, x])];
        self.multiply([x, y], |start, products| {
            // Always in the same order, so that no two threads wait for each other.
            let [low, high] = [x.min(y), x.max(y)].map(|block| self.lock(block));
            let [mut x_states, mut y_states] = if x < y { [low, high] } else { [high, low] };
            let first = start - x_start;
            let both = Both {
                query: self.query,
                starts: [start, y_start],
                norms: [&x_norms[first..], &y_norms],
                products,
            };
            vectorised(
                #[inline(always)]
                || both.compare(&mut x_states[first..], &mut y_states),
            );
        });
    }
}

/// The products of rows x with rows y.
struct Both<'a> {
    query: Query<'a>,
    /// The places of the first x and the first y.
    starts: [usize; 2],
    /// Squared norms and slacks of each x and each y.
    norms: [&'a [[f64; 2]]; 2],
    /// `(n, m)`, for the first n of the x.
    products: &'a [f32],
}

impl Both<'_> {
    /// Compares each x with each y where the product is large enough.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn compare(&self, x: &mut [QueryState<'_>], y: &mut [QueryState<'_>]) {
        let [x_norms, y_norms] = self.norms;
        let limits = y.iter().zip(y_norms);
        let limits = limits.map(|(y, [_, slack])| least(y, -slack));
        let mut y_limits: Vec<f32> = limits.collect();
        let rows = self.products.chunks_exact(y.len()).zip(x).zip(x_norms);
        for (row, ((products, x), [squared, slack])) in rows.enumerate() {
            let half = (squared / 2.0) as f32;
            let mut x_limit = least(x, squared - slack);
            let runs = products.chunks(RUN).zip(y_limits.chunks_mut(RUN));
            for (run, (products, y_limits)) in runs.enumerate() {
                if all_below(products, [x_limit, half], y_limits) {
                    continue;
                }
                for (lane, (product, y_limits)) in products.iter().zip(y_limits).enumerate() {
                    let column = run * RUN + lane;
                    if *product >= x_limit && self.query.compare(x, self.starts[1] + column) {
                        x_limit = least(x, squared - slack);
                    }
                    if product - half >= *y_limits {
                        let y = &mut y[column];
                        if self.query.compare(y, self.starts[0] + row) {
                            *y_limits = least(y, -y_norms[column][1]);
                        }
                    }
                }
            }
        }
    }
}

/// Whether all products of a whole run are below the limits of both their x and their y. Of a
/// shorter run, the last of a block, nothing is said.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn all_below(products: &[f32], [x_limit, half]: [f32; 2], y_limits: &[f32]) -> bool {
    // Of known length, so that the loop vectorises.
    let (Some(products), Some(y_limits)) = (products.as_array::<RUN>(), y_limits.as_array::<RUN>())
    else {
        return false;
    };
    let both = products.iter().zip(y_limits);
    !any(both.map(|(product, y_limits)| *product >= x_limit || product - half >= *y_limits))
}
