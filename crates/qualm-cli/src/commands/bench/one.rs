//! One run, in a process of its own: its row goes to stdout as a line of JSON, once before the
//! fit and once with what was measured.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use qualm::Spec;
use qualm::reports::BenchRow;
use qualm::stats::Metrics;
use qualm_data::{Batches, Error, Selection, Source};

use crate::FAILED;
use crate::args::BenchRun;

/// Draws the rows of `--limit-rows`; always the same, so that all runs see the same rows.
const LIMIT_SEED: u64 = 0;

/// Label columns that are tried in turn.
const LABELS: [&str; 2] = ["label", "y"];

pub(crate) fn run_one(args: &BenchRun, seed: u64) -> Result<()> {
    end_with_parent();
    let mut batch = open(&args.input, args.label.as_deref())?.read_all()?;
    if let Some(limit) = args.limit_rows {
        batch = batch.sample(limit, LIMIT_SEED)?;
    }
    let labels = batch.labels.unwrap_or_default();
    let rows = batch.rows.rows();
    let run = BenchRow::of_rows(rows, &labels);
    tell(&run)?;
    // Labels that nothing can be measured by are refused before the fit.
    Metrics::compute(&vec![0.0; labels.len()], &labels)?;

    let spec = Spec::preset(&args.detector, &args.preset)?;
    let started = Instant::now();
    let locate = |error| batch.origin.locate(error);
    let fitted = spec.fit(rows, seed, &mut ()).map_err(locate)?;
    let fit_seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let as_new = fitted.score(rows).map_err(locate)?;
    let score_seconds = started.elapsed().as_secs_f64();
    let metrics = Metrics::compute(fitted.fitted_scores().unwrap_or(&as_new), &labels)?;
    tell(&BenchRow {
        peak_memory_bytes: peak_memory(),
        ..run.measured(&metrics, fit_seconds, score_seconds)
    })
}

/// Opens a labelled set. Without a name the label is `label`, else `y`.
pub(super) fn open(path: &Path, label: Option<&str>) -> Result<Source> {
    let open = |label: &str| {
        let selection = Selection {
            label: Some(label.to_owned()),
            read_label: true,
            ..Selection::default()
        };
        Source::open(path, &selection, None)
    };
    if let Some(label) = label {
        return Ok(open(label)?);
    }
    let mut missing = None;
    for label in LABELS {
        match open(label) {
            Err(error @ Error::NoSuchColumn { .. }) => missing = missing.or(Some(error)),
            opened => return Ok(opened?),
        }
    }
    let error = missing.map_or_else(|| anyhow::anyhow!("no label"), Into::into);
    Err(error).context("no label column `label` or `y`: name it with --label")
}

/// Prints what is known of the run so far.
fn tell(run: &BenchRow) -> Result<()> {
    let line = serde_json::to_string(run)?;
    writeln!(std::io::stdout(), "{line}").context("standard output: cannot be written")
}

/// Ends this process when the one that started it is gone: standard input ends then.
fn end_with_parent() {
    std::thread::spawn(|| {
        let mut nothing = [0];
        while matches!(std::io::stdin().read(&mut nothing), Ok(1..)) {}
        std::process::exit(i32::from(FAILED));
    });
}

/// The most memory that this process has held, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_that_of_this_process() {
        let before = peak_memory().expect("the system tells");
        let held = vec![1_u8; 64 << 20];
        let after = peak_memory().expect("the system tells");
        assert!(held.iter().all(|v| *v == 1));
        assert!(before > 1 << 20, "{before}");
        assert!(after > 64 << 20, "{after}");
    }
}
