//! Files of results: of monitoring and of benches.

mod bench;
mod corruption;
mod monitor;
mod ood;
mod table;

use std::io::Read;
use std::path::Path;

use qualm::monitor::Sequential;
use qualm::reports::{
    BenchReport, BenchRow, CorruptionReport, CorruptionRow, MonitorReport, OodBenchMean,
    OodBenchReport, OodBenchRow, REPORT_VERSION,
};
use serde_json::Value;

use super::{Listing, Part};
use crate::error::{Error, Result};
use crate::plot::{Cell, Figure, RowPoints, Table};

/// Rows that still fit a page, and colours that can be told apart.
const MOST_NAMES: usize = 60;
const MOST_SERIES: usize = 4;

/// Results that a report can show.
#[derive(Debug, Clone)]
pub enum Results {
    /// Of `qualm monitor --json`.
    Monitor(Box<MonitorReport>),
    /// The state of a sequential test.
    State(Box<Sequential>),
    /// Of `qualm bench --json`, or the lines of its results file.
    Bench(BenchReport),
    /// Of `qualm bench corruption --json`, or its results file.
    Corruption {
        /// What they are of, in a sentence.
        about: String,
        /// Each corruption by each detector.
        rows: Vec<CorruptionRow>,
    },
    /// Of `qualm bench ood --json`, or its results file, which has no means.
    Ood {
        /// What they are of, in a sentence.
        about: String,
        /// Each detector on each set.
        rows: Vec<OodBenchRow>,
        /// Means over sets and networks.
        means: Vec<OodBenchMean>,
    },
}

/// Reads a file of results, whatever kind it is of.
///
/// # Errors
/// [`Error::NotResults`], [`Error::ResultsVersion`], and [`Error::Data`] where there is no such file.
pub fn read_results(path: &Path) -> Result<Results> {
    const EXPECTED: &str = "results of qualm monitor --json, qualm bench --json, a results file of \
                            qualm bench (.jsonl, .csv or .parquet), or a state of qualm monitor";
    let not = |found: String| Error::NotResults {
        path: path.to_owned(),
        expected: EXPECTED,
        found,
    };
    let mut bytes = Vec::new();
    let read = qualm_data::open_file(path)?.read_to_end(&mut bytes);
    read.map_err(|error| not(error.to_string()))?;
    if let Some(rows) = table::read(path, &bytes) {
        return rows.and_then(of_table).map_err(not);
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        let (state, _) = Sequential::from_bytes(path, &bytes)?;
        return Ok(Results::State(Box::new(state)));
    };
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        if let Some(results) = lines(path, text) {
            return Ok(Results::Bench(results));
        }
        // The state begins with a length in binary, which can happen to be text.
        let state = Sequential::from_bytes(path, &bytes);
        let (state, _) = state.map_err(|_| not("a text that is no JSON".to_owned()))?;
        return Ok(Results::State(Box::new(state)));
    };
    if let Some(version) = document.get("report_version").and_then(Value::as_u64)
        && version > u64::from(REPORT_VERSION)
    {
        return Err(Error::ResultsVersion {
            path: path.to_owned(),
            found: version,
            expected: REPORT_VERSION,
        });
    }
    let has = |key: &str| document.get(key).is_some();
    let broken = |error: serde_json::Error| not(format!("JSON of which {error}"));
    if has("windows") && has("is_drift") {
        return serde_json::from_value(document)
            .map(Results::Monitor)
            .map_err(broken);
    }
    let suite = document.get("suite").and_then(Value::as_str);
    if suite == Some(CorruptionReport::SUITE) {
        let report: CorruptionReport = serde_json::from_value(document).map_err(broken)?;
        return Ok(Results::Corruption {
            about: corruption::about(&report),
            rows: report.results,
        });
    }
    if suite == Some(OodBenchReport::SUITE) {
        let report: OodBenchReport = serde_json::from_value(document).map_err(broken)?;
        return Ok(Results::Ood {
            about: ood::about(&report),
            rows: report.results,
            means: report.means,
        });
    }
    if has("suite") && has("results") {
        return serde_json::from_value(document)
            .map(Results::Bench)
            .map_err(broken);
    }
    if has("dataset")
        && has("detector")
        && let Some(results) = lines(path, text)
    {
        return Ok(Results::Bench(results));
    }
    let keys = document
        .as_object()
        .map(|o| o.keys().take(5).cloned().collect::<Vec<_>>());
    Err(not(match keys {
        Some(keys) if !keys.is_empty() => format!("JSON with {}", keys.join(", ")),
        _ => "JSON of another kind".to_owned(),
    }))
}

