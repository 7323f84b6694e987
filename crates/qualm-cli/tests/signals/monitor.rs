//! `qualm monitor --follow`: rows count as they come, Ctrl-C and a kill lose none, and one process writes a state.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::common::files::{csv, rows};
use super::common::{Folder, Ran};
use super::{signal, start};

const STATE: &str = "watch.state";

/// A model, a reference, and the lines of a stream that changes in the middle.
fn folder() -> (Folder, Vec<String>) {
    let folder = Folder::new();
    folder.write("usual.csv", csv(&rows(600, 4, 1)));
    folder.write("held_out.csv", csv(&rows(400, 4, 2)));
    folder
        .run(&["fit", "usual.csv", "--clean", "-o", "m.qualm"])
        .ok();
    let mut stream = rows(500, 4, 3);
    for row in &mut stream[250..] {
        row[1] += 5.0;
    }
    let lines = csv(&stream)
        .lines()
        .map(|line| line.to_owned() + "\n")
        .collect();
    (folder, lines)
}

fn args<'a>(state: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let base = [
        "monitor",
        "m.qualm",
        "log.csv",
        "--reference",
        "held_out.csv",
        "--sequential",
    ];
    [&base[..], &["--state", state, "--json"], more].concat()
}

fn append(folder: &Folder, text: &str) {
    let mut file = OpenOptions::new()
        .append(true)
        .open(folder.path("log.csv"))
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Waits until so many rows of the followed file have counted.
fn wait_for_rows(folder: &Folder, child: &mut Child, n: usize) -> Duration {
    let started = Instant::now();
    let line = format!("qualm_rows_total{{model=\"m.qualm\",stream=\"\"}} {n}.0\n");
    loop {
        let found = std::fs::read_to_string(folder.path("watch.prom"));
        if found.is_ok_and(|text| text.contains(&line)) {
            return started.elapsed();
        }
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "{ended:?}");
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "{n} rows have not counted"
        );
        sleep(Duration::from_millis(10));
    }
}

fn end(child: Child, name: &str) -> Ran {
    signal(&child, name);
    child.wait_with_output().unwrap().into()
}

const FOLLOW: [&str; 3] = ["--follow", "--metrics", "watch.prom"];

#[test]
fn a_growing_file_is_followed_until_ctrl_c() {
    let (folder, lines) = folder();
    folder.write("log.csv", lines[..101].concat());
    let mut child = start(&folder, &args(STATE, &FOLLOW));
    wait_for_rows(&folder, &mut child, 100);
    // Half a line waits for its other half.
    let (head, tail) = lines[101].split_at(5);
    append(&folder, &(lines[102..151].concat() + head));
    wait_for_rows(&folder, &mut child, 149);
    append(&folder, tail);
    wait_for_rows(&folder, &mut child, 150);

    // Another process may not write the state, nor is the file touched.
    let bytes = folder.read(STATE);
    let second = folder.run(&args(STATE, &[]));
    assert_eq!(second.code, Some(2), "{second:?}");
    assert!(
        second.stderr.contains("another qualm monitor writes it"),
        "{}",
        second.stderr
    );
    assert!(folder.read(STATE) == bytes);

    let ended = end(child, "-INT");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report: serde_json::Value = serde_json::from_str(ended.stdout.trim()).unwrap();
    assert_eq!(
        (&report["event"], &report["n"]),
        (&"end".into(), &150.into())
    );
    // The alarm is said while it goes on.
    append(&folder, &lines[151..].concat());
    let mut child = start(&folder, &args(STATE, &FOLLOW));
    wait_for_rows(&folder, &mut child, 500);
    let ended = end(child, "-TERM");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let events = ended.stdout.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["event"].as_str().unwrap().to_owned()
    });
    assert_eq!(events.collect::<Vec<_>>(), ["alarm", "end"]);
}

#[test]
fn text_that_grows_may_be_written_otherwise() {
    let (folder, lines) = folder();
    let german = |text: &str| text.replace(',', ";").replace('.', ",");
    folder.write("held_out.csv", german(&folder.text("held_out.csv")));
    folder.write("log.csv", german(&lines[..101].concat()));
    let more = ["--delimiter", ";", "--decimal", ","];
    let mut child = start(&folder, &args(STATE, &[&FOLLOW[..], &more].concat()));
    wait_for_rows(&folder, &mut child, 100);
    append(&folder, &german(&lines[101..].concat()));
    wait_for_rows(&folder, &mut child, 500);
    let ended = end(child, "-INT");
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

/// The state of a run that was killed again and again is that of one that was not.
#[test]
fn a_kill_neither_loses_rows_nor_counts_them_twice() {
    let (folder, lines) = folder();
    folder.write("log.csv", lines[..1].concat());
    let mut child = start(&folder, &args(STATE, &FOLLOW));
    for (i, batch) in lines[1..].chunks(25).enumerate() {
        append(&folder, &batch.concat());
        // At a different moment of the work on a batch each time.
        sleep(Duration::from_millis(37 * (i as u64 % 7)));
        if i % 3 == 1 {
            child.kill().unwrap();
            child.wait().unwrap();
            child = start(&folder, &args(STATE, &FOLLOW));
        }
    }
    wait_for_rows(&folder, &mut child, 500);
    end(child, "-INT");
    folder.run(&args("whole.state", &[]));
    assert!(folder.read(STATE) == folder.read("whole.state"));
    let named = |name: &String| name.starts_with(STATE) || name.starts_with("whole.state");
    let names: Vec<String> = folder.names().into_iter().filter(named).collect();
    assert_eq!(
        names,
        [STATE, "watch.state.lock", "whole.state", "whole.state.lock"]
    );
}
