//! Growing one isolation tree.

use std::ops::Range;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::depth::depth_limit;
use super::tree::{Grown, LEAF};
use crate::rng::{Purpose, stream};
use crate::rows::Rows;

/// A node that is not split yet.
struct Open {
    /// Its rows: a range of the sample's order.
    rows: Range<usize>,
    depth: u32,
}

/// A split: rows whose value is at most the threshold go left.
struct Split {
    feature: usize,
    threshold: f32,
}

/// The rows that a tree is grown on.
struct Sample {
    /// `(psi, d)`
    values: Vec<f32>,
    d: usize,
    /// Row numbers, those of each node together.
    order: Vec<usize>,
}

/// Grows tree number `tree` on psi rows, level by level.
pub(super) fn grow(rows: Rows<'_>, psi: usize, seed: u64, tree: u64) -> Grown {
    let mut picking = stream(seed, Purpose::TREE_SAMPLE, [tree, 0]);
    let picked = rand::seq::index::sample(&mut picking, rows.n_rows(), psi);
    let picked = picked.iter().filter_map(|i| rows.get(i));
    let mut sample = Sample {
        values: picked.flatten().copied().collect(),
        d: rows.n_cols(),
        order: (0..psi).collect(),
    };
    let mut features = sample.varying();
    let mut rng = stream(seed, Purpose::TREE_SPLITS, [tree, 0]);
    let limit = depth_limit(psi);
    let mut grown = Grown::default();
    // Nodes in the order in which they are numbered.
    let mut open = vec![Open {
        rows: 0..psi,
        depth: 0,
    }];
    let mut next = 0;
    while let Some(node) = open.get(next) {
        next += 1;
        let (rows, depth) = (node.rows.clone(), node.depth + 1);
        let split = (rows.len() > 1 && depth <= limit)
            .then(|| sample.split(&rows, &mut features, &mut rng))
            .flatten();
        grown.size.push(rows.len() as u32);
        if let Some(split) = split {
            grown.feature.push(split.feature as u32);
            grown.threshold.push(split.threshold);
            let middle = sample.partition(&rows, &split);
            let (left, right) = (rows.start..middle, middle..rows.end);
            open.extend([left, right].map(|rows| Open { rows, depth }));
        } else {
            grown.feature.push(LEAF);
            grown.threshold.push(0.0);
        }
    }
    grown
}

impl Sample {
    /// Features that vary in the sample: the others need not be drawn in any node.
    fn varying(&self) -> Vec<usize> {
        let first = &self.values[..self.d];
        let mut varies = vec![false; self.d];
        for row in self.values.chunks_exact(self.d).skip(1) {
            for ((varies, x), first) in varies.iter_mut().zip(row).zip(first) {
                *varies |= x.total_cmp(first).is_ne();
            }
        }
        (0..self.d).filter(|j| varies[*j]).collect()
    }

    /// A random split of some rows, or `None` when they are all equal.
    fn split(
        &self,
        rows: &Range<usize>,
        features: &mut [usize],
        rng: &mut impl Rng,
    ) -> Option<Split> {
        // Features are drawn without replacement until one varies: uniform among those.
        (0..features.len()).find_map(|drawn| {
            let (chosen, _) = features[drawn..].partial_shuffle(rng, 1);
            let feature = *chosen.first()?;
            let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
            for &i in &self.order[rows.clone()] {
                let x = self.values[i * self.d + feature];
                min = min.min(x);
                max = max.max(x);
            }
            (min < max).then(|| {
                let (low, high) = (f64::from(min), f64::from(max));
                let drawn = (low + rng.random::<f64>() * (high - low)) as f32;
                // Rounded to the greatest value it would send every row to the left.
                let threshold = if drawn < max { drawn } else { min };
                Split { feature, threshold }
            })
        })
    }

    /// Reorders some rows so that those of the left child come first; returns where the
    /// right child's begin.
    fn partition(&mut self, rows: &Range<usize>, split: &Split) -> usize {
        let mut middle = rows.start;
        for i in rows.clone() {
            let row = self.order[i];
            if self.values[row * self.d + split.feature] <= split.threshold {
                self.order.swap(i, middle);
                middle += 1;
            }
        }
        middle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    #[test]
    fn a_tree_holds_its_sample_and_splits_only_what_varies() {
        let mut rng = stream(1, Purpose::SAMPLE, [0, 0]);
        // The second column is constant, the third nearly so.
        let data: Vec<f32> = (0..300)
            .flat_map(|i| [rng.random::<f32>(), 7.0, f32::from(u8::from(i == 3))])
            .collect();
        let rows = Matrix::new(data, 3).unwrap();
        for tree in 0..50 {
            let grown = grow(rows.rows(), 64, 9, tree);
            assert!(grown.is_sound(3, 64), "tree {tree}");
            assert!(!grown.feature.contains(&1));
            let leaves = grown.feature.iter().zip(&grown.size);
            let held: u32 = leaves.filter(|(f, _)| **f == LEAF).map(|(_, n)| n).sum();
            assert_eq!(held, 64);
        }
    }

    /// In the root, both varying features are drawn equally often, and thresholds are
    /// uniform over the range.
    #[test]
    fn splits_are_uniform_over_features_and_thresholds() {
        let data = (0..20).flat_map(|i| [i as f32, 0.0, 1e6 * (i % 2) as f32]);
        let rows = Matrix::new(data.collect(), 3).unwrap();
        let roots: Vec<(u32, f32)> = (0..4000)
            .map(|tree| grow(rows.rows(), 20, 5, tree))
            .map(|grown| (grown.feature[0], grown.threshold[0]))
            .collect();
        let first: Vec<f32> = roots.iter().filter(|r| r.0 == 0).map(|r| r.1).collect();
        let share = first.len() as f32 / roots.len() as f32;
        assert!((share - 0.5).abs() < 0.04, "{share}");
        assert!(roots.iter().all(|r| r.0 != 1));
        let mean = first.iter().sum::<f32>() / first.len() as f32;
        assert!((mean - 9.5).abs() < 0.5, "{mean}");
        assert!(first.iter().all(|t| (0.0..19.0).contains(t)));
    }

    #[test]
    fn neighbouring_floats_are_still_split() {
        let next = f32::from_bits(1.0f32.to_bits() + 1);
        let rows = Matrix::new(vec![1.0, next], 1).unwrap();
        for tree in 0..20 {
            let grown = grow(rows.rows(), 2, 0, tree);
            assert_eq!(grown.size, [2, 1, 1]);
            assert_eq!(grown.threshold[0], 1.0);
        }
    }
}
