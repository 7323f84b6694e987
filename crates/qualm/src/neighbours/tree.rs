//! A k-d tree (J. L. Bentley, *Multidimensional binary search trees used for associative
//! searching*, Communications of the ACM 18, 1975) with tight bounding boxes, and leaves that are
//! blocks of rows.
//!
//! Nodes are split in the middle of the column that varies most in them, at a whole number
//! of leaves, so that every leaf but the last is full and the shape of the tree follows from
//! the number of rows. By variance, not by width: a column of zeros and a few ones is as wide
//! as any, and splitting it in the middle splits equal values at random.
//!
//! A leaf's rows lie in memory column by column, one vector lane each.

use std::borrow::Cow;

use rayon::prelude::*;

use super::axes::{Axes, MAX_AXES};
use super::nearest::UNROTATED;
use super::sample::{SAMPLE, squares};
use super::tile::{LEAF, Lanes};

/// Rows from which on the two halves of a node are split by two threads.
const PARALLEL: usize = 8192;

/// Rows of a node that are sampled to choose the column to split, at most.
const FEWER: usize = 128;

/// Distinct rows in the order of a tree.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) d: usize,
    /// The axes that rows are rotated to, if any.
    axes: Option<Axes>,
    /// `(m, d)`, as they are, in the order of the leaves.
    rows: Vec<f32>,
    /// The numbers of those rows, `(m,)`.
    pub(super) numbers: Vec<u32>,
    /// Columns, those that vary most first: sums that start with them exceed a limit early.
    columns: Vec<usize>,
    /// `(leaves, d, LEAF)`, columns in that order; the last leaf repeats its last row.
    leaves: Vec<Lanes>,
    /// Each node before its descendants, the left half before the right.
    pub(super) nodes: Vec<Node>,
    /// How many of these columns boxes have.
    width: usize,
    /// `(nodes, width)` lower and upper edges of the rows in a node, columns in that order.
    corners: Vec<[f32; 2]>,
}

/// A node over consecutive leaves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Node {
    /// The first of its leaves.
    pub(super) leaf: u32,
    /// The node of its right half, or 0 for a leaf. That of its left half is the next one.
    pub(super) right: u32,
    /// Where among the ordered columns it is split.
    pub(super) column: u32,
    /// The least value of the right half in that column.
    pub(super) split: f32,
}

impl Tree {
    /// # Shapes
    /// `rows`: `(m, d)`, m at least 1.
    pub(super) fn new(rows: &[f32], d: usize, axes: Option<Axes>) -> Self {
        let rotated = axes.as_ref().map(|axes| axes.rotate_all(rows));
        let values = rotated.as_deref().unwrap_or(rows);
        let m = rows.len() / d;
        let n_leaves = m.div_ceil(LEAF);
        let columns = by_variance(values, d);
        let mut numbers: Vec<u32> = (0..m as u32).collect();
        let mut nodes = vec![Node::default(); 2 * n_leaves - 1];
        // Columns beyond the axes vary too little to separate boxes.
        let width = if axes.is_some() { d.min(MAX_AXES) } else { d };
        let mut corners = vec![[0.0; 2]; nodes.len() * width];
        let mut leaves = vec![[0.0; LEAF]; n_leaves * d];
        let builder = Builder {
            rows: values,
            d,
            width,
            columns: &columns,
        };
        let parts = Parts {
            numbers: &mut numbers,
            nodes: &mut nodes,
            corners: &mut corners,
            leaves: &mut leaves,
        };
        builder.build(parts, [0, 0]);
        drop(rotated);
        let mut ordered = vec![0.0; rows.len()];
        let places = ordered.par_chunks_exact_mut(d).zip(&numbers);
        places.for_each(|(place, number)| {
            place.copy_from_slice(&rows[*number as usize * d..][..d]);
        });
        Self {
            d,
            axes,
            rows: ordered,
            numbers,
            columns,
            width,
            leaves,
            nodes,
            corners,
        }
    }

    /// The row at a place in the order of the leaves, `(d,)`.
    pub(super) fn row(&self, place: usize) -> &[f32] {
        &self.rows[place * self.d..][..self.d]
    }

    /// A leaf's rows, `(d, LEAF)`.
    pub(super) fn leaf(&self, leaf: usize) -> &[Lanes] {
        &self.leaves[leaf * self.d..][..self.d]
    }

