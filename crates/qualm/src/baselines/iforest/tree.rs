//! One isolation tree: as it is saved in a file, and as rows pass through it.
//!
//! Nodes are numbered level by level, both children of a split one after the other. So the
//! left child of a split is node `1 + 2 k`, k being the number of splits before it, and the
//! numbers of children need not be saved, nor checked when they are read.

use super::depth::{average_path, depth_limit};
use crate::rows::Rows;

/// The feature of a node without children.
pub(super) const LEAF: u32 = u32::MAX;

/// Rows that pass through a tree side by side, so that the processor need not wait for the nodes
/// of one row.
const SIDE_BY_SIDE: usize = 8;

/// A tree as it is saved.
#[derive(Debug, Default)]
pub(super) struct Grown {
    /// The feature that splits a node, or [`LEAF`].
    pub(super) feature: Vec<u32>,
    /// Rows whose value is at most this go left; 0 in a leaf.
    pub(super) threshold: Vec<f32>,
    /// Rows of the sample in a node.
    pub(super) size: Vec<u32>,
}

/// A tree ready for scoring.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// Rows of the sample in a node.
    size: Vec<u32>,
    /// Length of the path that ends in a node.
    path: Vec<f64>,
    /// Splits on the longest path.
    height: u32,
}

/// A node: a row goes to `left`, or to the node after it where its value is above the
/// threshold. In a leaf, `left` is the leaf itself and no value is above the threshold.
#[derive(Debug, Clone, Copy)]
struct Node {
    threshold: f32,
    feature: u32,
    left: u32,
}

impl Grown {
    /// Whether these nodes make one tree over psi rows of d columns.
    pub(super) fn is_sound(&self, d: usize, psi: usize) -> bool {
        let n = self.feature.len();
        let mut depth = vec![0; n];
        let mut left = 1;
        for (i, (&feature, &size)) in self.feature.iter().zip(&self.size).enumerate() {
            if left <= i || size == 0 {
                // A node that no split has made, or without a row.
                return false;
            }
            if feature == LEAF {
                continue;
            }
            let children = self.size.get(left..left + 2);
            let whole = children
                .is_some_and(|c| c.iter().map(|n| u64::from(*n)).sum::<u64>() == u64::from(size));
            let deeper = depth[i] + 1;
            if feature as usize >= d || !whole || deeper > depth_limit(psi) {
                return false;
            }
            if let Some(children) = depth.get_mut(left..left + 2) {
                children.fill(deeper);
            }
            left += 2;
        }
        n > 0 && left == n && self.size.first().is_some_and(|&n| n as usize == psi)
    }

    /// The tree ready for scoring.
    pub(super) fn finish(self) -> Tree {
        let n = self.feature.len();
        let mut depth = vec![0u32; n];
        let mut next = 1;
        let nodes = self.feature.iter().zip(&self.threshold).enumerate();
        let nodes = nodes.map(|(i, (&feature, &threshold))| {
            if feature == LEAF {
                return Node {
                    threshold: f32::INFINITY,
                    feature: 0,
                    left: i as u32,
                };
            }
            let left = next;
            next += 2;
            let deeper = depth[i] + 1;
            if let Some(children) = depth.get_mut(left..left + 2) {
                children.fill(deeper);
            }
            Node {
                threshold,
                feature,
                left: left as u32,
            }
        });
        let nodes = nodes.collect();
        let path = depth.iter().zip(&self.size);
        Tree {
            path: path
                .map(|(depth, size)| f64::from(*depth) + average_path(*size as usize))
                .collect(),
            height: depth.iter().copied().max().unwrap_or(0),
            size: self.size,
            nodes,
        }
    }
}

impl Tree {
    /// The tree as it is saved.
    pub(super) fn grown(&self) -> Grown {
        let split = |(i, node): (usize, &Node)| (node.left as usize != i).then_some(*node);
        let splits = || self.nodes.iter().enumerate().map(split);
        Grown {
            feature: splits().map(|s| s.map_or(LEAF, |s| s.feature)).collect(),
            threshold: splits().map(|s| s.map_or(0.0, |s| s.threshold)).collect(),
            size: self.size.clone(),
        }
    }

