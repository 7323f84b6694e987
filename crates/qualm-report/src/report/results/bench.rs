//! Results of `qualm bench`.

use qualm::reports::BenchReport;

use super::listing;
use crate::number;
use crate::plot::Cell;
use crate::report::Part;

/// The runs of a bench.
pub(super) fn part(report: &BenchReport, n: usize) -> Part {
    let rows = report.results.iter().map(|run| {
        vec![
            Cell::Text(run.dataset.clone()),
            Cell::Text(run.detector.clone()),
            Cell::Count(run.seed),
            Cell::number(run.auroc),
            Cell::number(run.aupr),
            Cell::number(run.fit_seconds),
            Cell::number(run.score_seconds),
            Cell::Text(run.status.clone()),
        ]
    });
    let columns = [
        "dataset",
        "detector",
        "seed",
        "AUROC",
        "average precision",
        "fit seconds",
        "score seconds",
        "status",
    ];
    let failed = report.results.iter().filter(|run| !run.is_ok()).count() as u64;
    Part {
        title: format!("Bench {}", report.suite),
        about: format!(
            "{}, {} failed.",
            number::counted(report.results.len() as u64, "run"),
            number::count(failed)
        ),
        tables: vec![listing(n, "bench", "Runs", &columns, rows.collect())],
        ..Part::default()
    }
}