    /// The edges of a node's box, `(width,)`.
    pub(super) fn corners(&self, node: usize) -> &[[f32; 2]] {
        &self.corners[node * self.width..][..self.width]
    }

    pub(super) fn n_leaves(&self) -> usize {
        self.leaves.len() / self.d
    }

    /// A row rotated to the axes, if there are any.
    fn rotate<'a>(&self, row: &'a [f32]) -> Cow<'a, [f32]> {
        match &self.axes {
            Some(axes) => axes.rotate(row).into(),
            None => row.into(),
        }
    }

    /// A row's values, rotated, in the tree's order of columns.
    pub(super) fn in_order(&self, row: &[f32]) -> Vec<f32> {
        let rotated = self.rotate(row);
        self.columns.iter().map(|column| rotated[*column]).collect()
    }

    /// The error of squared distances from a row of such values: see [`Axes::slack`].
    pub(super) fn slack(&self, in_order: &[f32]) -> [f64; 2] {
        let axes = self.axes.as_ref();
        axes.map_or(UNROTATED, |axes| axes.slack(in_order))
    }

    /// Whether rows are rotated.
    #[cfg(test)]
    pub(super) fn is_rotated(&self) -> bool {
        self.axes.is_some()
    }

    /// 1 where the slack is small beside this squared distance from the row, else 0.
    pub(super) fn share_precise(&self, row: &[f32], squared: f64) -> f64 {
        let [_, more] = self.slack(&self.in_order(row));
        f64::from(u8::from(more < squared / 8.0))
    }

    /// The leaf that a row falls into.
    pub(super) fn leaf_of(&self, row: &[f32]) -> u32 {
        let row = self.rotate(row);
        let mut at = 0;
        loop {
            let node = self.nodes[at];
            if node.right == 0 {
                return node.leaf;
            }
            let left = row[self.columns[node.column as usize]] < node.split;
            at = if left { at + 1 } else { node.right as usize };
        }
    }
}

/// Columns by falling variance of a sample.
fn by_variance(rows: &[f32], d: usize) -> Vec<usize> {
    let step = (rows.len() / d).div_ceil(SAMPLE);
    let squares = squares(rows.chunks_exact(d).step_by(step), d);
    let mut columns: Vec<usize> = (0..d).collect();
    columns.sort_by(|a, b| squares[*b].total_cmp(&squares[*a]));
    columns
}

/// What all nodes are made from.
struct Builder<'a> {
    /// `(m, d)`, rotated.
    rows: &'a [f32],
    d: usize,
    /// Columns of a box.
    width: usize,
    columns: &'a [usize],
}

/// What belongs to a node and its descendants.
struct Parts<'a> {
    numbers: &'a mut [u32],
    nodes: &'a mut [Node],
    corners: &'a mut [[f32; 2]],
    leaves: &'a mut [Lanes],
}

impl Parts<'_> {
    /// What belongs to the two halves, the first of so many leaves.
    fn halves(&mut self, [d, width]: [usize; 2], n_leaves: usize) -> [Parts<'_>; 2] {
        let n_nodes = 2 * n_leaves - 1;
        let (numbers, right_numbers) = self.numbers.split_at_mut(n_leaves * LEAF);
        let (nodes, right_nodes) = self.nodes[1..].split_at_mut(n_nodes);
        let (corners, right_corners) = self.corners[width..].split_at_mut(n_nodes * width);
        let (leaves, right_leaves) = self.leaves.split_at_mut(n_leaves * d);
        let left = Parts {
            numbers,
            nodes,
            corners,
            leaves,
        };
        let right = Parts {
            numbers: right_numbers,
            nodes: right_nodes,
            corners: right_corners,
            leaves: right_leaves,
        };
        [left, right]
    }
}

