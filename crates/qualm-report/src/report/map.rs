//! A map of the rows: their two principal components, coloured by score.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qualm::rng::{Purpose, sample, stream};
use qualm::{Features, Fitted};
use serde::Serialize;

use super::Part;
use crate::number;
use crate::project::plane;
use crate::rows::Shown;

/// Points of a map, at most.
pub const MAP_ROWS: usize = 100_000;
/// Which rows a map shows.
const SHOWN: Purpose = Purpose::of_crate(4, 4);

/// A map of rows. The page gets the coordinates as 16-bit numbers, the scores as their ranks in 8
/// bits; the numbers of the page have them whole, in Parquet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Map {
    /// Rows shown.
    pub n: usize,
    /// Rows there are.
    pub n_rows: usize,
    /// The shares of the variance that both axes hold.
    pub explained: [f64; 2],
    /// Base64 of the places across, then those up, then the ranks of the scores, then, where not all
    /// rows are shown, the numbers of the rows from 0: little-endian, 2, 2, 1 and 4 bytes each.
    #[serde(skip)]
    pub(crate) data: String,
    /// Whether the data end with the numbers of the rows.
    #[serde(skip)]
    pub(crate) numbered: bool,
    /// `[x, y]` of each row shown.
    #[serde(skip)]
    pub(crate) points: Vec<[f32; 2]>,
    /// The rows, from 0.
    #[serde(skip)]
    pub(crate) rows: Vec<usize>,
}

/// The map, of at least three rows with features.
pub(super) fn part(
    fitted: &Fitted,
    shown: &Shown,
    seed: u64,
    notes: &mut Vec<String>,
) -> Option<Part> {
    let n = shown.scores.len();
    if n < 3 || !shown.has_features() {
        return None;
    }
    let rows = sample(&mut stream(seed, SHOWN, [0, 0]), n, MAP_ROWS);
    if rows.len() < n {
        notes.push(format!(
            "The map shows {} of {} rows, drawn at random with seed {seed}.",
            number::count(rows.len() as u64),
            number::count(n as u64)
        ));
    }
    let columns = matches!(fitted.features(), Features::Columns(_));
    let plane = plane(&shown.rows, columns);
    let points: Vec<[f32; 2]> = rows
        .iter()
        .filter_map(|&i| plane.points.get(i).copied())
        .collect();
    let mut sorted = shown.scores.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = |row: &usize| {
        let score = shown.scores.get(*row).copied().unwrap_or_default();
        let below = sorted.partition_point(|s| *s < score);
        (255.0 * below as f64 / (n - 1).max(1) as f64).min(255.0) as u8
    };
    // One scale for both axes, or distances would be bent.
    let (low, span) = frame(&points);
    let place = |point: &[f32; 2], axis: usize| {
        let share = f64::from(point[axis] - low[axis]) / span;
        (share.clamp(0.0, 1.0) * 65_535.0) as u16
    };
    let mut bytes = Vec::with_capacity(9 * rows.len());
    for axis in [0, 1] {
        bytes.extend(points.iter().flat_map(|p| place(p, axis).to_le_bytes()));
    }
    bytes.extend(rows.iter().map(rank));
    let numbered = rows.len() < n;
    if numbered {
        bytes.extend(rows.iter().flat_map(|row| (*row as u32).to_le_bytes()));
    }
    let explained = plane.explained;
    let how = if columns {
        ", each column divided by its standard deviation"
    } else {
        ""
    };
    Some(Part {
        id: "map".to_owned(),
        title: "Map".to_owned(),
        about: format!(
            "{} on their first two principal components{how}, which hold {} and {} of the variance. \
             Blue = usual, orange to red = strange, by rank of the score.",
            number::counted(rows.len() as u64, "row"),
            number::percent(explained[0]),
            number::percent(explained[1])
        ),
        map: Some(Map {
            n: rows.len(),
            n_rows: n,
            explained,
            data: STANDARD.encode(bytes),
            numbered,
            points,
            rows,
        }),
        ..Part::default()
    })
}

/// The lower left corner of a square around all points, and its side.
fn frame(points: &[[f32; 2]]) -> ([f32; 2], f64) {
    let of = |axis: usize| crate::plot::ends(points.iter().map(|p| f64::from(p[axis])));
    let (x, y) = (of(0), of(1));
    let span = (x[1] - x[0]).max(y[1] - y[0]).max(f64::MIN_POSITIVE);
    let low = |ends: [f64; 2]| (f64::midpoint(ends[0], ends[1]) - span / 2.0) as f32;
    ([low(x), low(y)], span)
}
