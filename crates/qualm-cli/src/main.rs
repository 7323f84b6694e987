//! The `qualm` command line: parse, run, report.
//!
//! Results go to stdout, progress and logs to stderr. Exit codes: 0 done, 2 any error; a
//! pipe that the reader closed is no error.

// Tests may expect: a failure there is the test's own report.
#![cfg_attr(test, allow(clippy::expect_used, reason = "tests"))]

mod advice;
mod args;
mod bug;
mod checkpoints;
mod columns;
mod commands;
mod config;
#[cfg(feature = "remote")]
mod copies;
mod damaged_folder;
mod detectors;
mod histogram;
mod image_table;
mod images;
mod interrupt;
mod metrics;
mod notes;
mod output;
mod pages;
mod paths;
mod pipeline;
mod plot;
mod progress;
mod prometheus;
#[cfg(unix)]
mod signals;
mod threshold;
mod train_progress;
mod unlike;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::output::Output;

/// Any error.
const FAILED: u8 = 2;
/// Done, and something is wrong with what was looked at.
const ALARM: u8 = 1;

/// What a command that went well has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing that anybody must look at.
    Fine,
    /// The input has changed.
    Alarm,
}

fn main() -> ExitCode {
    #[cfg(unix)]
    signals::survive_limits();
    let cli = Cli::parse();
    let output = Output::new(cli.common.json, cli.common.quiet);
    #[cfg(feature = "remote")]
    copies::show(output);
    match bug::report(|| commands::run(&cli, output)) {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::Alarm) => ExitCode::from(ALARM),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::report(&error);
            ExitCode::from(FAILED)
        }
    }
}
