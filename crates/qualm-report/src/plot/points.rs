//! Points in rows, one row a name: several numbers of each, such as those of several methods.

use std::fmt::Write;

use super::bars::short_name;
use super::scale::{Scale, label};
use super::{Cell, Figure, Table, ends};
use crate::markup::escape;

const WIDTH: f64 = 720.0;
const ROW: f64 = 22.0;
/// Where the field of points begins, the room at its right, above and below.
const NAMES: f64 = 250.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 46.0;

/// Points with the names of their rows, in the order they are drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowPoints {
    /// See [`super::Chart::id`].
    pub(crate) id: String,
    /// See [`super::Chart::title`].
    pub(crate) title: String,
    /// See [`super::Chart::description`].
    pub(crate) description: String,
    /// What the names are, and what is measured.
    pub(crate) columns: [String; 2],
    /// A value to draw a line at, and what it is.
    pub(crate) level: (f64, String),
    /// What the colours stand for.
    pub(crate) series: Vec<String>,
    /// Each name with a value for each series, where there is one.
    pub(crate) rows: Vec<(String, Vec<Option<f64>>)>,
}

impl RowPoints {
    /// The plot, drawn.
    pub(crate) fn figure(self) -> Figure {
        let (svg, legend) = (self.svg(), self.legend());
        let columns = std::iter::once(self.columns[0].clone()).chain(self.series);
        let rows = self.rows.into_iter().map(|(name, values)| {
            let values = values.into_iter().map(Cell::number);
            std::iter::once(Cell::Text(name)).chain(values).collect()
        });
        Figure {
            id: self.id,
            title: self.title,
            description: self.description,
            svg,
            legend,
            table: Table {
                columns: columns.collect(),
                rows: rows.collect(),
            },
        }
    }

    fn legend(&self) -> String {
        if self.series.len() < 2 {
            return String::new();
        }
        let entry = |(i, name): (usize, &String)| {
            let name = escape(name);
            format!(
                "<li><span class=\"key point s{}\"></span>{name}</li>",
                i + 1
            )
        };
        let entries: String = self.series.iter().enumerate().map(entry).collect();
        format!("<ul class=\"legend\">{entries}</ul>")
    }

    fn svg(&self) -> String {
        let id = escape(&self.id);
        let bottom = TOP + ROW * self.rows.len() as f64;
        let values = self.rows.iter().flat_map(|(_, values)| values);
        let [low, high] = ends(values.copied().flatten().chain([self.level.0]));
        let room = ((high - low) * 0.04).max(1e-3);
        let scale = Scale::new([low - room, high + room], [NAMES, WIDTH - RIGHT]);
        let mut out = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {:.1}\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title>\
             <desc id=\"{id}-d\">{}</desc>",
            bottom + BOTTOM,
            escape(&self.title),
            escape(&self.description)
        );
        // Writing to a string cannot fail.
        let ticks = scale.ticks(6);
        for tick in &ticks {
            let x = scale.place(*tick);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>\
                 <text class=\"num\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 17.0,
                escape(&label(*tick, &ticks))
            );
        }
        let (level, said) = &self.level;
        let x = scale.place(*level);
        let _ = write!(
            out,
            "<line class=\"rule\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(NAMES, WIDTH - RIGHT),
            bottom + 38.0,
            escape(&format!("{} (dashed: {said})", self.columns[1]))
        );
        for (i, (name, values)) in self.rows.iter().enumerate() {
            let y = TOP + ROW * (i as f64 + 0.5);
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <line class=\"grid\" x1=\"{NAMES}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                NAMES - 8.0,
                y + 4.0,
                escape(&short_name(name)),
                WIDTH - RIGHT
            );
            for (series, value) in (1..).zip(values) {
                if let Some(value) = value {
                    let x = scale.place(*value);
                    let _ = write!(
                        out,
                        "<circle class=\"point s{series}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>"
                    );
                }
            }
        }
        out.push_str("</svg>");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_points_and_the_table_all_numbers() {
        let plot = RowPoints {
            id: "p".to_owned(),
            title: "A <title>".to_owned(),
            description: "Two of each.".to_owned(),
            columns: ["detector", "AUROC"].map(str::to_owned),
            level: (0.5, "chance".to_owned()),
            series: ["near", "far"].map(str::to_owned).to_vec(),
            rows: vec![
                ("dum".to_owned(), vec![Some(0.75), Some(0.9)]),
                ("<knn>".to_owned(), vec![None, Some(1.0)]),
            ],
        };
        let figure = plot.figure();
        assert_eq!(figure.svg.matches("<circle").count(), 3);
        assert_eq!(figure.svg.matches("point s1").count(), 1);
        assert!(figure.svg.contains("&lt;knn&gt;") && figure.svg.contains("A &lt;title&gt;"));
        assert_eq!(figure.legend.matches("<li>").count(), 2);
        assert_eq!(figure.table.columns, ["detector", "near", "far"]);
        assert_eq!(figure.table.rows[1][1], Cell::None);
    }
}
