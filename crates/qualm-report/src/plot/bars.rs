//! Bars from left to right, one a row, for names that need room.

use std::fmt::Write;

use super::{Cell, Figure, Table};
use crate::markup::escape;
use crate::number;

const WIDTH: f64 = 720.0;
const ROW: f64 = 24.0;
/// Where the bars begin, and the room for their numbers.
const NAMES: f64 = 230.0;
const NUMBERS: f64 = 70.0;
/// Characters of a name that are drawn; the table has them all.
const LETTERS: usize = 32;

/// Bars with their names, in the order they are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct RowBars {
    /// See [`super::Chart::id`].
    pub id: String,
    /// See [`super::Chart::title`].
    pub title: String,
    /// See [`super::Chart::description`].
    pub description: String,
    /// What names and numbers are.
    pub columns: [String; 2],
    /// Names and shares, from 0 to 1.
    pub rows: Vec<(String, f64)>,
}

impl RowBars {
    /// The plot, drawn.
    #[must_use]
    pub fn figure(self) -> Figure {
        let svg = self.svg();
        let rows = self.rows.into_iter();
        Figure {
            id: self.id,
            title: self.title,
            description: self.description,
            svg,
            legend: String::new(),
            table: Table {
                columns: self.columns.to_vec(),
                rows: rows
                    .map(|(name, v)| vec![Cell::Text(name), Cell::Number(v)])
                    .collect(),
            },
        }
    }

    fn svg(&self) -> String {
        let id = escape(&self.id);
        let height = ROW * self.rows.len() as f64 + 6.0;
        let mut out = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title>\
             <desc id=\"{id}-d\">{}</desc>",
            escape(&self.title),
            escape(&self.description)
        );
        let largest = self.rows.iter().map(|(_, v)| *v).fold(0.0, f64::max);
        let largest = if largest > 0.0 { largest } else { 1.0 };
        for (i, (name, value)) in self.rows.iter().enumerate() {
            let y = ROW * i as f64 + 4.0;
            let width = (WIDTH - NAMES - NUMBERS) * value / largest;
            // Writing to a string cannot fail.
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <rect class=\"bar s1\" x=\"{NAMES}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                NAMES - 8.0,
                y + 13.0,
                escape(&short_name(name)),
                width.max(0.5),
                ROW - 6.0,
                NAMES + width + 6.0,
                y + 13.0,
                number::percent(*value)
            );
        }
        out.push_str("</svg>");
        out
    }
}

/// A name as it is drawn.
pub(super) fn short_name(name: &str) -> String {
    if name.chars().count() > LETTERS {
        name.chars().take(LETTERS - 1).chain(['…']).collect()
    } else {
        name.to_owned()
    }
}
