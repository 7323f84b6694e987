//! What people do with the scores of such tables: skip and list bad rows, see the strangest first.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]
#![allow(clippy::float_cmp, reason = "counts and copies are exact")]

use std::fmt::Write;

use serde_json::Value;

use crate::common::{Folder, column, refused, table};
use crate::messy::{TREATED, customers, fit};

#[test]
fn bad_rows_are_skipped_and_listed() {
    let folder = Folder::with_model();
    let good = folder.text("t.csv");
    let expected = folder.scores("m.qualm", "t.csv", &[]);
    let mut bad = String::new();
    for (i, line) in good.lines().enumerate() {
        writeln!(bad, "{line}").unwrap();
        match i {
            20 => bad.push_str("1,x,3,4\n1,2,3\n"),
            50 => bad.push_str("1,,3,4\n\n1,2,3,nan\n"),
            90 => bad.push_str("1,2,3,1e300\n"),
            _ => {}
        }
    }
    folder.write("bad.csv", &bad);
    refused(
        &folder,
        &["score", "m.qualm", "bad.csv", "-o", "out.csv"],
        &["bad.csv, row 22: found 3 fields, expected 4"],
    );
    let args = [
        "score",
        "m.qualm",
        "bad.csv",
        "--on-error",
        "skip",
        "-o",
        "s.csv",
    ];
    let ran = folder.run(&args).ok();
    assert!(
        ran.stderr
            .contains("5 rows could not be scored and left out: see s.rejects.csv")
    );
    let scores = folder.text("s.csv");
    assert_eq!(column(&scores, "score"), column(&expected, "score"));
    let rows = column(&scores, "row");
    assert_eq!((rows[19], rows[20], rows[119]), (20.0, 23.0, 125.0));
    let (header, rejects) = table(&folder.text("s.rejects.csv"));
    assert_eq!(header, ["file", "row", "line", "column", "reason"]);
    let places: Vec<&str> = rejects.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(places, ["21", "22", "53", "54", "95"]);
    // The empty line is no row, so that line and row part.
    assert_eq!((rejects[0][2].as_str(), rejects[2][2].as_str()), ("", ""));
    assert!(rejects[0].join(",").contains("found 'x'"), "{rejects:?}");
    assert!(
        rejects[1].join(",").contains("found 3 fields"),
        "{rejects:?}"
    );
    let json = folder.run(&[&args[..], &["--json"]].concat()).ok().json();
    assert_eq!(
        (&json["n_rejected"], &json["n"]),
        (&Value::from(5), &Value::from(120))
    );

    let without = ["score", "m.qualm", "bad.csv", "--on-error", "skip"];
    refused(&folder, &without, &["--rejects FILE"]);
    refused(
        &folder,
        &["score", "m.qualm", "t.csv", "--rejects", "r.csv"],
        &["--on-error skip"],
    );
    folder.write("all.csv", "a,b,c,d\n1,2,3,x\n1,2,3,\n1,2,3,4,5\n");
    let ran = folder.run(&[
        "score",
        "m.qualm",
        "all.csv",
        "--on-error",
        "skip",
        "-o",
        "none.csv",
    ]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(!folder.path("none.csv").exists());
}

#[test]
fn the_strangest_come_first_with_values_and_reasons() {
    let folder = Folder::new();
    folder.write("t.csv", customers(""));
    fit(&folder, "t.csv", "m.qualm", &TREATED).ok();
    let top = folder.scores("m.qualm", "t.csv", &["--top", "5"]);
    let (header, rows) = table(&top);
    let expected = "name,age,income,country,since,score,p_value,outlier,explain_1,explain_1_share";
    assert!(header.join(",").starts_with(expected), "{header:?}");
    assert_eq!(
        (rows.len(), rows[0][0].as_str(), rows[0][2].as_str()),
        (5, "c149", "9000.00")
    );
    assert!(rows[0].contains(&"income".to_owned()), "{rows:?}");
    let scores = column(&top, "score");
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let all = column(&folder.scores("m.qualm", "t.csv", &[]), "score");
    let mut sorted = all.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(scores, sorted[..5]);

    // All columns, in their order, beside the scores.
    let kept = folder.scores("m.qualm", "t.csv", &["--keep", "all"]);
    let (header, rows) = table(&kept);
    assert_eq!(header[..5], ["name", "age", "income", "country", "since"]);
    assert_eq!(column(&kept, "score"), all);
    assert_eq!(rows[149][2], "9000.00");
    let one = folder.scores("m.qualm", "t.csv", &["--keep", "country", "--explain", "1"]);
    assert!(one.starts_with("name,country,score,"), "{one}");
    refused(
        &folder,
        &[
            "score", "m.qualm", "t.csv", "--keep", "land", "-o", "out.csv",
        ],
        &["column 'land': no such column", "--keep"],
    );
    // In one command, of the fitted rows.
    let args = [&TREATED[..], &["--top", "3"]].concat();
    let ran = fit(&folder, "t.csv", "one.qualm", &args).ok();
    let shown: Vec<&str> = ran.stdout.lines().rev().take(4).collect();
    assert!(
        shown[2].contains("c149") && shown[2].contains("9000.00"),
        "{ran:?}"
    );
    assert!(shown[3].contains("explain_1"), "{ran:?}");
    let json = fit(
        &folder,
        "t.csv",
        "one.qualm",
        &[&args[..], &["--json"]].concat(),
    )
    .ok()
    .json();
    assert_eq!(json["strangest"][0]["name"], "c149");
    assert_eq!(json["strangest"].as_array().map(Vec::len), Some(3));
    // Without an id the rows are numbered.
    let args = ["--missing", "median", "--exclude", "name,since,country"];
    fit(&folder, "t.csv", "n.qualm", &args).ok();
    let top = folder.scores("n.qualm", "t.csv", &["--top", "1", "--explain", "1"]);
    assert!(top.starts_with("row,age,income,score,"), "{top}");
    assert!(top.lines().nth(1).unwrap().starts_with("150,"), "{top}");
}
