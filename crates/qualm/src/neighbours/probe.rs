//! A look at how well a tree spares the comparison of rows: it is asked for the neighbours of
//! a few hundred.

use rayon::prelude::*;

use super::query::SelfMatch;
use super::search::Group;
use super::tile::LEAF;
use super::{Neighbours, walk};

/// Leaves whose rows are asked for, and for how many neighbours.
const LEAVES: usize = 8;
const NEIGHBOURS: usize = 10;

/// What was found.
#[derive(Debug)]
pub(super) struct Probe {
    /// The share of all differences of values that were computed.
    pub(super) compared: f64,
    /// The places of the rows asked for, with the squared distance of the last neighbour.
    last: Vec<(usize, f64)>,
}

impl Probe {
    pub(super) fn new(index: &Neighbours) -> Self {
        let tree = &index.tree;
        let question = index.question(NEIGHBOURS, SelfMatch::Keep);
        let probes = (0..LEAVES).into_par_iter().map(|i| {
            let leaf = tree.n_leaves() * i / LEAVES;
            let found = walk(question, &Group::of_leaf(tree, leaf));
            let last = found.nearest.iter().enumerate().map(|(lane, nearest)| {
                let last = nearest.last().map_or(0.0, |last| last.distance);
                (leaf * LEAF + lane, last * last)
            });
            (found.compared as f64, last.collect())
        });
        let probes: Vec<(f64, Vec<(usize, f64)>)> = probes.collect();
        let compared: f64 = probes.iter().map(|(compared, _)| compared).sum();
        let last: Vec<(usize, f64)> = probes.into_iter().flat_map(|(_, last)| last).collect();
        let all = (tree.n_leaves() * LEAF * tree.d) as f64;
        Self {
            compared: compared / all / last.len() as f64,
            last,
        }
    }

    /// The mean of the shares that `share` makes of each row and its squared distance.
    pub(super) fn share_sharp(
        &self,
        index: &Neighbours,
        share: impl Fn(&[f32], f64) -> f64 + Sync,
    ) -> f64 {
        let shares = self.last.par_iter();
        let shares = shares.map(|(place, squared)| share(index.tree.row(*place), *squared));
        // One after the other, so that the sum is the same whoever computed the shares.
        let shares: Vec<f64> = shares.collect();
        shares.iter().sum::<f64>() / shares.len() as f64
    }
}
