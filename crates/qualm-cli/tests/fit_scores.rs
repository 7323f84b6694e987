//! `qualm fit --scores`: the fitted rows' own scores, in the formats of `score -o`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test fails loudly, and promises bits"
)]

use crate::common::files::{self, csv, rows, with_column};
use crate::common::{Folder, SMALL, column, refused, table};

/// A table with a name, a label, and rows of which every ninth lies apart.
fn ready() -> Folder {
    let folder = Folder::new();
    let mut data = rows(90, 4, 3);
    data.iter_mut().step_by(9).for_each(|row| row[1] += 5.0);
    let text = with_column(&csv(&data), "y", |i| u8::from(i % 9 == 0).to_string());
    let text = with_column(&text, "name", |i| format!("row {i}"));
    folder.write("t.csv", text);
    folder
}

const FIT: [&str; 8] = [
    "fit", "t.csv", "--id", "name", "--label", "y", "-o", "m.qualm",
];

#[test]
fn they_are_those_that_score_would_write() {
    let folder = ready();
    for detector in [&["--detector", "sp"][..], &SMALL[..]] {
        for out in ["own.csv", "own.parquet", "own.jsonl"] {
            let args = [&FIT[..], detector, &["--scores", out]].concat();
            let ran = folder.run(&args).ok();
            assert!(ran.stdout.contains(&format!("scores    {out}")), "{ran:?}");
        }
        let again = ["--label", "y"];
        let again = folder.scores("m.qualm", "t.csv", &again);
        // Neither detector has neighbours: a fitted row scores like any other.
        assert_eq!(folder.text("own.csv"), again);
        let (header, _) = table(&again);
        assert_eq!(header, ["name", "y", "score", "p_value", "outlier"]);
        assert_eq!(folder.text("own.jsonl").lines().count(), 90);
        let eval = |input| {
            let ran = folder.run(&["eval", input, "--label", "y", "--json"]);
            ran.ok().json()
        };
        assert_eq!(eval("own.csv"), eval("own.parquet"));
        assert!(eval("own.csv")["auroc"].as_f64().unwrap() > 0.5);
    }
}

#[test]
fn the_label_stays_out_unless_it_is_named() {
    let folder = ready();
    let args = ["fit", "t.csv", "--exclude", "y", "-o", "m.qualm"];
    let more = [
        "--detector",
        "sp",
        "--scores",
        "own.csv",
        "--fpr",
        "0.1",
        "--json",
    ];
    let report = folder.run(&[&args[..], &more].concat()).ok().json();
    assert_eq!(report["scores"], "own.csv");
    let own = folder.text("own.csv");
    assert_eq!(table(&own).0, ["score", "p_value", "outlier"]);
    // The threshold is the model's: a tenth of the rows may lie above it.
    let outliers: f64 = column(&own, "outlier").iter().sum();
    assert!((1.0..=9.0).contains(&outliers), "{outliers}");
    let plain = folder.run(&[&args[..], &more[..2], &["--json"]].concat());
    assert!(plain.ok().json().get("scores").is_none());
}

#[test]
fn rows_kept_apart_calibrate_them_too() {
    let folder = ready();
    folder.write("held.csv", csv(&rows(19, 4, 8)));
    let args = [&FIT[..], &["--detector", "sp", "--calibrate", "held.csv"]].concat();
    folder
        .run(&[&args[..], &["--scores", "own.csv"]].concat())
        .ok();
    let smallest = column(&folder.text("own.csv"), "p_value");
    let smallest = smallest.into_iter().fold(1.0, f64::min);
    assert_eq!(smallest, 1.0 / 20.0);
}

#[test]
fn what_cannot_be_written_is_refused_first() {
    let folder = ready();
    let bad = folder.text("t.csv").replace("row 3,0", "row 3,maybe");
    folder.write("bad.csv", bad);
    files::parquet(
        &folder.path("parts/0.parquet"),
        &files::batch(&rows(50, 4, 1)),
    );
    let fit = |scores| {
        [
            "fit",
            "t.csv",
            "--id",
            "name",
            "--label",
            "y",
            "--detector",
            "sp",
            "-o",
            "out.qualm",
            "--scores",
            scores,
        ]
    };
    for (scores, words) in [
        ("no/s.csv", &["no/s.csv", "folder does not exist"][..]),
        ("parts", &["parts", "without extension"]),
        ("s.xyz", &["s.xyz", ".parquet"]),
        ("t.csv", &["t.csv", "another --scores"]),
        ("./parts/../t.csv", &["t.csv", "another --scores"]),
    ] {
        refused(&folder, &fit(scores), words);
    }
    let mut args = fit("out.csv");
    args[1] = "bad.csv";
    refused(&folder, &args, &["row 4", "'maybe'", "0 or 1"]);
    // The same place under two names, whether or not it is there.
    for (model, scores) in [("x.csv", "./x.csv"), ("out.csv", "out.csv")] {
        let mut args = fit(scores);
        args[9] = model;
        refused(&folder, &args, &["written twice", "--scores"]);
    }
    let args = [
        "fit",
        "parts",
        "--detector",
        "sp",
        "-o",
        "out.qualm",
        "--scores",
    ];
    let args = [&args[..], &["parts/1.parquet"]].concat();
    refused(&folder, &args, &["parts/1.parquet", "another --scores"]);
    assert_eq!(std::fs::read_dir(folder.path("parts")).unwrap().count(), 1);
}
