//! Results of `qualm bench ood`: Table 3.

use qualm::reports::{OodBenchMean, OodBenchReport, OodBenchRow, OodGroup};

use super::{auroc_plot, listing};
use crate::number;
use crate::plot::Cell;
use crate::report::{Listing, Part};

/// Each detector over each network, on each set.
pub(super) fn part(about: &str, rows: &[OodBenchRow], means: &[OodBenchMean], n: usize) -> Part {
    let several = rows.iter().any(|row| {
        rows.first()
            .is_some_and(|first| first.cell.network != row.cell.network)
    });
    let label = |row: &OodBenchRow| {
        if several {
            format!("{} on {}", row.cell.detector, row.cell.network)
        } else {
            row.cell.detector.clone()
        }
    };
    let labels: Vec<String> = rows.iter().map(label).collect();
    // Detectors stand along the axis, sets are the colours.
    let points = rows.iter().zip(&labels);
    let points = points.map(|(row, label)| (row.cell.out.as_str(), label.as_str(), row.auroc));
    let mut tables = Vec::new();
    if !means.is_empty() {
        tables.push(of_means(means, n));
    }
    tables.push(of_rows(rows, n));
    Part {
        title: "Images out of distribution".to_owned(),
        about: about.to_owned(),
        figures: auroc_plot(
            &format!("ood-plot-{n}"),
            "Images out of distribution beside those in it",
            "detector",
            points,
        ),
        tables,
        ..Part::default()
    }
}

fn of_rows(rows: &[OodBenchRow], n: usize) -> Listing {
    let cells = rows.iter().map(|row| {
        vec![
            Cell::Text(row.cell.detector.clone()),
            Cell::Text(row.cell.network.clone()),
            Cell::Text(row.cell.out.clone()),
            Cell::text(row.cell.group.map(OodGroup::name)),
            Cell::Number(row.auroc),
            Cell::Number(row.auroc_ci_low),
            Cell::Number(row.auroc_ci_high),
            Cell::Number(row.fpr95),
            Cell::Number(row.aupr_in),
            Cell::Number(row.aupr_out),
        ]
    });
    let columns = [
        "detector",
        "network",
        "set",
        "group",
        "AUROC",
        "low",
        "high",
        "FPR at 95 % TPR",
        "AUPR in",
        "AUPR out",
    ];
    listing(n, "ood", "Detectors on each set", &columns, cells.collect())
}

fn of_means(means: &[OodBenchMean], n: usize) -> Listing {
    let cells = means.iter().map(|mean| {
        vec![
            Cell::Text(mean.detector.clone()),
            Cell::Text(
                mean.network
                    .clone()
                    .unwrap_or_else(|| "all classifiers".to_owned()),
            ),
            Cell::Text(mean.out.clone()),
            Cell::Count(mean.n_networks),
            Cell::Number(mean.auroc),
            Cell::number(mean.auroc_sd),
            Cell::Number(mean.fpr95),
            Cell::Number(mean.aupr_in),
            Cell::Number(mean.aupr_out),
        ]
    });
    let columns = [
        "detector",
        "network",
        "sets",
        "networks",
        "AUROC",
        "deviation",
        "FPR at 95 % TPR",
        "AUPR in",
        "AUPR out",
    ];
    listing(n, "ood-means", "Means", &columns, cells.collect())
}

/// What a report is about.
pub(super) fn about(report: &OodBenchReport) -> String {
    format!(
        "{} of {} beside {} out of distribution; detectors fitted to {} of {}.",
        number::counted(report.inside.n, "image"),
        report.inside.name,
        number::counted(report.outside.len() as u64, "set"),
        number::count(report.train.n),
        report.train.name
    )
}
