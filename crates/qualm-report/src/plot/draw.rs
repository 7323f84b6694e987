//! The SVG of a plot.

use std::fmt::Write;

use super::scale::{Scale, label};
use super::{Axis, Chart, Figure, Mark};
use crate::markup::escape;

/// Pixels of the whole, in the units of its own; the page scales it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const SQUARE: f64 = 380.0;
/// Around the field: left, top, right, bottom.
const MARGIN: [f64; 4] = [74.0, 14.0, 18.0, 58.0];

struct Field {
    x: Scale,
    y: Scale,
    right: f64,
    top: f64,
    left: f64,
    bottom: f64,
}

impl Chart {
    /// The plot, drawn.
    #[must_use]
    pub fn figure(self) -> Figure {
        Figure {
            svg: self.svg(),
            legend: self.legend(),
            id: self.id,
            title: self.title,
            description: self.description,
            table: self.table,
        }
    }

    /// The plot as SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        let (width, height) = if self.square {
            (SQUARE, SQUARE)
        } else {
            (WIDTH, HEIGHT)
        };
        let [left, top, right, bottom] = MARGIN;
        let (right, bottom) = (width - right, height - bottom);
        let field = Field {
            x: Scale::new(self.x.range, [left, right]),
            y: Scale::new(self.y.range, [bottom, top]),
            right,
            top,
            left,
            bottom,
        };
        let id = escape(&self.id);
        let mut out = format!(
            "<svg class=\"plot{}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title>\
             <desc id=\"{id}-d\">{}</desc>",
            if self.square { " square" } else { "" },
            escape(&self.title),
            escape(&self.description)
        );
        field.grid(&mut out, self);
        for mark in &self.marks {
            field.mark(&mut out, mark);
        }
        out.push_str("</svg>");
        out
    }

    /// What the colours mean, as HTML; nothing for a single series.
    #[must_use]
    pub fn legend(&self) -> String {
        let mut entries = String::new();
        let mut n = 0;
        for mark in &self.marks {
            let (class, name) = match mark {
                Mark::Bars { series, name, .. } => (format!("bar s{series}"), name),
                Mark::Steps { series, name, .. } | Mark::Line { series, name, .. } => {
                    (format!("line s{series}"), name)
                }
                Mark::Points { series, name, .. } => (format!("point s{series}"), name),
                Mark::Guide { name, .. } => ("guide".to_owned(), name),
                Mark::Upright { .. } | Mark::Level { .. } => continue,
            };
            if !name.is_empty() {
                n += 1;
                let name = escape(name);
                push(
                    &mut entries,
                    format_args!("<li><span class=\"key {class}\"></span>{name}</li>"),
                );
            }
        }
        if n < 2 {
            return String::new();
        }
        format!("<ul class=\"legend\">{entries}</ul>")
    }
}

impl Field {
    /// Lines at round values, their labels, and what the axes measure.
    fn grid(&self, out: &mut String, chart: &Chart) {
        for (at, text) in ticks(&chart.x, &self.x, if chart.square { 5 } else { 8 }) {
            let x = self.x.place(at);
            push(
                out,
                format_args!(
                    "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
                     <text class=\"num\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    self.bottom,
                    self.bottom + 5.0,
                    self.bottom + 21.0,
                    escape(&text)
                ),
            );
        }
        for (at, text) in ticks(&chart.y, &self.y, 5) {
            let y = self.y.place(at);
            push(
                out,
                format_args!(
                    "<line class=\"grid\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                     <text class=\"num\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                    self.left,
                    self.right,
                    self.left - 8.0,
                    y + 4.0,
                    escape(&text)
                ),
            );
        }
        push(
            out,
            format_args!(
                "<line class=\"axis\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{b:.1}\" y2=\"{b:.1}\"/>",
                self.left,
                self.right,
                b = self.bottom
            ),
        );
        push(
            out,
            format_args!(
                "<text class=\"lab\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                f64::midpoint(self.left, self.right),
                self.bottom + 46.0,
                escape(&chart.x.label)
            ),
        );
        let (x, y) = (18.0, f64::midpoint(self.top, self.bottom));
        push(
            out,
            format_args!(
                "<text class=\"lab\" transform=\"translate({x:.1} {y:.1}) rotate(-90)\" \
                 text-anchor=\"middle\">{}</text>",
                escape(&chart.y.label)
            ),
        );
    }

