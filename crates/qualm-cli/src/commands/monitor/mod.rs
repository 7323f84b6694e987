//! `qualm monitor`: has the input of a model changed?

mod alarms;
mod candidates;
mod input;
mod metrics;
mod plots;
mod rows;
mod sequential;
mod settings;
mod state;
mod strangest;
mod stretch;
mod window_report;
mod window_words;
mod windows;
mod words;

use std::path::Path;

use anyhow::{Result, bail};
use qualm::Fitted;

use self::input::{Reference, Stream};
use crate::Verdict;
use crate::args::Monitor;
use crate::interrupt;
use crate::output::Output;
use crate::paths::{check_model, refuse_same};

pub(crate) fn run(args: &Monitor, seed: u64, output: Output) -> Result<Verdict> {
    check_model("monitor", &args.model, Some(&args.current))?;
    settings::check(args)?;
    interrupt::listen()?;
    let fitted = Fitted::load(&args.model)?;
    check_outputs(args)?;
    let reference = args.reference.as_ref();
    let reference = reference.map(|path| Stream::reference(args, &fitted, path));
    let reference = reference.transpose()?;
    // What cannot be read is told before the reference is scored, which may take long.
    let current = Stream::current(args, &fitted)?;
    let reference = match reference {
        Some(stream) => Reference::read(stream, &fitted, output)?,
        None => Reference::of_model(&fitted, output),
    };
    let (report, plot) = if args.sequential {
        let found = sequential::run(args, seed, &fitted, &reference, current, output)?;
        let plot = plots::evidence(&found.report, &found.evidence);
        (found.report, plot)
    } else {
        let found = windows::run(args, &fitted, &reference, current, output)?;
        let report = window_report::report(&found)?;
        found.write_metrics(&report)?;
        if let Some(command) = args.on_alarm.as_ref().filter(|_| report.is_drift) {
            alarms::tell(command, &report)?;
        }
        let plot = plots::windows(&report, args.min_effect);
        (report, plot)
    };
    let verdict = if report.is_drift {
        Verdict::Alarm
    } else {
        Verdict::Fine
    };
    let plot = Some(plot).filter(|_| output.plots() && !args.no_plot);
    let across = settings::across(args);
    let text = || words::words(&report, across) + plot.as_deref().unwrap_or_default();
    if args.follow {
        output.line(&alarms::Line::End(&report), text)?;
    } else {
        output.result(&report, text)?;
    }
    Ok(verdict)
}

/// Refuses to write over what is read.
fn check_outputs(args: &Monitor) -> Result<()> {
    let inputs = [
        Some(&args.model),
        Some(&args.current),
        args.reference.as_ref(),
    ];
    let inputs: Vec<&Path> = inputs.into_iter().flatten().map(AsRef::as_ref).collect();
    let outputs = [("--state", &args.state), ("--metrics", &args.metrics)];
    for (flag, path) in outputs {
        if let Some(path) = path {
            refuse_same(flag, path, &inputs)?;
        }
    }
    if args.state.is_some() && args.state == args.metrics {
        bail!("--state and --metrics: are the same file; choose another for one of them");
    }
    Ok(())
}
