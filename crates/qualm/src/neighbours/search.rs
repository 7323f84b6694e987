//! The nearest rows of a group of rows, in one walk through the tree.
//!
//! A node is visited by those rows of the group whose nearest so far may be bettered in its
//! box, the nearer half first. In a leaf, float32 distances pick the rows that may be among
//! the nearest; what decides are float64 distances.

use std::borrow::Cow;

use pulp::{Simd, WithSimd};

use super::nearest::Neighbour;
use super::query::{Asked, Question};
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
    /// Rows from elsewhere, at least one.
    pub(super) fn of(tree: &Tree, rows: Vec<&'a [f32]>) -> Self {
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
    pub(super) fn of_leaf(tree: &'a Tree, leaf: usize) -> Self {
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
    fn ordered(&self, row: usize) -> &[f32] {
        let d = self.lanes.len();
        &self.ordered[row * d..][..d]
    }
}

/// A group's walk through the tree.
pub(super) struct Search<'a> {
    pub(super) question: Question<'a>,
    pub(super) group: &'a Group<'a>,
}

/// What a walk found.
pub(super) struct Found {
    /// For each row of the group.
    pub(super) nearest: Vec<Vec<Neighbour>>,
    /// How many values of rows were compared with values of others.
    pub(super) compared: u64,
}

/// What is known so far.
struct State<'a> {
    asked: Vec<Asked<'a>>,
    /// [`super::nearest::Nearest::limit`] of each row of the group.
    limits: Lanes,
    compared: u64,
}

impl WithSimd for Search<'_> {
    type Output = Found;

    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Found {
        let Self { question, group } = self;
        let tree = question.tree;
        let starts = group.rows.iter().enumerate();
        let starts = starts.map(|(i, row)| question.start(row, tree.slack(group.ordered(i))));
        let mut state = State {
            asked: starts.collect(),
            limits: [f32::MAX; LEAF],
            compared: 0,
        };
        let everyone = u32::MAX >> (LEAF - group.rows.len());
        let mut open = vec![(0, everyone)];
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
        let asked = state.asked.into_iter();
        Found {
            nearest: asked.map(|asked| question.finish(asked)).collect(),
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
            self.question.tree.leaf(leaf),
            rows.map(|row| state.limits[row]),
            &mut approximate,
        );
        state.compared += compared as u64;
        if !near {
            return;
        }
        let in_leaf = (self.question.tree.numbers.len() - leaf * LEAF).min(LEAF);
        let filled = u32::MAX >> (LEAF - in_leaf);
        for (row, approximate) in rows.into_iter().zip(approximate) {
            let mut left = filled & within(&approximate, &[state.limits[row]; LEAF]);
            while left != 0 {
                let lane = left.trailing_zeros() as usize;
                left &= left - 1;
                // The limit may have come down since.
                let asked = &mut state.asked[row];
                if approximate[lane] <= state.limits[row]
                    && self.question.offer(asked, leaf * LEAF + lane)
                {
                    state.limits[row] = asked.nearest.limit();
                }
            }
        }
    }
}
