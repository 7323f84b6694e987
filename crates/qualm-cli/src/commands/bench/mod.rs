//! `qualm bench`: detectors compared on labelled sets, on damaged images, or on images out of
//! distribution.

mod corruption;
mod one;
mod ood;
mod paper;
mod plan;
mod process;
mod results;
mod sets;
mod table;
mod unfinished;

use anyhow::{Result, bail};

pub(crate) use self::one::run_one;
use crate::args::{Bench, BenchCommand, Common};
use crate::output::Output;

pub(crate) fn run(args: &Bench, common: &Common, output: Output) -> Result<()> {
    match (&args.command, &args.sets) {
        (Some(BenchCommand::Corruption(args)), _) => corruption::run(args, common.seed, output),
        (Some(BenchCommand::Ood(args)), _) => ood::run(args, common.seed, output),
        (None, Some(args)) => sets::run(args, common, output),
        (None, None) => bail!("which suite? see qualm bench --help"),
    }
}
