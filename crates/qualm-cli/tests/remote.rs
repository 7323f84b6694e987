//! Inputs by their addresses, from a server of this test: object stores and web pages.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::process::Command;
use std::sync::atomic::Ordering;

use crate::common::server::Server;
use crate::common::{Folder, Ran, files};

/// The rows of `Folder::with_model`, in a bucket of a server.
fn bucket() -> (Folder, Server, Vec<Vec<f64>>) {
    let folder = Folder::with_model();
    let rows = files::rows(120, 4, 1);
    std::fs::create_dir_all(folder.path("bucket/parts")).unwrap();
    folder.write("bucket/t.csv", folder.text("t.csv"));
    files::parquet(&folder.path("bucket/t.parquet"), &files::batch(&rows));
    files::parquet(
        &folder.path("bucket/parts/a.parquet"),
        &files::batch(&rows[..70]),
    );
    files::parquet(
        &folder.path("bucket/parts/b.parquet"),
        &files::batch(&rows[70..]),
    );
    folder.write("bucket/parts/_SUCCESS", "");
    let server = Server::start(folder.root());
    (folder, server, rows)
}

fn with(server: &Server, folder: &Folder, args: &[&str]) -> Command {
    let mut command = folder.command(args);
    command.envs(server.settings());
    command
}

fn run(server: &Server, folder: &Folder, args: &[&str]) -> Ran {
    with(server, folder, args).output().unwrap().into()
}

fn refused(server: &Server, folder: &Folder, input: &str, words: &[&str]) {
    let ran = run(server, folder, &["score", "m.qualm", input, "-o", "x.csv"]);
    assert_eq!(ran.code, Some(2), "{input}: {ran:?}");
    assert!(
        words.iter().all(|word| ran.stderr.contains(word)),
        "{input}: {ran:?}"
    );
    assert!(!folder.path("x.csv").exists(), "{input}");
}

#[test]
fn every_address_gives_the_scores_of_the_file() {
    let (folder, server, rows) = bucket();
    let npy = files::npy(&rows);
    folder.write("bucket/t.npy", &npy);
    files::npz(&folder.path("bucket/t.npz"), &rows);
    files::arrow(&folder.path("bucket/t.arrow"), &files::batch(&rows));
    folder.write(
        "bucket/t.csv.zst",
        zstd::encode_all(&*folder.read("t.csv"), 3).unwrap(),
    );
    folder.write("bucket/my rows/t.csv", folder.text("t.csv"));
    let expected = folder.scores("m.qualm", "t.csv", &[]);
    for address in [
        "s3://bucket/my rows/t.csv",
        "s3://bucket/my rows",
        "s3://bucket/my rows/*.csv",
        "s3://bucket/t.parquet",
        "s3://bucket/t.csv",
        "s3://bucket/t.csv.zst",
        "s3://bucket/t.arrow",
        "s3://bucket/t.npy",
        "s3://bucket/t.npz",
        "s3://bucket/parts",
        "s3://bucket/parts/",
        "s3://bucket/parts/*.parquet",
        "s3://bucket/*/[ab].parquet",
        &server.http("bucket/t.parquet"),
        &server.http("bucket/t.csv"),
    ] {
        let ran = run(&server, &folder, &["score", "m.qualm", address]).ok();
        // An array has no names: its columns are taken in order, which is said.
        assert_eq!(ran.stdout, expected, "{address}: {}", ran.stderr);
    }
}

#[test]
fn partitions_are_columns() {
    let (folder, server, rows) = bucket();
    let csv = files::csv(&rows);
    for day in ["day=1", "day=2"] {
        folder.write(&format!("bucket/hive/{day}/part.csv"), &csv);
    }
    let args = [
        "fit",
        "s3://bucket/hive",
        "--detector",
        "knn",
        "-o",
        "h.qualm",
    ];
    let ran = run(&server, &folder, &args).ok();
    assert!(ran.stdout.contains("240 rows x 5 columns"), "{ran:?}");
}

