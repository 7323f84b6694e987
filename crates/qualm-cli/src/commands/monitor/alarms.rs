//! Who is told of an alarm: the reader of a followed input, and a command.

use std::io::{self, Write};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use qualm::reports::{MonitorAlarm, MonitorReport};
use serde::Serialize;

use super::words::alarm as words;
use crate::args::Monitor;
use crate::output::Output;

/// A line of JSON of a followed input.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    Alarm(&'a MonitorAlarm),
    End(&'a MonitorReport),
}

/// Tells of alarms as they are raised.
#[derive(Debug)]
pub(super) struct Alarms<'a> {
    command: Option<&'a str>,
    /// Whether each is printed at once.
    at_once: bool,
    output: Output,
    first: Option<MonitorAlarm>,
}

impl<'a> Alarms<'a> {
    pub(super) fn new(args: &'a Monitor, output: Output) -> Self {
        Self {
            command: args.on_alarm.as_deref(),
            at_once: args.follow,
            output,
            first: None,
        }
    }

    /// Tells of an alarm, before the rows that raised it have counted for ever: told twice is better than
    /// never, if the process is killed in between.
    pub(super) fn raise(&mut self, alarm: MonitorAlarm) -> Result<()> {
        if self.at_once {
            self.output.line(&Line::Alarm(&alarm), || words(&alarm))?;
        }
        if let Some(command) = self.command {
            tell(command, &alarm)?;
        }
        self.first.get_or_insert(alarm);
        Ok(())
    }

    /// The first alarm of this run.
    pub(super) fn first(self) -> Option<MonitorAlarm> {
        self.first
    }
}

/// Runs a command through the shell with a document as its standard input. What it prints goes to standard
/// error. A failure is a warning: the watch goes on.
pub(super) fn tell(command: &str, document: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string(document)? + "\n";
    match run(command, &json) {
        Ok(status) if status.success() => {}
        Ok(status) => Output::warn_always(format!("--on-alarm '{command}': failed: {status}")),
        Err(error) => Output::warn_always(format!("--on-alarm '{command}': {error:#}")),
    }
    Ok(())
}

fn run(command: &str, json: &str) -> Result<ExitStatus> {
    let (shell, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let mut child = Command::new(shell)
        .args([flag, command])
        .stdin(Stdio::piped())
        .stdout(Stdio::from(io::stderr()))
        .spawn()
        .context("cannot be started")?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read it is no failure.
        let _ = stdin.write_all(json.as_bytes());
    }
    child.wait().context("cannot be waited for")
}
