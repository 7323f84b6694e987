//! Histograms of scores.

use std::fmt::Write;

use super::{Axis, Cell, Chart, Mark, Table, ends};
use crate::number;

/// Bars of a histogram.
const BINS: usize = 48;
/// The highest scores beyond the last bar, as a share, where they lie far out.
const TAIL: f64 = 0.005;

/// Some scores and what they are called.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// In the legend.
    pub name: &'a str,
    /// In any order.
    pub scores: &'a [f64],
}

/// Several samples of scores on one axis.
#[derive(Debug, Clone)]
pub struct Histogram<'a> {
    /// See [`Chart::id`].
    pub id: &'a str,
    /// See [`Chart::title`].
    pub title: &'a str,
    /// The first is drawn as bars, the others as outlines.
    pub samples: Vec<Sample<'a>>,
    /// The score above which a row is an outlier.
    pub threshold: Option<f64>,
}

impl Histogram<'_> {
    /// The plot: the share of each sample in each bin, so that samples of any size compare.
    ///
    /// Where the highest scores lie far out, those beyond the 99.5 per cent quantile are counted in
    /// the last bar, and the description says how many.
    #[must_use]
    pub fn chart(&self) -> Chart {
        let mut sorted: Vec<f64> = self
            .samples
            .iter()
            .flat_map(|s| s.scores)
            .copied()
            .collect();
        sorted.retain(|score| score.is_finite());
        sorted.sort_unstable_by(f64::total_cmp);
        let [low, highest] = ends(sorted.iter().copied());
        let place = ((1.0 - TAIL) * sorted.len() as f64) as usize;
        let tail = sorted.get(place).copied().unwrap_or(highest);
        let tail = tail.max(self.threshold.unwrap_or(tail));
        // A tail that is not far out is no reason for a bar of its own.
        let far = highest - low > 1.5 * (tail - low) && tail > low;
        let high = if far { tail } else { highest };
        let high = if high > low { high } else { low + 1.0 };
        let width = (high - low) / BINS as f64;
        let edges: Vec<f64> = (0..=BINS).map(|i| low + width * i as f64).collect();
        let counts: Vec<Vec<u64>> = self
            .samples
            .iter()
            .map(|sample| count(sample.scores, low, width))
            .collect();
        let shares: Vec<Vec<f64>> = counts
            .iter()
            .map(|counts| {
                let n = counts.iter().sum::<u64>().max(1) as f64;
                counts.iter().map(|c| *c as f64 / n).collect()
            })
            .collect();
        let top = shares.iter().flatten().copied().fold(0.0, f64::max);
        let mut marks = Vec::new();
        for (i, (sample, heights)) in self.samples.iter().zip(&shares).enumerate() {
            let (series, name) = (i as u8 + 1, sample.name.to_owned());
            let (edges, heights) = (edges.clone(), heights.clone());
            marks.push(if i == 0 {
                Mark::Bars {
                    series,
                    name,
                    edges,
                    heights,
                }
            } else {
                Mark::Steps {
                    series,
                    name,
                    edges,
                    heights,
                }
            });
        }
        if let Some(at) = self.threshold {
            marks.push(Mark::Upright {
                at,
                name: format!("threshold {}", number::short(at)),
            });
        }
        Chart {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            description: self.description(far.then_some(high)),
            x: Axis::new("score (higher = more anomalous)", [low, high]),
            y: Axis::new(
                "share of rows",
                [0.0, if top > 0.0 { top * 1.05 } else { 1.0 }],
            ),
            marks,
            table: self.table(&edges, &counts),
            square: false,
        }
    }

    fn description(&self, cut: Option<f64>) -> String {
        let mut sentences = Vec::new();
        for sample in &self.samples {
            let n = sample.scores.len() as u64;
            let [low, high] = ends(sample.scores.iter().copied());
            let mut text = format!(
                "{}: {} from {} to {}",
                capital(sample.name),
                number::counted(n, "score"),
                number::short(low),
                number::short(high)
            );
            if let Some(threshold) = self.threshold {
                let above = sample.scores.iter().filter(|s| **s > threshold).count();
                let share = above as f64 / (n.max(1)) as f64;
                // Writing to a string cannot fail.
                let _ = write!(
                    text,
                    ", {} ({}) above the threshold",
                    number::count(above as u64),
                    number::percent(share)
                );
            }
            sentences.push(text + ".");
        }
        if let Some(cut) = cut {
            let beyond = self.samples.iter().flat_map(|s| s.scores);
            let beyond = beyond.filter(|s| **s > cut).count() as u64;
            sentences.push(format!(
                "The last bar also counts {} beyond {}.",
                number::counted(beyond, "score"),
                number::short(cut)
            ));
        }
        sentences.join(" ")
    }

    fn table(&self, edges: &[f64], counts: &[Vec<u64>]) -> Table {
        let mut columns = vec!["from".to_owned(), "to".to_owned()];
        columns.extend(self.samples.iter().map(|s| format!("{} (rows)", s.name)));
        let rows = edges.windows(2).enumerate().map(|(i, pair)| {
            let mut row = vec![Cell::Number(pair[0]), Cell::Number(pair[1])];
            let of = |counts: &Vec<u64>| counts.get(i).copied().unwrap_or_default();
            row.extend(counts.iter().map(|counts| Cell::Count(of(counts))));
            row
        });
        Table {
            columns,
            rows: rows.collect(),
        }
    }
}

/// A name as a sentence begins.
fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

/// Scores a bin; those beyond the last are counted in it.
fn count(scores: &[f64], low: f64, width: f64) -> Vec<u64> {
    let mut counts = vec![0; BINS];
    for score in scores.iter().filter(|s| s.is_finite()) {
        let bin = (((score - low) / width) as usize).min(BINS - 1);
        if let Some(count) = counts.get_mut(bin) {
            *count += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_is_counted_once_and_a_far_tail_is_said() {
        let mut scores: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
        scores.push(1e6);
        let samples = vec![Sample {
            name: "reference",
            scores: &scores,
        }];
        let histogram = Histogram {
            id: "h",
            title: "Scores",
            samples,
            threshold: Some(0.95),
        };
        let chart = histogram.chart();
        let Some(Mark::Bars { heights, .. }) = chart.marks.first() else {
            panic!("{chart:?}");
        };
        assert!((heights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(chart.x.range[1] < 2.0);
        assert!(
            chart
                .description
                .contains("50 (5\u{a0}%) above the threshold"),
            "{}",
            chart.description
        );
        assert!(
            chart.description.contains("beyond"),
            "{}",
            chart.description
        );
        let counted: u64 = chart
            .table
            .rows
            .iter()
            .map(|r| r[2].key().parse::<u64>().unwrap())
            .sum();
        assert_eq!(counted, 1001);
    }

    #[test]
    fn scores_that_are_equal_or_missing_make_a_plot_too() {
        for scores in [&[][..], &[2.0, 2.0]] {
            let samples = vec![
                Sample { name: "a", scores },
                Sample {
                    name: "b",
                    scores: &[2.0],
                },
            ];
            let histogram = Histogram {
                id: "h",
                title: "t",
                samples,
                threshold: None,
            };
            assert!(histogram.chart().svg().contains("</svg>"));
        }
    }
}
