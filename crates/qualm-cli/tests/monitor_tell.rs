//! Who hears of an alarm of `qualm monitor`: commands, metrics, and readers of lines.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test fails loudly, and numbers are printed and read back exactly"
)]

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use serde_json::Value;

use crate::common::{Folder, Ran, column, table as fields};
use crate::monitor::{folder, monitor};

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
#[cfg(unix)]
fn a_command_gets_each_alarm_once() {
    let folder = folder();
    let append = ["--on-alarm", "echo told; cat >> alarms.jsonl"];
    let state = ["--sequential", "--state", "watch.state", "--json"];
    let told = |folder: &Folder| lines(&folder.text("alarms.jsonl"));
    let quiet = monitor(&folder, "quiet.csv", &append);
    assert!(quiet.code == Some(0) && !folder.names().contains(&"alarms.jsonl".to_owned()));
    let ran = monitor(&folder, "moved.csv", &[&state[..], &append].concat());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    // What the command prints is not part of the report.
    let report = ran.json();
    assert!(ran.stderr.contains("told"), "{}", ran.stderr);
    let alarms = told(&folder);
    assert_eq!(alarms.len(), 1);
    assert_eq!(alarms[0]["row"], report["sequential"]["alarms"][0]);
    for key in ["is_drift", "threshold", "stretch", "columns", "strangest"] {
        assert_eq!(alarms[0][key], report[key], "{key}");
    }
    let from = alarms[0]["changed_from"].as_u64().unwrap();
    assert_eq!(alarms[0]["stretch"]["first_row"], from);
    // An old alarm is told no more.
    let again = monitor(&folder, "moved.csv", &[&state[..], &append].concat());
    assert_eq!((again.code, told(&folder).len()), (Some(1), 1));
    // Each alarm of a service that is armed again; window tests tell once, with their report.
    let service = ["--sequential", "--run-length", "1000", "--json"];
    let ran = monitor(&folder, "moved.csv", &[&service[..], &append].concat());
    let n = ran.json()["sequential"]["n_alarms"].as_u64().unwrap();
    assert_eq!(told(&folder).len() as u64, 1 + n);
    let windows = monitor(
        &folder,
        "moved.csv",
        &[&["--window", "100", "--json"], &append[..]].concat(),
    );
    assert_eq!(told(&folder).last(), Some(&windows.json()));
    assert_eq!(told(&folder).len() as u64, 2 + n);
}

#[test]
#[cfg(unix)]
fn a_command_that_fails_is_a_warning_and_the_state_is_kept() {
    let folder = folder();
    let args = [
        "--sequential",
        "--state",
        "watch.state",
        "--on-alarm",
        "exit 3",
    ];
    let ran = monitor(&folder, "moved.csv", &args);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let warned = ran.stderr.lines().any(|line| {
        line.starts_with("warning:") && line.contains("exit 3") && line.contains("exit status: 3")
    });
    assert!(warned, "{}", ran.stderr);
    let again = monitor(&folder, "moved.csv", &args);
    assert!(again.stderr.contains("going on after 500 rows") && !again.stderr.contains("exit 3"));
}

/// The samples of metrics by name and labels, after a check of the format as strict as Prometheus' own.
fn samples(text: &str) -> HashMap<String, f64> {
    assert!(text.ends_with('\n') && !text.contains("\n\n"));
    let word = |text: &str, more: &str| {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let rest = |c: char| first(c) || c.is_ascii_digit() || more.contains(c);
        text.starts_with(first) && text.chars().all(rest)
    };
    let (mut types, mut helps) = (HashMap::new(), HashMap::new());
    let mut samples = HashMap::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(
                !help.is_empty() && helps.insert(name, help).is_none(),
                "{line}"
            );
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(
                helps.contains_key(name) && types.insert(name, kind).is_none(),
                "{line}"
            );
            family = name;
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap();
        let labels = labels.strip_suffix('}').unwrap();
        // All samples of a family together, after its type.
        let suffix = name
            .strip_prefix(family)
            .unwrap_or_else(|| panic!("{line}"));
        let histogram = types[family] == "histogram";
        assert!(suffix.is_empty() != histogram && word(name, ":") && name.starts_with("qualm_"));
        assert!(
            !histogram || ["_bucket", "_sum", "_count"].contains(&suffix),
            "{line}"
        );
        assert_eq!(
            types[family] == "counter",
            name.ends_with("_total"),
            "{line}"
        );
        for label in labels.split(',') {
            let (label, value) = label.split_once('=').unwrap();
            assert!(word(label, "") && value.len() >= 2, "{line}");
            assert!(value.starts_with('"') && value.ends_with('"'), "{line}");
        }
        let value = value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
        assert!(
            samples.insert(series.to_owned(), value).is_none(),
            "{line} twice"
        );
    }
    samples
}

