//! `qualm score`: rows in, scores out, batch by batch in constant memory.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use arrow_schema::SchemaRef;
use indicatif::HumanCount;
use qualm::Fitted;
use qualm::calibrate::ThresholdRule;
use qualm::reports::ScoreReport;
use qualm_data::{Batch, Selection, score, scored};

use super::sink::{Sink, check_format};
use crate::args;
use crate::columns::{check_encoder, ids_if_present};
use crate::histogram::ScoreCounts;
use crate::images::{self, encoder_for};
use crate::interrupt;
use crate::output::{self, Output};
use crate::paths::{check_model, refuse_same};
use crate::pipeline::{self, ReadAhead, open_for};
use crate::progress;
use crate::threshold;

/// More scores than this for explanations are worth a line.
const COSTLY: u64 = 1_000_000;

pub(crate) fn run(args: &args::Score, output: Output) -> Result<()> {
    ScoreJob::resolve(args, output)?.run(output)
}

/// Everything that scoring needs, checked: the model with its threshold, the rows and the
/// place of the scores.
#[derive(Debug)]
struct ScoreJob<'a> {
    args: &'a args::Score,
    fitted: Fitted,
    /// How many features explain each score.
    explain: usize,
    batches: ReadAhead<Batch>,
    n_rows_hint: Option<u64>,
    schema: SchemaRef,
    sink: Sink,
}

impl<'a> ScoreJob<'a> {
    fn resolve(args: &'a args::Score, output: Output) -> Result<Self> {
        check_model("score", &args.model, Some(&args.input))?;
        interrupt::listen()?;
        let mut fitted = Fitted::load(&args.model)?.to_device(args.device)?;
        let encoder = encoder_for(
            &args.model,
            &fitted,
            &args.input,
            args.encoder.as_deref(),
            &args.encoder_options,
        )?;
        if encoder.is_none() {
            check_encoder(&fitted, &args.input)?;
        }
        let rule = threshold::rule(&args.rule);
        if let Some(rule) = rule.or(args.threshold.map(ThresholdRule::Score)) {
            fitted.set_threshold_rule(rule)?;
        }
        if let Some(target) = &args.output {
            refuse_same("--output", target, &[&args.model, &args.input])?;
            check_format(target)?;
        }
        let selection = selection(args, &fitted);
        let (input, batches) = match encoder {
            Some(encoder) => {
                refuse_table_flags(args)?;
                pipeline::open(images::open(&fitted, &args.input, encoder))?
            }
            None => pipeline::open(open_for(&fitted, &args.input, selection))?,
        };
        let explain = args.explain.unwrap_or(0);
        if explain > fitted.n_features() {
            return Err(qualm::Error::TooManyExplanations {
                found: explain,
                expected: fitted.n_features(),
            })
            .context("--explain");
        }
        note_cost(explain, &fitted, input.n_rows_hint, output)?;
        let schema = scored::columns(input.id_fields, args.label.as_deref(), explain)?;
        let sink = Sink::new(args.output.as_deref(), output.json(), schema.clone())?;
        Ok(Self {
            args,
            fitted,
            explain,
            batches,
            n_rows_hint: input.n_rows_hint,
            schema,
            sink,
        })
    }

    fn run(mut self, output: Output) -> Result<()> {
        let (args, fitted) = (self.args, &self.fitted);
        let bar = progress::rows("score", output, self.n_rows_hint);
        let (mut n, mut n_outliers) = (0, 0);
        let counts = (output.bars() && !args.no_plot).then(|| ScoreCounts::new(fitted));
        let mut counts = counts.transpose()?;
        let started = Instant::now();
        pipeline::run(
            self.batches,
            |batch| {
                let scores = score(fitted, &batch)?;
                if let Some(counts) = &mut counts {
                    counts.add(&scores);
                }
                let scored = scored::assemble(&self.schema, fitted, &batch, scores, self.explain)?;
                n += scored.rows.num_rows();
                n_outliers += scored.n_outliers;
                Ok(scored.rows)
            },
            |scored| {
                self.sink.write(&scored)?;
                bar.inc(scored.num_rows() as u64);
                Ok(())
            },
        )?;
        bar.finish_and_clear();
        let elapsed = started.elapsed();
        if let Some(counts) = counts {
            output.note(counts.draw());
        }
        let name = |path: &Path| path.display().to_string();
        let report = ScoreReport {
            model: Some(name(&args.model)),
            input: Some(name(&args.input)),
            output: args.output.as_deref().map(name),
            ..ScoreReport::new(fitted, n, n_outliers, elapsed.as_secs_f64())?
        };
        let threshold = threshold::describe(report.threshold, fitted);
        self.sink
            .finish(&report, &summary(&report, elapsed, &threshold), output)
    }
}

/// Refuses flags about columns where the input is images.
fn refuse_table_flags(args: &args::Score) -> Result<()> {
    images::refuse_table_flags(
        &args.input,
        &[
            ("--id", !args.id.is_empty()),
            ("--label", args.label.is_some()),
            ("--vector", args.vector.is_some()),
            ("--no-header", args.no_header),
        ],
    )
}

/// Says beforehand what explanations cost, where that is much: unless the model knows the share
/// of each feature, every row is scored once more without each of them.
fn note_cost(
    explain: usize,
    fitted: &Fitted,
    n_rows: Option<u64>,
    output: Output,
) -> qualm::Result<()> {
    if explain == 0 {
        return Ok(());
    }
    let d = fitted.occlusions(1)?;
    let all = n_rows.map(|n| n.saturating_mul(d));
    if d < 32 || all.is_some_and(|all| all < COSTLY) {
        return Ok(());
    }
    let in_all = all.map(|all| format!(", {} in all", output::counted(all, "score")));
    output.note(format!(
        "note: --explain takes {d} more scores a row, one without each feature{}",
        in_all.unwrap_or_default()
    ));
    Ok(())
}

/// Which columns are read besides the features.
fn selection(args: &args::Score, fitted: &Fitted) -> Selection {
    Selection {
        ids: args.id.clone(),
        ids_if_present: ids_if_present(&args.id, fitted.roles()),
        label: args.label.clone(),
        read_label: true,
        vector: args.vector.clone(),
        no_header: args.no_header,
        ..Selection::default()
    }
}

/// What was done, in a line.
pub(super) fn summary(report: &ScoreReport, elapsed: Duration, threshold: &str) -> String {
    let target = report.output.as_ref().map(|path| format!(" to {path}"));
    format!(
        "scored {}{} in {} ({} rows/s); {} above {}\n",
        output::rows(report.n as u64),
        target.unwrap_or_default(),
        output::seconds(elapsed),
        HumanCount(report.rows_per_second as u64),
        output::counted(report.n_outliers as u64, "outlier"),
        threshold,
    )
}
