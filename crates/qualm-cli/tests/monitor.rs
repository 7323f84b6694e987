//! `qualm monitor`: alarms and their exit code, states that go on, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use crate::common::files::{csv, rows, with_column};
use crate::common::{Folder, Ran, refused};

const D: usize = 4;

/// Rows of which those from `from` on are moved in the second column.
pub(crate) fn table(n: usize, seed: u64, from: usize, by: f64) -> String {
    let mut rows = rows(n, D, seed);
    for row in rows.iter_mut().skip(from) {
        row[1] += by;
    }
    with_column(&csv(&rows), "name", |i| format!("n{i}"))
}

/// A model of usual rows, held-out ones, and a day of each kind.
pub(crate) fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("usual.csv", table(600, 1, 0, 0.0));
    folder.write("held_out.csv", table(400, 2, 0, 0.0));
    folder.write("quiet.csv", table(500, 3, 0, 0.0));
    folder.write("moved.csv", table(500, 4, 250, 5.0));
    folder
        .run(&[
            "fit",
            "usual.csv",
            "--clean",
            "--id",
            "name",
            "-o",
            "m.qualm",
        ])
        .ok();
    folder
}

pub(crate) fn monitor(folder: &Folder, input: &str, more: &[&str]) -> Ran {
    let args = ["monitor", "m.qualm", input, "--reference", "held_out.csv"];
    folder.run(&[&args[..], more].concat())
}

