//! What every command promises: one JSON document, silence on demand, exit codes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use crate::common::files::with_column;
use crate::common::{Folder, SMALL};

/// Each command, on the folder of [`ready`].
const COMMANDS: [&[&str]; 8] = [
    &[
        "fit",
        "t.csv",
        "--label",
        "y",
        "-o",
        "x.qualm",
        "--set",
        "min_steps=40",
        "--set",
        "epochs=1",
    ],
    &["score", "m.qualm", "t.csv"],
    &["score", "m.qualm", "t.csv", "-o", "x.csv"],
    &["eval", "s.csv", "--label", "y"],
    &["eval", "m.qualm", "t.csv", "--label", "y"],
    &["info", "m.qualm"],
    &["bench", "extra", "--data", "sets", "--detectors", "sp"],
    &["demo"],
];

fn ready() -> Folder {
    let folder = Folder::with_model();
    let labelled = with_column(&folder.text("t.csv"), "y", |i| {
        u8::from(i % 7 == 0).to_string()
    });
    folder.write("t.csv", &labelled);
    folder.write("sets/t.csv", labelled);
    folder
        .run(&["score", "m.qualm", "t.csv", "--label", "y", "-o", "s.csv"])
        .ok();
    folder
}

#[test]
fn json_is_one_document_and_quiet_is_silent() {
    let folder = ready();
    for command in COMMANDS {
        let args = [
            command,
            &["--json", "--quiet", "--threads", "2", "--seed", "1"],
        ]
        .concat();
        let ran = folder.run(&args).ok();
        assert!(ran.json().is_object(), "{args:?}");
        assert_eq!(ran.stderr, "", "{args:?}");
    }
    for command in &COMMANDS[..7] {
        let args = [command, &["--quiet"][..]].concat();
        assert_eq!(folder.run(&args).ok().stderr, "", "{args:?}");
        // Global options may stand before the command.
        let args = [&["--json"], *command].concat();
        let ran = folder.run(&args).ok();
        assert!(ran.json().is_object(), "{args:?}");
        assert!(!ran.stderr.contains('\u{1b}'), "colours: {}", ran.stderr);
    }
}

