//! Rows in two dimensions by UMAP.
//!
//! L. McInnes, J. Healy and J. Melville, *UMAP: Uniform Manifold Approximation and Projection for
//! Dimension Reduction*, arXiv:1802.03426v3, 2020. Rows (n, d) become places (n, 2):
//!
//! 1. the [`graph`]: memberships of each row's k nearest, and their fuzzy union (algorithms 1 to 3);
//! 2. first places: two principal components, where the paper takes eigenvectors of the graph's
//!    Laplacian (algorithm 4). D. Kobak and G. Linderman, *Initialization is critical for preserving
//!    global data structure in both t-SNE and UMAP*, Nature Biotechnology 39, 2021, find the two
//!    equally good, and components need no eigensolver of sparse matrices;
//! 3. the [`descent`] (algorithm 5), one update after another.
//!
//! Defaults are those of the authors' `umap-learn`. At most [`LAID_OUT`] rows are laid out so. The
//! others are placed among them, each at the mean of its nearest, weighted by their memberships, as
//! `umap-learn` begins its `transform`.
//!
//! It is our own because the crates on crates.io draw from the thread's generator or update places
//! from several threads at once, and so lay the same rows out otherwise at each run.

mod curve;
mod descent;
mod graph;

use qualm::rng::{Purpose, sample, stream};
use qualm::{Matrix, NearestRows};
use rand::RngExt;
use rayon::prelude::*;

use crate::error::Result;
use crate::project::{plane, standardised};

/// Rows that are laid out; the others are placed among them.
pub(crate) const LAID_OUT: usize = 20_000;
/// Rows of a neighbourhood, itself counted.
pub(crate) const NEIGHBOURS: usize = 15;
/// How near points of the map lie to each other.
pub(crate) const MIN_DIST: f64 = 0.1;
/// Epochs of a map of few rows, and of many.
const EPOCHS: [usize; 2] = [500, 200];
const FEW: usize = 10_000;
/// The side of the square of the first places, and the noise that parts equal ones.
const SIDE: f64 = 10.0;
const NOISE: f64 = 1e-4;
/// Which rows are laid out, and the noise of the first places.
const ROWS: Purpose = Purpose::of_crate(4, 5);
const FIRST: Purpose = Purpose::of_crate(4, 7);

/// Rows on a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    /// `[x, y]` of each row.
    pub(crate) points: Vec<[f32; 2]>,
    /// How many of the rows were laid out.
    pub(crate) laid_out: usize,
}

/// Lays out at most `most` of the rows, drawn with the seed, and places the others among them.
/// `standardise` divides each column by its standard deviation first.
///
/// # Shapes
/// `rows`: `(n, d)`, n at least 2.
///
/// # Errors
/// [`qualm::Error::Empty`] for no rows.
pub(crate) fn layout(rows: &Matrix, standardise: bool, seed: u64, most: usize) -> Result<Layout> {
    let n = rows.rows().n_rows();
    let scaled = standardise.then(|| standardised(rows)).transpose()?;
    let rows = scaled.as_ref().unwrap_or(rows);
    let picked = sample(&mut stream(seed, ROWS, [n as u64, 0]), n, most);
    let some = rows.rows().pick(&picked)?;
    let index = NearestRows::new(some.rows());
    let places = laid_out(&some, &index, seed);
    let mut points = vec![[0.0; 2]; n];
    for (row, place) in picked.iter().zip(&places) {
        points[*row] = *place;
    }
    let mut is_laid_out = vec![false; n];
    for row in &picked {
        is_laid_out[*row] = true;
    }
    let others: Vec<usize> = (0..n).filter(|row| !is_laid_out[*row]).collect();
    if !others.is_empty() {
        let new = rows.rows().pick(&others)?;
        for (row, place) in others.iter().zip(placed(&index, &new, &places)?) {
            points[*row] = place;
        }
    }
    let narrow = |place: &[f64; 2]| [place[0] as f32, place[1] as f32];
    Ok(Layout {
        points: points.iter().map(narrow).collect(),
        laid_out: picked.len(),
    })
}

/// The places of all rows of an index.
fn laid_out(rows: &Matrix, index: &NearestRows, seed: u64) -> Vec<[f64; 2]> {
    let n = rows.rows().n_rows();
    let edges = graph::union(&index.of_each(NEIGHBOURS - 1));
    let mut places = first_places(rows, seed);
    let epochs = EPOCHS[usize::from(n > FEW)];
    descent::descend(&mut places, &edges, curve::fit(MIN_DIST), epochs, seed);
    places
}

/// Principal components, stretched to a square.
fn first_places(rows: &Matrix, seed: u64) -> Vec<[f64; 2]> {
    // They were divided by their standard deviations before, where that is asked for.
    let points = plane(rows, false).points;
    let widest = points.iter().flatten().map(|v| f64::from(v.abs()));
    let widest = widest.fold(f64::MIN_POSITIVE, f64::max);
    let mut rng = stream(seed, FIRST, [points.len() as u64, 0]);
    let mut noise = || rng.random_range(-NOISE..NOISE);
    let mut places: Vec<[f64; 2]> = points
        .iter()
        .map(|point| point.map(|v| SIDE * f64::from(v) / widest + noise()))
        .collect();
    for axis in [0, 1] {
        let [low, high] = crate::plot::ends(places.iter().map(|place| place[axis]));
        let scale = SIDE / (high - low).max(f64::MIN_POSITIVE);
        for place in &mut places {
            place[axis] = (place[axis] - low) * scale;
        }
    }
    places
}

/// The places of rows among others that are laid out.
fn placed(index: &NearestRows, rows: &Matrix, places: &[[f64; 2]]) -> Result<Vec<[f64; 2]>> {
    let near = index.of(rows.rows(), NEIGHBOURS)?;
    let mean = graph::mean_distance(&near);
    let place = |near: &Vec<qualm::NearRow>| {
        let weights = graph::memberships(near, near.len(), false, mean);
        let (mut sum, mut total) = ([0.0; 2], 0.0);
        for (near, weight) in near.iter().zip(weights) {
            for (sum, at) in sum.iter_mut().zip(places[near.row]) {
                *sum += weight * at;
            }
            total += weight;
        }
        match near.first() {
            // Of memberships that all round to nothing the nearest stands alone.
            Some(first) if total == 0.0 => places[first.row],
            _ => sum.map(|sum| sum / total),
        }
    };
    Ok(near.par_iter().map(place).collect())
}

#[cfg(test)]
mod tests;