#[test]
fn a_changed_input_is_an_alarm_with_exit_code_one() {
    let folder = folder();
    let quiet = monitor(&folder, "quiet.csv", &[]);
    assert_eq!(
        (quiet.code, quiet.stdout.contains("no alarm")),
        (Some(0), true),
        "{quiet:?}"
    );
    let ran = monitor(&folder, "moved.csv", &["--window", "100", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    assert_eq!(report["is_drift"], true);
    assert_eq!(
        (&report["n_reference"], &report["n"]),
        (&400.into(), &500.into())
    );
    let windows = report["windows"].as_array().unwrap();
    let alarms: Vec<bool> = windows
        .iter()
        .map(|w| w["is_drift"].as_bool().unwrap())
        .collect();
    assert_eq!(alarms, [false, false, true, true, true]);
    assert_eq!(
        (&windows[2]["first_row"], &windows[2]["last_row"]),
        (&201.into(), &300.into())
    );
    assert!(windows[3]["cohens_d"].as_f64().unwrap() > 1.0);
    assert!(windows[3]["p_corrected"].as_f64() >= windows[3]["p"].as_f64());
    assert!(report["p_val"].as_f64().unwrap() < 1e-6 && report["threshold"] == 0.05);
    // The column that moved, and rows of a moved window by their names.
    let column = &report["columns"][0];
    assert_eq!(column["column"], "b", "{report}");
    assert!((column["mean"].as_f64().unwrap() - 5.0).abs() < 1.0);
    let strangest = report["strangest"].as_array().unwrap();
    assert_eq!(strangest.len(), 10);
    for row in strangest {
        let number = row["row"].as_u64().unwrap();
        assert!(number > 200, "{row}");
        assert_eq!(row["id"]["name"], format!("n{}", number - 1));
    }
    // What made them strange: the column that moved, for most of them.
    let moved = |row: &&serde_json::Value| row["explanation"][0]["feature"] == "b";
    assert!(strangest.iter().filter(moved).count() >= 8, "{report}");
    let share = strangest[0]["explanation"][0]["share"].as_f64().unwrap();
    assert!(share > 0.2 && share <= 1.0);
    let stretch = &report["stretch"];
    assert_eq!(stretch["n"], 100, "{stretch}");
    // Other tests agree; an effect that large was not asked for.
    for test in ["mann-whitney", "ks"] {
        assert_eq!(
            monitor(&folder, "moved.csv", &["--test", test]).code,
            Some(1)
        );
    }
    let large = monitor(&folder, "moved.csv", &["--min-effect", "50"]);
    assert_eq!(large.code, Some(0), "{large:?}");
    // The model's own reference.
    let own = folder.run(&["monitor", "m.qualm", "moved.csv"]);
    assert_eq!(own.code, Some(1), "{own:?}");
    assert!(own.stderr.contains("--reference FILE"), "{}", own.stderr);
}

#[test]
fn the_sequential_test_tells_when() {
    let folder = folder();
    let sequential = ["--sequential", "--json"];
    let quiet = monitor(&folder, "quiet.csv", &sequential);
    assert_eq!(quiet.code, Some(0), "{quiet:?}");
    let ran = monitor(&folder, "moved.csv", &sequential);
    assert_eq!(ran.code, Some(1));
    let report = ran.json();
    let alarm = report["sequential"]["alarms"][0].as_u64().unwrap();
    assert!((251..280).contains(&alarm), "{report}");
    assert_eq!(report["columns"][0]["column"], "b");
    // The rows since the change, not those of the whole run.
    let stretch = &report["stretch"];
    assert_eq!(stretch["last_row"], alarm, "{report}");
    let first = stretch["first_row"].as_u64().unwrap();
    assert!((235..=alarm).contains(&first), "{report}");
    assert_eq!(stretch["n"], alarm - first + 1);
    assert!(
        report["columns"][0]["mean"].as_f64().unwrap() > 3.0,
        "{report}"
    );
    for row in report["strangest"].as_array().unwrap() {
        assert!(
            (first..=alarm).contains(&row["row"].as_u64().unwrap()),
            "{row}"
        );
    }
    assert!(report["p_val"].as_f64().unwrap() <= 0.05);
    let again = monitor(
        &folder,
        "moved.csv",
        &["--sequential", "--run-length", "1000", "--json"],
    );
    let again = again.json();
    assert!(
        again["sequential"]["n_alarms"].as_u64().unwrap() > 1,
        "{again}"
    );
    assert_eq!(again["p_val"], serde_json::Value::Null);
}

#[test]
fn a_state_goes_on_in_a_growing_file_and_in_the_next() {
    let folder = folder();
    let whole = table(500, 4, 250, 5.0);
    let head = |n: usize| {
        whole
            .lines()
            .take(n + 1)
            .map(|l| l.to_owned() + "\n")
            .collect::<String>()
    };
    let state = ["--sequential", "--state", "watch.state", "--json"];
    let counted = |ran: &Ran| {
        let report = ran.json();
        let of = |value: &serde_json::Value| value.as_u64().unwrap();
        (of(&report["n"]), of(&report["sequential"]["n_rows"]))
    };
    folder.write("growing.csv", head(100));
    let first = monitor(&folder, "growing.csv", &state);
    assert_eq!(
        (first.code, counted(&first)),
        (Some(0), (100, 100)),
        "{first:?}"
    );
    // The same file again: nothing counts twice.
    let same = monitor(&folder, "growing.csv", &state);
    assert_eq!((same.code, counted(&same)), (Some(0), (0, 100)));
    folder.write("growing.csv", &whole);
    let grown = monitor(&folder, "growing.csv", &state);
    assert_eq!(
        (grown.code, counted(&grown)),
        (Some(1), (400, 500)),
        "{grown:?}"
    );
    // As if it had been read at once, but for the name of the input.
    let at_once = monitor(&folder, "moved.csv", &["--sequential", "--json"]).json();
    let stream = |report: &serde_json::Value| report["sequential"]["log10_evidence"].clone();
    assert_eq!(stream(&grown.json()), stream(&at_once));
    // Another file is the continuation; once raised, the alarm stays.
    let next = monitor(&folder, "quiet.csv", &state);
    assert_eq!((next.code, counted(&next)), (Some(1), (500, 1000)));
    // A file that has become shorter is no stream.
    let bytes = folder.read("watch.state");
    let quiet = folder.text("quiet.csv");
    let few: String = quiet
        .lines()
        .take(11)
        .map(|l| l.to_owned() + "\n")
        .collect();
    folder.write("quiet.csv", few);
    let shorter = monitor(&folder, "quiet.csv", &state);
    assert_eq!(shorter.code, Some(2));
    assert!(shorter.stderr.contains("only grows"), "{}", shorter.stderr);
    assert_eq!(folder.read("watch.state"), bytes);
    // One that was begun anew, as a log that is rotated, is the continuation.
    folder.write("quiet.csv", head(10));
    let anew = monitor(&folder, "quiet.csv", &state);
    assert_eq!((anew.code, counted(&anew)), (Some(1), (10, 1010)));
    assert!(
        anew.stderr.contains("begins with another row"),
        "{}",
        anew.stderr
    );
}

#[test]
fn a_state_of_something_else_is_refused_and_stays() {
    let folder = folder();
    let state = ["--sequential", "--state", "watch.state"];
    monitor(&folder, "quiet.csv", &state).ok();
    let bytes = folder.read("watch.state");
    folder
        .run(&[
            "fit",
            "held_out.csv",
            "--exclude",
            "name",
            "-o",
            "other.qualm",
        ])
        .ok();
    let refuse = |args: &[&str], word: &str| {
        let ran = folder.run(args);
        assert_eq!(ran.code, Some(2), "{args:?} {ran:?}");
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        assert_eq!(folder.read("watch.state"), bytes);
    };
    let base = [
        "monitor",
        "m.qualm",
        "quiet.csv",
        "--reference",
        "held_out.csv",
    ];
    refuse(
        &[&base[..], &state, &["--alpha", "0.01"]].concat(),
        "another --alpha",
    );
    refuse(
        &[&base[..], &state, &["--seed", "7"]].concat(),
        "another --seed",
    );
    refuse(
        &[&base[..], &state, &["--thin", "2"]].concat(),
        "another --thin",
    );
    refuse(
        &[&base[..], &state, &["--stream", "name"]].concat(),
        "another --stream",
    );
    let other = [
        "monitor",
        "m.qualm",
        "quiet.csv",
        "--reference",
        "usual.csv",
    ];
    refuse(&[&other[..], &state].concat(), "another reference");
    let other = [
        "monitor",
        "other.qualm",
        "quiet.csv",
        "--reference",
        "held_out.csv",
    ];
    refuse(&[&other[..], &state].concat(), "another model");
    let mut damaged = bytes.clone();
    damaged[200] ^= 1;
    folder.write("watch.state", &damaged);
    let ran = folder.run(&[&base[..], &state].concat());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(folder.read("watch.state"), damaged);
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let folder = folder();
    folder.write("none.csv", "x0,x1,x2,x3,name\n");
    folder.write("one.csv", table(1, 5, 0, 0.0));
    folder.write("few.csv", table(30, 6, 0, 0.0));
    folder.write("bad.csv", table(30_000, 7, 0, 0.0) + "1,2,3,much,n\n");
    let base = ["monitor", "m.qualm"];
    for (more, words) in [
        (&["none.csv"][..], &["none.csv"][..]),
        (&["one.csv"], &["one.csv", "2"]),
        (&["quiet.csv", "--alpha", "2"], &["--alpha 2"]),
        (&["quiet.csv", "--window", "1"], &["--window", "2 or more"]),
        (&["quiet.csv", "--window", "1h"], &["--window", "--time"]),
        (
            &["quiet.csv", "--time", "when"],
            &["no such column", "--time"],
        ),
        (
            &["quiet.csv", "--stream", "site"],
            &["no such column", "--stream"],
        ),
        (&["quiet.csv", "--max-streams", "3"], &["--stream"]),
        (&["quiet.csv", "--follow"], &["--sequential"]),
        (
            &["quiet.csv", "--sequential", "--mean-of", "4"],
            &["--mean-of", "--reference"],
        ),
        (
            &["quiet.csv", "--sequential", "--correct", "bh"],
            &["--correct"],
        ),
        (
            &[
                "quiet.csv",
                "--sequential",
                "--stream",
                "name",
                "--correct",
                "holm",
            ],
            &["--correct holm", "bh or none"],
        ),
        (
            &["quiet.csv", "--sequential", "--metrics", "m.qualm"],
            &["m.qualm", "--metrics"],
        ),
        (
            &["held_out.npy", "--sequential", "--follow"],
            &["held_out.npy"],
        ),
        (&["quiet.csv", "--min-effect", "-1"], &["--min-effect"]),
        (
            &[
                "quiet.csv",
                "--reference",
                "few.csv",
                "--sequential",
                "--alpha",
                "0.01",
            ],
            &["reference", "100"],
        ),
        (&["no.csv"], &["no.csv"]),
        // Told before all of the reference is read.
        (
            &["quiet.csv", "--reference", "bad.csv"],
            &["bad.csv, row 30001"],
        ),
        (&["no.csv", "--reference", "bad.csv"], &["no.csv"]),
        (&["quiet.csv", "--state", "s"], &["--sequential"]),
        (
            &["quiet.csv", "--sequential", "--state", "m.qualm"],
            &["m.qualm"],
        ),
    ] {
        refused(&folder, &[&base[..], more].concat(), words);
    }
}
