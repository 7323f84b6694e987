//! `qualm ood`: out-of-distribution detectors over what a classifier computed, or computes of images.

mod fit;
mod images;
mod list;
mod score;

use anyhow::Result;

use crate::args::{Ood, OodCommand};
use crate::output::Output;

pub(crate) fn run(args: &Ood, seed: u64, output: Output) -> Result<()> {
    match &args.command {
        OodCommand::Fit(args) => fit::run(args, seed, output),
        OodCommand::Score(args) => score::run(args, output),
        OodCommand::List => list::run(output),
    }
}
