//! Plots as static SVG: they need no script, print, and are the same bytes for the same numbers.
//!
//! Every plot has a title and a description for screen readers, and the numbers as a table beside
//! it. Colours come from the page's stylesheet by class, so that they suit light and dark.

mod bars;
mod draw;
mod histogram;
mod points;
mod scale;

pub use bars::RowBars;
pub use histogram::{Histogram, Sample};
pub(crate) use points::RowPoints;

use serde::Serialize;

use crate::number;

/// A plot on a page, and what the page's data keep of it: the words and the numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// See [`Chart::id`].
    pub id: String,
    /// See [`Chart::title`].
    pub title: String,
    /// See [`Chart::description`].
    pub description: String,
    /// The plot.
    #[serde(skip)]
    pub svg: String,
    /// What its colours mean, as HTML.
    #[serde(skip)]
    pub legend: String,
    /// Its numbers.
    #[serde(flatten)]
    pub table: Table,
}

/// A plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What names it on the page, also the anchor of its parts: letters and digits.
    pub id: String,
    /// What it shows, in a few words.
    pub title: String,
    /// The same in a sentence or two, for those who do not see it.
    pub description: String,
    /// The axis from left to right.
    pub x: Axis,
    /// The axis from bottom to top.
    pub y: Axis,
    /// What is drawn, the first below the others.
    pub marks: Vec<Mark>,
    /// The numbers.
    pub table: Table,
    /// Whether the plot is as high as wide, for curves of two rates.
    pub square: bool,
}

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it measures.
    pub label: String,
    /// The values at its ends.
    pub range: [f64; 2],
    /// Names of places, in place of numbers.
    pub ticks: Option<Vec<(f64, String)>>,
}

impl Axis {
    /// An axis of numbers.
    #[must_use]
    pub fn new(label: &str, range: [f64; 2]) -> Self {
        Self {
            label: label.to_owned(),
            range,
            ticks: None,
        }
    }
}

/// A part of a plot. `series` numbers the colours, from 1; `name` is what the legend says, if it
/// is not empty.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// Bars from 0: the edges, one more than the heights.
    Bars {
        /// The colour.
        series: u8,
        /// In the legend.
        name: String,
        /// Ascending, `(n + 1,)`.
        edges: Vec<f64>,
        /// From 0, `(n,)`.
        heights: Vec<f64>,
    },
    /// The outline of such bars, which hides nothing.
    Steps {
        /// The colour.
        series: u8,
        /// In the legend.
        name: String,
        /// Ascending, `(n + 1,)`.
        edges: Vec<f64>,
        /// From 0, `(n,)`.
        heights: Vec<f64>,
    },
    /// A line through points.
    Line {
        /// The colour.
        series: u8,
        /// In the legend.
        name: String,
        /// `[x, y]` each.
        points: Vec<[f64; 2]>,
    },
    /// Points.
    Points {
        /// The colour.
        series: u8,
        /// In the legend.
        name: String,
        /// `[x, y]` each.
        points: Vec<[f64; 2]>,
    },
    /// A line straight up, at a value of x.
    Upright {
        /// The value.
        at: f64,
        /// What stands beside it.
        name: String,
    },
    /// A level line, at a value of y.
    Level {
        /// The value.
        at: f64,
        /// What stands beside it.
        name: String,
    },
    /// A thin line between two points, such as that of chance.
    Guide {
        /// In the legend.
        name: String,
        /// Both ends.
        points: [[f64; 2]; 2],
    },
}

/// Numbers as a table; the first column names the row.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Table {
    /// What the columns are called.
    pub columns: Vec<String>,
    /// As many cells each.
    pub rows: Vec<Vec<Cell>>,
}

/// A value of a table: shown short, kept whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// A count.
    Count(u64),
    /// Nothing.
    None,
}

impl Cell {
    /// Text, or nothing.
    #[must_use]
    pub fn text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::None, |text| Self::Text(text.into()))
    }

    /// A number, or nothing.
    #[must_use]
    pub fn number(number: Option<f64>) -> Self {
        number.map_or(Self::None, Self::Number)
    }

    /// Whether it is text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// What tables are sorted by: the number in full, or the text.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Count(n) => n.to_string(),
            Self::None => String::new(),
        }
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(value) => f.write_str(&number::short(*value)),
            Self::Count(n) => f.write_str(&number::count(*n)),
            Self::None => Ok(()),
        }
    }
}

impl Table {
    /// The columns, and whether each begins with text.
    pub(crate) fn heads(&self) -> Vec<(&str, bool)> {
        let is_text = |j: usize| {
            let first = self.rows.first().and_then(|row| row.get(j));
            first.is_some_and(Cell::is_text)
        };
        let columns = self.columns.iter().enumerate();
        columns
            .map(|(j, name)| (name.as_str(), is_text(j)))
            .collect()
    }

    /// A table of rows of numbers.
    #[must_use]
    pub fn of(columns: &[&str], rows: impl IntoIterator<Item = Vec<f64>>) -> Self {
        Self {
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: rows
                .into_iter()
                .map(|row| row.into_iter().map(Cell::Number).collect())
                .collect(),
        }
    }
}

/// The lowest and the highest of some finite values; 0 and 1 where there are none.
pub(crate) fn ends(values: impl IntoIterator<Item = f64>) -> [f64; 2] {
    let mut ends = [f64::INFINITY, f64::NEG_INFINITY];
    for value in values.into_iter().filter(|v| v.is_finite()) {
        ends = [ends[0].min(value), ends[1].max(value)];
    }
    if ends[0] <= ends[1] { ends } else { [0.0, 1.0] }
}
