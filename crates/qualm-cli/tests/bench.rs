//! `qualm bench` on small made-up sets: what it keeps, what it runs again, what it says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test fails loudly, and promises bits"
)]

use std::sync::Arc;

use crate::common::files::{self, csv, rows, with_column};
use crate::common::{Folder, Ran};
use arrow_array::{ArrayRef, RecordBatch};
use serde_json::Value;

/// `n` rows of width 3; every tenth is an outlier and lies apart.
fn labelled(n: usize, seed: u64) -> (Vec<Vec<f64>>, Vec<u8>) {
    let labels: Vec<u8> = (0..n).map(|i| u8::from(i % 10 == 0)).collect();
    let mut data = rows(n, 3, seed);
    for (row, label) in data.iter_mut().zip(&labels) {
        row[0] += 4.0 * f64::from(*label);
    }
    (data, labels)
}

fn labelled_csv(n: usize, seed: u64, name: &str) -> String {
    let (data, labels) = labelled(n, seed);
    with_column(&csv(&data), name, |i| labels[i].to_string())
}

/// Three sets, each of another format and another label column.
fn sets() -> Folder {
    let folder = Folder::new();
    folder.write("sets/one.csv", labelled_csv(200, 1, "label"));
    let (data, labels) = labelled(150, 2);
    files::labelled_npz(&folder.path("sets/two.npz"), &data, &labels);
    let batch = files::batch(&data);
    let labels: arrow_array::Int8Array = labels.iter().map(|l| i8::try_from(*l).ok()).collect();
    let columns = files::names(3).into_iter().zip(batch.columns().to_vec());
    let columns = columns.chain([("y".to_owned(), Arc::new(labels) as ArrayRef)]);
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    files::parquet(&folder.path("sets/three.parquet"), &batch);
    folder.write("sets/README.md", "not a set");
    folder
}

/// Runs `qualm bench` with JSON; the rows of the document.
#[track_caller]
fn bench(folder: &Folder, args: &[&str]) -> Vec<Value> {
    let args = [&["bench"], args, &["--json"]].concat();
    let document = folder.run(&args).ok().json();
    document["results"].as_array().unwrap().clone()
}

#[track_caller]
fn notes(folder: &Folder, args: &[&str]) -> Ran {
    folder.run(&[&["bench"], args].concat()).ok()
}

fn fields<'a>(rows: &'a [Value], name: &str) -> Vec<&'a Value> {
    rows.iter().map(|row| &row[name]).collect()
}

const SP: [&str; 5] = ["extra", "--data", "sets", "--detectors", "sp"];

