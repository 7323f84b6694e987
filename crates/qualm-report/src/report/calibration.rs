//! Whether p-values are what they say: of usual rows they are uniform.

use qualm::Fitted;
use qualm::ReferenceRows;

use super::Part;
use crate::number;
use crate::plot::{Axis, Cell, Chart, Mark, Table};
use crate::rows::Shown;

/// Levels that are listed.
const LEVELS: [f64; 6] = [0.001, 0.01, 0.05, 0.1, 0.2, 0.5];
/// Steps of the curve.
const STEPS: usize = 200;

/// The share of rows at or below each level, of those that are inliers where labels say so.
pub(super) fn part(fitted: &Fitted, shown: &Shown) -> Part {
    let mut scores = shown.scores.clone();
    if let Some(labels) = &shown.labels {
        let inliers = shown
            .scores
            .iter()
            .zip(labels)
            .filter(|(_, label)| !**label);
        scores = inliers.map(|(score, _)| *score).collect();
    }
    let mut p_values = fitted.calibration().p_values(&scores);
    p_values.sort_unstable_by(f64::total_cmp);
    let n = p_values.len().max(1) as f64;
    let share = |level: f64| p_values.partition_point(|p| *p <= level) as f64 / n;
    let points = (0..=STEPS).map(|i| i as f64 / STEPS as f64);
    let points = points.map(|level| [level, share(level)]).collect();
    let who = if shown.labels.is_some() {
        "rows that the labels call inliers"
    } else {
        "rows"
    };
    let own = match fitted.provenance().reference {
        ReferenceRows::FittedRows => {
            " The reference is the rows fitted on, so p-values of new rows are approximate."
        }
        ReferenceRows::SeparateRows => "",
    };
    let chart = Chart {
        id: "p-values-plot".to_owned(),
        title: "Share of rows by p-value".to_owned(),
        description: format!(
            "Share of the {} {who} with a p-value of at most each level. On the dotted line p-values \
             are exact; above it more rows look strange than chance explains.{own}",
            number::count(p_values.len() as u64)
        ),
        x: Axis::new("level", [0.0, 1.0]),
        y: Axis::new("share of rows", [0.0, 1.0]),
        marks: vec![
            Mark::Guide {
                name: "uniform".to_owned(),
                points: [[0.0, 0.0], [1.0, 1.0]],
            },
            Mark::Line {
                series: 1,
                name: "these rows".to_owned(),
                points,
            },
        ],
        table: Table {
            columns: ["level", "expected rows", "rows", "share of rows"]
                .map(str::to_owned)
                .to_vec(),
            rows: LEVELS
                .iter()
                .map(|&level| {
                    let found = p_values.partition_point(|p| *p <= level) as u64;
                    vec![
                        Cell::Number(level),
                        Cell::Number(level * p_values.len() as f64),
                        Cell::Count(found),
                        Cell::Number(share(level)),
                    ]
                })
                .collect(),
        },
        square: true,
    };
    Part {
        id: "p-values".to_owned(),
        title: "Calibration of p-values".to_owned(),
        about: format!(
            "Conformal p-values compare a row with the {} reference scores. Among usual rows, 5 % \
             have one of at most 0.05.",
            number::count(fitted.calibration().n() as u64)
        ),
        figures: vec![chart.figure()],
        ..Part::default()
    }
}
