//! Files that people have: compressed, in parts, as JSON lines, on a pipe.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]
#![allow(clippy::float_cmp, reason = "counts and copies are exact")]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StructArray};
use arrow_schema::{DataType, Field};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::common::{Folder, column, files, refused, table};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The rows of CSV as JSON lines.
fn json_lines(csv: &str) -> String {
    let (header, rows) = table(csv);
    rows.iter().fold(String::new(), |mut text, row| {
        let fields = header
            .iter()
            .zip(row)
            .map(|(name, value)| format!("\"{name}\": {value}"));
        writeln!(text, "{{{}}}", fields.collect::<Vec<_>>().join(", ")).unwrap();
        text
    })
}

/// The rows of CSV from `from` to `to`, with the header.
fn part(csv: &str, from: usize, to: usize) -> String {
    let mut lines = csv.lines();
    let header = lines.next().unwrap();
    let rows: Vec<&str> = lines.skip(from).take(to - from).collect();
    format!("{header}\n{}\n", rows.join("\n"))
}

#[test]
fn every_format_gives_the_same_model_and_scores() {
    let folder = Folder::with_model();
    let csv = folder.text("t.csv");
    let expected = folder.scores("m.qualm", "t.csv", &[]);
    folder.write("t.csv.gz", gzip(csv.as_bytes()));
    folder.write("t.csv.zst", zstd::encode_all(csv.as_bytes(), 3).unwrap());
    folder.write("t.jsonl", json_lines(&csv));
    folder.write("t.ndjson.gz", gzip(json_lines(&csv).as_bytes()));
    let rows = files::rows(120, 4, 1);
    files::parquet(&folder.path("t.pq"), &files::batch(&rows));
    // A second member, as `cat a.gz b.gz` makes one.
    let (head, tail) = csv.split_at(csv.len() / 2);
    folder.write(
        "two.csv.gz",
        [gzip(head.as_bytes()), gzip(tail.as_bytes())].concat(),
    );
    for input in [
        "t.csv.gz",
        "t.csv.zst",
        "t.jsonl",
        "t.ndjson.gz",
        "t.pq",
        "two.csv.gz",
    ] {
        assert_eq!(folder.scores("m.qualm", input, &[]), expected, "{input}");
        folder.fit(input, "again.qualm", &[]).ok();
        assert_eq!(
            folder.scores("again.qualm", "t.csv", &[]),
            expected,
            "{input}"
        );
    }
    for input in ["t.csv", "t.jsonl", "t.pq"] {
        let ran = folder.pipe(&["score", "m.qualm", "-", "-q"], &folder.read(input));
        assert_eq!(ran.ok().stdout, expected, "{input} on standard input");
    }
}

#[test]
fn damaged_compressed_files_are_named() {
    let folder = Folder::with_model();
    let csv: String = (0..300).fold(String::from("a,b,c,d\n"), |text, i| {
        format!(
            "{text}{},{},{},{}\n",
            i % 7,
            i * 7919 % 1009,
            i % 11,
            i * 31 % 97
        )
    });
    let whole = gzip(csv.as_bytes());
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    folder.write("cut.csv.gz", &whole[..whole.len() - 20]);
    folder.write("flipped.csv.gz", flipped);
    folder.write("text.csv.gz", &csv);
    folder.write("empty.csv.gz", "");
    let zst = zstd::encode_all(csv.as_bytes(), 3).unwrap();
    folder.write("cut.csv.zst", &zst[..zst.len() - 10]);
    let score = |input| ["score", "m.qualm", input, "-o", "out.csv"];
    for input in ["cut.csv.gz", "cut.csv.zst"] {
        refused(
            &folder,
            &score(input),
            &[input, "cannot be read", "damaged or cut off", "copy"],
        );
    }
    // What comes out of it may be wrong before the sum is.
    refused(&folder, &score("flipped.csv.gz"), &["flipped.csv.gz, row"]);
    refused(
        &folder,
        &score("text.csv.gz"),
        &["expected gzip-compressed data, found text"],
    );
    refused(&folder, &score("empty.csv.gz"), &["empty.csv.gz", "empty"]);
    folder.write("t.parquet.gz", &whole);
    refused(
        &folder,
        &score("t.parquet.gz"),
        &["t.parquet.gz", "cannot tell the format"],
    );
}

