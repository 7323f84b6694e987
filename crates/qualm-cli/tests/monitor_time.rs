//! `qualm monitor` with times: windows of time, their gaps, and clocks that go back.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use serde_json::Value;

use crate::common::files::with_column;
use crate::common::refused;
use crate::monitor::{folder, monitor, table};

/// A minute of March 2026.
fn minute(m: usize) -> String {
    format!(
        "2026-03-{:02}T{:02}:{:02}:00Z",
        1 + m / 1440,
        m / 60 % 24,
        m % 60
    )
}

const HOURS: [&str; 5] = ["--window", "1h", "--time", "when", "--json"];

#[test]
fn windows_of_time_begin_at_full_hours() {
    let folder = folder();
    let moved = table(500, 4, 250, 5.0);
    folder.write("moved.csv", with_column(&moved, "when", minute));
    let ran = monitor(&folder, "moved.csv", &HOURS);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    let windows = report["windows"].as_array().unwrap();
    let of = |name: &str| {
        windows
            .iter()
            .map(|w| w[name].clone())
            .collect::<Vec<Value>>()
    };
    assert_eq!(of("n"), [60, 60, 60, 60, 60, 60, 60, 60, 20]);
    assert_eq!(
        of("is_drift"),
        [false, false, false, false, true, true, true, true, true]
    );
    assert_eq!(of("from_time")[4], minute(240));
    assert_eq!(of("to_time")[4], minute(300));
    // The same as windows of as many rows, but for the last one.
    let rows = monitor(&folder, "moved.csv", &["--window", "60", "--json"]);
    assert!(
        rows.stderr.contains("not tested: 20 rows in 1 window"),
        "{rows:?}"
    );
    let rows = rows.json();
    assert_eq!(rows["untested_windows"], 1);
    for (a, b) in windows.iter().zip(rows["windows"].as_array().unwrap()) {
        assert_eq!((&a["p"], &a["first_row"]), (&b["p"], &b["first_row"]));
    }
    // Seconds since 1970 say the same.
    let seconds = with_column(&moved, "when", |i| (1_772_323_200 + 60 * i).to_string());
    folder.write("moved.csv", seconds);
    assert_eq!(
        monitor(&folder, "moved.csv", &HOURS).json()["windows"],
        report["windows"]
    );
    // The rows of an alarm have times, also in the sequential test.
    let args = ["--sequential", "--time", "when", "--json"];
    let stretch = &monitor(&folder, "moved.csv", &args).json()["stretch"];
    let first = stretch["first_row"].as_u64().unwrap();
    assert_eq!(
        stretch["first_time"],
        minute(usize::try_from(first).unwrap() - 1)
    );
    assert!(stretch["last_time"].as_str().unwrap() > minute(250).as_str());
}

#[test]
fn hours_without_rows_are_said() {
    let folder = folder();
    // Two hours, a row in the sixth, and the twelfth hour.
    let when = |i: usize| match i {
        0..120 => minute(i),
        120 => minute(330),
        _ => minute(660 + (i - 121) / 10),
    };
    folder.write(
        "gaps.csv",
        with_column(&table(400, 3, 0, 0.0), "when", when),
    );
    let ran = monitor(&folder, "gaps.csv", &HOURS);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    assert_eq!(report["windows"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&report["empty_windows"], &report["untested_windows"]),
        (&8.into(), &1.into())
    );
    assert!(
        ran.stderr
            .contains("8 windows without a row, the first from 2026-03-01T02:00:00Z")
    );
    assert!(
        ran.stderr.contains("not tested: 1 row in 1 window"),
        "{}",
        ran.stderr
    );
    // Nothing but windows of one row.
    folder.write(
        "single.csv",
        with_column(&table(5, 3, 0, 0.0), "when", |i| minute(60 * i)),
    );
    let single = [
        "monitor",
        "m.qualm",
        "single.csv",
        "--window",
        "1h",
        "--time",
        "when",
    ];
    refused(&folder, &single, &["row 5 of single.csv", "at least 2"]);
}

#[test]
fn time_does_not_go_back() {
    let folder = folder();
    let later = |i: usize| minute(1000 + i);
    folder.write(
        "back.csv",
        with_column(&table(9, 3, 0, 0.0), "when", |i| {
            if i == 6 { minute(2) } else { later(i) }
        }),
    );
    let words = [
        "back.csv, row 7, column 'when'",
        "2026-03-01T16:45:00Z",
        "2026-03-01T00:02:00Z",
    ];
    let base = ["monitor", "m.qualm", "back.csv", "--time", "when"];
    refused(&folder, &base, &words);
    refused(&folder, &[&base[..], &["--sequential"]].concat(), &words);
    // Nor from one run to the next.
    folder.write(
        "first.csv",
        with_column(&table(50, 3, 0, 0.0), "when", later),
    );
    folder.write(
        "second.csv",
        with_column(&table(50, 3, 0, 0.0), "when", minute),
    );
    let state = ["--sequential", "--state", "watch.state", "--time", "when"];
    monitor(&folder, "first.csv", &state).ok();
    let bytes = folder.read("watch.state");
    let second = monitor(&folder, "second.csv", &state);
    assert_eq!(second.code, Some(2), "{second:?}");
    assert!(
        second
            .stderr
            .contains("second.csv, row 1, column 'when': the time goes back")
    );
    assert_eq!(folder.read("watch.state"), bytes);
    // What is no time.
    folder.write(
        "text.csv",
        with_column(&table(9, 3, 0, 0.0), "when", |_| "noon".to_owned()),
    );
    let text = ["monitor", "m.qualm", "text.csv", "--time", "when"];
    refused(
        &folder,
        &text,
        &["text.csv, row 1, column 'when'", "'noon'", "ISO 8601"],
    );
}
