//! Ctrl-C, a kill and a closed pipe: old files stay whole, a fit can go on.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

mod common;
#[path = "signals/monitor.rs"]
mod monitor;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::Folder;
use common::files::{csv, rows, with_column};

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
    let table = csv(&rows(30_000, 30, 1));
    folder.write("t.csv", with_column(&table, "zero", |_| "0".to_owned()));
    folder.write("old.qualm", "old");
    let names = folder.names();
    let args = ["fit", "t.csv", "-o", "old.qualm", "--scores", "own.csv"];
    let more = ["--detector", "sp", "--set", "subset_size=29999"];
    let mut child = start(&folder, &[&args[..], &more].concat());
    // The rows are read, and the outputs reserved.
    let mut lines = wait_for(&mut child, "'zero' has one value");
    sleep(Duration::from_millis(300));
    signal(&child, "-INT");
    let mut stderr = String::new();
    lines.read_to_string(&mut stderr).unwrap();
    let output = child.wait_with_output().unwrap();
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

/// `nohup` ignores SIGHUP, and a script SIGINT of what it runs in the background: for those the
/// fit goes on. SIGTERM still ends it.
#[test]
fn signals_that_the_parent_ignores_stay_ignored() {
    let folder = Folder::new();
    folder.write("t.csv", csv(&rows(400, 6, 1)));
    let mut child = Command::new("sh")
        .args([
            "-c",
            "trap '' HUP INT; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_qualm"),
        ])
        .args(fit("m.qualm", &["--set", "min_steps=100000"]))
        .current_dir(folder.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = wait_for(&mut child, "preset");
    sleep(Duration::from_millis(500));
    signal(&child, "-HUP");
    signal(&child, "-INT");
    sleep(Duration::from_millis(500));
    assert!(
        child.try_wait().unwrap().is_none(),
        "ended by a signal that was ignored"
    );
    signal(&child, "-TERM");
    let mut message = String::new();
    stderr.read_to_string(&mut message).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{message}");
    assert!(
        message.contains("stopped") || message.contains("interrupted"),
        "{message}"
    );
}

/// The steps of an interruption are those of the progress: of all networks together.
#[test]
fn an_interrupted_fit_counts_the_steps_of_all_networks() {
    let folder = Folder::new();
    folder.write("t.csv", csv(&rows(400, 6, 1)));
    let mut child = start(
        &folder,
        &fit(
            "m.qualm",
            &["--set", "members=3", "--set", "min_steps=9000"],
        ),
    );
    let mut stderr = wait_for(&mut child, "preset");
    sleep(Duration::from_millis(1500));
    signal(&child, "-INT");
    let mut message = String::new();
    stderr.read_to_string(&mut message).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{message}");
    let step = message
        .split("interrupted at step ")
        .nth(1)
        .unwrap_or_default();
    let (step, rest) = step.split_once(' ').unwrap_or_default();
    assert!(rest.starts_with("of 27000"), "{message}");
    let resumed = start(
        &folder,
        &fit(
            "m.qualm",
            &["--resume", "--set", "members=3", "--set", "min_steps=9000"],
        ),
    );
    let mut resumed = resumed;
    wait_for(&mut resumed, &format!("going on from step {step}"));
    signal(&resumed, "-KILL");
    resumed.wait().unwrap();
}

/// What limits of the process end in: an error, the old file and no litter.
#[cfg(target_os = "linux")]
#[test]
fn limits_of_the_process_are_errors() {
    let folder = Folder::with_model();
    folder.write("big.csv", csv(&rows(30_000, 4, 1)));
    folder.write("s.csv", "old");
    folder.write("k.qualm", "old");
    let names = folder.names();
    for (limit, args, words) in [
        (
            "-f 64",
            "score m.qualm big.csv -o s.csv",
            "the limit on the size of a file",
        ),
        (
            "-v 120000",
            "fit big.csv --detector knn --set n_neighbors=2000 -o k.qualm",
            "memory",
        ),
        ("-v 60000", "fit big.csv --detector iforest -o k.qualm", ""),
        ("-v 25000", "fit big.csv --detector iforest -o k.qualm", ""),
    ] {
        let script = format!("ulimit {limit}; exec \"$0\" {args}");
        let output = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_qualm")])
            .current_dir(folder.root())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        // Below what the loader needs, the program does not even start.
        let started = stderr.contains("error: ") && !stderr.contains("shared libraries");
        if started || !words.is_empty() {
            assert_eq!(output.status.code(), Some(2), "{limit}: {stderr}");
            assert!(stderr.contains(words), "{limit}: {stderr}");
        }
        assert_eq!(folder.names(), names, "{limit}: {stderr}");
        assert_eq!(
            (folder.text("s.csv"), folder.text("k.qualm")),
            ("old".into(), "old".into())
        );
    }
}

/// An array of images, uint8 (n, 32, 32, 3).
fn images(n: usize) -> Vec<u8> {
    let shape = format!("({n}, 32, 32, 3)");
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend((0..n * 3072).map(|i| (i % 251) as u8));
    bytes
}

#[test]
fn an_interrupted_embedding_goes_on() {
    let folder = Folder::new();
    folder.write("i.npy", images(4000));
    let encoder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../qualm-vision/tests/golden/weights/resnet8.pth"
    );
    let embed = |output: &'static str| {
        [
            "embed",
            "i.npy",
            "--encoder",
            encoder,
            "--preprocessing",
            "cifar",
            "--batch",
            "64",
            "-o",
            output,
        ]
    };
    let started = Instant::now();
    folder.run(&embed("whole.arrow")).ok();
    let whole = started.elapsed();
    let mut child = start(&folder, &embed("e.arrow"));
    let mut stderr = wait_for(&mut child, "preprocessing from cifar");
    sleep(whole / 3);
    signal(&child, "-INT");
    let mut message = String::new();
    stderr.read_to_string(&mut message).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{message}");
    assert!(
        message.contains("e.arrow.parts") && message.contains("--resume"),
        "{message}"
    );
    assert_eq!(folder.names(), ["e.arrow.parts", "i.npy", "whole.arrow"]);
    folder
        .run(&[&embed("e.arrow")[..], &["--resume"]].concat())
        .ok();
    assert_eq!(folder.names(), ["e.arrow", "i.npy", "whole.arrow"]);
    // Batches have other lengths where it was taken up: the rows are the same.
    let rows = |name: &str| {
        let file = std::fs::File::open(folder.path(name)).unwrap();
        let reader = arrow_ipc::reader::FileReader::try_new(file, None).unwrap();
        let schema = reader.schema();
        let batches: Vec<_> = reader.map(Result::unwrap).collect();
        let slices = batches
            .iter()
            .flat_map(|b| (0..b.num_rows()).map(move |i| b.slice(i, 1)));
        assert!(schema.metadata().contains_key("qualm.encoder"));
        slices.collect::<Vec<_>>()
    };
    assert_eq!(rows("e.arrow"), rows("whole.arrow"));
}
