//! `qualm monitor` and text as people have it, in its input and in the reference.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use crate::common::files::{batch, csv, npy, parquet, rows, with_column};
use crate::common::images::folder_of_images;
use crate::common::{Folder, refused};
use crate::monitor::{folder, monitor};

const GERMAN: [&str; 4] = ["--delimiter", ";", "--decimal", ","];

/// A table as a German office writes it. No text of it may hold a comma or a point.
fn german(csv: &str) -> String {
    csv.replace(',', ";").replace('.', ",")
}

/// The same with points between the digits of a number of four: `1.234,5`.
fn grouped(csv: &str) -> String {
    let field = |field: &str| match field.split_once(',') {
        Some((whole, rest)) if whole.trim_start_matches('-').len() == 4 => {
            let (thousands, rest_of_whole) = whole.split_at(whole.len() - 3);
            format!("{thousands}.{rest_of_whole},{rest}")
        }
        _ => field.to_owned(),
    };
    let line = |line: &str| line.split(';').map(field).collect::<Vec<_>>().join(";") + "\n";
    german(csv).lines().map(line).collect()
}

#[test]
fn other_text_gives_the_same_report() {
    let folder = folder();
    let questions: [&[&str]; 3] = [
        &["--window", "100", "--json"],
        &["--sequential", "--json"],
        &[
            "--stream",
            "name",
            "--max-streams",
            "500",
            "--sequential",
            "--json",
        ],
    ];
    let asked = |more: &[&str]| {
        questions.map(|question| {
            let ran = monitor(&folder, "moved.csv", &[question, more].concat());
            assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
            ran.stdout
        })
    };
    let expected = asked(&[]);
    for name in ["moved.csv", "held_out.csv"] {
        folder.write(name, german(&folder.text(name)));
    }
    assert!(asked(&GERMAN) == expected);
    // By its first bytes, and as it comes.
    let text = folder.read("moved.csv");
    let args = [
        "monitor",
        "m.qualm",
        "-",
        "--reference",
        "held_out.csv",
        "--sequential",
        "--json",
    ];
    let end = |follow: &[&str]| {
        let ran = folder.pipe(&[&args[..], &GERMAN, follow].concat(), &text);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let mut report: serde_json::Value =
            serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
        report.as_object_mut().unwrap().remove("event");
        report["input"] = "moved.csv".into();
        report
    };
    let whole: serde_json::Value = serde_json::from_str(&expected[1]).unwrap();
    assert_eq!(end(&["--follow"]), whole);
    let piped = folder.pipe(&[&args[..], &GERMAN].concat(), &text);
    assert_eq!(piped.json()["sequential"], whole["sequential"]);
}

#[test]
fn groups_of_digits_and_what_the_model_takes_for_missing() {
    let folder = Folder::new();
    let table = |seed: u64, by: f64| {
        let mut rows = rows(200, 3, seed);
        for row in &mut rows {
            row[0] = row[0] * 200.0 + 2000.0 + by;
        }
        let text = csv(&rows);
        // The seventh row lacks its first value.
        let lines = text
            .lines()
            .enumerate()
            .map(|(i, line)| match (i, line.split_once(',')) {
                (7, Some((_, rest))) => format!("NA,{rest}\n"),
                _ => line.to_owned() + "\n",
            });
        lines.collect::<String>()
    };
    for (name, text) in [
        ("usual.csv", table(1, 0.0)),
        ("held_out.csv", table(2, 0.0)),
        ("moved.csv", table(3, 900.0)),
    ] {
        folder.write(name, text);
    }
    let fit = [
        "fit",
        "usual.csv",
        "--clean",
        "--detector",
        "knn",
        "-o",
        "m.qualm",
    ];
    let treated = ["--missing", "median", "--na", "NA"];
    folder.run(&[&fit[..], &treated].concat()).ok();
    let expected = monitor(&folder, "moved.csv", &["--json"]);
    assert_eq!(expected.code, Some(1), "{expected:?}");
    assert!(expected.stderr.contains("1 missing value"), "{expected:?}");
    for name in ["held_out.csv", "moved.csv"] {
        folder.write(name, grouped(&folder.text(name)));
    }
    let more = [&GERMAN[..], &["--thousands", ".", "--json"]].concat();
    let ran = monitor(&folder, "moved.csv", &more);
    assert_eq!((ran.code, ran.stdout), (expected.code, expected.stdout));
    // Without the groups these are no numbers.
    let args = [
        "monitor",
        "m.qualm",
        "moved.csv",
        "--reference",
        "held_out.csv",
    ];
    refused(
        &folder,
        &[&args[..], &GERMAN].concat(),
        &[
            "held_out.csv, row 1, column 'a': found '",
            "expected a number",
        ],
    );
}