#[test]
fn metrics_are_as_prometheus_reads_them() {
    let folder = folder();
    let file = ["--metrics", "qualm.prom"];
    let sequential = [&["--sequential", "--json"], &file[..]].concat();
    let ran = monitor(&folder, "moved.csv", &sequential);
    assert_eq!(
        (ran.code, ran.stderr.contains("warning")),
        (Some(1), false),
        "{ran:?}"
    );
    let found = samples(&folder.text("qualm.prom"));
    let of = |name: &str| found[&format!("{name}{{model=\"m.qualm\",stream=\"\"}}")];
    assert_eq!((of("qualm_rows_total"), of("qualm_alarm")), (500.0, 1.0));
    assert_eq!(of("qualm_alarms_total"), 1.0);
    let evidence = ran.json()["sequential"]["log10_evidence"].as_f64().unwrap();
    assert_eq!(of("qualm_evidence_log10"), evidence);
    let version = format!(
        "qualm_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(found[&version], 1.0);
    // The buckets are cumulative, and hold all rows in the end.
    let scores = column(&folder.scores("m.qualm", "moved.csv", &[]), "score");
    assert_eq!(of("qualm_score_count"), 500.0);
    assert!((of("qualm_score_sum") - scores.iter().sum::<f64>()).abs() < 1e-6);
    let edge = |series: &String| {
        let edge = series
            .strip_prefix("qualm_score_bucket")?
            .split("le=\"")
            .nth(1)?;
        edge.strip_suffix("\"}")?.parse::<f64>().ok()
    };
    let buckets: Vec<(f64, f64)> = found
        .iter()
        .filter_map(|(s, n)| Some((edge(s)?, *n)))
        .collect();
    assert_eq!(buckets.len(), 9);
    for (edge, n) in buckets {
        assert_eq!(
            scores.iter().filter(|score| **score <= edge).count() as f64,
            n
        );
    }
    // Windows say other things, and rows from a state count on.
    let windows = [&["--window", "100", "--json"], &file[..]].concat();
    let report = monitor(&folder, "moved.csv", &windows).json();
    let found = samples(&folder.text("qualm.prom"));
    let of = |name: &str| found[&format!("{name}{{model=\"m.qualm\",stream=\"\"}}")];
    let last = &report["windows"][4];
    assert_eq!(
        of("qualm_window_effect_size"),
        last["cohens_d"].as_f64().unwrap()
    );
    assert_eq!(of("qualm_window_auroc"), last["auroc"].as_f64().unwrap());
    assert_eq!(
        of("qualm_window_log10_p_value"),
        last["log10_p"].as_f64().unwrap()
    );
    assert_eq!((of("qualm_alarms_total"), of("qualm_alarm")), (3.0, 1.0));
    let other = monitor(&folder, "quiet.csv", &["--metrics", "metrics.txt"]).ok();
    assert!(other.stderr.contains("*.prom"), "{}", other.stderr);
}

#[test]
fn standard_input_is_followed_line_by_line() {
    let folder = folder();
    let whole = monitor(&folder, "moved.csv", &["--sequential", "--json"]).json();
    let args = [
        "monitor",
        "m.qualm",
        "-",
        "--reference",
        "held_out.csv",
        "--sequential",
    ];
    let follow = [&args[..], &["--follow", "--json"]].concat();
    let check = |ran: &Ran| {
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let lines = lines(&ran.stdout);
        assert_eq!(lines.len(), 2, "{}", ran.stdout);
        assert_eq!(
            (&lines[0]["event"], &lines[1]["event"]),
            (&"alarm".into(), &"end".into())
        );
        assert_eq!(lines[0]["row"], whole["sequential"]["alarms"][0]);
        for key in [
            "sequential",
            "n",
            "distance",
            "columns",
            "strangest",
            "stretch",
        ] {
            assert_eq!(lines[1][key], whole[key], "{key}");
        }
    };
    let text = folder.text("moved.csv");
    check(&folder.pipe(&follow, text.as_bytes()));
    // Without an end of the last line, and as an Arrow stream.
    check(&folder.pipe(&follow, text.trim_end().as_bytes()));
    check(&folder.pipe(&follow, &arrow(&text)));
    let once = folder.pipe(&[&args[..], &["--json"]].concat(), &arrow(&text));
    assert_eq!(once.json()["sequential"], whole["sequential"]);
    // Each time it is another stream: nothing of it is skipped.
    let state = [&args[..], &["--state", "watch.state", "--json"]].concat();
    for expected in [500, 1000] {
        let report = folder.pipe(&state, text.as_bytes()).json();
        assert_eq!(
            (&report["n"], &report["sequential"]["n_rows"]),
            (&500.into(), &expected.into())
        );
    }
    let words = folder.pipe(&[&args[..], &["--follow"]].concat(), text.as_bytes());
    assert!(words.stdout.starts_with("ALARM at row") && words.stdout.contains("changed from"));
    // What cannot be followed.
    folder.write("t.parquet", "PAR1");
    let parquet = [
        "monitor",
        "m.qualm",
        "t.parquet",
        "--sequential",
        "--follow",
    ];
    let ran = folder.run(&parquet);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("t.parquet: cannot be followed"),
        "{}",
        ran.stderr
    );
    let damaged = &arrow(&text)[..2000];
    let ran = folder.pipe(&follow, damaged);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("standard input"), "{}", ran.stderr);
}

