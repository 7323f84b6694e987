//! The search by norms other than the Euclidean.
//!
//! The box of a node bounds every such norm from below as it does the Euclidean, so the same tree
//! is walked. Distances are computed in float64 at once, a leaf at a time, in the order of the
//! tree's columns.

use super::metric::Norm;
use super::nearest::{Neighbour, UNROTATED};
use super::query::{Query, QueryState};
use super::search::Group;
use super::tile::{LEAF, Lanes};
use crate::nn::vectorised;

/// The norms of differences, one of each lane.
type Norms = [f64; LEAF];

/// The least distance of a box is lowered by this share, since powers are not rounded alike.
const ROUNDING: f64 = 1e-9;

/// Whether distances are computed here.
pub(super) fn is_special(norm: Norm) -> bool {
    !matches!(norm, Norm::Euclidean | Norm::HalfSquare)
}

/// The norm of the difference of two rows.
///
/// # Shapes
/// `a`, `b`: `(d,)`.
pub(crate) fn distance(norm: Norm, a: &[f32], b: &[f32]) -> f64 {
    let apart = a
        .iter()
        .zip(b)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    match norm {
        Norm::Euclidean => super::squared_distance(a, b).sqrt(),
        Norm::HalfSquare => super::squared_distance(a, b) / 2.0,
        Norm::Sum => apart.sum(),
        Norm::Largest => apart.fold(0.0, f64::max),
        Norm::Power(p) => power(apart, p),
    }
}

/// The p-th root of the sum of p-th powers, in units of the largest: no power under- or
/// overflows.
fn power(apart: impl Iterator<Item = f64> + Clone, p: f64) -> f64 {
    let largest = apart.clone().fold(0.0, f64::max);
    if largest > 0.0 {
        let sum: f64 = apart.map(|x| (x / largest).powf(p)).sum();
        largest * sum.powf(p.recip())
    } else {
        0.0
    }
}

/// The nearest of each row of a group.
pub(super) fn search(query: Query<'_>, group: &Group<'_>) -> Vec<Vec<Neighbour>> {
    let nearest = |(i, row)| {
        let mut state = query.start(row, UNROTATED);
        walk(query, group.ordered(i), &mut state);
        query.finish(state)
    };
    group.rows().enumerate().map(nearest).collect()
}

/// Walks to every leaf that may hold one of the nearest rows, the nearer half first.
fn walk(query: Query<'_>, ordered: &[f32], state: &mut QueryState<'_>) {
    let tree = query.tree;
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        let outside = ordered
            .iter()
            .zip(tree.corners(at))
            .map(|(x, [low, high])| {
                let x = f64::from(*x);
                (f64::from(*low) - x).max(x - f64::from(*high)).max(0.0)
            });
        let least = match query.norm {
            Norm::Largest => outside.fold(0.0, f64::max),
            Norm::Power(p) => power(outside, p),
            _ => outside.sum(),
        };
        if least * (1.0 - ROUNDING) > state.nearest.bound() {
            continue;
        }
        let node = tree.nodes[at];
        if node.right == 0 {
            let leaf = node.leaf as usize;
            let distances = vectorised(
                #[inline(always)]
                || distances(query.norm, ordered, tree.leaf(leaf)),
            );
            let filled = (tree.numbers.len() - leaf * LEAF).min(LEAF);
            for (lane, distance) in distances.into_iter().take(filled).enumerate() {
                query.offer(state, leaf * LEAF + lane, distance);
            }
        } else {
            let mut halves = [node.right as usize, at + 1];
            if ordered[node.column as usize] >= node.split {
                halves.reverse();
            }
            open.extend(halves);
        }
    }
}

/// The norms of the differences of a row from those of a leaf.
///
/// # Shapes
/// `row`: `(d,)`; `leaf`: `(d, LEAF)`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn distances(norm: Norm, row: &[f32], leaf: &[Lanes]) -> Norms {
    let mut sums = [0.0; LEAF];
    match norm {
        Norm::Largest => fold(row, leaf, &mut sums, |sum, x| if x > sum { x } else { sum }),
        Norm::Power(p) => {
            let mut largest = [0.0; LEAF];
            fold(
                row,
                leaf,
                &mut largest,
                |sum, x| if x > sum { x } else { sum },
            );
            for (row, lanes) in row.iter().zip(leaf) {
                for lane in 0..LEAF {
                    if largest[lane] > 0.0 {
                        let apart = (f64::from(*row) - f64::from(lanes[lane])).abs();
                        sums[lane] += (apart / largest[lane]).powf(p);
                    }
                }
            }
            for (sum, largest) in sums.iter_mut().zip(largest) {
                *sum = largest * sum.powf(p.recip());
            }
        }
        _ => fold(row, leaf, &mut sums, |sum, x| sum + x),
    }
    sums
}

/// Folds the absolute differences of each lane.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn fold(row: &[f32], leaf: &[Lanes], sums: &mut Norms, with: impl Fn(f64, f64) -> f64) {
    for (x, lanes) in row.iter().zip(leaf) {
        let x = f64::from(*x);
        for lane in 0..LEAF {
            sums[lane] = with(sums[lane], (x - f64::from(lanes[lane])).abs());
        }
    }
}
