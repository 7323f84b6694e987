//! Runs the binary in a temporary folder.

#![allow(
    dead_code,
    reason = "each test binary compiles this module and uses a part of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    unreachable_pub,
    reason = "a helper of tests fails loudly"
)]

pub mod files;
pub mod images;
#[cfg(feature = "remote")]
pub mod server;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Hyper-parameters of a fit that takes milliseconds.
pub const SMALL: [&str; 8] = [
    "--set",
    "hidden=16",
    "--set",
    "fourier_features=32",
    "--set",
    "min_steps=40",
    "--set",
    "epochs=1",
];

/// What a run left.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The same, after checking that it went well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Stdout as the one JSON document that it must be.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A temporary folder that commands run in.
#[derive(Debug)]
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with `t.csv` and a model `m.qualm` of it.
    pub fn with_model() -> Self {
        let folder = Self::new();
        folder.write("t.csv", files::csv(&files::rows(120, 4, 1)));
        folder.fit("t.csv", "m.qualm", &[]).ok();
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Names of everything in the folder, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root()).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The command, not yet started: the folder is its working directory, stdin is empty.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qualm"));
        command
            .args(args)
            .current_dir(self.root())
            .stdin(Stdio::null())
            .env_remove("SOURCE_DATE_EPOCH");
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Runs with these bytes on standard input.
    pub fn pipe(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that refuses its input may close it early.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap().into()
    }

    /// A small fit.
    pub fn fit(&self, input: &str, model: &str, more: &[&str]) -> Ran {
        let mut args = vec!["fit", input, "-o", model];
        args.extend(SMALL);
        args.extend(more);
        self.run(&args)
    }

    /// The scores of an input, as CSV text.
    #[track_caller]
    pub fn scores(&self, model: &str, input: &str, more: &[&str]) -> String {
        let mut args = vec!["score", model, input, "--quiet"];
        args.extend(more);
        self.run(&args).ok().stdout
    }
}

/// A CSV text as header and rows of fields.
pub fn table(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let fields = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut lines = text.lines();
    let header = fields(lines.next().unwrap_or_default());
    (header, lines.map(fields).collect())
}

/// A column of a CSV text, as numbers.
#[track_caller]
pub fn column(text: &str, name: &str) -> Vec<f64> {
    let (header, rows) = table(text);
    let j = header.iter().position(|h| h == name).expect(name);
    rows.iter().map(|row| row[j].parse().unwrap()).collect()
}

/// What stood at the output before: it must be there afterwards, byte for byte.
pub const OLD: &str = "an older file\n";

/// Runs a command that must be refused, with `out` among its arguments.
#[track_caller]
pub fn refused(folder: &Folder, args: &[&str], words: &[&str]) -> Ran {
    for out in ["out.qualm", "out.csv"] {
        folder.write(out, OLD);
    }
    let before = folder.names();
    let ran = folder.run(args);
    assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
    assert_eq!(ran.stdout, "", "{args:?}");
    for word in words {
        assert!(
            ran.stderr.contains(word),
            "{args:?}: no {word:?} in {}",
            ran.stderr
        );
    }
    assert!(!ran.stderr.contains("panicked"), "{args:?}: {}", ran.stderr);
    for out in ["out.qualm", "out.csv"] {
        assert_eq!(folder.text(out), OLD, "{args:?}");
    }
    assert_eq!(folder.names(), before, "{args:?}: litter");
    ran
}
