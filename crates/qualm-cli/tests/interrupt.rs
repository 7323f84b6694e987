//! Ctrl-C, a kill and a closed pipe: old files stay whole, a fit can go on.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::Folder;
use common::files::{csv, rows};

/// A fit of some seconds: steps are quick, but many.
const LONG: [&str; 10] = [
    "--set",
    "hidden=64",
    "--set",
    "fourier_features=64",
    "--set",
    "max_steps=0",
    "--set",
    "epochs=1",
    "--set",
    "min_steps=4000",
];

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &id])
            .status()
            .unwrap()
            .success()
    );
}

fn start(folder: &Folder, args: &[&str]) -> Child {
    folder
        .command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until a line on stderr holds the word: training begins after it.
fn wait_for(child: &mut Child, word: &str) -> BufReader<std::process::ChildStderr> {
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert!(
            lines.read_line(&mut line).unwrap() > 0,
            "no {word:?} on stderr"
        );
    }
    lines
}

fn fit<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [
        &["fit", "t.csv", "-o", model, "--threads", "1"],
        &LONG[..],
        more,
    ]
    .concat()
}

#[test]
fn an_interrupted_fit_goes_on_to_the_same_bytes() {
    let folder = Folder::new();
    folder.write("t.csv", csv(&rows(400, 6, 1)));
    folder.write("m.qualm", "old");
    let started = Instant::now();
    folder.run(&fit("whole.qualm", &[])).ok();
    let whole = started.elapsed();

    let mut child = start(&folder, &fit("m.qualm", &[]));
    let mut stderr = wait_for(&mut child, "preset");
    sleep(whole / 3);
    signal(&child, "-INT");
    let mut message = String::new();
    stderr.read_to_string(&mut message).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{message}");
    assert!(
        message.contains("m.qualm.checkpoint") && message.contains("--resume"),
        "{message}"
    );
    assert_eq!(folder.text("m.qualm"), "old");
    assert_eq!(
        folder.names(),
        ["m.qualm", "m.qualm.checkpoint", "t.csv", "whole.qualm"]
    );

    // Another seed is another fit.
    let other = folder.run(&fit("m.qualm", &["--resume", "--seed", "7"]));
    assert_eq!(other.code, Some(2));
    assert!(
        other
            .stderr
            .contains("m.qualm.checkpoint: the checkpoint was made with another seed"),
        "{other:?}"
    );
    assert_eq!(folder.text("m.qualm"), "old");

    let resumed = fit("m.qualm", &["--resume", "--scores", "own.csv"]);
    let resumed = folder.run(&resumed).ok();
    assert!(resumed.stderr.contains("going on from step"), "{resumed:?}");
    assert_eq!(
        folder.scores("m.qualm", "t.csv", &[]),
        folder.scores("whole.qualm", "t.csv", &[])
    );
    assert_eq!(
        folder.text("own.csv"),
        folder.scores("whole.qualm", "t.csv", &[])
    );
    assert!(!folder.path("m.qualm.checkpoint").exists());
    // With nothing to go on from, it says so and begins.
    let fresh = folder
        .run(&fit("n.qualm", &["--resume", "--set", "min_steps=40"]))
        .ok();
    assert!(fresh.stderr.contains("no checkpoint"), "{fresh:?}");
    // A damaged checkpoint is no reason to begin silently from the start.
    folder.write("n.qualm.checkpoint", "not a checkpoint");
    let damaged = folder.run(&fit("n.qualm", &["--resume"]));
    assert_eq!(damaged.code, Some(2));
    assert!(damaged.stderr.contains("n.qualm.checkpoint"), "{damaged:?}");
}

/// A fit without training steps has nothing to go on from: it ends at once.
#[test]
fn an_interrupted_fit_without_steps_ends_and_leaves_no_litter() {
    let folder = Folder::new();
    // Every row to every row: some seconds.
    folder.write("t.csv", csv(&rows(30_000, 30, 1)));
    folder.write("old.qualm", "old");
    let names = folder.names();
    let args = ["fit", "t.csv", "-o", "old.qualm", "--scores", "own.csv"];
    let more = ["--detector", "sp", "--set", "subset_size=29999"];
    let child = start(&folder, &[&args[..], &more].concat());
    // Its outputs are reserved before it begins.
    let started = Instant::now();
    while folder.names().len() < names.len() + 2 {
        assert!(started.elapsed().as_secs() < 60, "not started");
        sleep(Duration::from_millis(10));
    }
    sleep(Duration::from_millis(300));
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert!(output.stdout.is_empty());
    assert_eq!(folder.names(), names);
    assert_eq!(folder.text("old.qualm"), "old");
}

#[test]
fn a_killed_fit_leaves_the_old_model() {
    let folder = Folder::new();
    folder.write("t.csv", csv(&rows(400, 6, 1)));
    folder.write("m.qualm", "old");
    let mut child = start(&folder, &fit("m.qualm", &["--set", "min_steps=1000000"]));
    wait_for(&mut child, "preset");
    sleep(Duration::from_millis(200));
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert_eq!(folder.text("m.qualm"), "old");
}

/// A command that waits for more input is interrupted at once, and leaves no litter.
#[test]
fn an_interrupted_reader_leaves_everything_as_it_was() {
    let folder = Folder::with_model();
    folder.write("old.csv", "old");
    folder.write("old.qualm", "old");
    let names = folder.names();
    let block = csv(&rows(20_000, 4, 1));
    for args in [
        &["score", "m.qualm", "-", "-o", "old.csv"][..],
        &["score", "m.qualm", "-", "--json"],
        &["fit", "-", "-o", "old.qualm"],
    ] {
        let mut child = folder
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(block.as_bytes()).unwrap();
        sleep(Duration::from_millis(300));
        signal(&child, "-INT");
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains("interrupted"), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert_eq!(folder.names(), names, "{args:?}");
        assert_eq!(folder.text("old.csv"), "old");
        assert_eq!(folder.text("old.qualm"), "old");
    }
}

/// The writer fails while the reader waits for rows that never come.
#[test]
fn a_closed_pipe_ends_a_command_that_waits_for_input() {
    let folder = Folder::with_model();
    let mut child = folder
        .command(&["score", "m.qualm", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let block = csv(&rows(10_000, 4, 1));
    let (header, lines) = block.split_once('\n').unwrap();
    stdin.write_all(header.as_bytes()).unwrap();
    let mut feed = || {
        let _ = stdin.write_all(b"\n");
        let _ = stdin.write_all(lines.trim_end().as_bytes());
    };
    // More than the command holds back before it begins to print.
    (0..12).for_each(|_| feed());
    let mut first = [0; 5];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    (0..4).for_each(|_| feed());
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(started.elapsed().as_secs() < 60, "still waiting");
        sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
    drop(stdin);
}

#[test]
fn a_closed_pipe_is_success() {
    let folder = Folder::with_model();
    folder.write("big.csv", csv(&rows(40_000, 4, 1)));
    for args in [
        &["score", "m.qualm", "big.csv"][..],
        &["score", "m.qualm", "big.csv", "--json"],
        &["info", "m.qualm"],
        &["--help"],
    ] {
        let mut child = start(&folder, args);
        if args[0] == "score" {
            let mut stdout = child.stdout.take().unwrap();
            let mut first = [0; 5];
            stdout.read_exact(&mut first).unwrap();
        } else {
            drop(child.stdout.take());
        }
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
        assert!(!stderr.contains("error"), "{args:?}: {stderr}");
    }
}
