//! The nearest rows of a group of rows, in one walk through the tree.
//!
//! A node is visited by those rows of the group that may have a nearer row in its box than those
//! found so far, the nearer half first. In a leaf, float32 distances select the rows that may
//! be among the nearest; float64 distances decide.

use std::borrow::Cow;

use pulp::{Arch, Simd, WithSimd};

use super::nearest::Neighbour;
use super::norm;
use super::query::{Query, QueryState};
use super::tile::{LEAF, Lanes, distances, near_box, within};
use super::tree::{Node, Tree};

/// Up to [`LEAF`] rows that lie close to each other.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// Each `(d,)`.
    rows: Vec<&'a [f32]>,
    /// `(d, LEAF)`, in the tree's order of columns.
    lanes: Cow<'a, [Lanes]>,
    /// Each `(d,)`, in the tree's order of columns.
    ordered: Vec<f32>,
}

impl<'a> Group<'a> {
    /// Rows that need not be in the tree, at least one.
    pub(super) fn from_rows(tree: &Tree, rows: Vec<&'a [f32]>) -> Self {
        let ordered: Vec<f32> = rows.iter().flat_map(|row| tree.in_order(row)).collect();
        let mut lanes = vec![[0.0; LEAF]; tree.d];
        for (lane, row) in ordered.chunks_exact(tree.d).enumerate() {
            for (lanes, x) in lanes.iter_mut().zip(row) {
                lanes[lane..].fill(*x);
            }
        }
        Self {
            rows,
            lanes: lanes.into(),
            ordered,
        }
    }

    /// The rows of a leaf.
    pub(super) fn from_leaf(tree: &'a Tree, leaf: usize) -> Self {
        let end = ((leaf + 1) * LEAF).min(tree.numbers.len());
        let rows: Vec<&[f32]> = (leaf * LEAF..end).map(|place| tree.row(place)).collect();
        let lanes = tree.leaf(leaf);
        let row = |lane| lanes.iter().map(move |lanes: &Lanes| lanes[lane]);
        Self {
            ordered: (0..rows.len()).flat_map(row).collect(),
            rows,
            lanes: lanes.into(),
        }
    }

    /// Each row, `(d,)`.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a [f32]> + '_ {
        self.rows.iter().copied()
    }

    /// A row's values in the tree's order of columns.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(super) fn ordered(&self, row: usize) -> &[f32] {
        let d = self.lanes.len();
        &self.ordered[row * d..][..d]
    }
}

/// Searches the tree for the nearest of each row of a group.
pub(super) fn search(query: Query<'_>, group: &Group<'_>) -> Found {
    if norm::is_special(query.norm) {
        return Found {
            nearest: norm::search(query, group),
            compared: 0,
        };
    }
    Arch::new().dispatch(Search { query, group })
}

/// A group's walk through the tree.
struct Search<'a> {
    query: Query<'a>,
    group: &'a Group<'a>,
}

/// What a search found.
pub(super) struct Found {
    /// For each row of the group.
    pub(super) nearest: Vec<Vec<Neighbour>>,
    /// How many values of rows were compared with values of others.
    pub(super) compared: u64,
}

/// What is found so far.
struct State<'a> {
    queries: Vec<QueryState<'a>>,
    /// [`super::nearest::Nearest::limit`] of each row of the group.
    limits: Lanes,
    compared: u64,
}

impl WithSimd for Search<'_> {
    type Output = Found;

    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Found {
        let Self { query, group } = self;
        let tree = query.tree;
        let starts = group.rows.iter().enumerate();
        let starts = starts.map(|(i, row)| query.start(row, tree.slack(group.ordered(i))));
        let mut state = State {
            queries: starts.collect(),
            limits: [f32::MAX; LEAF],
            compared: 0,
        };
        let all = u32::MAX >> (LEAF - group.rows.len());
        let mut open = vec![(0, all)];
        while let Some((at, active)) = open.pop() {
            let corners = tree.corners(at);
            let active = near_box(simd, &group.lanes, corners, &state.limits, active);
            let node = tree.nodes[at];
            if active == 0 {
                continue;
            }
            if node.right == 0 {
                self.visit(simd, node, active, &mut state);
            } else {
                let first = group.ordered(active.trailing_zeros() as usize);
                let mut halves = [(node.right as usize, active), (at + 1, active)];
                if first[node.column as usize] >= node.split {
                    halves.reverse();
                }
                open.extend(halves);
            }
        }
        let queries = state.queries.into_iter();
        Found {
            nearest: queries.map(|state| query.finish(state)).collect(),
            compared: state.compared,
        }
    }
}

impl Search<'_> {
    /// Compares the active rows with those of a leaf, four at a time.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn visit<S: Simd>(&self, simd: S, node: Node, mut active: u32, state: &mut State<'_>) {
        while active != 0 {
            let mut next = || {
                let row = active.trailing_zeros();
                active &= active.wrapping_sub(1);
                row as usize
            };
            let first = next();
            let rest = [(); 3].map(|()| next());
            let [a, b, c] = rest;
            if c < LEAF {
                self.compare(simd, node, [first, a, b, c], state);
            } else if b < LEAF {
                self.compare(simd, node, [first, a, b], state);
            } else if a < LEAF {
                self.compare(simd, node, [first, a], state);
            } else {
                self.compare(simd, node, [first], state);
            }
        }
    }

    /// Compares `Q` rows with those of a leaf.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn compare<S: Simd, const Q: usize>(
        &self,
        simd: S,
        node: Node,
        rows: [usize; Q],
        state: &mut State<'_>,
    ) {
        let leaf = node.leaf as usize;
        let mut approximate = [[0.0; LEAF]; Q];
        let (near, compared) = distances(
            simd,
            rows.map(|row| self.group.ordered(row)),
            self.query.tree.leaf(leaf),
            rows.map(|row| state.limits[row]),
            &mut approximate,
        );
        state.compared += compared as u64;
        if !near {
            return;
        }
        let in_leaf = (self.query.tree.numbers.len() - leaf * LEAF).min(LEAF);
        let filled = u32::MAX >> (LEAF - in_leaf);
        for (row, approximate) in rows.into_iter().zip(approximate) {
            let mut left = filled & within(&approximate, &[state.limits[row]; LEAF]);
            while left != 0 {
                let lane = left.trailing_zeros() as usize;
                left &= left - 1;
                // The limit may have been lowered since.
                let found = &mut state.queries[row];
                if approximate[lane] <= state.limits[row]
                    && self.query.compare(found, leaf * LEAF + lane)
                {
                    state.limits[row] = found.nearest.limit();
                }
            }
        }
    }
}
