//! What a command prints, and where.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Result};
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
        let text = if self.json {
            serde_json::to_string_pretty(value)? + "\n"
        } else {
            text()
        };
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .context("standard output: cannot be written")
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

    pub(crate) fn warn(self, message: impl AsRef<str>) {
        self.note(format!("warning: {}", message.as_ref()));
    }
}

/// Says why the command failed: the error and what lies under it, each once, and which flag
/// helps.
pub(crate) fn report(error: &anyhow::Error) {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
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
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::{HumanBytes, HumanCount};

    #[test]
    fn numbers_read_well() {
        assert_eq!(HumanCount(1234567).to_string(), "1,234,567");
        assert_eq!(HumanBytes(512).to_string(), "512 B");
        assert_eq!(HumanBytes(3 << 20).to_string(), "3.00 MiB");
        assert_eq!(seconds(Duration::from_millis(2340)), "2.34 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
    }
}