#[test]
fn eval_prints_exactly_the_keys_of_the_contract() {
    let folder = ready();
    let text = folder
        .run(&["eval", "s.csv", "--label", "y", "--json"])
        .ok()
        .stdout;
    let keys: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    let expected = [
        "report_version",
        "n",
        "n_outliers",
        "auroc",
        "auroc_ci_low",
        "auroc_ci_high",
        "aupr",
        "fpr95",
        "precision_at_n",
        "auroc_unoriented",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn scores_as_json_are_those_of_the_csv() {
    let folder = ready();
    let json = folder
        .run(&["score", "m.qualm", "t.csv", "--json"])
        .ok()
        .json();
    let csv = folder.scores("m.qualm", "t.csv", &[]);
    let scores = json["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["score"].as_f64().unwrap());
    assert_eq!(
        scores.collect::<Vec<_>>(),
        crate::common::column(&csv, "score")
    );
    assert_eq!(json["n"], 120);
    assert!(json["threshold"].is_f64());
}

#[test]
fn help_and_version_are_results() {
    let folder = Folder::new();
    for args in [
        &["--help"][..],
        &["fit", "--help"],
        &["help", "score"],
        &["--version"],
    ] {
        let ran = folder.run(args).ok();
        assert!(
            ran.stdout.contains("qualm") && ran.stderr.is_empty(),
            "{ran:?}"
        );
    }
}

#[test]
fn misuse_is_an_error() {
    let folder = ready();
    let before = folder.names();
    let misuse: [&[&str]; 34] = [
        &[],
        &["frobnicate"],
        &["fit", "t.csv"],
        &["fit", "-o", "x.qualm"],
        &["fit", "t.csv", "-o", "x.qualm", "--fast"],
        &[
            "fit",
            "t.csv",
            "-o",
            "x.qualm",
            "--fpr",
            "0.1",
            "--contamination",
            "0.1",
        ],
        &["fit", "t.csv", "-o", "x.qualm", "--fpr", "0"],
        &["fit", "t.csv", "-o", "x.qualm", "--fpr", "1.5"],
        &["fit", "t.csv", "-o", "x.qualm", "--fpr", "nan"],
        &["fit", "t.csv", "-o", "x.qualm", "--contamination", "0.6"],
        &["fit", "t.csv", "-o", "x.qualm", "--seed", "-1"],
        &["fit", "t.csv", "-o", "x.qualm", "--seed", "x"],
        &["fit", "t.csv", "-o", "x.qualm", "--threads", "0"],
        &["fit", "t.csv", "-o", "x.qualm", "--threshold", "1"],
        &["score", "m.qualm"],
        &[
            "score",
            "m.qualm",
            "t.csv",
            "--threshold",
            "1",
            "--fpr",
            "0.1",
        ],
        &[
            "score",
            "m.qualm",
            "t.csv",
            "--threshold",
            "1",
            "--contamination",
            "0.1",
        ],
        &["score", "m.qualm", "t.csv", "--threshold", "inf"],
        &["score", "m.qualm", "t.csv", "--explain", "0"],
        &["score", "m.qualm", "t.csv", "--explain", "5"],
        &["eval", "s.csv"],
        &["eval", "m.qualm", "--label", "y"],
        &[
            "eval", "m.qualm", "t.csv", "--label", "y", "--score", "score",
        ],
        &["info"],
        &["bench", "table2"],
        &["bench", "--data", "sets"],
        &["bench", "table3", "--data", "sets"],
        &["bench", "extra", "--data", "sets", "--seeds", "0"],
        &["bench", "extra", "--data", "sets", "--limit-rows", "0"],
        &["bench", "extra", "--data", "sets", "--timeout", "0"],
        &["bench", "extra", "--data", "sets", "--timeout", "soon"],
        &["bench", "extra", "--data", "sets", "--detectors", "magic"],
        &["bench", "extra", "--data", "sets", "--detectors", "sp:best"],
        &["bench", "extra", "--data", "sets", "--sets", "other"],
    ];
    for args in misuse {
        let ran = folder.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{args:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
        assert_eq!(folder.names(), before, "{args:?}");
    }
}

#[test]
fn wrong_hyper_parameters_are_named() {
    let folder = ready();
    folder.write("typo.toml", "epoch = 3\n");
    folder.write("syntax.toml", "epochs = = 3\n");
    folder.write("type.toml", "hidden = \"wide\"\n");
    let before = folder.names();
    for (args, words) in [
        (["--set", "epochs=abc"], &["epochs", "abc"][..]),
        (["--set", "epochs=-1"], &["epochs", "-1"]),
        (["--set", "epochs=0"], &["epochs", "at least 1"]),
        (["--set", "bag_size=1"], &["bag_size", "at least 2"]),
        (["--set", "bag_size=x"], &["bag_size", "x"]),
        (["--set", "space=cube"], &["space", "cube", "sphere"]),
        (["--set", "epoch=3"], &["epoch", "epochs"]),
        (["--set", "epochs"], &["epochs", "KEY=VALUE"]),
        (["--set", "=3"], &["KEY=VALUE"]),
        (["--set", "preset=best"], &["best", "sphere"]),
        (["--detector", "magic"], &["magic", "dum"]),
        (["--preset", "best"], &["best", "sphere, embedding, paper"]),
        (["--config", "none.toml"], &["none.toml"]),
        (["--config", "typo.toml"], &["epoch", "epochs"]),
        (["--config", "syntax.toml"], &["syntax.toml"]),
        (["--config", "type.toml"], &["hidden", "wide"]),
    ] {
        let ran = folder.run(&[&["fit", "t.csv", "-o", "x.qualm"], &args[..]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        for word in words {
            assert!(ran.stderr.contains(word), "{args:?}: {}", ran.stderr);
        }
        assert_eq!(folder.names(), before, "{args:?}");
    }
}

#[test]
fn a_fit_says_what_it_did_with_the_columns() {
    let folder = ready();
    let named = with_column(&folder.text("t.csv"), "name", |i| format!("row {i}"));
    folder.write("named.csv", named);
    let args = [&["fit", "named.csv", "-o", "x.qualm"], &SMALL[..]].concat();
    let ran = folder.run(&args).ok();
    assert!(ran.stderr.contains("not used: name"), "{}", ran.stderr);
    assert!(ran.stderr.contains("preset default"), "{}", ran.stderr);
}
