//! Labelled sets x detectors x seeds, each run in a process of its own.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{HumanCount, ProgressBar};
use qualm::AtomicFile;
use qualm::reports::{BenchReport, BenchRow};
use qualm_data::Batches;

use super::plan::{Contender, Outputs, Set};
use super::results::Results;
use super::{one, plan, process, table};
use crate::args::{BenchSets, Common};
use crate::interrupt;
use crate::output::{self, Output};
use crate::progress;

pub(super) fn run(args: &BenchSets, common: &Common, output: Output) -> Result<()> {
    interrupt::listen()?;
    let mut job = BenchJob::resolve(args, common, output)?;
    // From here on a row is kept as soon as it is there.
    interrupt::graceful(true);
    let done = job.run();
    interrupt::graceful(false);
    let all = job.results.sorted();
    let Some(rows) = done? else {
        bail!(
            "interrupted; {} finished runs are kept in {}: repeat the command to go on",
            all.iter().filter(|row| row.is_ok()).count(),
            job.outputs.results.display()
        );
    };
    let path = job.outputs.table.display();
    let mut file = AtomicFile::create(&job.outputs.table)?;
    interrupt::remove_on_exit(file.temporary());
    file.write_all(table::markdown(args.suite, &all).as_bytes())
        .with_context(|| format!("{path}: cannot be written"))?;
    file.commit()?;
    output.note(format!(
        "note: results in {}, the table in {path}",
        job.outputs.results.display()
    ));
    let report = BenchReport::new(args.suite.name(), rows);
    output.result(&report, || {
        table::markdown(args.suite, &report.results.iter().collect::<Vec<_>>())
    })
}

/// The runs of a suite, checked, and what is known of them already.
#[derive(Debug)]
struct BenchJob<'a> {
    args: &'a BenchSets,
    common: &'a Common,
    output: Output,
    sets: Vec<Set>,
    contenders: Vec<Contender>,
    seeds: Vec<u64>,
    outputs: Outputs,
    results: Results,
}

impl<'a> BenchJob<'a> {
    fn resolve(args: &'a BenchSets, common: &'a Common, output: Output) -> Result<Self> {
        let contenders = plan::contenders(args.suite, &args.detectors)?;
        let Some(end) = common.seed.checked_add(args.seeds) else {
            bail!("--seed {}: too large to count up from", common.seed);
        };
        let sets = plan::sets(args)?;
        let outputs = plan::outputs(args)?;
        let results = Results::open(&outputs.results, args.suite.name())?;
        if results.is_torn() {
            output.warn(format!(
                "{}: the last line is incomplete and not used",
                outputs.results.display()
            ));
        }
        Ok(Self {
            args,
            common,
            output,
            sets,
            contenders,
            seeds: (common.seed..end).collect(),
            outputs,
            results,
        })
    }

    /// Runs what the results do not hold yet. Gives the rows that were asked for, in that
    /// order; nothing where Ctrl-C ended it.
    fn run(&mut self) -> Result<Option<Vec<BenchRow>>> {
        let n = self.sets.len() * self.contenders.len() * self.seeds.len();
        let template = "bench {wide_bar} {pos}/{len} {msg}, {eta} left";
        let bar = progress::bar(self.output, Some(n as u64), template);
        if self.output.bars() {
            bar.enable_steady_tick(Duration::from_secs(1));
        }
        let rows = self.rows(&bar, n);
        bar.finish_and_clear();
        rows
    }

    fn rows(&mut self, bar: &ProgressBar, n_runs: usize) -> Result<Option<Vec<BenchRow>>> {
        let Self {
            args,
            output,
            results,
            ..
        } = self;
        let mut rows = Vec::new();
        let (mut n_old, mut n_failed) = (0, 0);
        for set in &self.sets {
            bar.set_message(set.name.clone());
            let n = n_rows(set, args);
            for contender in &self.contenders {
                for &seed in &self.seeds {
                    if interrupt::asked() {
                        return Ok(None);
                    }
                    let asked = BenchRow {
                        dataset: set.name.clone(),
                        detector: contender.called.clone(),
                        seed,
                        n,
                        ..BenchRow::default()
                    };
                    let old = results.find(&asked);
                    if let Some(old) = old.filter(|old| old.is_ok() || !args.retry) {
                        n_old += 1;
                        n_failed += u64::from(!old.is_ok());
                        rows.push(old.clone());
                    } else {
                        bar.set_message(format!("{} {} seed {seed}", set.name, contender.called));
                        let run = process::run(args, self.common, set, contender, asked)?;
                        let Some(row) = run else {
                            return Ok(None);
                        };
                        if !output.bars() {
                            output.note(line(&row, rows.len() + 1, n_runs));
                        }
                        results.put(row.clone())?;
                        rows.push(row);
                    }
                    bar.inc(1);
                }
            }
        }
        note_old(n_old, n_failed, n_runs, *output);
        Ok(Some(rows))
    }
}

/// Says how many runs an earlier command had finished.
fn note_old(n_old: u64, n_failed: u64, n_runs: usize, output: Output) {
    if n_old == 0 {
        return;
    }
    let failed = match n_failed {
        0 => String::new(),
        n => format!(", {n} of them failed (--retry runs those again)"),
    };
    let (old, all) = (HumanCount(n_old), HumanCount(n_runs as u64));
    output.note(format!(
        "note: {old} of {all} runs were there already{failed}"
    ));
}

/// How many rows of a set are fitted; nothing where it cannot be read, which its runs will
/// say.
fn n_rows(set: &Set, args: &BenchSets) -> Option<u64> {
    let mut source = one::open(&set.path, args.label.as_deref()).ok()?;
    let n = if let Some(n) = source.n_rows_hint() {
        n
    } else {
        let mut n = 0;
        while let Some(batch) = source.next_batch().ok()? {
            if interrupt::asked() {
                return None;
            }
            n += batch.rows.rows().n_rows() as u64;
        }
        n
    };
    Some(args.limit_rows.map_or(n, |limit| n.min(limit as u64)))
}

/// A finished run, where no bar can be drawn.
fn line(row: &BenchRow, done: usize, all: usize) -> String {
    let what = match (row.auroc, row.fit_seconds) {
        (Some(auroc), Some(fit)) => format!(
            "AUROC {:.1}, fitted in {}",
            100.0 * auroc,
            output::seconds(Duration::from_secs_f64(fit))
        ),
        _ => row.status.clone(),
    };
    format!(
        "bench: {done} of {all}: {} {} seed {}: {what}",
        row.dataset, row.detector, row.seed
    )
}