#[test]
fn one_of_the_inputs_may_be_no_text() {
    let folder = folder();
    parquet(&folder.path("held_out.parquet"), &batch(&rows(400, 4, 2)));
    let args = [
        "monitor",
        "m.qualm",
        "moved.csv",
        "--reference",
        "held_out.parquet",
        "--json",
    ];
    let expected = folder.run(&args);
    assert_eq!(expected.code, Some(1), "{expected:?}");
    folder.write("moved.csv", german(&folder.text("moved.csv")));
    let ran = folder.run(&[&args[..], &GERMAN].concat());
    assert_eq!((ran.code, ran.stdout), (expected.code, expected.stdout));
}

#[test]
fn what_is_written_otherwise_is_refused() {
    let folder = folder();
    folder.write("german.csv", german(&folder.text("quiet.csv")));
    folder.write("german_held.csv", german(&folder.text("held_out.csv")));
    let base = ["monitor", "m.qualm"];
    for (more, words) in [
        (
            &["german.csv"][..],
            &["german.csv", "contains semicolons", "--delimiter"][..],
        ),
        (
            &["quiet.csv", "--reference", "german_held.csv"],
            &["german_held.csv", "contains semicolons", "--delimiter"],
        ),
        // They hold for both.
        (
            &[
                "german.csv",
                "--reference",
                "held_out.csv",
                "--delimiter",
                ";",
            ],
            &["held_out.csv", "contains commas", "--delimiter"],
        ),
        (
            &["german.csv", "--delimiter", ";"],
            &["german.csv, row 1, column 'a': found '", "--decimal ,"],
        ),
        (
            &["german.csv", "--decimal", ",", "--thousands", ","],
            &["two different characters"],
        ),
        (&["german.csv", "--delimiter", ";;"], &["--delimiter"]),
    ] {
        refused(&folder, &[&base[..], more].concat(), words);
    }
}

#[test]
fn images_have_no_text() {
    let folder = folder_of_images(30);
    let encoder = ["--encoder", "pixel-statistics"];
    let embed = ["embed", "images", "-o", "e.parquet"];
    folder.run(&[&embed[..], &encoder].concat()).ok();
    folder
        .run(&["fit", "e.parquet", "--detector", "knn", "-o", "m.qualm"])
        .ok();
    let monitor = ["monitor", "m.qualm", "images"];
    let ran = folder.run(&monitor);
    assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
    for flag in ["--delimiter", "--decimal", "--thousands"] {
        let args = [&monitor[..], &[flag, ";"]].concat();
        refused(&folder, &args, &[flag, "images holds images"]);
    }
}

/// What tells rows apart, and from when and where they are, is asked of the rows to look at alone.
#[test]
fn a_reference_needs_no_ids() {
    let folder = folder();
    let bare = |name: &str, seed: u64, from: usize| {
        let mut rows = rows(300, 4, seed);
        for row in &mut rows[from..] {
            row[2] += 5.0;
        }
        folder.write(name, csv(&rows));
    };
    bare("held_out.csv", 2, 300);
    bare("bare.csv", 4, 150);
    let number = |i: usize| i.to_string();
    let text = with_column(&folder.text("bare.csv"), "shot", number);
    let text = with_column(&text, "when", |i| (i * 60).to_string());
    folder.write("moved.csv", text);
    let beside = ["--id", "shot", "--time", "when", "--window", "50", "--json"];
    let ran = monitor(&folder, "moved.csv", &beside);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    let row = &report["strangest"][0];
    let n = row["row"].as_u64().unwrap();
    assert_eq!(row["id"]["shot"], (n - 1).to_string());
    // The rows to look at need them.
    let args = [
        "monitor",
        "m.qualm",
        "bare.csv",
        "--reference",
        "held_out.csv",
    ];
    let asked = [&args[..], &["--id", "shot"]].concat();
    refused(
        &folder,
        &asked,
        &["bare.csv, column 'shot'", "asked for with --id"],
    );
    // No feature is an id, whichever has it.
    let asked = [&args[..], &["--id", "a"]].concat();
    refused(&folder, &asked, &["column 'a'", "--id"]);

    // Columns by position: where the reference has ids and times they are no features there either.
    let knn = [
        "fit",
        "rows.npy",
        "--clean",
        "--detector",
        "knn",
        "-o",
        "m.qualm",
    ];
    folder.write("rows.npy", npy(&rows(200, 4, 1)));
    folder.run(&knn).ok();
    let expected = monitor(&folder, "moved.csv", &beside);
    assert_eq!(expected.code, Some(1), "{expected:?}");
    let text = with_column(&folder.text("held_out.csv"), "shot", number);
    folder.write("held_out.csv", with_column(&text, "when", number));
    let ran = monitor(&folder, "moved.csv", &beside);
    assert_eq!((ran.code, ran.stdout), (expected.code, expected.stdout));
}

#[test]
fn a_column_named_twice_beside_the_reference_is_read_once() {
    let folder = folder();
    let camera = |i: usize| format!("c{}", i % 2);
    for name in ["moved.csv", "held_out.csv"] {
        folder.write(name, with_column(&folder.text(name), "camera", camera));
    }
    let ran = monitor(
        &folder,
        "moved.csv",
        &["--id", "camera", "--stream", "camera", "--json"],
    );
    assert_eq!(ran.code, Some(1), "{ran:?}");
}
