//! A map of the rows, by principal components or UMAP, coloured by score.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qualm::Features;
use qualm::rng::{Purpose, sample, stream};
use serde::{Deserialize, Serialize};

use super::{Inputs, Part};
use crate::error::Result;
use crate::number;
use crate::project::plane;
use crate::rows::Shown;
use crate::umap;

/// Points of a map, at most.
pub const MAP_ROWS: usize = 100_000;
/// Which rows a map shows.
const SHOWN: Purpose = Purpose::of_crate(4, 4);

/// How rows get their places on a map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapMethod {
    /// The first two principal components: distances on the map are at most those of the rows.
    #[default]
    Pca,
    /// UMAP: neighbours are kept, distances between groups are not.
    Umap,
}

/// A map of rows. The page gets the coordinates as 16-bit numbers, the scores as their ranks in 8
/// bits; the numbers of the page have them whole, in Parquet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Map {
    /// How the rows got their places.
    pub method: MapMethod,
    /// Rows shown.
    pub n: usize,
    /// Rows there are.
    pub n_rows: usize,
    /// Of principal components: the shares of the variance that both axes hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained: Option<[f64; 2]>,
    /// Of UMAP: rows that were laid out. The others were placed among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub laid_out: Option<usize>,
    /// Base64 of the places across, then those up, then the ranks of the scores, then, where not all
    /// rows are shown, the numbers of the rows from 0: little-endian, 2, 2, 1 and 4 bytes each.
    #[serde(skip)]
    pub(crate) data: String,
    /// Whether the data end with the numbers of the rows.
    #[serde(skip)]
    pub(crate) numbered: bool,
    /// `[x, y]` of every row, shown or not: `(n_rows,)`.
    #[serde(skip)]
    pub(crate) places: Vec<[f32; 2]>,
    /// The rows shown, from 0: `(n,)`.
    #[serde(skip)]
    pub(crate) rows: Vec<usize>,
}

impl Map {
    /// The rows shown and their places.
    pub(crate) fn points(&self) -> impl Iterator<Item = [f32; 2]> {
        let rows = self.rows.iter();
        rows.filter_map(|&row| self.places.get(row).copied())
    }
}

/// The places of all rows, and how they came about.
struct Places {
    points: Vec<[f32; 2]>,
    explained: Option<[f64; 2]>,
    laid_out: Option<usize>,
    about: String,
}

/// The map, of at least three rows with features.
pub(super) fn part(
    inputs: &Inputs<'_>,
    shown: &Shown,
    notes: &mut Vec<String>,
) -> Result<Option<Part>> {
    let (n, seed) = (shown.scores.len(), inputs.seed);
    if n < 3 || !shown.has_features() {
        return Ok(None);
    }
    let rows = sample(&mut stream(seed, SHOWN, [0, 0]), n, MAP_ROWS);
    if rows.len() < n {
        notes.push(format!(
            "The map shows {} of {} rows, drawn at random with seed {seed}.",
            number::count(rows.len() as u64),
            number::count(n as u64)
        ));
    }
    let columns = matches!(inputs.fitted.features(), Features::Columns(_));
    let places = match inputs.map {
        MapMethod::Pca => by_components(shown, columns),
        MapMethod::Umap => by_umap(shown, columns, seed)?,
    };
    let about = format!(
        "{} {}. Blue = usual, orange to red = strange, by rank of the score.",
        number::counted(rows.len() as u64, "row"),
        places.about
    );
    let points: Vec<[f32; 2]> = rows
        .iter()
        .filter_map(|&i| places.points.get(i).copied())
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
    Ok(Some(Part {
        id: "map".to_owned(),
        title: "Map".to_owned(),
        about,
        map: Some(Map {
            method: inputs.map,
            n: rows.len(),
            n_rows: n,
            explained: places.explained,
            laid_out: places.laid_out,
            data: STANDARD.encode(bytes),
            numbered,
            places: places.points,
            rows,
        }),
        ..Part::default()
    }))
}

/// Where columns have units of their own.
const SCALED: &str = ", each column divided by its standard deviation";

fn by_components(shown: &Shown, columns: bool) -> Places {
    let plane = plane(&shown.rows, columns);
    Places {
        about: format!(
            "on their first two principal components{}, which hold {} and {} of the variance",
            if columns { SCALED } else { "" },
            number::percent(plane.explained[0]),
            number::percent(plane.explained[1])
        ),
        points: plane.points,
        explained: Some(plane.explained),
        laid_out: None,
    }
}

fn by_umap(shown: &Shown, columns: bool, seed: u64) -> Result<Places> {
    let n = shown.scores.len();
    let layout = umap::layout(&shown.rows, columns, seed, umap::LAID_OUT)?;
    let others = n - layout.laid_out;
    let placed = match others {
        0 => String::new(),
        _ => format!(
            ". {} of all {} were laid out, drawn at random with seed {seed}; the others are at the \
             mean of the {} nearest of those, weighted by membership",
            number::count(layout.laid_out as u64),
            number::counted(n as u64, "row"),
            umap::NEIGHBOURS
        ),
    };
    Ok(Places {
        about: format!(
            "laid out by UMAP with {} neighbours and min_dist {}{}: rows that are near each other \
             are neighbours, but distances between groups and their sizes mean little{placed}",
            umap::NEIGHBOURS.min(n),
            umap::MIN_DIST,
            if columns { SCALED } else { "" }
        ),
        points: layout.points,
        explained: None,
        laid_out: Some(layout.laid_out),
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
