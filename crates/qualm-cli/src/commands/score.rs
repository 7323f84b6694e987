//! `qualm score`: rows in, scores out, batch by batch in constant memory.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use arrow_schema::SchemaRef;
use indicatif::HumanCount;
use qualm::calibrate::ThresholdRule;
use qualm::reports::ScoreReport;
use qualm::{Fitted, Missing};
use qualm_data::{
    Batch, ColumnNote, ColumnNotes, Keep, Reject, Rejects, Selection, Strangest, score, scored,
};

use super::discoveries::Discoveries;
use super::rejects::RejectsFile;
use super::sink::{Sink, check_format};
use super::strangest;
use crate::args;
use crate::columns::{check_encoder, ids_if_present};
use crate::histogram::ScoreCounts;
use crate::images::{self, encoder_for};
use crate::interrupt;
use crate::notes;
use crate::output::{self, Output};
use crate::paths::{check_model, refuse_same};
use crate::pipeline::{self, ReadAhead, open_for};
use crate::progress;
use crate::threshold;

/// More scores than this for explanations are worth a line.
const COSTLY: u64 = 1_000_000;
/// Rows of a batch that was filled: fewer came alone.
const WHOLE: usize = 8192;

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
    notes: ColumnNotes,
    rejects: Rejects,
    rejects_file: Option<RejectsFile>,
    /// Whether rows may come one by one.
    is_stream: bool,
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
        let inputs: Vec<PathBuf> = std::iter::once(&args.input)
            .chain(&args.more)
            .cloned()
            .collect();
        if encoder.is_none() {
            for input in &inputs {
                check_encoder(&fitted, input)?;
            }
        }
        let rule = threshold::rule(&args.rule);
        if let Some(rule) = rule.or(args.threshold.map(ThresholdRule::Score)) {
            fitted.set_threshold_rule(rule)?;
        }
        if let Some(target) = &args.output {
            let read = inputs.iter().chain([&args.model]);
            refuse_same(
                "--output",
                target,
                &read.map(PathBuf::as_path).collect::<Vec<_>>(),
            )?;
            check_format(target)?;
        }
        let rejects_file = RejectsFile::reserve(args)?;
        let selection = selection(args, &fitted)?;
        let (input, batches) = match encoder {
            Some(encoder) => {
                refuse_table_flags(args)?;
                pipeline::open(images::open(&fitted, &args.input, encoder))?
            }
            None => pipeline::open(open_for(&fitted, &inputs, selection))?,
        };
        let explain = args.explain.unwrap_or_else(|| match args.top {
            Some(_) => strangest::reasons(fitted.features()),
            None => 0,
        });
        if explain > fitted.n_features() {
            return Err(qualm::Error::TooManyExplanations {
                found: explain,
                expected: fitted.n_features(),
            })
            .context("--explain");
        }
        let n_explained = match (args.top, input.n_rows_hint) {
            (Some(top), hint) => Some(hint.unwrap_or(u64::MAX).min(top as u64)),
            (None, hint) => hint,
        };
        note_cost(explain, &fitted, n_explained, output)?;
        let schema = scored::columns(input.id_fields, args.label.as_deref(), explain)?;
        let sink = Sink::new(args.output.as_deref(), output.json(), schema.clone())?;
        let is_stream = args.input.as_os_str() == "-";
        Ok(Self {
            args,
            fitted,
            explain,
            batches,
            n_rows_hint: input.n_rows_hint,
            notes: input.notes,
            rejects: input.rejects,
            rejects_file,
            is_stream,
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
        let mut strangest = args.top.map(Strangest::new);
        let mut discoveries = args.fdr.map(Discoveries::new);
        let threshold = fitted.threshold()?;
        let started = Instant::now();
        pipeline::run(
            self.batches,
            |batch| {
                let scores = score(fitted, &batch)?;
                if let Some(counts) = &mut counts {
                    counts.add(&scores);
                }
                n += scores.len();
                if let Some(strangest) = &mut strangest {
                    n_outliers += scores.iter().filter(|score| **score > threshold).count();
                    strangest.add(&batch, &scores)?;
                    return Ok((scores.len(), None));
                }
                let scored = scored::assemble(&self.schema, fitted, &batch, scores, self.explain)?;
                if let Some(discoveries) = &mut discoveries {
                    discoveries.hold(scored.rows);
                    return Ok((0, None));
                }
                n_outliers += scored.n_outliers;
                Ok((scored.rows.num_rows(), Some(scored.rows)))
            },
            |(n_rows, scored)| {
                if let Some(scored) = scored {
                    self.sink.write(&scored)?;
                    // What came alone was not followed at once: somebody may be waiting for it.
                    if self.is_stream && n_rows < WHOLE {
                        self.sink.show()?;
                    }
                }
                if let Some(file) = &mut self.rejects_file {
                    file.add(&self.rejects.take())?;
                }
                bar.inc(n_rows as u64);
                Ok(())
            },
        )?;
        bar.finish_and_clear();
        let table = strangest.map(|s| s.table(&self.schema, fitted, self.explain));
        if let Some(table) = table.transpose()?.flatten() {
            self.sink.write(&table)?;
        }
        let mut decided = None;
        if let Some(discoveries) = discoveries {
            let found = discoveries.decide()?;
            for rows in &found.batches {
                self.sink.write(rows)?;
            }
            n_outliers = found.n_outliers;
            decided = Some(found.threshold);
        }
        let elapsed = started.elapsed();
        if let Some(counts) = counts {
            output.note(counts.draw());
        }
        let notes = self.notes.all();
        let n_left_out = left_out(&notes);
        notes::on_score(&notes, output);
        let rejects = finish_rejects(self.rejects_file, &self.rejects.take(), n, output)?;
        let name = |path: &Path| path.display().to_string();
        let report = ScoreReport {
            model: Some(name(&args.model)),
            input: Some(name(&args.input)),
            output: args.output.as_deref().map(name),
            rejects: rejects.as_ref().map(|(path, _)| path.clone()),
            n_rejected: rejects.map(|(_, n)| n),
            n_left_out,
            fdr: args.fdr,
            ..ScoreReport::above(
                decided.unwrap_or(threshold),
                n,
                n_outliers,
                elapsed.as_secs_f64(),
            )
        };
        let threshold = match args.fdr {
            Some(rate) => format!(
                "a score of {} (false-discovery rate {rate})",
                output::number(report.threshold)
            ),
            None => threshold::describe(report.threshold, fitted),
        };
        self.sink
            .finish(&report, &summary(&report, elapsed, &threshold), output)
    }
}

