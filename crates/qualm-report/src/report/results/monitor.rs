//! Results of monitoring: a report, or the state of a sequential test.

use qualm::monitor::{Guarantee, Sequential};
use qualm::reports::{MonitorReport, MonitorStream, MonitorWindow};

use super::{fact, listing};
use crate::number;
use crate::plot::{Axis, Cell, Chart, Figure, Mark, Table, ends};
use crate::report::Part;

/// Streams that one plot shows.
const MOST_LINES: usize = 4;

/// What was watched, when it changed, and what moved.
pub(super) fn part(report: &MonitorReport, n: usize) -> Part {
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
    let mut figures = evidence(report, n);
    figures.extend(windows(report, n));
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

/// The evidence of each stream over its rows.
fn evidence(report: &MonitorReport, n: usize) -> Vec<Figure> {
    let streams: Vec<&MonitorStream> = report.sequential.iter().chain(&report.streams).collect();
    let line = |stream: &MonitorStream| -> Vec<[f64; 2]> {
        let Some(evidence) = &stream.evidence else {
            return Vec::new();
        };
        let first = evidence.first_row as f64;
        let each = evidence.rows_each as f64;
        let values = evidence.log10_highest.iter().enumerate();
        let points = values.map(|(i, value)| [first + each * i as f64, *value]);
        points.filter(|point| point[1].is_finite()).collect()
    };
    let mut lines: Vec<(String, Vec<[f64; 2]>)> = streams
        .iter()
        .map(|stream| (stream.stream.clone().unwrap_or_default(), line(stream)))
        .filter(|(_, points)| points.len() > 1)
        .collect();
    // Of many streams those with the most evidence: colours end.
    let highest = |points: &[[f64; 2]]| points.iter().map(|p| p[1]).fold(f64::MIN, f64::max);
    lines.sort_by(|a, b| highest(&b.1).total_cmp(&highest(&a.1)));
    let n_lines = lines.len();
    lines.truncate(MOST_LINES);
    let (Some(stream), false) = (streams.first(), lines.is_empty()) else {
        return Vec::new();
    };
    let threshold = match stream.guarantee {
        Guarantee::Ever { alpha } => -alpha.log10(),
        Guarantee::RunLength { rows } => rows.log10(),
    };
    let all = || lines.iter().flat_map(|(_, points)| points);
    let [low, high] = ends(all().map(|p| p[1]).chain([threshold, 0.0]));
    let [first, last] = ends(all().map(|p| p[0]));
    let room = ((high - low) * 0.08).max(0.05);
    let left_out = match n_lines - lines.len() {
        0 => String::new(),
        _ => format!(
            ", of the {} of {n_lines} streams that have the most",
            lines.len()
        ),
    };
    let described = format!(
        "The decimal logarithm of the evidence against no change, row after row{left_out}. An alarm \
         is raised at {}.",
        number::short(threshold)
    );
    let mut marks = vec![Mark::Level {
        at: threshold,
        name: "alarm".to_owned(),
    }];
    let mut rows = Vec::new();
    for (series, (name, points)) in (1..).zip(lines) {
        rows.extend(points.iter().map(|[row, value]| {
            vec![
                Cell::Count(*row as u64),
                Cell::text(Some(name.clone()).filter(|name| !name.is_empty())),
                Cell::Number(*value),
            ]
        }));
        marks.push(Mark::Line {
            series,
            name,
            points,
        });
    }
    let chart = Chart {
        id: format!("evidence-plot-{n}"),
        title: "Evidence of a change".to_owned(),
        description: described,
        x: Axis::new("row", [first, last]),
        y: Axis::new("log10 of the evidence", [low - room, high + room]),
        marks,
        table: listing(n, "", "", &["row", "stream", "evidence, log10"], rows).table,
        square: false,
    };
    vec![chart.figure()]
}

/// The effect size of each window over time.
fn windows(report: &MonitorReport, n: usize) -> Vec<Figure> {
    if report.windows.len() < 2 {
        return Vec::new();
    }
    let point = |w: &MonitorWindow| [w.window as f64, w.difference.cohens_d];
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

/// Where a sequential test stands.
pub(super) fn state(state: &Sequential) -> Part {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_stands_at_its_rows_below_the_alarm() {
        let report = serde_json::json!({
            "model": "m.qualm", "input": "t.csv", "reference": null, "is_drift": false,
            "p_val": 0.5, "threshold": 0.01, "distance": 1.5, "n_reference": 100, "n": 12,
            "windows": [], "columns": [], "strangest": [],
            "sequential": {
                "guarantee": {"ever": {"alpha": 0.01}}, "n_rows": 112, "n_alarms": 0, "alarms": [],
                "log10_evidence": 1.0,
                "evidence": {"first_row": 101, "rows_each": 4, "log10_highest": [0.5, 1.5, 1.0]}
            }
        });
        let report: MonitorReport = serde_json::from_value(report).unwrap();
        let figures = evidence(&report, 1);
        let rows = &figures[0].table.rows;
        let expected = [(101, 0.5), (105, 1.5), (109, 1.0)];
        let expected = expected.map(|(row, value)| vec![Cell::Count(row), Cell::Number(value)]);
        assert_eq!(rows[..], expected);
        assert!(figures[0].description.contains("raised at 2"));
    }
}
