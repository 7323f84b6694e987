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

/// The share by which a distance that is only estimated from below may be off by rounding.
const ROUNDING: f64 = 1e-9;

/// Columns between two looks at whether any row is still near enough.
const STEP: usize = 8;

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
        let sum: f64 = apart.map(|x| raised(x / largest, p)).sum();
        largest * sum.powf(p.recip())
    } else {
        0.0
    }
}

/// A power; of a whole number by products.
fn raised(x: f64, p: f64) -> f64 {
    if p.fract() == 0.0 && p < 64.0 {
        x.powi(p as i32)
    } else {
        x.powf(p)
    }
}

/// How many times the Euclidean norm of d values the norm of power p is at the least.
fn beside_euclidean(d: usize, p: f64) -> f64 {
    (d as f64).powf(p.recip() - 0.5).min(1.0)
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
    let euclidean = match query.norm {
        Norm::Power(p) => beside_euclidean(tree.d, p) * (1.0 - ROUNDING),
        _ => 1.0,
    };
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        if is_beyond(
            query.norm,
            euclidean,
            ordered,
            tree.corners(at),
            state.nearest.bound(),
        ) {
            continue;
        }
        let node = tree.nodes[at];
        if node.right == 0 {
            let leaf = node.leaf as usize;
            let bound = state.nearest.bound();
            let distances = match query.norm {
                Norm::Power(p) => by_power(p, euclidean, ordered, tree.leaf(leaf), bound),
                norm => plain(norm, ordered, tree.leaf(leaf), bound),
            };
            let filled = (tree.numbers.len() - leaf * LEAF).min(LEAF);
            for (lane, distance) in distances.into_iter().take(filled).enumerate() {
                if distance <= state.nearest.bound() {
                    query.offer(state, leaf * LEAF + lane, distance);
                }
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

/// Whether every row in a box is farther than `bound`. `euclidean` is the least share of the
/// Euclidean norm that the norm is.
fn is_beyond(
    norm: Norm,
    euclidean: f64,
    ordered: &[f32],
    corners: &[[f32; 2]],
    bound: f64,
) -> bool {
    let mut sum = 0.0;
    let mut largest = 0.0f64;
    for (ordered, corners) in ordered.chunks(STEP).zip(corners.chunks(STEP)) {
        for (x, [low, high]) in ordered.iter().zip(corners) {
            let x = f64::from(*x);
            let outside = (f64::from(*low) - x).max(x - f64::from(*high)).max(0.0);
            largest = largest.max(outside);
            sum += match norm {
                Norm::Power(_) => outside * outside,
                _ => outside,
            };
        }
        let least = match norm {
            Norm::Largest => largest,
            Norm::Power(_) => largest.max(euclidean * sum.sqrt()),
            _ => sum,
        };
        if least > bound {
            return true;
        }
    }
    false
}

/// The sums or the largest of the absolute differences of a row from those of a leaf. Beyond
/// `bound` they may be incomplete.
///
/// # Shapes
/// `row`: `(d,)`; `leaf`: `(d, LEAF)`.
fn plain(norm: Norm, row: &[f32], leaf: &[Lanes], bound: f64) -> Norms {
    let mut sums = [0.0; LEAF];
    vectorised(
        #[inline(always)]
        || {
            if norm == Norm::Largest {
                fold(
                    row,
                    leaf,
                    &mut sums,
                    bound,
                    |most, x| if x > most { x } else { most },
                );
            } else {
                fold(row, leaf, &mut sums, bound, |sum, x| sum + x);
            }
        },
    );
    sums
}

/// The norms of power p likewise. Powers are slow, and only taken where the Euclidean norm does
/// not tell that a row is farther than `bound`.
fn by_power(p: f64, euclidean: f64, row: &[f32], leaf: &[Lanes], bound: f64) -> Norms {
    let mut distances = [0.0; LEAF];
    let limit = (bound / euclidean).powi(2);
    vectorised(
        #[inline(always)]
        || fold(row, leaf, &mut distances, limit, |sum, x| sum + x * x),
    );
    for (lane, distance) in distances.iter_mut().enumerate() {
        *distance = if *distance > limit {
            f64::INFINITY
        } else {
            let lanes = leaf.iter().map(|lanes| f64::from(lanes[lane]));
            power(
                row.iter()
                    .zip(lanes)
                    .map(|(x, y)| (f64::from(*x) - y).abs()),
                p,
            )
        };
    }
    distances
}

/// Folds the absolute differences of each lane, until all results are above `bound`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn fold(row: &[f32], leaf: &[Lanes], sums: &mut Norms, bound: f64, with: impl Fn(f64, f64) -> f64) {
    for (row, leaf) in row.chunks(STEP).zip(leaf.chunks(STEP)) {
        for (x, lanes) in row.iter().zip(leaf) {
            let x = f64::from(*x);
            for lane in 0..LEAF {
                sums[lane] = with(sums[lane], (x - f64::from(lanes[lane])).abs());
            }
        }
        if sums.iter().all(|sum| *sum > bound) {
            return;
        }
    }
}
