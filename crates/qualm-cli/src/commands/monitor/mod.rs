//! `qualm monitor`: has the input of a model changed?

mod input;
mod sequential;
mod strangest;
mod windows;

use std::fmt::Write;

use anyhow::{Result, bail};
use qualm::Fitted;
use qualm::reports::MonitorReport;

use self::input::{Reference, Stream};
use crate::Verdict;
use crate::args::Monitor;
use crate::images::encoder_for;
use crate::interrupt;
use crate::output::Output;
use crate::paths::{check_model, refuse_same};

pub(crate) fn run(args: &Monitor, seed: u64, output: Output) -> Result<Verdict> {
    check_model("monitor", &args.model, Some(&args.current))?;
    check_settings(args)?;
    interrupt::listen()?;
    let fitted = Fitted::load(&args.model)?;
    if let Some(state) = &args.state {
        let inputs = [
            Some(&args.model),
            Some(&args.current),
            args.reference.as_ref(),
        ];
        let inputs: Vec<_> = inputs.into_iter().flatten().map(AsRef::as_ref).collect();
        refuse_same("--state", state, &inputs)?;
    }
    let open = |path| Stream::open(args, &fitted, path);
    let reference = match &args.reference {
        Some(path) => Reference::read(open(path)?, &fitted, output)?,
        None => Reference::of_model(&fitted, output),
    };
    let current = open(&args.current)?;
    let report = if args.sequential {
        sequential::run(args, seed, &fitted, &reference, current, output)?
    } else {
        windows::run(args, &fitted, &reference, current, output)?
    };
    let verdict = if report.is_drift {
        Verdict::Alarm
    } else {
        Verdict::Fine
    };
    output.result(&report, || words(&report))?;
    Ok(verdict)
}

/// Refuses settings that no input could have.
fn check_settings(args: &Monitor) -> Result<()> {
    if !(args.alpha > 0.0 && args.alpha < 1.0) {
        bail!(
            "--alpha {}: expected a number above 0 and below 1",
            args.alpha
        );
    }
    if !(args.min_effect >= 0.0 && args.min_effect.is_finite()) {
        bail!(
            "--min-effect {}: expected a number, 0 or more",
            args.min_effect
        );
    }
    if args.window == Some(1) {
        bail!("--window 1: a window needs at least 2 rows");
    }
    Ok(())
}

/// The encoder of images, if any.
fn encoder(
    args: &Monitor,
    fitted: &Fitted,
    path: &std::path::Path,
) -> Result<Option<qualm_vision::encoder::FileEncoder>> {
    let (given, options) = (args.encoder.as_deref(), &args.encoder_options);
    encoder_for(&args.model, fitted, path, given, options)
}

/// The report for a reader.
fn words(report: &MonitorReport) -> String {
    let mut text = match &report.sequential {
        Some(stream) => sequential::words(report, stream),
        None => windows::words(report),
    };
    if !report.columns.is_empty() {
        text += "\ncolumns that moved most\n";
        for column in &report.columns {
            let _ = writeln!(
                text,
                "  {:<24} d {:>6.2}   mean {:.6} in the reference, {:.6} now   p {:.2e}",
                column.column, column.cohens_d, column.reference_mean, column.mean, column.p
            );
        }
    }
    if !report.strangest.is_empty() {
        text += "\nstrangest rows\n";
        for row in &report.strangest {
            let ids = row.id.iter().map(|(name, value)| format!("{name} {value}"));
            let _ = writeln!(
                text,
                "  row {:<10} score {:>10.4}   p-value {:.4}   {}",
                row.row,
                row.score,
                row.p_value,
                ids.collect::<Vec<_>>().join(", ")
            );
        }
    }
    text
}