#[test]
fn the_document_is_that_of_the_contract() {
    let folder = sets();
    let args = [&["bench"], &SP[..], &["--seeds", "2", "--json", "--quiet"]].concat();
    let ran = folder.run(&args).ok();
    assert_eq!(ran.stderr, "");
    let document = ran.json();
    assert_eq!(document["suite"], "extra");
    let rows = document["results"].as_array().unwrap();
    assert_eq!(
        fields(rows, "dataset"),
        ["one", "one", "three", "three", "two", "two"]
    );
    assert_eq!(fields(rows, "seed"), [0, 1, 0, 1, 0, 1]);
    assert_eq!(fields(rows, "n"), [200, 200, 150, 150, 150, 150]);
    for row in rows {
        assert_eq!((&row["d"], &row["status"]), (&3.into(), &"ok".into()));
        assert!(row["auroc"].as_f64().unwrap() > 0.6, "{row}");
        assert!(row["fit_seconds"].as_f64().unwrap() >= 0.0);
        if cfg!(target_os = "linux") {
            assert!(row["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
        }
    }
    // The same rows and labels, as Parquet and as NumPy: the same numbers.
    assert_eq!(rows[2]["auroc"], rows[4]["auroc"]);
    // The keys of a row, in their order.
    let keys: Vec<&str> = (ran.stdout.lines().skip(4).take(14))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    let expected = [
        "dataset",
        "detector",
        "seed",
        "n",
        "d",
        "n_outliers",
        "auroc",
        "auroc_unoriented",
        "aupr",
        "fit_seconds",
        "score_seconds",
        "peak_memory_bytes",
        "status",
    ];
    assert_eq!(keys, expected);
    assert_eq!(document["report_version"], 1);
    assert_eq!(document.as_object().unwrap().len(), 3);
    assert_eq!(
        folder.names(),
        ["bench-extra.jsonl", "bench-extra.md", "sets"]
    );
}

#[test]
fn a_finished_run_is_not_run_again() {
    let folder = sets();
    let first = bench(&folder, &[&SP[..], &["--seeds", "1"]].concat());
    let bytes = folder.read("bench-extra.jsonl");
    let again = notes(&folder, &[&SP[..], &["--seeds", "1"]].concat());
    assert!(again.stderr.contains("3 of 3 runs were there"), "{again:?}");
    assert_eq!(folder.read("bench-extra.jsonl"), bytes);
    // A second seed adds its rows, and the first keep theirs to the last digit.
    let second = bench(&folder, &[&SP[..], &["--seeds", "2"]].concat());
    assert_eq!(second.len(), 6);
    assert!(first.iter().all(|row| second.contains(row)));
    // Asked for one set only, the answer is on that; the table beside the file has all.
    let one = bench(
        &folder,
        &[&SP[..], &["--seeds", "1", "--sets", "two"]].concat(),
    );
    assert_eq!(fields(&one, "dataset"), ["two"]);
    assert!(folder.text("bench-extra.md").contains("| three "));
    // A run that was cut off while it was written is run again, the others are not.
    let mut cut = folder.read("bench-extra.jsonl");
    cut.truncate(cut.len() - 20);
    folder.write("bench-extra.jsonl", cut);
    let mended = notes(&folder, &[&SP[..], &["--seeds", "2"]].concat());
    assert!(
        mended.stderr.contains("last line is incomplete"),
        "{mended:?}"
    );
    assert!(
        mended.stderr.contains("5 of 6 runs were there"),
        "{mended:?}"
    );
    let again = notes(&folder, &[&SP[..], &["--seeds", "2"]].concat());
    assert!(!again.stderr.contains("incomplete"), "{again:?}");
    // Another seed to begin from, another detector's preset by name: runs of their own.
    let named = ["--detectors", "sp:paper", "--seed", "7", "--seeds", "1"];
    let named = bench(&folder, &[&SP[..3], &named].concat());
    assert_eq!(fields(&named, "detector"), ["sp:paper"; 3]);
    assert_eq!(fields(&named, "seed"), [7, 7, 7]);
    // The same seeds anywhere else give the same AUROC.
    let elsewhere = ["--seeds", "2", "-o", "x.jsonl", "--threads", "1"];
    let elsewhere = bench(&folder, &[&SP[..], &elsewhere].concat());
    assert_eq!(fields(&elsewhere, "auroc"), fields(&second, "auroc"));
    assert!(folder.path("x.md").exists());
}

#[test]
fn fewer_rows_are_the_same_for_all() {
    let folder = sets();
    let limited = ["--limit-rows", "160", "--seeds", "2"];
    let rows = bench(&folder, &[&SP[..], &limited].concat());
    assert_eq!(fields(&rows, "n"), [160, 160, 150, 150, 150, 150]);
    assert_eq!(rows[0]["n_outliers"], rows[1]["n_outliers"]);
    // The whole sets are other runs, where they are larger.
    let whole = notes(&folder, &[&SP[..], &["--seeds", "2"]].concat());
    assert!(whole.stderr.contains("4 of 6 runs were there"), "{whole:?}");
}

#[test]
fn a_failure_is_a_row() {
    let folder = Folder::new();
    let good = labelled_csv(80, 1, "label");
    folder.write("sets/good.csv", &good);
    folder.write("sets/blank.csv", "");
    folder.write("sets/nolabel.csv", csv(&rows(30, 3, 1)));
    folder.write(
        "sets/oneclass.csv",
        with_column(&csv(&rows(30, 3, 1)), "label", |_| "0".to_owned()),
    );
    folder.write("sets/word.csv", good.replace("\n1,", "\nodd,"));
    folder.write("sets/nan.csv", good.replacen("\n0,", "\n0,nan", 3));
    let rows = bench(&folder, &[&SP[..], &["--seeds", "1"]].concat());
    let expected = [
        ("blank", Value::Null, "empty"),
        ("good", 80.into(), "ok"),
        ("nan", Value::Null, "row 2"),
        ("nolabel", Value::Null, "--label"),
        ("oneclass", 30.into(), "labelled inlier"),
        ("word", Value::Null, "odd"),
    ];
    assert_eq!(rows.len(), expected.len());
    for (row, (set, n, words)) in rows.iter().zip(expected) {
        let status = row["status"].as_str().unwrap();
        assert_eq!((&row["dataset"], &row["n"]), (&set.into(), &n), "{row}");
        assert!(status.contains(words), "{row}");
        assert!(!status.contains('\n') && !status.starts_with("error"));
        assert_eq!(row["auroc"].is_null(), set != "good");
        assert_eq!(row["fit_seconds"].is_null(), set != "good");
    }
    let text = folder.text("bench-extra.md");
    assert!(text.contains("- nolabel, sp, seed 0: "), "{text}");

    // Mended, it still counts as run until it is asked for again.
    folder.write("sets/nan.csv", &good);
    folder.write("sets/oneclass.csv", labelled_csv(30, 1, "label"));
    let args = [&SP[..], &["--seeds", "1", "--sets", "oneclass,nan"]].concat();
    let kept = notes(&folder, &args);
    assert!(kept.stderr.contains("1 of them failed"), "{kept:?}");
    let rows = bench(&folder, &[&args[..], &["--retry"]].concat());
    assert_eq!(fields(&rows, "status"), ["ok", "ok"]);
    let text = folder.text("bench-extra.md");
    assert!(!text.contains("oneclass, sp"), "{text}");
    assert!(!text.contains("nan, sp"), "{text}");
}

#[test]
fn the_label_is_named_or_label_or_y() {
    let folder = Folder::new();
    // Coordinates x and y, and a label.
    folder.write(
        "sets/plane.csv",
        labelled_csv(60, 1, "label").replacen("a,b,c", "x,y,z", 1),
    );
    folder.write("sets/truth.csv", labelled_csv(60, 1, "truth"));
    let rows = bench(&folder, &[&SP[..], &["--seeds", "1"]].concat());
    assert_eq!(
        (&rows[0]["status"], &rows[0]["d"]),
        (&"ok".into(), &3.into())
    );
    assert!(rows[1]["status"].as_str().unwrap().contains("truth"));
    let named = ["--seeds", "1", "--label", "truth", "--sets", "truth"];
    let rows = bench(&folder, &[&SP[..], &named].concat());
    assert_eq!(fields(&rows, "status"), ["ok"]);
}

#[test]
fn a_run_out_of_time_is_ended() {
    let folder = sets();
    let args = ["table2", "--data", "sets", "--detectors", "sp,dum:paper"];
    let more = ["--seeds", "1", "--sets", "one", "--timeout", "2"];
    let started = std::time::Instant::now();
    let rows = bench(&folder, &[&args[..], &more].concat());
    assert!(started.elapsed().as_secs() < 60);
    assert_eq!(fields(&rows, "status"), ["ok", "timeout"]);
    assert_eq!((&rows[1]["n"], &rows[1]["d"]), (&200.into(), &3.into()));
    assert!(rows[1]["auroc"].is_null() && rows[1]["peak_memory_bytes"].is_null());
    assert!(folder.text("bench-table2.md").contains("| t/o "));
}

#[test]
fn what_cannot_work_is_refused_first() {
    let folder = sets();
    folder.write("mine.jsonl", "no results");
    folder.write("rows.jsonl", "{\"a\":1}\n{\"a\":2}\n");
    folder.write("hollow/notes.txt", "");
    folder.write("twice/a.csv", labelled_csv(30, 1, "y"));
    folder.write("twice/a.tsv", labelled_csv(30, 1, "y").replace(',', "\t"));
    let before = folder.names();
    for (args, words) in [
        (
            &["table3", "--data", "sets"][..],
            &["table2", "embeddings"][..],
        ),
        (
            &["extra", "--data", "nowhere"],
            &["nowhere", "no such folder"],
        ),
        (
            &["extra", "--data", "mine.jsonl"],
            &["mine.jsonl", "folder"],
        ),
        (
            &["extra", "--data", "hollow"],
            &["hollow", "no labelled set", ".npz"],
        ),
        (
            &["extra", "--data", "twice"],
            &["a.csv", "a.tsv", "one name"],
        ),
        (
            &["extra", "--data", "sets", "--sets", "one,four"],
            &["four", "three, two"],
        ),
        (
            &["extra", "--data", "sets", "--detectors", "dum,magic"],
            &["magic", "sp"],
        ),
        (
            &["extra", "--data", "sets", "--detectors", "sp:cube"],
            &["cube", "paper"],
        ),
        (
            &["extra", "--data", "sets", "--detectors", "sp,sp"],
            &["twice"],
        ),
        (
            &["extra", "--data", "sets", "-o", "no/r.jsonl"],
            &["no/r.jsonl", "folder"],
        ),
        (
            &["extra", "--data", "sets", "-o", "r.csv"],
            &["r.csv", ".jsonl"],
        ),
        (
            &["extra", "--data", "sets", "-o", "mine.jsonl"],
            &["mine.jsonl", "choose another"],
        ),
        (
            &["extra", "--data", "sets", "-o", "rows.jsonl"],
            &["rows.jsonl", "choose another"],
        ),
        (
            &["extra", "--data", "sets", "-o", "sets/three.parquet"],
            &["three.parquet", ".jsonl"],
        ),
    ] {
        let ran = folder.run(&[&["bench"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        for word in words {
            assert!(ran.stderr.contains(word), "{args:?}: {}", ran.stderr);
        }
        assert_eq!(folder.names(), before, "{args:?}");
    }
}

#[test]
fn a_suites_own_folder_and_results_beside_the_sets() {
    let folder = Folder::new();
    folder.write("all/extra/a.csv", labelled_csv(60, 1, "y"));
    folder.write("all/table2/b.csv", labelled_csv(60, 1, "y"));
    let args = ["--data", "all", "--detectors", "sp", "--seeds", "1"];
    let args = |suite| [&[suite], &args[..], &["-o", "all/extra/r.jsonl"]].concat();
    assert_eq!(fields(&bench(&folder, &args("extra")), "dataset"), ["a"]);
    // The results lie among the sets now, and are none.
    assert_eq!(fields(&bench(&folder, &args("extra")), "dataset"), ["a"]);
    // One file can keep several suites; the table is that of the last.
    assert_eq!(fields(&bench(&folder, &args("table2")), "dataset"), ["b"]);
    assert_eq!(fields(&bench(&folder, &args("extra")), "dataset"), ["a"]);
    let text = folder.text("all/extra/r.md");
    assert!(text.contains("| a ") && !text.contains("| b "), "{text}");
}

#[test]
fn the_table_has_the_papers_numbers() {
    let folder = Folder::new();
    folder.write("t2/wdbc.csv", labelled_csv(60, 1, "y"));
    let args = [
        "bench",
        "table2",
        "--data",
        "t2",
        "--detectors",
        "sp",
        "--seeds",
        "1",
    ];
    let ran = folder.run(&args).ok();
    assert!(ran.stdout.contains("(72.9)"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("bench: 1 of 1: wdbc sp seed 0: AUROC "),
        "{}",
        ran.stderr
    );
    assert_eq!(folder.text("bench-table2.md"), ran.stdout);
    let mut args = args;
    args[1] = "extra";
    assert!(!folder.run(&args).ok().stdout.contains("72.9"));
}

/// Processes that work in the folder.
#[cfg(target_os = "linux")]
fn processes(folder: &Folder) -> usize {
    let root = folder.root().canonicalize().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let here = entries.filter(|entry| {
        let cwd = std::fs::read_link(entry.path().join("cwd"));
        cwd.is_ok_and(|cwd| cwd == root)
    });
    here.count()
}

/// Starts a bench of one quick and one endless run, and waits for the second.
#[cfg(target_os = "linux")]
fn half_done(folder: &Folder) -> std::process::Child {
    use std::process::Stdio;
    let args = ["bench", "extra", "--data", "sets", "--sets", "one"];
    let more = ["--detectors", "sp,dum:paper", "--seeds", "1", "--json"];
    let child = folder
        .command(&[&args[..], &more].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = std::time::Instant::now();
    while !(folder.path("bench-extra.jsonl").exists() && processes(folder) == 2) {
        assert!(started.elapsed().as_secs() < 60, "not started");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_bench_keeps_its_rows_and_leaves_no_process() {
    let folder = sets();
    for signal in ["-INT", "-TERM"] {
        let child = half_done(&folder);
        let id = child.id().to_string();
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args([signal, &id]).status().unwrap().success());
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.contains("repeat the command"), "{ran:?}");
        assert_eq!(processes(&folder), 0);
        assert_eq!(folder.names(), ["bench-extra.jsonl", "sets"]);
    }
    let again = notes(
        &folder,
        &[&SP[..], &["--seeds", "1", "--sets", "one"]].concat(),
    );
    assert!(again.stderr.contains("1 of 1 runs were there"), "{again:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_bench_takes_its_run_along() {
    let folder = sets();
    let mut child = half_done(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    let started = std::time::Instant::now();
    while processes(&folder) > 0 {
        assert!(started.elapsed().as_secs() < 30, "a run goes on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
