//! Every input and output format: the same rows, the same scores.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test fails loudly, and promises bits"
)]

use crate::common::files::{self, csv, rows, with_column};
use crate::common::{Folder, SMALL, column};

/// A folder with one table in every format.
fn tables() -> Folder {
    let folder = Folder::new();
    let data = rows(90, 5, 2);
    let batch = files::batch(&data);
    folder.write("t.csv", csv(&data));
    folder.write("t.tsv", csv(&data).replace(',', "\t"));
    files::parquet(&folder.path("t.parquet"), &batch);
    files::arrow(&folder.path("t.arrow"), &batch);
    files::arrow(&folder.path("t.feather"), &batch);
    for (i, part) in [&data[..40], &data[40..41], &data[41..]].iter().enumerate() {
        let path = folder.path(&format!("parts/part-{i}.parquet"));
        files::parquet(&path, &files::batch(part));
    }
    folder
}

#[test]
fn tables_of_every_format_fit_and_score_alike() {
    let folder = tables();
    folder.fit("t.csv", "m.qualm", &[]).ok();
    let expected = folder.scores("m.qualm", "t.csv", &[]);
    for input in ["t.tsv", "t.parquet", "t.arrow", "t.feather", "parts"] {
        assert_eq!(folder.scores("m.qualm", input, &[]), expected, "{input}");
        folder.fit(input, "other.qualm", &[]).ok();
        let refitted = folder.scores("other.qualm", "t.csv", &[]);
        assert_eq!(refitted, expected, "fitted on {input}");
    }
}

#[test]
fn standard_input_is_csv() {
    let folder = tables();
    folder.fit("t.csv", "m.qualm", &[]).ok();
    let bytes = folder.read("t.csv");
    let expected = folder.scores("m.qualm", "t.csv", &[]);
    let piped = folder.pipe(&["score", "m.qualm", "-", "-q"], &bytes).ok();
    assert_eq!(piped.stdout, expected);
    let args = [&["fit", "-", "-o", "p.qualm"], &SMALL[..]].concat();
    folder.pipe(&args, &bytes).ok();
    assert_eq!(folder.scores("p.qualm", "t.csv", &[]), expected);

    let broken = folder.pipe(
        &["score", "m.qualm", "-"],
        b"a,b,c,d,e\n1,2,x,4,5\n1,2,3,4,5\n",
    );
    assert_eq!(broken.code, Some(2));
    assert!(
        broken.stderr.contains("standard input, row 1, column 'c'"),
        "{broken:?}"
    );
    assert_eq!(broken.stdout, "");
}

#[test]
fn vectors_of_every_format_fit_and_score_alike() {
    let folder = Folder::new();
    let data = rows(90, 8, 4);
    folder.write("v.npy", files::npy(&data));
    files::npz(&folder.path("v.npz"), &data);
    files::parquet(
        &folder.path("v.parquet"),
        &files::vectors(&data, "embedding"),
    );
    files::arrow(&folder.path("v.arrow"), &files::vectors(&data, "embedding"));
    folder.write("v.csv", csv(&data));
    let report = folder.fit("v.npy", "m.qualm", &["--json"]).ok().json();
    assert_eq!(
        (&report["preset"], &report["d"]),
        (&"default".into(), &8.into())
    );
    let expected = folder.scores("m.qualm", "v.npy", &[]);
    for input in ["v.npz", "v.parquet", "v.arrow"] {
        assert_eq!(folder.scores("m.qualm", input, &[]), expected, "{input}");
        folder.fit(input, "other.qualm", &[]).ok();
        let refitted = folder.scores("other.qualm", "v.npy", &[]);
        assert_eq!(refitted, expected, "fitted on {input}");
    }
    // Columns of the right number serve as a vector, and one default serves both.
    assert_eq!(folder.scores("m.qualm", "v.csv", &[]), expected);
    for (model, input) in [("v.qualm", "v.npy"), ("t.qualm", "v.csv")] {
        folder.run(&["fit", input, "-o", model]).ok();
    }
    let expected = folder.scores("v.qualm", "v.npy", &[]);
    assert_eq!(folder.scores("t.qualm", "v.csv", &[]), expected);
}

#[test]
fn scores_are_written_in_the_format_of_the_extension() {
    let folder = tables();
    let data = with_column(&folder.text("t.csv"), "id", |i| format!("n{i}"));
    folder.write(
        "t.csv",
        with_column(&data, "y", |i| u8::from(i % 9 == 0).to_string()),
    );
    folder
        .fit("t.csv", "m.qualm", &["--id", "id", "--label", "y"])
        .ok();
    let expected = folder.scores("m.qualm", "t.csv", &["--label", "y"]);
    let mut metrics = Vec::new();
    for out in [
        "s.csv",
        "s.tsv",
        "s.parquet",
        "s.arrow",
        "s.feather",
        "s.jsonl",
    ] {
        let ran = folder
            .run(&["score", "m.qualm", "t.csv", "--label", "y", "-o", out])
            .ok();
        assert!(ran.stdout.contains("90 rows"), "{ran:?}");
        if out != "s.jsonl" {
            let args = ["eval", out, "--label", "y", "--json"];
            metrics.push(folder.run(&args).ok().stdout);
        }
    }
    assert_eq!(folder.text("s.csv"), expected);
    assert_eq!(folder.text("s.tsv").replace('\t', ","), expected);
    assert!(metrics.windows(2).all(|pair| pair[0] == pair[1]));
    let lines = folder.text("s.jsonl");
    let scores: Vec<f64> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| row["score"].as_f64().unwrap())
        .collect();
    assert_eq!(scores, column(&expected, "score"));
}

#[test]
fn columns_are_chosen_by_flags() {
    let folder = tables();
    let fit = |more: &[&str]| {
        let report = folder.fit("t.csv", "x.qualm", more).ok();
        assert!(report.stdout.contains("fitted"), "{report:?}");
        let info = folder.run(&["info", "x.qualm", "--json"]).ok().json();
        info["features"]["columns"].to_string()
    };
    assert_eq!(fit(&["--columns", "c,a"]), r#"["c","a"]"#);
    assert_eq!(fit(&["--exclude", "b,d"]), r#"["a","c","e"]"#);
    assert_eq!(fit(&["--id", "a", "--exclude", "b"]), r#"["c","d","e"]"#);

    let data = rows(60, 3, 1);
    let batch = files::vectors(&data, "one");
    let other = files::vectors(&rows(60, 2, 3), "two");
    let both = arrow_array::RecordBatch::try_from_iter([
        ("one", batch.column(0).clone()),
        ("two", other.column(0).clone()),
    ]);
    files::parquet(&folder.path("two.parquet"), &both.unwrap());
    let unclear = folder.fit("two.parquet", "v.qualm", &[]);
    assert_eq!(unclear.code, Some(2));
    assert!(unclear.stderr.contains("'one', 'two'") && unclear.stderr.contains("--vector"));
    folder
        .fit("two.parquet", "v.qualm", &["--vector", "two"])
        .ok();
    let info = folder.run(&["info", "v.qualm", "--json"]).ok().json();
    assert_eq!(info["n_features"], 2);
    folder.scores("v.qualm", "two.parquet", &[]);
}
