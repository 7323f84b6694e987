//! A k-d tree (J. L. Bentley, *Multidimensional binary search trees used for associative
//! searching*, Communications of the ACM 18, 1975) with boxes that fit, and leaves that are
//! blocks.
//!
//! Nodes are split in the middle of the column that varies most in them, at a whole number
//! of leaves, so that every leaf but the last is full and the shape of the tree follows from
//! the number of rows. By variance, not by width: a column of zeros and a few ones is as wide
//! as any, and splitting it in the middle splits equal values at random.
//!
//! A leaf's rows lie in memory column by column, one vector lane each.

use super::tile::{LEAF, Lanes};

/// Rows from which on the two halves of a node are split by two threads.
const PARALLEL: usize = 8192;

/// Rows of a node that are looked at to choose the column to split, at most.
const SAMPLE: usize = 1024;

/// Distinct rows in the order of a tree.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) d: usize,
    /// `(m, d)`, in the order of the leaves.
    rows: Vec<f32>,
    /// The numbers of those rows, `(m,)`.
    pub(super) numbers: Vec<u32>,
    /// Columns, those that vary most first: sums that start with them exceed a limit early.
    columns: Vec<usize>,
    /// `(leaves, d, LEAF)`, columns in that order; the last leaf repeats its last row.
    leaves: Vec<Lanes>,
    /// Each node before its descendants, the left half before the right.
    pub(super) nodes: Vec<Node>,
    /// `(nodes, d)` lower and upper edges of the rows in a node, columns in that order.
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
    pub(super) fn new(rows: &[f32], d: usize) -> Self {
        let m = rows.len() / d;
        let n_leaves = m.div_ceil(LEAF);
        let columns = by_variance(rows, d);
        let mut numbers: Vec<u32> = (0..m as u32).collect();
        let mut nodes = vec![Node::default(); 2 * n_leaves - 1];
        let mut corners = vec![[0.0; 2]; nodes.len() * d];
        let builder = Builder {
            rows,
            d,
            columns: &columns,
        };
        builder.build(&mut numbers, &mut nodes, &mut corners, [0, 0]);

        let row = |number: u32| &rows[number as usize * d..][..d];
        let mut leaves = vec![[0.0; LEAF]; n_leaves * d];
        for (numbers, leaf) in numbers.chunks(LEAF).zip(leaves.chunks_exact_mut(d)) {
            for (lane, number) in numbers.iter().enumerate() {
                let row = row(*number);
                for (lanes, column) in leaf.iter_mut().zip(&columns) {
                    lanes[lane..].fill(row[*column]);
                }
            }
        }
        Self {
            d,
            rows: numbers.iter().flat_map(|n| row(*n)).copied().collect(),
            numbers,
            columns,
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

    /// The edges of a node's box, `(d,)`.
    pub(super) fn corners(&self, node: usize) -> &[[f32; 2]] {
        &self.corners[node * self.d..][..self.d]
    }

    pub(super) fn n_leaves(&self) -> usize {
        self.leaves.len() / self.d
    }

    /// A row's values in the tree's order of columns.
    pub(super) fn in_order<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.columns.iter().map(|column| row[*column])
    }

    /// The leaf on whose side of every split a row lies.
    pub(super) fn home(&self, row: &[f32]) -> u32 {
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

/// Columns by falling variance.
fn by_variance(rows: &[f32], d: usize) -> Vec<usize> {
    let squares = squares(rows.chunks_exact(d), d);
    let mut columns: Vec<usize> = (0..d).collect();
    columns.sort_by(|a, b| squares[*b].total_cmp(&squares[*a]));
    columns
}

/// Sums of squared deviations from the mean of each column, `(d,)`.
fn squares<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone, d: usize) -> Vec<f64> {
    let mut sum = vec![0.0; d];
    let mut n = 0.0f64;
    for row in rows.clone() {
        n += 1.0;
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += f64::from(*x);
        }
    }
    let mut squares = vec![0.0; d];
    for row in rows {
        for ((square, sum), x) in squares.iter_mut().zip(&sum).zip(row) {
            *square += (f64::from(*x) - sum / n).powi(2);
        }
    }
    squares
}

/// What all nodes are made from.
struct Builder<'a> {
    rows: &'a [f32],
    d: usize,
    columns: &'a [usize],
}

impl Builder<'_> {
    /// Orders the rows of a node, and fills in the node and its descendants, the first of
    /// which has the number `at` and begins with the leaf `leaf`.
    fn build(
        &self,
        numbers: &mut [u32],
        nodes: &mut [Node],
        corners: &mut [[f32; 2]],
        [at, leaf]: [u32; 2],
    ) {
        let (Some((node, nodes)), (own, corners)) =
            (nodes.split_first_mut(), corners.split_at_mut(self.d))
        else {
            return;
        };
        self.enclose(numbers, own);
        node.leaf = leaf;
        let n_leaves = numbers.len().div_ceil(LEAF);
        if n_leaves < 2 {
            return;
        }
        let left_leaves = n_leaves.div_ceil(2);
        node.column = self.most_varied(numbers) as u32;
        node.right = at + 2 * left_leaves as u32;
        node.split = self.halve(numbers, node.column as usize, left_leaves * LEAF);

        let next = [[at + 1, leaf], [node.right, leaf + left_leaves as u32]];
        let (numbers, right_numbers) = numbers.split_at_mut(left_leaves * LEAF);
        let (nodes, right_nodes) = nodes.split_at_mut(2 * left_leaves - 1);
        let (corners, right_corners) = corners.split_at_mut(nodes.len() * self.d);
        let parallel = numbers.len() > PARALLEL;
        let mut left = || self.build(numbers, nodes, corners, next[0]);
        let mut right = || self.build(right_numbers, right_nodes, right_corners, next[1]);
        if parallel {
            rayon::join(left, right);
        } else {
            left();
            right();
        }
    }

    /// The smallest box around rows.
    fn enclose(&self, numbers: &[u32], corners: &mut [[f32; 2]]) {
        let mut edges = vec![[f32::INFINITY, f32::NEG_INFINITY]; self.d];
        for number in numbers {
            let row = &self.rows[*number as usize * self.d..][..self.d];
            for ([low, high], x) in edges.iter_mut().zip(row) {
                *low = low.min(*x);
                *high = high.max(*x);
            }
        }
        for (corner, column) in corners.iter_mut().zip(self.columns) {
            *corner = edges[*column];
        }
    }

    /// Where among the ordered columns a sample of rows varies most.
    fn most_varied(&self, numbers: &[u32]) -> usize {
        let step = numbers.len().div_ceil(SAMPLE);
        let sample = numbers.iter().step_by(step);
        let sample = sample.map(|number| &self.rows[*number as usize * self.d..][..self.d]);
        let squares = squares(sample, self.d);
        let square = |column: usize| squares[self.columns[column]];
        let most = (0..self.d).reduce(|a, b| if square(b) > square(a) { b } else { a });
        most.unwrap_or_default()
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
            let tree = Tree::new(&rows, d);
            let mut numbers = tree.numbers.clone();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..m as u32));
            for (place, number) in tree.numbers.iter().enumerate() {
                let row = tree.row(place);
                assert_eq!(row, &rows[*number as usize * d..][..d]);
                let values: Vec<f32> = tree.in_order(row).collect();
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
