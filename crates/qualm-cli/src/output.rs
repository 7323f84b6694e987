//! What a command prints, and where.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::HumanCount;
use serde::Serialize;

use crate::advice::advice;

/// Results on stdout, everything else on stderr.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Prints a result: as JSON if asked for, else as text.
    pub(crate) fn result(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<()> {
        print(&if self.json {
            serde_json::to_string_pretty(value)? + "\n"
        } else {
            text()
        })
    }

    /// Prints one result of several that come one after the other: as a line of JSON if asked for, else as text.
    pub(crate) fn line(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        print(&if self.json {
            serde_json::to_string(value)? + "\n"
        } else {
            text()
        })
    }

    /// Whether a person looks at stdout.
    pub(crate) fn plots(self) -> bool {
        !self.quiet && !self.json && io::stdout().is_terminal()
    }

    /// Whether stdout takes one JSON document.
    pub(crate) fn json(self) -> bool {
        self.json
    }

    /// Whether a progress bar can be drawn.
    pub(crate) fn bars(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    pub(crate) fn quiet(self) -> bool {
        self.quiet
    }

    /// A line for the reader, unless told to be quiet. A closed stderr is no reason to stop.
    pub(crate) fn note(self, message: impl AsRef<str>) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{}", message.as_ref());
        }
    }

    /// A warning that also appears when told to be quiet: the outcome is likely not what was
    /// meant.
    pub(crate) fn warn_always(message: impl AsRef<str>) {
        let _ = writeln!(io::stderr(), "warning: {}", message.as_ref());
    }

    pub(crate) fn warn(self, message: impl AsRef<str>) {
        self.note(format!("warning: {}", message.as_ref()));
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("standard output: cannot be written")
}

/// Says why the command failed: the error and what lies under it, each once, and which flag
/// helps.
pub(crate) fn report(error: &anyhow::Error) {
    let mut message = error.to_string();
    // What a JSON parser says is in the message, without the names of Rust's types.
    let causes = error.chain().skip(1);
    let causes = causes.filter(|cause| !cause.is::<serde_json::Error>());
    for cause in causes.map(ToString::to_string) {
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    if let Some(advice) = advice(error) {
        message = format!("{message} ({advice})");
    }
    let _ = writeln!(io::stderr(), "error: {message}");
}

/// Whether an error only says that the reader of our output went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        io == Some(ErrorKind::BrokenPipe)
    })
}

/// Seconds with as many digits as matter.
pub(crate) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    // Rounded before it is split: there are no 60 s beside a minute.
    match (seconds, seconds.round() as u64) {
        (s, _) if s < 9.995 => format!("{s:.2} s"),
        (_, s) if s < 120 => format!("{s} s"),
        (_, s) if s < 7200 => format!("{} min {} s", s / 60, s % 60),
        (_, s) => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// So many rows: `1 row`, `2,000 rows`.
pub(crate) fn rows(n: u64) -> String {
    counted(n, "row")
}

/// So many of something.
pub(crate) fn counted(n: u64, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {what}{plural}", HumanCount(n))
}

/// A number with as many digits as matter: six after the point, or six in all where that would
/// be none or hundreds.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        format!("{value:.6}")
    } else {
        format!("{value:.5e}")
    }
}

/// A path as a shell takes it.
pub(crate) fn shell(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::HumanBytes;

    #[test]
    fn numbers_read_well() {
        assert_eq!(HumanCount(1234567).to_string(), "1,234,567");
        assert_eq!(HumanBytes(512).to_string(), "512 B");
        assert_eq!(HumanBytes(3 << 20).to_string(), "3.00 MiB");
        assert_eq!(seconds(Duration::from_millis(2340)), "2.34 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!(seconds(Duration::from_millis(239_600)), "4 min 0 s");
        assert_eq!(seconds(Duration::from_millis(9_999)), "10 s");
        assert_eq!(seconds(Duration::from_secs(7_290)), "2 h 1 min");
        assert_eq!([rows(1), rows(2000)], ["1 row", "2,000 rows"]);
        assert_eq!(
            [1.25, 0.0, -2e-5, 1e300].map(number),
            ["1.250000", "0.000000", "-2.00000e-5", "1.00000e300"]
        );
        assert_eq!(shell("a/b-1.qualm"), "a/b-1.qualm");
        assert_eq!(shell("my model's.qualm"), r"'my model'\''s.qualm'");
    }
}
