//! Files of results: of monitoring and of benches.

use std::path::Path;

use qualm::monitor::Sequential;
use qualm::reports::{BenchReport, BenchRow, CorruptionReport, MonitorReport, REPORT_VERSION};
use serde_json::Value;

use super::{Listing, Part};
use crate::error::{Error, Result};
use crate::number;
use crate::plot::{Axis, Cell, Chart, Figure, Mark, Table, ends};

/// Results that a report can show.
#[derive(Debug, Clone)]
pub enum Results {
    /// Of `qualm monitor --json`.
    Monitor(Box<MonitorReport>),
    /// The state of a sequential test.
    State(Box<Sequential>),
    /// Of `qualm bench --json`, or the lines of its results file.
    Bench(BenchReport),
    /// Of `qualm bench corruption --json`.
    Corruption(Box<CorruptionReport>),
}

/// Reads a file of results, whatever kind it is of.
///
/// # Errors
/// [`Error::NotResults`], [`Error::ResultsVersion`].
pub fn read_results(path: &Path) -> Result<Results> {
    const EXPECTED: &str = "results of qualm monitor --json, qualm bench --json, a results file of \
                            qualm bench (.jsonl), or a state of qualm monitor";
    let not = |found: String| Error::NotResults {
        path: path.to_owned(),
        expected: EXPECTED,
        found,
    };
    let bytes = std::fs::read(path).map_err(|error| not(error.to_string()))?;
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
    if document.get("suite").and_then(Value::as_str) == Some(CorruptionReport::SUITE) {
        return serde_json::from_value(document)
            .map(Results::Corruption)
            .map_err(broken);
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
        Results::Monitor(report) => monitor(report, n),
        Results::State(state) => state_part(state),
        Results::Bench(report) => bench(report, n),
        Results::Corruption(report) => corruption(report, n),
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

fn monitor(report: &MonitorReport, n: usize) -> Part {
    let mut facts = vec![
        fact(
            "alarm",
            Cell::Text(if report.is_drift { "yes" } else { "no" }.to_owned()),
        ),
        fact("rows", Cell::Count(report.n)),
        fact("reference scores", Cell::Count(report.n_reference)),
        fact("smallest p-value", Cell::number(report.p_val)),
        fact("threshold", Cell::Number(report.threshold)),
        fact("distance", Cell::Number(report.distance)),
    ];
    for stream in report.sequential.iter().chain(&report.streams) {
        let name = stream
            .stream
            .clone()
            .map(|name| format!(" of {name}"))
            .unwrap_or_default();
        facts.push(fact(
            &format!("evidence, log10{name}"),
            Cell::Number(stream.log10_evidence),
        ));
        facts.push(fact(&format!("alarms{name}"), Cell::Count(stream.n_alarms)));
    }
    let mut tables = Vec::new();
    let figures = windows(report, n);
    if !report.windows.is_empty() {
        let rows = report.windows.iter().map(|w| {
            vec![
                Cell::Count(w.window),
                Cell::text(w.stream.clone()),
                Cell::text(w.from_time.clone()),
                Cell::Count(w.first_row),
                Cell::Count(w.last_row),
                Cell::Number(w.difference.cohens_d),
                Cell::Number(w.difference.auroc),
                Cell::Number(w.p_corrected),
                Cell::Text(if w.is_drift { "alarm" } else { "" }.to_owned()),
            ]
        });
        let columns = [
            "window",
            "stream",
            "from",
            "first row",
            "last row",
            "effect size d",
            "AUROC",
            "corrected p",
            "verdict",
        ];
        tables.push(listing(n, "windows", "Windows", &columns, rows.collect()));
    }
    if !report.columns.is_empty() {
        let rows = report.columns.iter().map(|c| {
            vec![
                Cell::Text(c.column.clone()),
                Cell::Number(c.reference_mean),
                Cell::Number(c.mean),
                Cell::Number(c.cohens_d),
                Cell::Number(c.p),
            ]
        });
        let columns = ["column", "mean before", "mean now", "effect size d", "p"];
        tables.push(listing(
            n,
            "moved",
            "Columns that moved most",
            &columns,
            rows.collect(),
        ));
    }
    Part {
        title: "Monitoring".to_owned(),
        about: format!("{} watched with {}.", report.input, report.model),
        facts,
        figures,
        tables,
        ..Part::default()
    }
}

/// The effect size of each window over time.
fn windows(report: &MonitorReport, n: usize) -> Vec<Figure> {
    if report.windows.len() < 2 {
        return Vec::new();
    }
    let point = |w: &qualm::reports::MonitorWindow| [w.window as f64, w.difference.cohens_d];
    let of = |drift: bool| -> Vec<[f64; 2]> {
        let windows = report.windows.iter().filter(|w| w.is_drift == drift);
        windows.map(point).collect()
    };
    let all = report.windows.iter().map(point);
    let [low, high] = ends(all.clone().map(|p| p[1]).chain([0.0]));
    let [first, last] = ends(all.map(|p| p[0]));
    let room = ((high - low) * 0.08).max(0.05);
    let chart = Chart {
        id: format!("windows-plot-{n}"),
        title: "Effect size of each window".to_owned(),
        description: format!(
            "Difference of the mean score from the reference, in standard deviations, of {}; {} with \
             an alarm.",
            number::counted(report.windows.len() as u64, "window"),
            number::count(of(true).len() as u64)
        ),
        x: Axis::new("window", [first - 0.5, last + 0.5]),
        y: Axis::new("effect size d", [low - room, high + room]),
        marks: vec![
            Mark::Level {
                at: 0.0,
                name: "as the reference".to_owned(),
            },
            Mark::Points {
                series: 1,
                name: "no alarm".to_owned(),
                points: of(false),
            },
            Mark::Points {
                series: 2,
                name: "alarm".to_owned(),
                points: of(true),
            },
        ],
        table: Table::default(),
        square: false,
    };
    vec![chart.figure()]
}

fn state_part(state: &Sequential) -> Part {
    let alarms = state
        .alarms()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    Part {
        title: "Monitoring: sequential test".to_owned(),
        about: "The state of a stream that is watched row after row.".to_owned(),
        facts: vec![
            fact("rows watched", Cell::Count(state.n_rows())),
            fact("evidence, log10", Cell::Number(state.log10_evidence())),
            fact("latest alarms at rows", Cell::Text(alarms.join(", "))),
        ],
        ..Part::default()
    }
}

fn bench(report: &BenchReport, n: usize) -> Part {
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

fn corruption(report: &CorruptionReport, n: usize) -> Part {
    let rows = report.results.iter().map(|row| {
        vec![
            Cell::Text(row.corruption.clone()),
            Cell::number(row.severity.map(f64::from)),
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
    Part {
        title: "Corrupted images".to_owned(),
        about: format!(
            "Scores of damaged images of {} beside clean ones, by the encoder {}.",
            report.images, report.encoder.name
        ),
        tables: vec![listing(
            n,
            "corruptions",
            "Corruptions",
            &columns,
            rows.collect(),
        )],
        ..Part::default()
    }
}
