//! What every command promises: one JSON document, silence on demand, exit codes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use crate::common::files::{self, csv, with_column};
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
    let not_used = "note: 1 of 6 columns not used: 'name' (text such as 'row 0' in row 1)";
    assert!(ran.stderr.contains(not_used), "{}", ran.stderr);
    assert!(ran.stderr.contains("preset default"), "{}", ran.stderr);
}

#[test]
fn features_that_are_likely_no_data_are_noted_with_the_flags_that_help() {
    let folder = Folder::new();
    let text = csv(&files::rows(120, 3, 1));
    let text = with_column(&text, "customer_id", |i| (1000 + i).to_string());
    let text = with_column(&text, "Target", |i| (i % 2).to_string());
    let text = with_column(&text, "zero", |_| "0".to_owned());
    folder.write("t.csv", text);
    let ran = folder
        .run(&["fit", "t.csv", "--detector", "sp", "-o", "m.qualm"])
        .ok();
    for words in [
        "note: 'customer_id' looks like an id",
        "--id NAME copies it",
        "note: 'Target' has the name of a label",
        "--label NAME keeps it out",
        "note: 'zero' has one value in all rows",
        "--exclude NAME leaves it out",
    ] {
        assert!(ran.stderr.contains(words), "no {words:?} in {}", ran.stderr);
    }
    let roles = [
        "--id",
        "customer_id",
        "--label",
        "Target",
        "--exclude",
        "zero",
    ];
    let args = [
        &["fit", "t.csv", "--detector", "sp", "-o", "m.qualm"],
        &roles[..],
    ]
    .concat();
    let ran = folder.run(&args).ok();
    for words in ["looks like", "label", "one value"] {
        assert!(!ran.stderr.contains(words), "{}", ran.stderr);
    }
}

#[test]
fn losing_most_columns_is_a_warning_that_quiet_does_not_hide() {
    let folder = Folder::new();
    let line = |i: usize| format!("c{i},\"{i},000.50\",$ {i},{}\n", i * i % 41);
    let lines: String = (0..60).map(line).collect();
    folder.write("t.csv", format!("Customer,Income,Balance,Age\n{lines}"));
    let fit = [
        "fit",
        "t.csv",
        "--detector",
        "sp",
        "-o",
        "m.qualm",
        "--quiet",
    ];
    let ran = folder.run(&fit).ok();
    assert!(
        ran.stderr.starts_with("warning: 3 of 4 columns not used: 'Customer' (text such as 'c0' in row 1), 'Income' (text such as '0,000.50' in row 1)"),
        "{}",
        ran.stderr
    );
    let chosen = [&fit[..], &["--columns", "Age"]].concat();
    assert_eq!(folder.run(&chosen).ok().stderr, "");
}

#[test]
fn a_file_without_a_header_is_fitted_and_scored() {
    let folder = Folder::new();
    let text = csv(&files::rows(120, 3, 1));
    let (_, lines) = text.split_once('\n').unwrap();
    let whole: String = lines.replace("0.", "").replace('-', "");
    folder.write("t.csv", &whole);
    let no_header = [
        "fit",
        "t.csv",
        "--no-header",
        "--detector",
        "sp",
        "-o",
        "m.qualm",
    ];
    let ran = folder.run(&no_header).ok();
    assert!(
        ran.stdout.contains("120 rows x 3 columns"),
        "{}",
        ran.stdout
    );
    let scores = folder.scores("m.qualm", "t.csv", &["--no-header"]);
    assert_eq!(scores.lines().count(), 121);
    folder.write("n.csv", "1,2,3\n4,5,6\n7,8,10\n1,2,4\n");
    let ran = folder
        .run(&["fit", "n.csv", "--detector", "sp", "-o", "n.qualm"])
        .ok();
    assert!(
        ran.stderr
            .contains("the first line was taken as column names"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("(--no-header, if it is a row of data)"),
        "{}",
        ran.stderr
    );
    let ran = folder.run(&["score", "n.qualm", "m.qualm", "--no-header"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

#[test]
fn messages_are_in_words_that_users_know() {
    let folder = ready();
    for (args, words) in [
        (
            &["fit", "t.csv", "-o", "x.qualm", "--set", "members=many"][..],
            "members = \"many\": expected a whole number, 0 or more\n",
        ),
        (
            &["score", "m.qualm", "t.csv", "--explain", "0"],
            "expected a whole number, 1 or more",
        ),
        (
            &["demo", "--seed", "-1"],
            "expected a whole number from 0 to",
        ),
        (&["info", "-"], "not from standard input"),
        (
            &["score", "t.csv", "m.qualm"],
            "t.csv: is no model, and m.qualm is given as the rows; the model comes first",
        ),
        (
            &["eval", "t.csv", "m.qualm", "--label", "y"],
            "the model comes first: qualm eval MODEL.qualm INPUT",
        ),
        (
            &["score", "m.qualm", "t.csv", "-o", "/dev/stdout"],
            "leave --output /dev/stdout out to print CSV",
        ),
    ] {
        let ran = folder.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert!(
            ran.stderr.contains(words),
            "{args:?}: no {words:?} in {}",
            ran.stderr
        );
    }
    folder.write("one.csv", "a,b,c,d\n1,2,3,4\n");
    let scores = folder
        .run(&["score", "m.qualm", "t.csv", "-o", "my scores.csv"])
        .ok();
    assert!(
        scores.stdout.starts_with("scored 120 rows to"),
        "{scores:?}"
    );
    let ran = folder.fit("t.csv", "my model.qualm", &[]).ok();
    assert!(
        ran.stdout.contains("qualm score 'my model.qualm' NEW_ROWS"),
        "{ran:?}"
    );
}

#[test]
fn explanations_say_beforehand_what_they_cost() {
    let folder = Folder::new();
    folder.write("t.csv", csv(&files::rows(120, 100, 1)));
    folder.write("more.csv", csv(&files::rows(200, 100, 2)));
    files::parquet(
        &folder.path("few.parquet"),
        &files::batch(&files::rows(200, 100, 2)),
    );
    folder
        .run(&["fit", "t.csv", "--detector", "sp", "-o", "m.qualm"])
        .ok();
    let score = |input: &str| {
        let args = ["score", "m.qualm", input, "--explain", "1", "-o", "s.csv"];
        folder.run(&args).ok().stderr
    };
    // A text does not say how many rows it has.
    let said = score("more.csv");
    assert!(
        said.contains("note: --explain takes 100 more scores a row"),
        "{said}"
    );
    assert_eq!(score("few.parquet"), "");
}
