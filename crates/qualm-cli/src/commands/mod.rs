//! One file a command.

mod bench;
mod completions;
mod corrupt;
mod csv_rows;
mod demo;
mod discoveries;
mod embed;
mod encoder;
mod eval;
mod fit;
mod fit_sample;
mod gallery;
mod info;
mod json_rows;
mod monitor;
mod ood;
mod rejects;
mod report;
mod score;
mod sink;
mod strangest;
mod train;

pub(crate) use encoder::options as encoder_options;

use anyhow::{Context, Result};

use crate::Verdict;
use crate::args::{Cli, Command, EncoderCommand};
use crate::output::Output;

/// Runs the command that was asked for.
pub(crate) fn run(cli: &Cli, output: Output) -> Result<Verdict> {
    // Where they cannot be started, that is told here and is no panic later.
    rayon::ThreadPoolBuilder::new()
        .num_threads(cli.common.threads.map_or(0, usize::from))
        .build_global()
        .context("cannot start the threads; give more memory, or start fewer with --threads")?;
    match &cli.command {
        Command::Fit(args) => fit::run(args, cli.common.seed, output),
        Command::Score(args) => score::run(args, output),
        Command::Ood(args) => ood::run(args, cli.common.seed, output),
        Command::Eval(args) => eval::run(args, output),
        Command::Embed(args) => embed::run(args, cli.common.seed, output),
        Command::Encoder(args) => match &args.command {
            EncoderCommand::Check(args) => encoder::check(args, output),
        },
        Command::Corrupt(args) => corrupt::run(args, cli.common.seed, output),
        Command::Info(args) => info::run(args, output),
        Command::Gallery(args) => gallery::run(args, cli.common.seed, output),
        Command::Report(args) => report::run(args, cli.common.seed, output),
        Command::Bench(args) => bench::run(args, &cli.common, output),
        Command::BenchRun(args) => bench::run_one(args, cli.common.seed),
        Command::Train(args) => train::run(args, cli.common.seed, output),
        Command::Completions(args) => completions::run(args, output),
        Command::Demo(args) => demo::run(args, cli.common.seed, output),
        Command::Monitor(args) => return monitor::run(args, cli.common.seed, output),
    }?;
    Ok(Verdict::Fine)
}