impl Builder<'_> {
    /// Orders the rows of a node, and fills in the node and its descendants, the first of
    /// which has the number `at` and begins with the leaf `leaf`.
    fn build(&self, mut parts: Parts<'_>, [at, leaf]: [u32; 2]) {
        let Some(node) = parts.nodes.first_mut() else {
            return;
        };
        node.leaf = leaf;
        let n_leaves = parts.numbers.len().div_ceil(LEAF);
        if n_leaves < 2 {
            return self.fill(parts);
        }
        let left_leaves = n_leaves.div_ceil(2);
        node.column = self.most_varied(parts.numbers) as u32;
        node.right = at + 2 * left_leaves as u32;
        node.split = self.halve(parts.numbers, node.column as usize, left_leaves * LEAF);

        let next = [[at + 1, leaf], [node.right, leaf + left_leaves as u32]];
        let parallel = parts.numbers.len() > PARALLEL;
        let [left, right] = parts.halves([self.d, self.width], left_leaves);
        let left = || self.build(left, next[0]);
        let right = || self.build(right, next[1]);
        if parallel {
            rayon::join(left, right);
        } else {
            left();
            right();
        }
        let (own, below) = parts.corners.split_at_mut(self.width);
        let right = &below[(2 * left_leaves - 1) * self.width..];
        for ((own, a), b) in own.iter_mut().zip(&*below).zip(right) {
            *own = [a[0].min(b[0]), a[1].max(b[1])];
        }
    }

    /// Lays out the rows of a leaf, and the smallest box around them.
    fn fill(&self, parts: Parts<'_>) {
        for (lane, number) in parts.numbers.iter().enumerate() {
            let row = &self.rows[*number as usize * self.d..][..self.d];
            for (lanes, column) in parts.leaves.iter_mut().zip(self.columns) {
                lanes[lane] = row[*column];
            }
        }
        let n = parts.numbers.len();
        for lanes in parts.leaves.iter_mut() {
            let last = lanes[n - 1];
            lanes[n..].fill(last);
        }
        for (corner, lanes) in parts.corners.iter_mut().zip(parts.leaves) {
            let edges = [f32::INFINITY, f32::NEG_INFINITY];
            let edges = lanes
                .iter()
                .fold(edges, |[low, high], x| [low.min(*x), high.max(*x)]);
            *corner = edges;
        }
    }

    /// Where among the ordered columns a sample of rows varies most.
    fn most_varied(&self, numbers: &[u32]) -> usize {
        let step = numbers.len().div_ceil(FEWER);
        let sample = numbers.iter().step_by(step);
        let sample = sample.map(|number| &self.rows[*number as usize * self.d..][..self.d]);
        let squares = squares(sample, self.d);
        let square = |column: usize| squares[self.columns[column]];
        (1..self.d).fold(0, |a, b| if square(b) > square(a) { b } else { a })
    }

    /// Brings the `n_left` rows of least value in a column to the front, ties by number,
    /// and returns the least value of the others.
    fn halve(&self, numbers: &mut [u32], column: usize, n_left: usize) -> f32 {
        let column = self.columns[column];
        let value = |number: u32| self.rows[number as usize * self.d + column];
        let mut keys: Vec<(f32, u32)> = numbers.iter().map(|n| (value(*n), *n)).collect();
        let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        let (_, middle, _) = keys.select_nth_unstable_by(n_left, order);
        let split = middle.0;
        for (number, key) in numbers.iter_mut().zip(keys) {
            *number = key.1;
        }
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row lies in the box of each node above it, on its side of each split, and
    /// stands once in the order and in its leaf.
    #[test]
    fn boxes_hold_their_rows_and_leaves_hold_all() {
        for (m, d) in [(1, 1), (31, 3), (32, 2), (33, 2), (500, 5), (20_000, 2)] {
            let rows: Vec<f32> = (0..m * d).map(|i| ((i * 7919) % 1009) as f32).collect();
            let tree = Tree::new(&rows, d, None);
            let mut numbers = tree.numbers.clone();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..m as u32));
            for (place, number) in tree.numbers.iter().enumerate() {
                let row = tree.row(place);
                assert_eq!(row, &rows[*number as usize * d..][..d]);
                let values = tree.in_order(row);
                let lanes = tree.leaf(place / LEAF).iter().map(|l| l[place % LEAF]);
                assert!(lanes.eq(values.iter().copied()));
                let mut at = 0;
                loop {
                    let node = tree.nodes[at];
                    let mut edges = tree.corners(at).iter().zip(&values);
                    assert!(edges.all(|([low, high], x)| low <= x && x <= high));
                    if node.right == 0 {
                        assert_eq!(node.leaf as usize, place / LEAF);
                        break;
                    }
                    let right = tree.nodes[node.right as usize];
                    let left = place / LEAF < right.leaf as usize;
                    let x = values[node.column as usize];
                    assert!(if left {
                        x <= node.split
                    } else {
                        x >= node.split
                    });
                    at = if left { at + 1 } else { node.right as usize };
                }
            }
        }
    }
}