#[test]
fn several_files_are_one_table() {
    let folder = Folder::with_model();
    let csv = folder.text("t.csv");
    let expected = column(&folder.scores("m.qualm", "t.csv", &[]), "score");
    folder.write("parts/a.csv", part(&csv, 0, 50));
    folder.write("parts/b.csv", part(&csv, 50, 120));
    for input in [
        &["parts/a.csv", "parts/b.csv"][..],
        &["parts/*.csv"],
        &["parts"],
    ] {
        let args = [&["score", "m.qualm"][..], input, &["-q"]].concat();
        let scores = folder.run(&args).ok().stdout;
        assert_eq!(column(&scores, "score"), expected, "{input:?}");
        let args = [
            &["fit"][..],
            input,
            &["-o", "again.qualm"],
            &crate::common::SMALL,
        ]
        .concat();
        folder.run(&args).ok();
        assert_eq!(
            column(&folder.scores("again.qualm", "t.csv", &[]), "score"),
            expected
        );
    }
    let score = |input: &'static [&'static str]| {
        [&["score", "m.qualm"][..], input, &["-o", "out.csv"]].concat()
    };
    refused(
        &folder,
        &score(&["parts/*.parquet"]),
        &["parts/*.parquet: no file matches"],
    );
    refused(
        &folder,
        &score(&["parts/a.csv", "-"]),
        &["standard input is read alone"],
    );
    folder.write("parts/c.csv", "a,b,c\n1,2,3\n");
    refused(
        &folder,
        &score(&["parts"]),
        &["parts/c.csv", "missing: 'd'"],
    );
    folder.write("parts/c.csv", "a,b,c,d\n1,2,3,x\n1,2,3,y\n");
    refused(
        &folder,
        &score(&["parts"]),
        &["parts/c.csv, column 'd': found type text"],
    );
    folder.write("parts/c.csv", "a,b,c,d\n1,2,3,4\n1,2,3,4\n1,2,3,\n");
    refused(
        &folder,
        &score(&["parts"]),
        &["parts/c.csv, row 3, column 'd': missing value"],
    );
    folder.write("parts/notes.txt", "");
    refused(&folder, &score(&["parts"]), &["parts: no *.parquet file"]);
    let mut elsewhere = vec![("hdfs://cluster/t.parquet", "hdfs dfs -get")];
    if !cfg!(feature = "remote") {
        elsewhere.extend([
            ("s3://bucket/t.parquet", "aws s3 cp"),
            ("https://x.org/t.csv", "curl"),
        ]);
    }
    for (address, with) in elsewhere {
        refused(
            &folder,
            &["score", "m.qualm", address, "-o", "out.csv"],
            &[address, "is not read here: copy", with],
        );
    }
}

#[test]
fn folders_of_partitions_are_columns() {
    let folder = Folder::new();
    let csv = files::csv(&files::rows(90, 3, 1));
    for (i, month) in ["2026-01", "2026-02", "2026-03"].iter().enumerate() {
        let name = format!("hive/year=2026/month={month}/part.csv");
        folder.write(&name, part(&csv, 30 * i, 30 * (i + 1)));
    }
    let fit = [
        "fit",
        "hive",
        "-o",
        "m.qualm",
        "--detector",
        "knn",
        "--exclude",
        "year",
    ];
    let ran = folder.run(&fit).ok();
    assert!(ran.stdout.contains("90 rows x 3 columns"), "{ran:?}");
    assert!(
        ran.stderr.contains("'month' (text such as '2026-01'"),
        "{ran:?}"
    );
    let scores = folder.scores("m.qualm", "hive", &["--id", "month"]);
    let (header, rows) = table(&scores);
    assert_eq!((header[0].as_str(), rows.len()), ("month", 90));
    assert_eq!(
        [&rows[0][0], &rows[30][0], &rows[89][0]],
        ["2026-01", "2026-02", "2026-03"]
    );
    // One of them with another key.
    folder.write("hive/year=2026/day=1/part.csv", part(&csv, 0, 30));
    let score = ["score", "m.qualm", "hive", "-o", "out.csv"];
    refused(
        &folder,
        &score,
        &["hive/year=2026/month=2026-01/part.csv", "missing: 'day'"],
    );
}

