//! One file a command.

mod bench;
mod csv_rows;
mod demo;
mod eval;
mod fit;
mod info;
mod json_rows;
mod score;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::args::{Cli, Command};
use crate::output::Output;

/// Runs the command that was asked for.
pub(crate) fn run(cli: &Cli, output: Output) -> Result<()> {
    if let Some(threads) = cli.common.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(usize::from(threads))
            .build_global()
            .context("cannot start the threads")?;
    }
    match &cli.command {
        Command::Fit(args) => fit::run(args, cli.common.seed, output),
        Command::Score(args) => score::run(args, output),
        Command::Eval(args) => eval::run(args, output),
        Command::Info(args) => info::run(args, output),
        Command::Bench(args) => bench::run(args, &cli.common, output),
        Command::BenchRun(args) => bench::run_one(args, cli.common.seed),
        Command::Demo(args) => demo::run(args, cli.common.seed, output),
    }
}

/// Refuses to write over one of the files that are read, or beside the parts of a folder
/// that is read, where the output would be one more part the next time. `flag` names the
/// output.
fn refuse_same(flag: &str, output: &Path, inputs: &[&Path]) -> Result<()> {
    let target = output.canonicalize().ok();
    let folder = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.canonicalize(),
        _ => Path::new(".").canonicalize(),
    };
    let is_part = output
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    for input in inputs {
        let Ok(input) = input.canonicalize() else {
            continue;
        };
        if target.as_ref() == Some(&input) {
            bail!(
                "{}: is read and cannot be written by the same command; choose another {flag}",
                output.display()
            );
        }
        if is_part && input.is_dir() && folder.as_ref().is_ok_and(|folder| *folder == input) {
            bail!(
                "{}: lies in the folder that is read and would be one of its parts; \
                 choose another {flag}",
                output.display()
            );
        }
    }
    Ok(())
}
