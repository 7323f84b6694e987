//! `qualm bench`: labelled sets x detectors x seeds, each run in a process of its own.

mod one;
mod paper;
mod plan;
mod process;
mod results;
mod table;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qualm::AtomicFile;
use qualm_data::Batches;
use serde::Serialize;

pub(crate) use self::one::run_one;
use self::plan::{Contender, Outputs, Set};
use self::results::{Results, Row};
use crate::args::{Bench, Common};
use crate::interrupt;
use crate::output::{self, Output};

/// What `bench --json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    suite: &'a str,
    results: &'a [Row],
}

pub(crate) fn run(args: &Bench, common: &Common, output: Output) -> Result<()> {
    interrupt::listen()?;
    let suite = args.suite.name();
    let contenders = plan::contenders(args.suite, &args.detectors)?;
    let Some(end) = common.seed.checked_add(args.seeds) else {
        bail!("--seed {}: too large to count up from", common.seed);
    };
    let sets = plan::sets(args)?;
    let outputs = plan::outputs(args)?;
    let mut bench = Runner {
        args,
        common,
        output,
        seeds: (common.seed..end).collect(),
        contenders,
        results: Results::open(&outputs.results)?,
        rows: Vec::new(),
        old: 0,
        old_failures: 0,
    };
    // From here on a row is kept as soon as it is there.
    interrupt::graceful(true);
    let done = bench.run(&sets);
    interrupt::graceful(false);
    let interrupted = done?;
    let Runner { results, rows, .. } = bench;
    if interrupted {
        bail!(
            "interrupted; {} finished runs are kept in {}: repeat the command to go on",
            results.of(&suite).iter().filter(|row| row.is_ok()).count(),
            outputs.results.display()
        );
    }
    write_table(args, &outputs, &results.of(&suite))?;
    output.note(format!(
        "note: results in {}, the table in {}",
        outputs.results.display(),
        outputs.table.display()
    ));
    let report = Report {
        suite: &suite,
        results: &rows,
    };
    output.result(&report, || {
        table::markdown(args.suite, &rows.iter().collect::<Vec<_>>())
    })
}

/// Writes the table of all results of the suite.
fn write_table(args: &Bench, outputs: &Outputs, rows: &[&Row]) -> Result<()> {
    let mut file = AtomicFile::create(&outputs.table)?;
    interrupt::remove_on_exit(file.temporary());
    let text = table::markdown(args.suite, rows);
    file.write_all(text.as_bytes())
        .with_context(|| format!("{}: cannot be written", outputs.table.display()))?;
    Ok(file.commit()?)
}

/// Goes through the runs.
struct Runner<'a> {
    args: &'a Bench,
    common: &'a Common,
    output: Output,
    seeds: Vec<u64>,
    contenders: Vec<Contender>,
    results: Results,
    /// Those that were asked for, in that order.
    rows: Vec<Row>,
    /// How many of them an earlier call had run, and how many of those had failed.
    old: usize,
    old_failures: usize,
}

impl Runner<'_> {
    /// Runs what the results do not hold yet; true where Ctrl-C ended it.
    fn run(&mut self, sets: &[Set]) -> Result<bool> {
        let all = sets.len() * self.contenders.len() * self.seeds.len();
        let bar = bar(self.output, all);
        for set in sets {
            bar.set_message(set.name.clone());
            let n = n_rows(set, self.args);
            for contender in self.contenders.clone() {
                for seed in self.seeds.clone() {
                    if interrupt::asked() || !self.run_one(set, n, &contender, seed, &bar, all)? {
                        bar.finish_and_clear();
                        return Ok(true);
                    }
                    bar.inc(1);
                }
            }
        }
        bar.finish_and_clear();
        if self.old > 0 {
            let failed = match self.old_failures {
                0 => String::new(),
                n => format!(", {n} of them failed (--retry runs those again)"),
            };
            let old = output::count(self.old);
            self.output.note(format!(
                "note: {old} of {} runs were there already{failed}",
                output::count(all)
            ));
        }
        Ok(false)
    }

    /// One run, unless it is there; false where Ctrl-C ended it.
    fn run_one(
        &mut self,
        set: &Set,
        n: Option<u64>,
        contender: &Contender,
        seed: u64,
        bar: &ProgressBar,
        all: usize,
    ) -> Result<bool> {
        let blank = Row {
            suite: self.args.suite.name(),
            dataset: set.name.clone(),
            detector: contender.called.clone(),
            seed,
            n,
            d: None,
            n_outliers: None,
            auroc: None,
            auroc_unoriented: None,
            aupr: None,
            fit_seconds: None,
            score_seconds: None,
            peak_memory_bytes: None,
            status: String::new(),
        };
        if let Some(row) = self.results.find(&blank)
            && (row.is_ok() || !self.args.retry)
        {
            self.old += 1;
            self.old_failures += usize::from(!row.is_ok());
            self.rows.push(row.clone());
            return Ok(true);
        }
        bar.set_message(format!("{} {} seed {seed}", set.name, contender.called));
        let Some(ended) = process::run(self.args, self.common, set, contender, seed)? else {
            return Ok(false);
        };
        let row = blank.fill(ended);
        if !self.output.bars() {
            self.output.note(line(&row, self.rows.len() + 1, all));
        }
        self.results.put(row.clone())?;
        self.rows.push(row);
        Ok(true)
    }
}

impl Row {
    /// The row of a run that has ended.
    fn fill(self, ended: process::Ended) -> Self {
        let count = |key: &str| ended.told.get(key).and_then(serde_json::Value::as_u64);
        let number = |key: &str| ended.told.get(key).and_then(serde_json::Value::as_f64);
        let mut row = Self {
            n: count("n").or(self.n),
            d: count("d"),
            n_outliers: count("n_outliers"),
            status: ended.status,
            ..self
        };
        if row.is_ok() {
            row.auroc = number("auroc");
            row.auroc_unoriented = number("auroc_unoriented");
            row.aupr = number("aupr");
            row.fit_seconds = number("fit_seconds");
            row.score_seconds = number("score_seconds");
            row.peak_memory_bytes = count("peak_memory_bytes");
        }
        row
    }
}

/// How many rows of a set are fitted; nothing where it cannot be read, which its runs will
/// say.
fn n_rows(set: &Set, args: &Bench) -> Option<u64> {
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
fn line(row: &Row, done: usize, all: usize) -> String {
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

fn bar(output: Output, length: usize) -> ProgressBar {
    if !output.bars() {
        return ProgressBar::hidden();
    }
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(length as u64), target);
    let style = ProgressStyle::with_template("bench {wide_bar} {pos}/{len} {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
