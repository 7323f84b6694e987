//! All fitted rows among themselves, by the products of [`super::blocks`]: a product belongs
//! to two rows, and is computed once for both.
//!
//! With `p = x.y - |y|^2 / 2` of a row x of one block and a row y of another, y may be near x
//! if `p` reaches what x needs, as in [`super::blocks`], and x near y if
//!
//! ```text
//! p - |x|^2 / 2 >= -(bound + slack) / 2
//! ```
//!
//! with the bound of y. Rounding `|x|^2 / 2` and the difference adds at most `2 u s^2` to what
//! float32 loses of a squared distance, for which the slack has room.
//!
//! Pairs of blocks are met in rounds: first each block with itself, then with the next, then
//! with the one after that, and so on around the circle. Near rows come early, so that bounds
//! are soon low; and in a round no block meets more than two others, so that threads seldom
//! wait. Who comes first may differ between runs; the answer does not.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::blocks::{ASKED, Blocks, RUN, any, least, pick};
use super::nearest::{Neighbour, UNTURNED};
use super::query::{Asked, Question};
use crate::error::Result;
use crate::nn::vectorised;

/// The nearest of each fitted row, in the order of the tree. `round` is told how many rounds
/// are done, and of how many.
///
/// # Errors
/// What `round` returns.
pub(super) fn ask_all(
    question: Question<'_>,
    blocks: &Blocks,
    mut round: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<Vec<Neighbour>>> {
    let n = blocks.len();
    let start = |place| question.start(question.tree.row(place), UNTURNED);
    let asked = (0..n).map(|block| Mutex::new(blocks.places(block).map(start).collect()));
    let pairs = Pairs {
        question,
        blocks,
        asked: asked.collect(),
    };
    let rounds = n / 2 + 1;
    for step in 0..rounds {
        round(step, rounds)?;
        // Half way around the circle each pair would be met from both of its ends.
        let firsts = if step > 0 && 2 * step == n { step } else { n };
        (0..firsts).into_par_iter().for_each(|first| match step {
            0 => pairs.meet_itself(first),
            _ => pairs.meet([first, (first + step) % n]),
        });
    }
    let asked = pairs.asked.into_par_iter().flat_map_iter(|asked| {
        let asked = asked.into_inner().unwrap_or_else(PoisonError::into_inner);
        asked.into_iter().map(|asked| question.finish(asked))
    });
    Ok(asked.collect())
}

/// The blocks, and what is known so far.
struct Pairs<'a> {
    question: Question<'a>,
    blocks: &'a Blocks,
    /// For each block, of each of its rows.
    asked: Vec<Mutex<Vec<Asked<'a>>>>,
}

impl<'a> Pairs<'a> {
    fn lock(&self, block: usize) -> MutexGuard<'_, Vec<Asked<'a>>> {
        let asked = self.asked[block].lock();
        // A thread that panicked takes all of the work with it.
        asked.unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `then` with the products of the rows of one block, some rows at a time, with
    /// those of another, and with the place of the first of those rows.
    fn multiply(&self, [x, y]: [usize; 2], mut then: impl FnMut(usize, &[f32])) {
        let [places, others] = [x, y].map(|block| self.blocks.places(block));
        let mut products = vec![0.0; ASKED.min(places.len()) * others.len()];
        for start in places.clone().step_by(ASKED) {
            let rows = start..(start + ASKED).min(places.end);
            let rows: Vec<&[f32]> = rows.map(|place| self.question.tree.row(place)).collect();
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

    /// Offers the rows of a block to each other.
    fn meet_itself(&self, block: usize) {
        let question = self.question;
        let places = self.blocks.places(block);
        let norms = self.norms([block, block]);
        let mut asked = self.lock(block);
        self.multiply([block, block], |start, products| {
            let first = start - places.start;
            let rows = asked[first..].iter_mut().zip(&norms[first..]);
            let rows = rows.zip(products.chunks_exact(places.len()));
            for ((asked, [squared, slack]), products) in rows {
                vectorised(
                    #[inline(always)]
                    || pick(question, asked, products, places.start, squared - slack),
                );
            }
        });
    }

    /// Offers the rows of two blocks to each other.
    fn meet(&self, [x, y]: [usize; 2]) {
        let [x_start, y_start] = [x, y].map(|block| self.blocks.places(block).start);
        let [x_norms, y_norms] = [self.norms([x, y]), self.norms([y, x])];
        self.multiply([x, y], |start, products| {
            // In one order everywhere, so that no two threads wait for each other.
            let [low, high] = [x.min(y), x.max(y)].map(|block| self.lock(block));
            let [mut x_asked, mut y_asked] = if x < y { [low, high] } else { [high, low] };
            let first = start - x_start;
            let both = Both {
                question: self.question,
                starts: [start, y_start],
                norms: [&x_norms[first..], &y_norms],
                products,
            };
            vectorised(
                #[inline(always)]
                || both.offer(&mut x_asked[first..], &mut y_asked),
            );
        });
    }
}

/// The products of rows x with rows y.
struct Both<'a> {
    question: Question<'a>,
    /// The places of the first x and the first y.
    starts: [usize; 2],
    /// Squared norms and slacks of each x and each y.
    norms: [&'a [[f64; 2]]; 2],
    /// `(n, m)`, for the first n of the x.
    products: &'a [f32],
}

impl Both<'_> {
    /// Offers each to each where the product is large enough.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn offer(&self, x: &mut [Asked<'_>], y: &mut [Asked<'_>]) {
        let [x_norms, y_norms] = self.norms;
        let needs = y.iter().zip(y_norms);
        let needs = needs.map(|(y, [_, slack])| least(y, -slack));
        let mut y_needs: Vec<f32> = needs.collect();
        let rows = self.products.chunks_exact(y.len()).zip(x).zip(x_norms);
        for (row, ((products, x), [squared, slack])) in rows.enumerate() {
            let half = (squared / 2.0) as f32;
            let mut x_needs = least(x, squared - slack);
            let runs = products.chunks(RUN).zip(y_needs.chunks_mut(RUN));
            for (run, (products, y_needs)) in runs.enumerate() {
                if none_reach(products, [x_needs, half], y_needs) {
                    continue;
                }
                for (lane, (product, y_needs)) in products.iter().zip(y_needs).enumerate() {
                    let column = run * RUN + lane;
                    if *product >= x_needs && self.question.offer(x, self.starts[1] + column) {
                        x_needs = least(x, squared - slack);
                    }
                    if product - half >= *y_needs {
                        let y = &mut y[column];
                        if self.question.offer(y, self.starts[0] + row) {
                            *y_needs = least(y, -y_norms[column][1]);
                        }
                    }
                }
            }
        }
    }
}

/// Whether it is certain that no product reaches what its x or its y needs. Of a run that is
/// not whole, the last of a block, nothing is.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn none_reach(products: &[f32], [x_needs, half]: [f32; 2], y_needs: &[f32]) -> bool {
    // Of known length, so that the loop is in vectors.
    let (Some(products), Some(y_needs)) = (products.as_array::<RUN>(), y_needs.as_array::<RUN>())
    else {
        return false;
    };
    let both = products.iter().zip(y_needs);
    !any(both.map(|(product, y_needs)| *product >= x_needs || product - half >= *y_needs))
}
