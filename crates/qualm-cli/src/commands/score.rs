//! `qualm score`: rows in, scores out, batch by batch in constant memory.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt8Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qualm::Fitted;
use qualm::calibrate::Cut;
use qualm::data::{Batch, ScoreWriter, Selection, Source, format_for};
use rayon::prelude::*;
use serde::Serialize;

use super::csv_rows::CsvRows;
use super::json_rows::JsonRows;
use super::{fit, refuse_same};
use crate::args;
use crate::interrupt;
use crate::output::{self, Output};
use crate::pipeline;

/// The fewest p-values that are worth a task of their own: some ten microseconds.
const P_VALUES: usize = 1024;

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
    if let Some(cut) = fit::cut(&args.cut).or(args.threshold.map(Cut::Score)) {
        fitted.set_cut(cut)?;
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
        refuse_same(target, &[&args.model, &args.input])?;
        format_for(target)?;
    }
    let (input, features) = (args.input.clone(), fitted.features().clone());
    let open = move || {
        let source = Source::open(&input, &selection, Some(&features))?;
        Ok(((source.id_fields(), source.n_rows_hint()), source))
    };
    let ((ids, n_rows), batches) = pipeline::read(open, |source| Ok(source.next_batch()?))?;
    let table = Table::new(args, &fitted, ids)?;
    let mut sink = Sink::new(args.output.as_deref(), output.json(), table.schema.clone())?;
    let bar = bar(output, n_rows);
    let mut tally = Tally::start();
    pipeline::run(
        batches,
        |batch| {
            table
                .score(&fitted, &batch, &mut tally)
                .with_context(|| args.input.display().to_string())
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
        threshold: table.threshold,
        score_seconds: elapsed.as_secs_f64(),
        rows_per_second: tally.n as f64 / elapsed.as_secs_f64().max(1e-9),
    };
    let summary = summary(&report, elapsed, fitted.cut(), &fitted);
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

fn summary(report: &Report<'_>, elapsed: Duration, cut: Cut, fitted: &Fitted) -> String {
    let target = report.output.map(|path| format!(" to {}", path.display()));
    format!(
        "scored {} rows{} in {} ({} rows/s); {} outliers above {:.6} ({})\n",
        output::count(report.n),
        target.unwrap_or_default(),
        output::seconds(elapsed),
        output::count(report.rows_per_second as usize),
        output::count(report.n_outliers),
        report.threshold,
        fit::describe(cut, fitted),
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

/// The columns of the output.
#[derive(Debug)]
struct Table {
    schema: SchemaRef,
    threshold: f64,
    explain: usize,
}

impl Table {
    fn new(args: &args::Score, fitted: &Fitted, ids: Vec<Field>) -> Result<Self> {
        let mut fields = ids;
        if let Some(label) = &args.label {
            fields.push(Field::new(label, DataType::UInt8, false));
        }
        fields.push(Field::new("score", DataType::Float64, false));
        fields.push(Field::new("p_value", DataType::Float64, false));
        fields.push(Field::new("outlier", DataType::UInt8, false));
        let explain = args.explain.unwrap_or(0);
        if explain > fitted.n_features() {
            return Err(qualm::Error::TooManyExplanations {
                found: explain,
                expected: fitted.n_features(),
            })
            .context("--explain");
        }
        for k in 1..=explain {
            fields.push(Field::new(format!("explain_{k}"), DataType::Utf8, false));
            fields.push(Field::new(
                format!("explain_{k}_share"),
                DataType::Float64,
                false,
            ));
        }
        for (i, field) in fields.iter().enumerate() {
            if fields[..i].iter().any(|other| other.name() == field.name()) {
                anyhow::bail!(
                    "column '{}' would stand twice in the output; rename it in the input or leave it out of --id and --label",
                    field.name()
                );
            }
        }
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            threshold: fitted.threshold()?,
            explain,
        })
    }

    /// Scores a batch into a table of the output's columns.
    fn score(&self, fitted: &Fitted, batch: &Batch, tally: &mut Tally) -> Result<RecordBatch> {
        let rows = batch.rows.rows();
        let scores = fitted
            .score(rows)
            .map_err(|error| in_whole_input(error, batch.first_row))?;
        let outliers: Vec<u8> = scores
            .iter()
            .map(|s| u8::from(*s > self.threshold))
            .collect();
        tally.n += scores.len();
        tally.n_outliers += outliers.iter().copied().map(usize::from).sum::<usize>();
        let mut columns = batch.ids.clone();
        if let Some(labels) = &batch.labels {
            columns.push(Arc::new(
                labels
                    .iter()
                    .map(|l| Some(u8::from(*l)))
                    .collect::<UInt8Array>(),
            ));
        }
        let p_values = scores.par_iter().with_min_len(P_VALUES);
        let p_values: Vec<f64> = p_values.map(|s| fitted.p_value(*s)).collect();
        columns.push(Arc::new(Float64Array::from(scores)));
        columns.push(Arc::new(Float64Array::from(p_values)));
        columns.push(Arc::new(UInt8Array::from(outliers)));
        if self.explain > 0 {
            let explained = fitted.explain(rows, self.explain)?;
            for k in 0..self.explain {
                let parts = || explained.iter().filter_map(|row| row.get(k));
                let names = parts().map(|c| fitted.features().name(c.feature));
                let shares = parts().map(|c| c.share);
                columns.push(Arc::new(StringArray::from_iter_values(names)) as ArrayRef);
                columns.push(Arc::new(Float64Array::from_iter_values(shares)));
            }
        }
        RecordBatch::try_new(self.schema.clone(), columns).context("cannot assemble the scores")
    }
}

/// Counts an error's row from the start of the input rather than of the batch.
fn in_whole_input(error: qualm::Error, first_row: usize) -> qualm::Error {
    match error {
        qualm::Error::ScoreNotFinite { row, score } => qualm::Error::ScoreNotFinite {
            row: first_row + row,
            score,
        },
        other => other,
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
                interrupt::sweep_later(writer.temporary());
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
