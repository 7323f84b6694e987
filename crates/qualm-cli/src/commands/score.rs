//! `qualm score`: rows in, scores out, batch by batch in constant memory.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qualm::Fitted;
use qualm::calibrate::ThresholdRule;
use qualm_data::{ScoreWriter, Selection, Source, format_for, score, scored};
use serde::Serialize;

use super::csv_rows::CsvRows;
use super::json_rows::JsonRows;
use super::{fit, refuse_same};
use crate::args;
use crate::interrupt;
use crate::output::{self, Output};
use crate::pipeline;

/// What `score -o OUT --json` prints, and the head of the document without `-o`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: &'a Path,
    input: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Path>,
    n: usize,
    n_outliers: usize,
    threshold: f64,
    score_seconds: f64,
    rows_per_second: f64,
}

pub(crate) fn run(args: &args::Score, output: Output) -> Result<()> {
    interrupt::listen()?;
    let mut fitted = Fitted::load(&args.model)?.to_device(args.device)?;
    if let Some(rule) = fit::threshold_rule(&args.rule).or(args.threshold.map(ThresholdRule::Score))
    {
        fitted.set_threshold_rule(rule)?;
    }
    let ids_if_present = if args.id.is_empty() {
        fitted.roles().ids.clone()
    } else {
        Vec::new()
    };
    let selection = Selection {
        ids: args.id.clone(),
        ids_if_present,
        label: args.label.clone(),
        read_label: true,
        vector: args.vector.clone(),
        ..Selection::default()
    };
    if let Some(target) = &args.output {
        refuse_same("--output", target, &[&args.model, &args.input])?;
        format_for(target)?;
    }
    let (input, features) = (args.input.clone(), fitted.features().clone());
    let open = move || Source::open(&input, &selection, Some(&features));
    let (input, batches) = pipeline::open(open)?;
    let explain = args.explain.unwrap_or(0);
    if explain > fitted.n_features() {
        return Err(qualm::Error::TooManyExplanations {
            found: explain,
            expected: fitted.n_features(),
        })
        .context("--explain");
    }
    let schema = scored::columns(input.id_fields, args.label.as_deref(), explain)?;
    let threshold = fitted.threshold()?;
    let mut sink = Sink::new(args.output.as_deref(), output.json(), schema.clone())?;
    let bar = bar(output, input.n_rows_hint);
    let mut tally = Tally::start();
    pipeline::run(
        batches,
        |batch| {
            let scores = score(&fitted, &batch)?;
            let scored = scored::assemble(&schema, &fitted, &batch, scores, explain)?;
            tally.n += scored.rows.num_rows();
            tally.n_outliers += scored.n_outliers;
            Ok(scored.rows)
        },
        |scored| {
            sink.write(&scored)?;
            bar.inc(scored.num_rows() as u64);
            Ok(())
        },
    )?;
    bar.finish_and_clear();
    let elapsed = tally.started.elapsed();
    let report = Report {
        model: &args.model,
        input: &args.input,
        output: args.output.as_deref(),
        n: tally.n,
        n_outliers: tally.n_outliers,
        threshold,
        score_seconds: elapsed.as_secs_f64(),
        rows_per_second: tally.n as f64 / elapsed.as_secs_f64().max(1e-9),
    };
    let summary = summary(&report, elapsed, fitted.threshold_rule(), &fitted);
    match sink {
        Sink::File(writer) => {
            writer.finish()?;
            output.result(&report, || summary)
        }
        Sink::Stdout(rows) => {
            rows.finish()?;
            output.note(summary.trim_end());
            Ok(())
        }
        Sink::Json(rows) => rows.finish(&report),
    }
}

fn summary(report: &Report<'_>, elapsed: Duration, rule: ThresholdRule, fitted: &Fitted) -> String {
    let target = report.output.map(|path| format!(" to {}", path.display()));
    format!(
        "scored {} rows{} in {} ({} rows/s); {} outliers above {:.6} ({})\n",
        output::count(report.n),
        target.unwrap_or_default(),
        output::seconds(elapsed),
        output::count(report.rows_per_second as usize),
        output::count(report.n_outliers),
        report.threshold,
        fit::describe(rule, fitted),
    )
}

fn bar(output: Output, length: Option<u64>) -> ProgressBar {
    if !output.bars() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    let template = match length {
        Some(_) => "score {wide_bar} {human_pos}/{human_len} rows, {per_sec}, {eta} left",
        None => "score {spinner} {human_pos} rows, {per_sec}",
    };
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}

/// Running totals.
#[derive(Debug)]
struct Tally {
    n: usize,
    n_outliers: usize,
    started: Instant,
}

impl Tally {
    fn start() -> Self {
        Self {
            n: 0,
            n_outliers: 0,
            started: Instant::now(),
        }
    }
}

/// Where scores go.
#[derive(Debug)]
enum Sink {
    File(ScoreWriter),
    Stdout(CsvRows),
    Json(JsonRows),
}

impl Sink {
    fn new(path: Option<&Path>, json: bool, schema: SchemaRef) -> Result<Self> {
        Ok(match path {
            Some(path) => {
                let writer = ScoreWriter::create(path, schema)?;
                interrupt::remove_on_exit(writer.temporary());
                Self::File(writer)
            }
            None if json => Self::Json(JsonRows::start(schema)?),
            None => Self::Stdout(CsvRows::start(schema)?),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::File(writer) => Ok(writer.write(batch)?),
            Self::Stdout(rows) => rows.write(batch),
            Self::Json(rows) => rows.write(batch),
        }
    }
}
