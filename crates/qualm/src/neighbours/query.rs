//! What is asked, and what is known so far of the answer.

use super::nearest::{Nearest, Neighbour};
use super::squared_distance;
use super::tree::Tree;

/// What becomes of fitted rows that equal the row whose neighbours are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelfMatch {
    /// They are neighbours at distance 0: the row is a new one.
    Keep,
    /// One of them is the row itself, the others are neighbours.
    DropOne,
    /// They are no neighbours. If there are any, one stands for the row itself and takes
    /// one of its k places.
    DropAll,
}

/// A question for the k nearest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) tree: &'a Tree,
    /// Copies of each distinct row, by number.
    pub(super) counts: &'a [u32],
    pub(super) k: usize,
    pub(super) equals: SelfMatch,
}

/// The answer for one row, so far.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// `(d,)`
    pub(super) row: &'a [f32],
    pub(super) nearest: Nearest,
    /// Whether a fitted row equals it.
    met_equal: bool,
}

impl Question<'_> {
    /// Nothing known of a row; `slack` as for [`Nearest::new`].
    pub(super) fn start<'r>(&self, row: &'r [f32], slack: [f64; 2]) -> Asked<'r> {
        Asked {
            row,
            nearest: Nearest::new(self.k, self.tree.d, slack),
            met_equal: false,
        }
    }

    /// Offers the row at a place of the tree; says whether the nearest are others now.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(super) fn offer(&self, asked: &mut Asked<'_>, place: usize) -> bool {
        let squared = squared_distance(asked.row, self.tree.row(place));
        let number = self.tree.numbers[place];
        let mut weight = self.counts[number as usize];
        if squared == 0.0 {
            asked.met_equal = true;
            weight = match self.equals {
                SelfMatch::Keep => weight,
                SelfMatch::DropOne => weight - 1,
                SelfMatch::DropAll => 0,
            };
        }
        weight > 0 && asked.nearest.offer(squared, number, weight)
    }

    /// The answer, when every row that matters was offered.
    pub(super) fn finish(&self, asked: Asked<'_>) -> Vec<Neighbour> {
        let itself = asked.met_equal && self.equals == SelfMatch::DropAll;
        asked.nearest.finish(self.k - usize::from(itself))
    }
}