/// How many rows were left out because a value is missing, if any.
fn left_out(notes: &[ColumnNote]) -> Option<u64> {
    notes.iter().find_map(|note| match note {
        ColumnNote::LeftOut { n_rows, .. } => Some(*n_rows),
        _ => None,
    })
}

/// Writes the list of the rows that were skipped, and says how many there are. Gives its path, too.
fn finish_rejects(
    file: Option<RejectsFile>,
    last: &[Reject],
    n_scored: usize,
    output: Output,
) -> Result<Option<(String, u64)>> {
    let Some(mut file) = file else {
        return Ok(None);
    };
    file.add(last)?;
    let (path, n) = (file.path().display().to_string(), file.n);
    file.finish()?;
    if n_scored == 0 && n > 0 {
        bail!(
            "none of the {} could be scored: see {path}",
            output::rows(n)
        );
    }
    if n > 0 {
        let skipped = output::rows(n);
        output.warn(format!(
            "{skipped} could not be scored and left out: see {path}"
        ));
    }
    Ok(Some((path, n)))
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
            ("a second input", !args.more.is_empty()),
            ("--keep", !args.keep.is_empty()),
            ("--on-error", args.on_error != args::OnError::Stop),
        ]
        .into_iter()
        .chain(args.text.given())
        .collect::<Vec<_>>(),
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
fn selection(args: &args::Score, fitted: &Fitted) -> Result<Selection> {
    let recipe = fitted.features().recipe();
    let drops = recipe.is_some_and(|recipe| recipe.missing() == Missing::Drop);
    let skip = args.on_error == args::OnError::Skip;
    let keep = match (&args.keep[..], fitted.features().names()) {
        ([], Some(_)) if args.top.is_some() => Keep::Named(fitted.features().columns()),
        ([], _) => Keep::Ids,
        ([all], _) if all == "all" => Keep::All,
        (names, _) => Keep::Named(names.to_vec()),
    };
    Ok(Selection {
        ids: args.id.clone(),
        ids_if_present: ids_if_present(&args.id, fitted.roles()),
        label: args.label.clone(),
        read_label: true,
        positive: args.positive.clone(),
        vector: args.vector.clone(),
        no_header: args.no_header,
        text: args.text.format()?,
        row_numbers: skip || drops || args.top.is_some() || keep != Keep::Ids,
        skip,
        keep,
        ..Selection::default()
    })
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
