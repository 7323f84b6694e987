//! Results of `qualm bench corruption`: Table 1.

use qualm::reports::{CorruptionReport, CorruptionRow};

use super::{auroc_plot, listing};
use crate::plot::Cell;
use crate::report::Part;

/// Each corruption by each detector.
pub(super) fn part(about: &str, rows: &[CorruptionRow], n: usize) -> Part {
    let cells = rows.iter().map(|row| {
        vec![
            Cell::Text(row.corruption.clone()),
            row.severity.map_or(Cell::None, |s| Cell::Count(s.into())),
            Cell::Text(row.detector.clone()),
            Cell::number(row.t),
            Cell::number(row.log10_p),
            Cell::number(row.cohens_d),
            Cell::Number(row.auroc),
            Cell::Number(row.auroc_ci_low),
            Cell::Number(row.auroc_ci_high),
        ]
    });
    let columns = [
        "corruption",
        "severity",
        "detector",
        "t",
        "log10 p",
        "effect size d",
        "AUROC",
        "low",
        "high",
    ];
    // Clean images, and each corruption over all its severities.
    let over_all = rows.iter().filter(|row| row.severity.is_none());
    let points = over_all.map(|row| (row.detector.as_str(), row.corruption.as_str(), row.auroc));
    Part {
        title: "Corrupted images".to_owned(),
        about: about.to_owned(),
        figures: auroc_plot(
            &format!("corruptions-plot-{n}"),
            "Damaged images beside clean ones",
            "corruption",
            points,
        ),
        tables: vec![listing(
            n,
            "corruptions",
            "Corruptions",
            &columns,
            cells.collect(),
        )],
        ..Part::default()
    }
}

/// What a report is about.
pub(super) fn about(report: &CorruptionReport) -> String {
    format!(
        "Scores of damaged images of {} beside clean ones, by the encoder {}.",
        report.images, report.encoder.name
    )
}
