//! One file a command.

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
pub(crate) fn run(cli: &Cli, output: &Output) -> Result<()> {
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
        Command::Demo(args) => demo::run(args, cli.common.seed, output),
    }
}

/// Refuses to write over one of the files that are read.
fn refuse_same(output: &Path, inputs: &[&Path]) -> Result<()> {
    let Ok(target) = output.canonicalize() else {
        return Ok(());
    };
    for input in inputs {
        if input.canonicalize().is_ok_and(|input| input == target) {
            bail!(
                "{}: is read and cannot be written by the same command; choose another --output",
                output.display()
            );
        }
    }
    Ok(())
}