#[test]
fn fields_of_records_are_columns_by_path() {
    let folder = Folder::new();
    let values = |k: usize| -> ArrayRef {
        Arc::new(
            (0..60)
                .map(|i| Some((i * (7919 + k) % (97 + k)) as f64))
                .collect::<Float64Array>(),
        )
    };
    let field = |name: &str| Arc::new(Field::new(name, DataType::Float64, true));
    let records = StructArray::from(vec![(field("x"), values(0)), (field("y"), values(1))]);
    let batch =
        RecordBatch::try_from_iter([("z", values(2)), ("at", Arc::new(records) as ArrayRef)]);
    files::parquet(&folder.path("t.parquet"), &batch.unwrap());
    let plain = [("at.x", values(0)), ("at.y", values(1)), ("z", values(2))];
    files::parquet(
        &folder.path("flat.parquet"),
        &RecordBatch::try_from_iter(plain).unwrap(),
    );
    let json: String = (0..60).fold(String::new(), |text, i| {
        let [x, y, z] = [0, 1, 2].map(|k| i * (7919 + k) % (97 + k));
        format!("{text}{{\"at\": {{\"x\": {x}, \"y\": {y}}}, \"z\": {z}}}\n")
    });
    folder.write("t.jsonl", json);
    let fit = |input: &str, model: &str| {
        let columns = ["--detector", "knn", "--columns", "at.x,at.y"];
        folder
            .run(&[&["fit", input, "-o", model][..], &columns].concat())
            .ok();
        folder.scores(model, input, &[])
    };
    let expected = fit("flat.parquet", "flat.qualm");
    assert_eq!(fit("t.parquet", "m.qualm"), expected);
    assert_eq!(fit("t.jsonl", "j.qualm"), expected);
    assert_eq!(folder.scores("flat.qualm", "t.parquet", &[]), expected);
    // Unless they are asked for they are none.
    let ran = folder
        .run(&["fit", "t.parquet", "-o", "z.qualm", "--detector", "knn"])
        .ok();
    assert!(ran.stdout.contains("x 1 column"), "{ran:?}");
    assert!(
        ran.stderr.contains("'at' (records of several fields)"),
        "{ran:?}"
    );
}

#[test]
fn json_lines_that_are_wrong_are_named_by_row_and_line() {
    let folder = Folder::with_model();
    let row = "{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4}\n";
    let score = ["score", "m.qualm", "t.jsonl", "-o", "out.csv"];
    for (text, said) in [
        (
            format!("{row}\n{row}{{\"a\": 1,\n"),
            "t.jsonl, row 3 (line 4): the line is no JSON",
        ),
        (
            format!("{row}[1, 2]\n"),
            "t.jsonl, row 2: expected an object of JSON",
        ),
        (
            format!("{row}{}", row.replace('4', "\"x\"")),
            "row 2, column 'd': found 'x'",
        ),
        (
            format!("{row}{row}{}", row.replace(", \"d\": 4", "")),
            "row 3, column 'd': missing value",
        ),
        (row.replace(", \"d\": 4", ""), "missing: 'd'"),
        ("\n".to_owned(), "no rows to read"),
    ] {
        folder.write("t.jsonl", text);
        refused(&folder, &score, &[said]);
    }
    folder.write("t.jsonl", format!("{row}{{\"a\"\n{row}[]\n"));
    let args = [
        "score",
        "m.qualm",
        "t.jsonl",
        "--on-error",
        "skip",
        "-o",
        "s.jsonl",
    ];
    folder.run(&args).ok();
    assert_eq!(folder.text("s.jsonl").lines().count(), 2);
    assert_eq!(table(&folder.text("s.rejects.csv")).1.len(), 2);
    // Lines are named where they are not those of the rows.
    folder.write("lines.csv", "a,b,c,d\n\n\n1,2,3,4\n1,2,3,x\n1,2,3,4\n");
    let score = ["score", "m.qualm", "lines.csv", "-o", "out.csv"];
    refused(
        &folder,
        &score,
        &["lines.csv, row 2 (line 5), column 'd': found 'x'"],
    );
    folder.write("lines.csv", "a,b,c,d\n\n\n1,2,3,4\n1,2,3,\n");
    refused(
        &folder,
        &score,
        &["lines.csv, row 2 (line 5), column 'd': missing value"],
    );
    folder.write("lines.csv", "a,b,c,d\r\n\"1\",2,3,4\r\n1,2,3,x\r\n");
    refused(
        &folder,
        &score,
        &["lines.csv, row 2, column 'd': found 'x'"],
    );
    // Also of a column of which half is text.
    folder.write("lines.csv", "a,b,c,d,e\n1,2,3,4,\"of\ntwo\"\n1,2,3,x,\n");
    refused(
        &folder,
        &score,
        &["lines.csv, row 2 (line 4), column 'd': found 'x'"],
    );
}