#[test]
fn a_fit_by_address_is_that_of_the_file() {
    let (folder, server, _) = bucket();
    let epoch = |mut command: Command| -> Ran {
        let command = command.env("SOURCE_DATE_EPOCH", "0");
        command.output().unwrap().into()
    };
    let fit = |input| ["fit", input, "--detector", "knn", "--seed", "3", "-o"];
    for (i, input) in ["s3://bucket/t.csv", "t.csv"].into_iter().enumerate() {
        let model = format!("{i}.qualm");
        let args: Vec<&str> = fit(input).into_iter().chain([model.as_str()]).collect();
        epoch(with(&server, &folder, &args)).ok();
    }
    let scores = |model| folder.scores(model, "t.csv", &[]);
    assert_eq!(scores("0.qualm"), scores("1.qualm"));
    // Read twice, fetched once.
    let asked = server.asked.lock().unwrap();
    let fetched = asked.iter().filter(|asked| *asked == "GET /bucket/t.csv");
    assert_eq!(fetched.count(), 1, "{asked:?}");
}

#[test]
fn of_parquet_only_the_columns_that_are_needed_are_fetched() {
    let (folder, server, _) = bucket();
    // Beside the four columns that the model wants, sixty others.
    files::parquet(
        &folder.path("bucket/wide.parquet"),
        &files::batch(&files::rows(5000, 64, 1)),
    );
    let size = folder.path("bucket/wide.parquet").metadata().unwrap().len();
    let ran = run(
        &server,
        &folder,
        &["score", "m.qualm", "s3://bucket/wide.parquet"],
    )
    .ok();
    assert_eq!(ran.stdout.lines().count(), 5001);
    let sent = server.sent.load(Ordering::Relaxed);
    assert!(sent < size / 2, "{sent} of {size} bytes");
}

#[test]
fn what_cannot_be_read_is_named() {
    let (folder, server, _) = bucket();
    let refused = |input: &str, words: &[&str]| refused(&server, &folder, input, words);
    refused(
        "s3://bucket/nothing.parquet",
        &["s3://bucket/nothing.parquet", "no such file"],
    );
    refused("s3://bucket/nothing/*.csv", &["no file matches"]);
    refused(&server.http("bucket/t.parquet?signature=3"), &["'?'"]);
    refused(
        &server.http("bucket/nothing.csv"),
        &["bucket/nothing.csv", "no such file"],
    );
    refused(
        "s3://secret/t.csv",
        &["s3://secret/t.csv", "access is denied", "AWS_ACCESS_KEY_ID"],
    );
    folder.write("bucket/text.parquet", "a,b\n1,2\n");
    refused(
        "s3://bucket/text.parquet",
        &[
            "s3://bucket/text.parquet",
            "expected a Parquet file, found text",
        ],
    );
    folder.write("bucket/empty.parquet", "");
    refused(
        "s3://bucket/empty.parquet",
        &["s3://bucket/empty.parquet", "empty"],
    );
    let bytes = folder.read("bucket/t.parquet");
    folder.write("bucket/cut.parquet", &bytes[..bytes.len() / 2]);
    refused("s3://bucket/cut.parquet", &["s3://bucket/cut.parquet"]);
    folder.write("bucket/bad.csv", "a,b,c,d\n1,2,3,4\n1,x,3,4\n");
    refused("s3://bucket/bad.csv", &["s3://bucket/bad.csv, row 2"]);
    folder.write("bucket/mixed/t.parquet", "");
    folder.write("bucket/notes/readme.txt", "");
    refused(
        "s3://bucket/notes",
        &["s3://bucket/notes: no *.parquet file"],
    );
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let folder = Folder::with_model();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let address = format!("http://127.0.0.1:{port}/t.csv");
    let ran = folder.run(&["score", "m.qualm", &address, "-o", "x.csv"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains(&address), "{ran:?}");
}
