//! A query for the k nearest rows, and the state of its search.

use super::distance::squared_distance;
use super::metric::Norm;
use super::nearest::{Nearest, Neighbour};
use super::tree::Tree;

/// What to do with fitted rows that equal the query row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelfMatch {
    /// They are neighbours at distance 0: the row is a new one.
    Keep,
    /// One of them is the row itself, the others are neighbours.
    DropOne,
    /// They are no neighbours. If there are any, one is the row itself and counts as one of its
    /// k neighbours.
    DropAll,
}

/// A search for the k nearest fitted rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    pub(super) tree: &'a Tree,
    /// Copies of each distinct row, by number.
    pub(super) counts: &'a [u32],
    /// Neighbours, counted with their copies.
    pub(super) k: usize,
    pub(super) self_match: SelfMatch,
    pub(super) norm: Norm,
}

/// The search of one row: what is found so far.
#[derive(Debug)]
pub(super) struct QueryState<'a> {
    /// `(d,)`
    pub(super) row: &'a [f32],
    pub(super) nearest: Nearest,
    /// Whether a fitted row equals it.
    has_equal: bool,
}

impl Query<'_> {
    /// Starts the search of a row; `slack` as for [`Nearest::new`].
    pub(super) fn start<'r>(&self, row: &'r [f32], slack: [f64; 2]) -> QueryState<'r> {
        QueryState {
            row,
            nearest: Nearest::new(self.k, self.tree.d, slack),
            has_equal: false,
        }
    }

    /// Compares the row at a place of the tree; returns whether it is among the nearest so far.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(super) fn compare(&self, state: &mut QueryState<'_>, place: usize) -> bool {
        let squared = squared_distance(state.row, self.tree.row(place));
        self.offer(state, place, squared)
    }

    /// The same where the distance is known, or its square for the Euclidean norm.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(super) fn offer(&self, state: &mut QueryState<'_>, place: usize, distance: f64) -> bool {
        let number = self.tree.numbers[place];
        let mut weight = self.counts[number as usize];
        if distance == 0.0 {
            state.has_equal = true;
            weight = match self.self_match {
                SelfMatch::Keep => weight,
                SelfMatch::DropOne => weight - 1,
                SelfMatch::DropAll => 0,
            };
        }
        weight > 0 && state.nearest.push(distance, number, weight)
    }

    /// The neighbours, once every row that may be among them was compared.
    pub(super) fn finish(&self, state: QueryState<'_>) -> Vec<Neighbour> {
        let itself = state.has_equal && self.self_match == SelfMatch::DropAll;
        let k = self.k - usize::from(itself);
        state.nearest.finish(k, self.norm)
    }
}