/// A CSV text as an Arrow stream of batches of a hundred rows; its first column is text.
fn arrow(text: &str) -> Vec<u8> {
    let (header, _) = fields(text);
    let columns: Vec<(&str, ArrayRef)> = header
        .iter()
        .map(|name| {
            let values: ArrayRef = if name == "name" {
                let names = fields(text).1.into_iter().map(|mut row| row.remove(0));
                Arc::new(StringArray::from_iter_values(names))
            } else {
                Arc::new(Float64Array::from(column(text, name)))
            };
            (name.as_str(), values)
        })
        .collect();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    for start in (0..batch.num_rows()).step_by(100) {
        writer.write(&batch.slice(start, 100)).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    bytes
}

#[test]
fn rows_that_cannot_be_scored_leave_the_state_as_it_was() {
    let folder = folder();
    let state = ["--sequential", "--state", "watch.state"];
    monitor(&folder, "quiet.csv", &state).ok();
    let bytes = folder.read("watch.state");
    let text = folder.text("moved.csv");
    let bad = |value: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let fields: Vec<&str> = lines[7].split(',').collect();
        lines[7] = [fields[0], fields[1], value, fields[3], fields[4]].join(",");
        lines.join("\n") + "\n"
    };
    for (value, words) in [
        ("NaN", "NaN"),
        ("", "missing value"),
        ("inf", "inf"),
        ("x", "'x'"),
    ] {
        folder.write("bad.csv", bad(value));
        let ran = monitor(&folder, "bad.csv", &state);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        for word in ["bad.csv, row 7, column 'b'", words] {
            assert!(ran.stderr.contains(word), "{value}: {}", ran.stderr);
        }
        assert_eq!(folder.read("watch.state"), bytes, "{value}");
    }
    // A plot is for those who look: here nobody does.
    let quiet = monitor(&folder, "quiet.csv", &["--sequential"]).ok();
    assert!(
        !quiet.stdout.contains('|') && !quiet.stdout.contains('*'),
        "{}",
        quiet.stdout
    );
}
