//! Reports: which parts a page has, that it is one file, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use serde_json::Value;

use crate::common::files::{csv, rows, with_column};
use crate::common::{Folder, refused};

/// A model of 200 rows, and 300 others, labelled, of which some are shifted.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("t.csv", csv(&rows(200, 4, 1)));
    folder.fit("t.csv", "m.qualm", &[]).ok();
    let mut later = rows(300, 4, 2);
    for row in later.iter_mut().step_by(10) {
        row[2] += 9.0;
    }
    let table = with_column(&csv(&later), "y", |i| u8::from(i % 10 == 0).to_string());
    folder.write(
        "new.csv",
        with_column(&table, "name", |i| format!("<i>{i}</i>")),
    );
    folder
}

fn parts(document: &Value) -> Vec<&str> {
    let parts = document["parts"].as_array().unwrap().iter();
    parts.map(|part| part["title"].as_str().unwrap()).collect()
}

#[test]
fn each_part_is_there_as_far_as_its_data_are() {
    let folder = folder();
    folder.run(&["report", "m.qualm", "-o", "alone.html"]).ok();
    let alone: Value = serde_json::from_str(&folder.text("alone.json")).unwrap();
    assert_eq!(
        parts(&alone),
        ["Scores", "Training and health", "Settings and provenance"]
    );

    let watch = folder.run(&["monitor", "m.qualm", "new.csv", "--window", "50", "--json"]);
    folder.write("watch.json", &watch.stdout);
    folder.write(
        "bench.jsonl",
        "{\"dataset\":\"line\",\"detector\":\"sp\",\"seed\":0,\"n\":3,\"d\":2,\"n_outliers\":1,\
         \"auroc\":0.75,\"auroc_unoriented\":0.75,\"aupr\":0.5,\"fit_seconds\":1.0,\
         \"score_seconds\":1.0,\"peak_memory_bytes\":null,\"status\":\"ok\"}\n",
    );
    let args = [
        "report",
        "m.qualm",
        "new.csv",
        "--label",
        "y",
        "--current",
        "t.csv",
        "--monitor",
        "watch.json",
        "--bench",
        "bench.jsonl",
        "-o",
        "r.html",
    ];
    folder.run(&args).ok();
    let page = folder.text("r.html");
    let document: Value = serde_json::from_str(&folder.text("r.json")).unwrap();
    assert_eq!(
        parts(&document),
        [
            "Scores",
            "Against labels",
            "Calibration of p-values",
            "Features that explain most",
            "Strangest rows",
            "Map",
            "Training and health",
            "Monitoring",
            "Bench bench",
            "Settings and provenance",
        ]
    );
    // The planted column explains most, and the AUROC is that of `eval`.
    let part = |title: &str| {
        let parts = document["parts"].as_array().unwrap();
        parts.iter().find(|part| part["title"] == title).unwrap()
    };
    assert_eq!(
        part("Features that explain most")["figures"][0]["rows"][0][0],
        "c"
    );
    let eval = folder
        .run(&["eval", "m.qualm", "new.csv", "--label", "y", "--json"])
        .ok()
        .json();
    assert_eq!(
        part("Against labels")["facts"][2],
        serde_json::json!(["AUROC", eval["auroc"]])
    );
    let top = &part("Strangest rows")["tables"][0];
    assert_eq!(top["rows"].as_array().unwrap().len(), 300);
    assert!(page.contains("&#60;i&#62;") || page.contains("&lt;i&gt;"));
    assert!(!page.contains("<i>") && !page.contains("http://") && !page.contains("https://"));
    assert!(page.contains("id=\"map-data\""));
    // Same input, same bytes.
    folder.run(&args).ok();
    assert_eq!(folder.text("r.html"), page);
    // As many rows as are asked for, under a name of its own.
    let mut few = args.to_vec();
    few.extend(["--top", "7", "--title", "July & August"]);
    folder.run(&few).ok();
    let few: Value = serde_json::from_str(&folder.text("r.json")).unwrap();
    assert_eq!(few["title"], "July & August");
    assert_eq!(document["title"], Value::Null);
    let tables = few["parts"].as_array().unwrap().iter();
    let tables = tables
        .filter_map(|part| part["tables"].as_array())
        .flatten();
    let listed = tables.clone().find(|table| table["id"] == "top-table");
    let listed = listed.unwrap()["rows"].as_array().unwrap();
    assert_eq!(listed[..], top["rows"].as_array().unwrap()[..7]);
    assert!(!folder.text("r.html").contains("<h1>Report"));
}

#[test]
fn a_file_of_scores_gives_what_it_can() {
    let folder = folder();
    folder
        .run(&[
            "score", "m.qualm", "new.csv", "--id", "name", "--label", "y", "-o", "s.csv",
        ])
        .ok();
    folder
        .run(&[
            "report", "m.qualm", "s.csv", "--label", "y", "--item", "name", "-o", "s.html",
        ])
        .ok();
    let document: Value = serde_json::from_str(&folder.text("s.json")).unwrap();
    assert!(parts(&document).contains(&"Against labels"));
    assert!(!parts(&document).contains(&"Map"));
    // The scores in full.
    let scores = folder.text("s.csv");
    let score = |line: &str| line.split(',').nth(2).unwrap().parse::<f64>().unwrap();
    let highest = scores
        .lines()
        .skip(1)
        .map(score)
        .fold(f64::NEG_INFINITY, f64::max);
    let tables = document["parts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|p| p["tables"].as_array());
    let top = tables.flatten().find(|t| t["id"] == "top-table").unwrap();
    assert_eq!(top["rows"][0][3], highest);
    // Rows with their places on the map, for other programs.
    folder
        .run(&[
            "report",
            "m.qualm",
            "new.csv",
            "-o",
            "m.html",
            "--numbers",
            "m.parquet",
        ])
        .ok();
    let read = folder.run(&[
        "fit",
        "m.parquet",
        "--columns",
        "x,y,score",
        "-o",
        "again.qualm",
    ]);
    assert_eq!(read.code, Some(0), "{read:?}");
}

#[test]
fn results_of_other_kinds_and_versions_are_refused() {
    let folder = folder();
    let go = |name: &str, text: &str, words: &[&str]| {
        folder.write(name, text);
        refused(
            &folder,
            &["report", "m.qualm", "--bench", name, "-o", "new.html"],
            words,
        );
    };
    go(
        "a.json",
        "{\"colour\":1}",
        &["a.json", "JSON with colour", "qualm bench --json"],
    );
    go(
        "b.json",
        "{\"report_version\":99,\"suite\":\"x\",\"results\":[]}",
        &["version 99"],
    );
    go("c.json", "no json", &["c.json", "no JSON"]);
    refused(
        &folder,
        &[
            "report",
            "m.qualm",
            "--monitor",
            "none.json",
            "-o",
            "new.html",
        ],
        &["none.json"],
    );
    refused(
        &folder,
        &["report", "m.qualm", "-", "-o", "new.html"],
        &["standard input"],
    );
    folder.write("thesis.html", "<p>");
    refused(
        &folder,
        &["report", "m.qualm", "-o", "thesis.html"],
        &["no page of qualm", "--force"],
    );
}
