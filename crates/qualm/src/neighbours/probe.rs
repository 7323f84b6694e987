//! How much work a tree saves: measured by searching it for the neighbours of a few hundred of
//! its rows.

use rayon::prelude::*;

use super::metric::Norm;
use super::query::{Query, SelfMatch};
use super::search::{Group, search};
use super::tile::LEAF;
use super::tree::Tree;

/// Leaves whose rows are searched for, and the neighbours of each.
const LEAVES: usize = 8;
const NEIGHBOURS: usize = 10;

/// What was found.
#[derive(Debug)]
pub(super) struct Probe {
    /// The share of all differences of values that the search computed.
    pub(super) compared: f64,
    /// The places of the rows searched for, with the squared distance of the last neighbour.
    last: Vec<(usize, f64)>,
}

impl Probe {
    /// Searches a tree; `counts` are the copies of each of its rows, by number.
    pub(super) fn new(tree: &Tree, counts: &[u32]) -> Self {
        let query = Query {
            tree,
            counts,
            k: NEIGHBOURS,
            self_match: SelfMatch::Keep,
            norm: Norm::Euclidean,
        };
        let probes = (0..LEAVES).into_par_iter().map(|i| {
            let leaf = tree.n_leaves() * i / LEAVES;
            let found = search(query, &Group::from_leaf(tree, leaf));
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

    /// The mean of `share` over the rows, each with the squared distance of its last neighbour.
    pub(super) fn share_precise(
        &self,
        tree: &Tree,
        share: impl Fn(&[f32], f64) -> f64 + Sync,
    ) -> f64 {
        let shares = self.last.par_iter();
        let shares = shares.map(|(place, squared)| share(tree.row(*place), *squared));
        // Summed in order, so that the result does not depend on the threads.
        let shares: Vec<f64> = shares.collect();
        shares.iter().sum::<f64>() / shares.len() as f64
    }
}
