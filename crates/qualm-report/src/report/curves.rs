//! Receiver operating characteristic and precision-recall curve of labelled rows.

use std::cmp::Ordering;

use qualm::stats::Metrics;

use super::Part;
use crate::error::Result;
use crate::number;
use crate::plot::{Axis, Cell, Chart, Mark, Table};

/// Points of a curve that are drawn and listed, at most.
const POINTS: usize = 400;

/// One threshold: the rates above it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    score: f64,
    tpr: f64,
    fpr: f64,
    precision: f64,
}

/// Both curves and the metrics, and the AUROC.
pub(super) fn part(scores: &[f64], labels: &[bool]) -> Result<(Part, f64)> {
    let metrics = Metrics::compute(scores, labels)?;
    let points = thinned(points(scores, labels));
    let rate = |label: &str| Axis::new(label, [0.0, 1.0]);
    let table =
        |columns: &[&str], row: fn(&Point) -> Vec<f64>| Table::of(columns, points.iter().map(row));
    let start = [[0.0, 0.0]].into_iter();
    let share = metrics.n_outliers as f64 / metrics.n as f64;
    let roc = Chart {
        id: "roc".to_owned(),
        title: "Receiver operating characteristic".to_owned(),
        description: format!(
            "Share of the outliers found against share of the inliers called outliers, over all \
             thresholds. AUROC {} (95 % interval {} to {}).",
            number::short(metrics.auroc),
            number::short(metrics.auroc_ci_low),
            number::short(metrics.auroc_ci_high)
        ),
        x: rate("false-positive rate"),
        y: rate("true-positive rate"),
        marks: vec![
            Mark::Guide {
                name: "chance".to_owned(),
                points: [[0.0, 0.0], [1.0, 1.0]],
            },
            Mark::Line {
                series: 2,
                name: "these rows".to_owned(),
                points: start.chain(points.iter().map(|p| [p.fpr, p.tpr])).collect(),
            },
        ],
        table: table(
            &[
                "score at least",
                "false-positive rate",
                "true-positive rate",
            ],
            |p| vec![p.score, p.fpr, p.tpr],
        ),
        square: true,
    };
    let pr = Chart {
        id: "pr".to_owned(),
        title: "Precision and recall".to_owned(),
        description: format!(
            "Share of outliers among the rows above a threshold against share of the outliers found. \
             Average precision {}; chance gives {}.",
            number::short(metrics.aupr),
            number::short(share)
        ),
        x: rate("recall"),
        y: rate("precision"),
        marks: vec![
            Mark::Guide {
                name: "chance".to_owned(),
                points: [[0.0, share], [1.0, share]],
            },
            Mark::Line {
                series: 2,
                name: "these rows".to_owned(),
                points: points.iter().map(|p| [p.tpr, p.precision]).collect(),
            },
        ],
        table: table(&["score at least", "recall", "precision"], |p| {
            vec![p.score, p.tpr, p.precision]
        }),
        square: true,
    };
    let fact = |name: &str, value: f64| (name.to_owned(), Cell::Number(value));
    let facts = vec![
        ("rows".to_owned(), Cell::Count(metrics.n)),
        ("outliers".to_owned(), Cell::Count(metrics.n_outliers)),
        fact("AUROC", metrics.auroc),
        fact("AUROC, low end", metrics.auroc_ci_low),
        fact("AUROC, high end", metrics.auroc_ci_high),
        fact("average precision", metrics.aupr),
        fact("FPR at 95 % TPR", metrics.fpr95),
        fact("precision at n", metrics.precision_at_n),
    ];
    let part = Part {
        id: "labels".to_owned(),
        title: "Against labels".to_owned(),
        about: "The labels say which rows are outliers; the model has not seen them.".to_owned(),
        facts,
        figures: vec![roc.figure(), pr.figure()],
        ..Part::default()
    };
    Ok((part, metrics.auroc))
}

/// A point for each different score, from the highest down; both classes are present.
fn points(scores: &[f64], labels: &[bool]) -> Vec<Point> {
    let mut rows: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let n_outliers = labels.iter().filter(|l| **l).count().max(1) as f64;
    let n_inliers = labels.iter().filter(|l| !**l).count().max(1) as f64;
    let (mut caught, mut alarms) = (0.0, 0.0);
    let mut points = Vec::new();
    for block in rows.chunk_by(|a, b| a.0.partial_cmp(&b.0).is_some_and(Ordering::is_eq)) {
        let outliers = block.iter().filter(|(_, label)| *label).count() as f64;
        caught += outliers;
        alarms += block.len() as f64 - outliers;
        points.push(Point {
            score: block.first().map_or(f64::NAN, |row| row.0),
            tpr: caught / n_outliers,
            fpr: alarms / n_inliers,
            precision: caught / (caught + alarms),
        });
    }
    points
}

/// At most so many points, evenly along the curve, with both ends.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    if points.len() <= POINTS {
        return points;
    }
    let last = points.len() - 1;
    let mut kept: Vec<Point> = Vec::with_capacity(POINTS);
    let mut length = 0.0;
    let steps = points
        .windows(2)
        .map(|p| (p[1].tpr - p[0].tpr) + (p[1].fpr - p[0].fpr));
    let step = 2.0 / (POINTS - 2) as f64;
    for (i, grown) in std::iter::once(0.0).chain(steps).enumerate() {
        length += grown;
        if i == 0 || i == last || length >= step {
            kept.extend(points.get(i));
            length = 0.0;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curves_by_hand_and_ties_pass_together() {
        let scores = [0.9, 0.8, 0.8, 0.1];
        let found = points(&scores, &[true, false, true, false]);
        let of: Vec<[f64; 3]> = found.iter().map(|p| [p.tpr, p.fpr, p.precision]).collect();
        assert_eq!(
            of,
            [[0.5, 0.0, 1.0], [1.0, 0.5, 2.0 / 3.0], [1.0, 1.0, 0.5]]
        );
    }

    #[test]
    fn long_curves_are_thinned_and_keep_their_ends_and_area() {
        let scores: Vec<f64> = (0..20_000).map(|i| f64::from(i * 7919 % 20_011)).collect();
        let labels: Vec<bool> = scores.iter().map(|s| *s > 15_000.0 || *s < 800.0).collect();
        let all = points(&scores, &labels);
        let few = thinned(all.clone());
        assert!(few.len() <= POINTS && few.last() == all.last() && few[0] == all[0]);
        let area = |p: &[Point]| -> f64 {
            p.windows(2)
                .map(|w| (w[1].fpr - w[0].fpr) * (w[0].tpr + w[1].tpr) / 2.0)
                .sum()
        };
        assert!(
            (area(&all) - area(&few)).abs() < 0.003,
            "{} {}",
            area(&all),
            area(&few)
        );
        let (part, auroc) = part(&scores, &labels).unwrap();
        assert!((auroc - area(&all)).abs() < 1e-3 && part.figures.len() == 2);
    }
}