    fn mark(&self, out: &mut String, mark: &Mark) {
        match mark {
            Mark::Bars {
                series,
                edges,
                heights,
                ..
            } => {
                for (pair, height) in edges.windows(2).zip(heights) {
                    let [from, to] = [pair[0], pair[1]].map(|x| self.x.place(x));
                    let y = self.y.place(*height);
                    // A gap of one pixel tells neighbours apart, where there is room.
                    let gap = if to - from > 4.0 { 1.0 } else { 0.0 };
                    if self.bottom - y >= 0.05 {
                        push(
                            out,
                            format_args!(
                                "<rect class=\"bar s{series}\" x=\"{from:.1}\" y=\"{y:.1}\" \
                                 width=\"{:.1}\" height=\"{:.1}\"/>",
                                (to - from - gap).max(0.1),
                                self.bottom - y
                            ),
                        );
                    }
                }
            }
            Mark::Steps {
                series,
                edges,
                heights,
                ..
            } => {
                let mut path = String::new();
                for (i, (pair, height)) in edges.windows(2).zip(heights).enumerate() {
                    let [from, to] = [pair[0], pair[1]].map(|x| self.x.place(x));
                    let y = self.y.place(*height);
                    if i == 0 {
                        push(&mut path, format_args!("M{from:.1} {:.1}", self.bottom));
                    }
                    push(&mut path, format_args!("V{y:.1}H{to:.1}"));
                }
                push(&mut path, format_args!("V{:.1}", self.bottom));
                push(
                    out,
                    format_args!("<path class=\"line s{series}\" d=\"{path}\"/>"),
                );
            }
            Mark::Line { series, points, .. } => {
                let path = self.path(points);
                push(
                    out,
                    format_args!("<path class=\"line s{series}\" d=\"{path}\"/>"),
                );
            }
            Mark::Points { series, points, .. } => {
                for [x, y] in points {
                    push(
                        out,
                        format_args!(
                            "<circle class=\"point s{series}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>",
                            self.x.place(*x),
                            self.y.place(*y)
                        ),
                    );
                }
            }
            Mark::Upright { at, name } => self.upright(out, *at, name),
            Mark::Level { at, name } => self.level(out, *at, name),
            Mark::Guide { points, .. } => {
                let path = self.path(points);
                push(out, format_args!("<path class=\"guide\" d=\"{path}\"/>"));
            }
        }
    }

    /// A line straight up, and its name beside it, on the side with more room.
    fn upright(&self, out: &mut String, at: f64, name: &str) {
        let x = self.x.place(at);
        let (dx, anchor) = if x > f64::midpoint(self.left, self.right) {
            (-6.0, "end")
        } else {
            (6.0, "start")
        };
        push(
            out,
            format_args!(
                "<line class=\"rule\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
                 <text class=\"note\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                self.top,
                self.bottom,
                x + dx,
                self.top + 11.0,
                escape(name)
            ),
        );
    }

    /// A level line, and its name above it at the right.
    fn level(&self, out: &mut String, at: f64, name: &str) {
        let y = self.y.place(at);
        push(
            out,
            format_args!(
                "<line class=\"rule\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"note\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                self.left,
                self.right,
                self.right - 4.0,
                y - 6.0,
                escape(name)
            ),
        );
    }

    fn path(&self, points: &[[f64; 2]]) -> String {
        let mut path = String::new();
        for (i, [x, y]) in points.iter().enumerate() {
            let (x, y) = (self.x.place(*x), self.y.place(*y));
            let letter = if i == 0 { 'M' } else { 'L' };
            push(&mut path, format_args!("{letter}{x:.1} {y:.1}"));
        }
        path
    }
}

/// The places on an axis that are labelled.
fn ticks(axis: &Axis, scale: &Scale, n: usize) -> Vec<(f64, String)> {
    if let Some(ticks) = &axis.ticks {
        return ticks.clone();
    }
    let ticks = scale.ticks(n);
    let labels = ticks.iter().map(|tick| (*tick, label(*tick, &ticks)));
    labels.collect()
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::*;

    fn chart(marks: Vec<Mark>) -> Chart {
        Chart {
            id: "c".to_owned(),
            title: "A <title>".to_owned(),
            description: "What \"it\" shows".to_owned(),
            x: Axis::new("x & y", [0.0, 10.0]),
            y: Axis::new("rows", [0.0, 4.0]),
            marks,
            table: Table::default(),
            square: false,
        }
    }

    #[test]
    fn a_plot_has_words_for_those_who_do_not_see_it_and_escapes_them() {
        let svg = chart(Vec::new()).svg();
        assert!(
            svg.contains("<title id=\"c-t\">A &lt;title&gt;</title>"),
            "{svg}"
        );
        assert!(svg.contains("aria-labelledby=\"c-t c-d\"") && svg.contains("x &amp; y"));
        assert!(
            !svg.contains("style="),
            "the policy of the page allows no styles: {svg}"
        );
    }

    #[test]
    fn bars_stand_on_the_axis_and_lines_stay_inside() {
        let bars = Mark::Bars {
            series: 1,
            name: "a".to_owned(),
            edges: vec![0.0, 5.0, 10.0],
            heights: vec![4.0, 0.0],
        };
        let line = Mark::Line {
            series: 2,
            name: "b".to_owned(),
            points: vec![[0.0, 0.0], [99.0, 99.0]],
        };
        let chart = chart(vec![bars, line]);
        let svg = chart.svg();
        // One bar of full height; the bar of no height is not drawn.
        assert_eq!(svg.matches("<rect").count(), 1);
        assert!(
            svg.contains("y=\"14.0\" width=\"313.0\" height=\"228.0\""),
            "{svg}"
        );
        assert!(svg.contains("d=\"M74.0 242.0L702.0 14.0\""), "{svg}");
        assert_eq!(chart.legend().matches("<li>").count(), 2);
        assert_eq!(svg, chart.svg());
    }
}