#[test]
fn standard_input_is_answered_while_it_idles() {
    let folder = Folder::with_model();
    for (head, row) in [
        ("a,b,c,d\n", "1,2,3,4\n"),
        ("\u{feff}a,b,c,d\r\n", "1,2,3,4\r\n"),
        ("", "{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4}\n"),
    ] {
        let mut child = folder
            .command(&["score", "m.qualm", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        stdin.write_all(head.as_bytes()).unwrap();
        for i in 0..3 {
            stdin.write_all(row.as_bytes()).unwrap();
            // A header is printed with the first.
            for _ in 0..=usize::from(i == 0) {
                // Much more than it takes, for a busy machine.
                let patience = Duration::from_secs(20);
                assert!(
                    lines.recv_timeout(patience).is_ok(),
                    "{row:?}: no answer to row {i}"
                );
            }
        }
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn any_label_marks_outliers() {
    let folder = Folder::with_model();
    let csv = folder.text("t.csv");
    for (name, bad, good) in [("words.csv", "fraud", "ok"), ("signs.csv", "-1", "1")] {
        let labelled = files::with_column(&csv, "y", |i| {
            if i % 10 == 0 { bad } else { good }.to_owned()
        });
        folder.write(name, labelled);
        let args = [
            "eval",
            "m.qualm",
            name,
            "--label",
            "y",
            "--positive",
            bad,
            "--json",
        ];
        let report = folder.run(&args).ok().json();
        assert_eq!(report["n_outliers"], 12, "{name}");
        let scores = folder.scores("m.qualm", name, &["--label", "y", "--positive", bad]);
        assert_eq!(column(&scores, "y").iter().sum::<f64>(), 12.0);
        let args = ["eval", "m.qualm", name, "--label", "y"];
        refused(
            &folder,
            &args,
            &["row 1, column 'y': found the label", "--positive"],
        );
    }
    let scored = "score,y\n1,ok\n3,fraud\n2,ok\n";
    folder.write("scored.csv", scored);
    let args = [
        "eval",
        "scored.csv",
        "--label",
        "y",
        "--positive",
        "fraud",
        "--json",
    ];
    assert_eq!(folder.run(&args).ok().json()["auroc"], 1.0);
}

#[test]
fn false_discoveries_are_bounded() {
    let folder = Folder::new();
    folder.write("t.csv", files::csv(&files::rows(2000, 4, 1)));
    let fit = ["fit", "t.csv", "-o", "m.qualm", "--detector", "knn"];
    folder.run(&fit).ok();
    let far = "\n1e4,1e4,1e4,1e4";
    let new = files::csv(&files::rows(100, 4, 2)).trim_end().to_owned() + &far.repeat(10) + "\n";
    folder.write("new.csv", new);
    let scores = folder.scores("m.qualm", "new.csv", &["--fdr", "0.1"]);
    let (outliers, p_values) = (column(&scores, "outlier"), column(&scores, "p_value"));
    assert_eq!(outliers[100..], [1.0; 10], "{scores}");
    // The largest p-value that is called an outlier, among so many.
    let n_found = outliers.iter().sum::<f64>();
    let most = outliers
        .iter()
        .zip(&p_values)
        .filter(|(o, _)| **o > 0.0)
        .map(|(_, p)| *p);
    assert!(most.fold(0.0, f64::max) <= 0.1 * n_found / 110.0);
    let args = ["score", "m.qualm", "new.csv", "--fdr", "0.1", "--json"];
    let report = folder.run(&args).ok().json();
    assert_eq!(
        (report["fdr"].as_f64(), report["n_outliers"].as_f64()),
        (Some(0.1), Some(n_found))
    );
    for (more, said) in [
        (&["--fdr", "0"][..], "above 0"),
        (&["--fdr", "0.1", "--fpr", "0.1"], "cannot be used with"),
    ] {
        refused(
            &folder,
            &[&["score", "m.qualm", "t.csv", "-o", "out.csv"][..], more].concat(),
            &[said],
        );
    }
}

#[test]
fn shells_and_man_know_the_commands() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = folder.run(&["completions", shell]).ok().stdout;
        assert!(
            text.contains("score") && text.contains("missing"),
            "{shell}"
        );
        assert!(!text.contains("bench-run\n"), "{shell}");
    }
    folder.run(&["completions", "man", "--dir", "man"]).ok();
    let page = folder.text("man/qualm-score.1");
    for said in [".TH qualm-score 1", "\\-\\-top", "Examples"] {
        assert!(page.contains(said), "{said}");
    }
    assert!(folder.text("man/qualm.1").contains("qualm\\-fit"));
    assert!(folder.path("man/qualm-ood-fit.1").exists());
    refused(
        &folder,
        &["completions", "bash", "--dir", "x"],
        &["--dir is for manual pages"],
    );
    // -h is the short form.
    let lines = |flag| folder.run(&["fit", flag]).ok().stdout.lines().count();
    assert!(2 * lines("-h") < lines("--help"));
}
