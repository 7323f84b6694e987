//! `qualm fit --sample-rows`: a uniform sample of any input, calibrated on its other rows.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test fails loudly, and promises bits"
)]

use crate::common::files::{csv, parquet, rows, vectors, with_column};
use crate::common::{Folder, column, refused};

const SP: [&str; 4] = ["--detector", "sp", "--sample-rows", "200"];

/// A table of 2000 rows with a name.
fn ready() -> Folder {
    let folder = Folder::new();
    let text = csv(&rows(2000, 4, 3));
    folder.write("t.csv", with_column(&text, "name", |i| format!("row {i}")));
    folder
}

fn fit(folder: &Folder, input: &str, model: &str, more: &[&str]) -> Vec<u8> {
    let args = [&["fit", input, "-o", model][..], &SP, more].concat();
    let mut command = folder.command(&args);
    let ran = command.env("SOURCE_DATE_EPOCH", "0").output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    folder.read(model)
}

#[test]
fn the_order_of_the_rows_does_not_matter_where_they_have_ids() {
    let folder = ready();
    let text = folder.text("t.csv");
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    folder.write("back.csv", lines.join("\n") + "\n");
    let whole = fit(&folder, "t.csv", "a.qualm", &["--id", "name"]);
    assert_eq!(
        whole,
        fit(&folder, "back.csv", "b.qualm", &["--id", "name"])
    );
    let seed = fit(
        &folder,
        "t.csv",
        "c.qualm",
        &["--id", "name", "--seed", "1"],
    );
    assert_ne!(whole, seed);
    // Without ids rows are known by their numbers.
    let numbered = fit(&folder, "t.csv", "d.qualm", &["--exclude", "name"]);
    let again = fit(
        &folder,
        "t.csv",
        "e.qualm",
        &["--exclude", "name", "--threads", "1"],
    );
    assert_eq!(numbered, again);
}

#[test]
fn a_folder_of_parts_is_its_rows() {
    let folder = Folder::new();
    let data = rows(900, 3, 8);
    parquet(&folder.path("whole.parquet"), &vectors(&data, "embedding"));
    std::fs::create_dir(folder.path("parts")).unwrap();
    for (i, rows) in data.chunks(250).enumerate() {
        let name = format!("parts/part-{i}.parquet");
        parquet(&folder.path(&name), &vectors(rows, "embedding"));
    }
    let whole = fit(&folder, "whole.parquet", "a.qualm", &[]);
    assert_eq!(whole, fit(&folder, "parts", "b.qualm", &[]));
}

#[test]
fn the_reference_is_the_rows_that_were_not_sampled() {
    let folder = ready();
    fit(
        &folder,
        "t.csv",
        "m.qualm",
        &["--id", "name", "--scores", "own.csv"],
    );
    let info = folder.run(&["info", "m.qualm", "--json"]).ok().json();
    let provenance = &info["provenance"];
    assert_eq!(provenance["n_rows"], 200);
    assert_eq!(provenance["reference"], "separate_rows");
    let sampling = &provenance["sampling"];
    assert_eq!(
        (&sampling["n_rows"], &sampling["n_reference"]),
        (&2000.into(), &1800.into())
    );
    let text = folder.run(&["info", "m.qualm"]).ok().stdout;
    assert!(
        text.contains("from 2,000 rows; calibrated on 1,800 rows"),
        "{text}"
    );

    // Exact p-values: those of all rows that are not among the fitted.
    let own = folder.text("own.csv");
    let sampled: Vec<&str> = own
        .lines()
        .skip(1)
        .filter_map(|l| l.split(',').next())
        .collect();
    assert_eq!(sampled.len(), 200);
    let scored = folder.scores("m.qualm", "t.csv", &[]);
    let (scores, p_values) = (column(&scored, "score"), column(&scored, "p_value"));
    let names: Vec<&str> = scored
        .lines()
        .skip(1)
        .filter_map(|l| l.split(',').next())
        .collect();
    let apart = |i: &usize| !sampled.contains(&names[*i]);
    let reference: Vec<f64> = (0..2000).filter(apart).map(|i| scores[i]).collect();
    assert_eq!(reference.len(), 1800);
    let error = sampling["p_value_error"].as_f64().unwrap();
    assert!(error > 0.0 && error < 0.02, "{error}");
    for (score, merged) in scores.iter().zip(p_values) {
        let above = reference.iter().filter(|r| *r >= score).count();
        let exact = (1 + above) as f64 / 1801.0;
        assert!(exact <= merged + 1e-12 && merged <= exact + error + 1e-12);
    }
}

#[test]
fn what_is_left_may_be_too_little_to_calibrate_on() {
    let folder = ready();
    let sampled = |most: &str| {
        let args = [
            "fit",
            "t.csv",
            "-o",
            "m.qualm",
            "--detector",
            "sp",
            "--id",
            "name",
        ];
        let ran = folder
            .run(&[&args[..], &["--sample-rows", most]].concat())
            .ok();
        let info = folder.run(&["info", "m.qualm", "--json"]).ok().json();
        (ran.stderr, info["provenance"].clone())
    };
    let (said, provenance) = sampled("1500");
    assert!(said.contains("calibrated on the fitted rows"), "{said}");
    assert_eq!(provenance["reference"], "fitted_rows");
    let (said, provenance) = sampled("5000");
    assert!(said.contains("fitted to all rows, 2,000 rows"), "{said}");
    assert_eq!(provenance["n_rows"], 2000);
    assert_eq!(provenance["sampling"]["n_reference"], 0);
}

#[test]
fn what_cannot_be_sampled_is_refused() {
    let folder = ready();
    let args =
        |input, more: &[&'static str]| [&["fit", input, "-o", "m.qualm"][..], &SP, more].concat();
    refused(
        &folder,
        &args("-", &[]),
        &["--sample-rows", "standard input"],
    );
    refused(
        &folder,
        &args("t.csv", &["--item", "name"]),
        &["--sample-rows", "'name'", "views"],
    );
    refused(
        &folder,
        &["fit", "t.csv", "-o", "m.qualm", "--sample-rows", "0"],
        &["whole number"],
    );
    // Any bad row, sampled or not.
    let text = folder.text("t.csv").replace("row 1234", "");
    folder.write("blank.csv", text);
    refused(
        &folder,
        &args("blank.csv", &["--id", "name"]),
        &["row 1235", "'name'", "missing"],
    );
}