    /// Adds each row's path length to its sum.
    ///
    /// # Shapes
    /// `sums`: `(n,)`.
    pub(super) fn add_paths(&self, rows: Rows<'_>, sums: &mut [f64]) {
        let d = rows.n_cols();
        let (groups, rest) = sums.as_chunks_mut::<SIDE_BY_SIDE>();
        let mut values = rows.as_slice().chunks_exact(SIDE_BY_SIDE * d);
        for (sums, values) in groups.iter_mut().zip(&mut values) {
            self.add_group(values, d, sums);
        }
        for (sum, row) in rest.iter_mut().zip(values.remainder().chunks_exact(d)) {
            self.add_group(row, d, std::array::from_mut(sum));
        }
    }

    /// The same for rows side by side. Every row takes as many steps as the tree is high; one that
    /// has reached its leaf stays there.
    fn add_group<const N: usize>(&self, values: &[f32], d: usize, sums: &mut [f64; N]) {
        let mut at = [0usize; N];
        for _ in 0..self.height {
            for (lane, at) in at.iter_mut().enumerate() {
                let node = self.nodes[*at];
                let x = values[lane * d + node.feature as usize];
                *at = node.left as usize + usize::from(x > node.threshold);
            }
        }
        for (sum, at) in sums.iter_mut().zip(at) {
            *sum += self.path[at];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    /// x0 <= 1 ? (x1 <= 5 ? 2 rows : 1 row) : 1 row
    fn grown() -> Grown {
        Grown {
            feature: vec![0, 1, LEAF, LEAF, LEAF],
            threshold: vec![1.0, 5.0, 0.0, 0.0, 0.0],
            size: vec![4, 3, 1, 2, 1],
        }
    }

    #[test]
    fn paths_by_hand() {
        // Nine rows: a group side by side and one alone.
        let mut data = vec![1.5, 0.0, 1.0, 5.0, 0.0, 6.0];
        data.extend([9.0; 12]);
        let rows = Matrix::new(data, 2).unwrap();
        let mut sums = vec![10.0; 9];
        let tree = grown().finish();
        tree.add_paths(rows.rows(), &mut sums);
        assert_eq!(sums, [11.0, 13.0, 12.0, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0]);
    }

    #[test]
    fn a_tree_is_kept_as_it_was_grown() {
        let (before, after) = (grown(), grown().finish().grown());
        assert_eq!(after.feature, before.feature);
        assert_eq!(after.threshold, before.threshold);
        assert_eq!(after.size, before.size);
    }

    #[test]
    fn what_is_no_tree_is_unsound() {
        assert!(grown().is_sound(2, 4));
        assert!(!grown().is_sound(1, 4), "a feature past the columns");
        assert!(!grown().is_sound(2, 5), "another sample");
        let changed = |change: fn(&mut Grown)| {
            let mut grown = grown();
            change(&mut grown);
            !grown.is_sound(2, 4)
        };
        assert!(changed(|g| g.feature[2] = 0), "children past the end");
        assert!(
            changed(|g| g.feature[0] = LEAF),
            "nodes that nothing leads to"
        );
        assert!(changed(|g| g.size[3] = 3), "more rows than the parent has");
        assert!(changed(|g| g.size[4] = 0), "an empty leaf");
        assert!(changed(|g| g.size.truncate(4)), "a node without a size");
        assert!(!Grown::default().is_sound(2, 0), "no node");
        // Deeper than any fit goes: the left child is a leaf at every level.
        let chain = |n: u32| Grown {
            feature: (1..n).flat_map(|_| [0, LEAF]).chain([LEAF]).collect(),
            threshold: vec![0.0; 2 * n as usize - 1],
            size: (1..n).rev().flat_map(|m| [m + 1, 1]).chain([1]).collect(),
        };
        assert!(!chain(8).is_sound(2, 8));
    }
}