/// The results of a table.
fn of_table(rows: Vec<Value>) -> Result<Results, String> {
    let has = |key: &str| rows.first().is_some_and(|row| row.get(key).is_some());
    if has("corruption") && has("detector") {
        return Ok(Results::Corruption {
            about: "Scores of damaged images beside clean ones.".to_owned(),
            rows: table::typed(rows)?,
        });
    }
    if has("network") && has("out") {
        return Ok(Results::Ood {
            about: "Scores of images out of distribution beside those in it.".to_owned(),
            rows: table::typed(rows)?,
            means: Vec::new(),
        });
    }
    Err("a table of something else".to_owned())
}

/// A results file: a run a line.
fn lines(path: &Path, text: &str) -> Option<BenchReport> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let rows: Option<Vec<BenchRow>> = lines.map(|line| serde_json::from_str(line).ok()).collect();
    let rows = rows.filter(|rows| !rows.is_empty())?;
    let name = path
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned());
    Some(BenchReport::new(&name.unwrap_or_default(), rows))
}

/// The part of a file, which is the report's nth.
pub(super) fn part(path: &str, results: &Results, n: usize) -> Part {
    let mut part = match results {
        Results::Monitor(report) => monitor::part(report, n),
        Results::State(state) => monitor::state(state),
        Results::Bench(report) => bench::part(report, n),
        Results::Corruption { about, rows } => corruption::part(about, rows, n),
        Results::Ood { about, rows, means } => ood::part(about, rows, means, n),
    };
    part.id = format!("results-{n}");
    part.about = format!("{} From {path}.", part.about);
    part
}

fn fact(name: &str, cell: Cell) -> (String, Cell) {
    (name.to_owned(), cell)
}

/// A table without the columns that hold nothing.
fn listing(n: usize, name: &str, title: &str, columns: &[&str], rows: Vec<Vec<Cell>>) -> Listing {
    let held = |j: usize| {
        rows.iter()
            .any(|row| row.get(j).is_some_and(|c| *c != Cell::None))
    };
    let keep: Vec<bool> = (0..columns.len()).map(held).collect();
    let columns = columns.iter().zip(&keep).filter(|(_, keep)| **keep);
    let columns: Vec<&str> = columns.map(|(name, _)| *name).collect();
    let kept = |row: Vec<Cell>| {
        let cells = row.into_iter().zip(&keep).filter(|(_, keep)| **keep);
        cells.map(|(cell, _)| cell).collect()
    };
    let rows: Vec<Vec<Cell>> = rows.into_iter().map(kept).collect();
    Listing {
        id: format!("{name}-{n}"),
        title: title.to_owned(),
        sortable: true,
        table: Table {
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows,
        },
    }
}

/// The AUROC of what has a name, in a colour for each series; nothing for more of either than can be
/// told apart.
///
/// `points`: the series, the name and the AUROC.
fn auroc_plot<'a>(
    id: &str,
    title: &str,
    of: &str,
    points: impl Iterator<Item = (&'a str, &'a str, f64)>,
) -> Vec<Figure> {
    let mut series: Vec<&str> = Vec::new();
    let mut rows: Vec<(String, Vec<Option<f64>>)> = Vec::new();
    for (one, name, auroc) in points {
        let colour = series.iter().position(|s| *s == one).unwrap_or_else(|| {
            series.push(one);
            series.len() - 1
        });
        let row = rows.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
            rows.push((name.to_owned(), Vec::new()));
            rows.len() - 1
        });
        if let Some((_, values)) = rows.get_mut(row) {
            values.resize(values.len().max(colour + 1), None);
            if let Some(value) = values.get_mut(colour) {
                *value = Some(auroc);
            }
        }
    }
    if rows.len() < 2 || rows.len() > MOST_NAMES || series.len() > MOST_SERIES {
        return Vec::new();
    }
    for (_, values) in &mut rows {
        values.resize(series.len(), None);
    }
    let plot = RowPoints {
        id: id.to_owned(),
        title: title.to_owned(),
        description: format!("Area under the ROC curve by {of}; 0.5 is chance, 1 tells all apart."),
        columns: [of.to_owned(), "AUROC".to_owned()],
        level: (0.5, "chance".to_owned()),
        series: series.into_iter().map(str::to_owned).collect(),
        rows,
    };
    vec![plot.figure()]
}
