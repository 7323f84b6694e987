//! `qualm monitor --stream`: several streams in one input.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use serde_json::Value;

use crate::common::Folder;
use crate::common::files::with_column;
use crate::monitor::{folder, monitor, table};

/// Rows of a quiet stream and of one that moves after its first 125 rows, in turn.
fn cameras() -> Folder {
    let folder = folder();
    let (quiet, moved) = (table(250, 3, 0, 0.0), table(250, 4, 125, 5.0));
    let turns = quiet.lines().skip(1).zip(moved.lines().skip(1));
    let lines = turns.map(|(quiet, moved)| format!("{quiet}\n{moved}\n"));
    let header = quiet.lines().next().unwrap().to_owned() + "\n";
    let text = header + &lines.collect::<String>();
    let name = |i: usize| {
        if i.is_multiple_of(2) {
            "north"
        } else {
            "south"
        }
        .to_owned()
    };
    folder.write("cameras.csv", with_column(&text, "camera", name));
    folder
}

const STREAM: [&str; 3] = ["--stream", "camera", "--json"];

#[test]
fn each_stream_has_its_own_windows_and_all_are_accounted_for() {
    let folder = cameras();
    let ran = monitor(
        &folder,
        "cameras.csv",
        &[&STREAM[..], &["--window", "50"]].concat(),
    );
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    let windows = report["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 10);
    for window in windows {
        let (stream, first) = (&window["stream"], window["first_row"].as_u64().unwrap());
        let moved = stream == "south" && first > 200;
        assert_eq!(window["is_drift"], moved, "{window}");
        assert_eq!(window["n"], 50);
        assert_eq!(window["last_row"].as_u64().unwrap(), first + 98);
    }
    // Holm's smallest p-value is multiplied by the number of all windows.
    let least = |name: &str| {
        let values = windows.iter().map(|w| w[name].as_f64().unwrap());
        values.fold(1.0, f64::min)
    };
    assert!((least("p_corrected") / least("p") - 10.0).abs() < 1e-9);
    assert_eq!(report["strangest"][0]["id"]["camera"], "south");
}

#[test]
fn each_stream_has_its_own_test_and_one_state_keeps_all() {
    let folder = cameras();
    let sequential = [&STREAM[..], &["--sequential"]].concat();
    let ran = monitor(&folder, "cameras.csv", &sequential);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    assert_eq!(report["sequential"], Value::Null);
    let streams = report["streams"].as_array().unwrap();
    let names: Vec<&Value> = streams.iter().map(|s| &s["stream"]).collect();
    assert_eq!(names, ["north", "south"]);
    assert_eq!(
        (&streams[0]["n_alarms"], &streams[0]["n_rows"]),
        (&0.into(), &250.into())
    );
    let alarm = streams[1]["alarms"][0].as_u64().unwrap();
    assert!((126..155).contains(&alarm), "{report}");
    assert_eq!(report["stretch"]["last_row"], 2 * alarm);
    // Alone it needs as much evidence or less.
    let alone = monitor(
        &folder,
        "cameras.csv",
        &[&sequential[..], &["--correct", "none"]].concat(),
    );
    assert!(alone.json()["streams"][1]["alarms"][0].as_u64().unwrap() <= alarm);

    // In two runs: the same.
    let whole = folder.text("cameras.csv");
    let head: String = whole
        .lines()
        .take(202)
        .map(|line| line.to_owned() + "\n")
        .collect();
    folder.write("growing.csv", head);
    let state = [&sequential[..], &["--state", "watch.state"]].concat();
    monitor(&folder, "growing.csv", &state).ok();
    let bytes = folder.read("watch.state");
    let few = monitor(
        &folder,
        "growing.csv",
        &[&state[..], &["--max-streams", "1"]].concat(),
    );
    assert_eq!(few.code, Some(2));
    assert!(
        few.stderr.contains("stream 'south'") && few.stderr.contains("--max-streams"),
        "{few:?}"
    );
    for other in [&["--sequential"][..], &["--sequential", "--stream", "name"]] {
        let args = [other, &["--state", "watch.state"]].concat();
        let ran = monitor(&folder, "growing.csv", &args);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("another --stream"), "{}", ran.stderr);
    }
    let none = [&state[..], &["--correct", "none"]].concat();
    assert!(
        monitor(&folder, "growing.csv", &none)
            .stderr
            .contains("another --correct")
    );
    assert_eq!(folder.read("watch.state"), bytes);
    folder.write("growing.csv", whole);
    let grown = monitor(&folder, "growing.csv", &state).json();
    let evidence = |report: &Value| {
        let streams = report["streams"].as_array().unwrap().iter();
        streams
            .map(|s| s["log10_evidence"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(evidence(&grown), evidence(&report));
}

#[test]
fn too_many_streams_are_refused() {
    let folder = cameras();
    for more in [&["--window", "50"][..], &["--sequential"]] {
        let args = [&["--stream", "name", "--max-streams", "7"], more].concat();
        let ran = monitor(&folder, "cameras.csv", &args);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(
            ran.stderr.contains('7') && ran.stderr.contains("--max-streams"),
            "{}",
            ran.stderr
        );
    }
    // A row that says no stream.
    let text = folder.text("cameras.csv").replacen("north", "", 2);
    folder.write("cameras.csv", text);
    let ran = monitor(&folder, "cameras.csv", &["--stream", "camera"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr
            .contains("cameras.csv, row 1, column 'camera': missing value"),
        "{ran:?}"
    );
}
