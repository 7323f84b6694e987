//! `qualm fit`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use arrow_schema::SchemaRef;
use qualm::calibrate::ThresholdRule;
use qualm::{AtomicFile, Features, Rows};
use qualm::{Checkpoint, Error, Fitted, Location, Spec, Warning};
use qualm_data::{Batch, Batches, ScoreWriter, Selection, Source, format_for, scored};
use serde::Serialize;

use super::refuse_same;
use crate::args;
use crate::config::Config;
use crate::interrupt;
use crate::output::{self, Output};
use crate::progress::FitProgress;

/// What `fit --json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<&'a Path>,
    detector: &'a str,
    preset: &'a str,
    n: usize,
    d: usize,
    n_reference: usize,
    threshold: f64,
    fit_seconds: f64,
    model_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    half_agreement: Option<f64>,
    warnings: &'a [Warning],
    spec: &'a Spec,
}

pub(crate) fn run(args: &args::Fit, seed: u64, output: Output) -> Result<()> {
    let config = Config::new(args)?;
    let rule = threshold_rule(&args.rule).unwrap_or_default();
    rule.validate()?;
    let file = reserve(args)?;
    let source = Source::open(&args.input, &selection(args), None)?;
    let features = source.features().clone();
    if !source.skipped().is_empty() {
        let names = source.skipped().join(", ");
        output.note(format!("note: not used: {names}"));
    }
    let vectors = matches!(features, Features::Vector { .. });
    let spec = config.spec(vectors)?;
    if config.preset_by_input() {
        let kind = if vectors { "vectors" } else { "a table" };
        let preset = config.preset(vectors);
        output.note(format!(
            "note: preset {preset}, for {kind}; --preset chooses another"
        ));
    }
    let scores = args.scores.as_deref();
    let scores = scores.map(|path| reserve_scores(path, args, &source));
    let scores = scores.transpose()?;
    let n_rows = source.n_rows_hint().unwrap_or(0) as usize;
    spec.check_memory(n_rows, features.width())?;
    let held_out = args
        .calibrate
        .as_deref()
        .map(|path| held_out(path, &features))
        .transpose()?;
    let batch = source.read_all()?;

    let checkpoint = checkpoint_path(&args.output);
    let rows = batch.rows.rows();
    let half_agreement = check_halves(args, &spec, rows, seed, output)?;
    let started = Instant::now();
    let mut fitted = train(args, &spec, &batch, seed, &checkpoint, output)?;
    if let Some(held_out) = held_out {
        let calibrated = fitted.calibrate(held_out.rows.rows());
        calibrated.map_err(|error| held_out.origin.locate(error))?;
    }
    fitted.set_threshold_rule(rule)?;
    if let Some(agreement) = half_agreement {
        fitted = fitted.with_half_agreement(agreement);
    }
    let fitted = fitted
        .with_features(features)?
        .with_column_roles(args.columns.id.clone(), args.columns.label.clone());
    let elapsed = started.elapsed();
    if let Some(writer) = scores {
        write_scores(writer, &fitted, &batch)?;
    }
    fitted.write_to(file)?;
    // Its fit is finished: nothing could go on from it.
    let _ = std::fs::remove_file(&checkpoint);

    let threshold = fitted.threshold()?;
    let provenance = fitted.provenance();
    for warning in &provenance.warnings {
        output.warn(warning.to_string());
    }
    if *fitted.spec() != spec {
        output.note(format!(
            "note: by the rows: {}",
            decided(&spec, fitted.spec())
        ));
    }
    let report = Report {
        model: &args.output,
        scores: args.scores.as_deref(),
        detector: spec.detector(),
        preset: config.preset(vectors),
        n: provenance.n_rows,
        d: fitted.n_features(),
        n_reference: fitted.calibration().n(),
        threshold,
        fit_seconds: elapsed.as_secs_f64(),
        model_bytes: std::fs::metadata(&args.output).map_or(0, |m| m.len()),
        half_agreement,
        warnings: &provenance.warnings,
        spec: fitted.spec(),
    };
    output.result(&report, || text(&report, elapsed, rule, &fitted))
}

/// The keys that the rows have decided.
fn decided(asked: &Spec, fitted: &Spec) -> String {
    let asked = asked.keys();
    let changed = fitted.keys().into_iter();
    let changed = changed.filter(|(key, value)| asked.get(key) != Some(value));
    let words: Vec<String> = changed
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    words.join(", ")
}

fn text(report: &Report<'_>, elapsed: Duration, rule: ThresholdRule, fitted: &Fitted) -> String {
    let model = report.model.display();
    let scores = report.scores.map(|path| path.display().to_string());
    let halves = report.half_agreement;
    let halves = halves.map(|agreement| format!("rank correlation {agreement:.3}"));
    let more: String = [("scores", scores), ("halves", halves)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}    {}\n", value?)))
        .collect();
    format!(
        "fitted    {} ({}) on {} rows x {} columns in {}\n\
         threshold {:.6} ({})\n\
         model     {model} ({})\n\
         {more}\
         next      qualm score {model} NEW_ROWS\n",
        report.detector,
        report.preset,
        output::count(report.n),
        report.d,
        output::seconds(elapsed),
        report.threshold,
        describe(rule, fitted),
        output::bytes(report.model_bytes),
    )
}

/// Which columns are read, and as what.
fn selection(args: &args::Fit) -> Selection {
    Selection {
        columns: args.columns.columns.clone(),
        exclude: args.columns.exclude.clone(),
        label: args.columns.label.clone(),
        ids: args.columns.id.clone(),
        vector: args.columns.vector.clone(),
        read_label: args.scores.is_some(),
        ..Selection::default()
    }
}

/// Takes the place of the output, before any work.
fn reserve(args: &args::Fit) -> Result<AtomicFile> {
    let inputs: Vec<&Path> = [
        Some(&args.input),
        args.calibrate.as_ref(),
        args.config.as_ref(),
    ]
    .into_iter()
    .flatten()
    .map(PathBuf::as_path)
    .collect();
    refuse_same("--output", &args.output, &inputs)?;
    if let Some(scores) = &args.scores {
        format_for(scores)?;
        refuse_same("--scores", scores, &inputs)?;
        for other in [&args.output, &checkpoint_path(&args.output)] {
            if place(scores) == place(other) {
                bail!(
                    "{}: would be written twice; choose another --scores",
                    scores.display()
                );
            }
        }
    }
    if inputs.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        bail!("standard input can be read once; give INPUT or --calibrate as a file");
    }
    interrupt::listen()?;
    let file = AtomicFile::create(&args.output)?;
    interrupt::remove_on_exit(file.temporary());
    Ok(file)
}

/// Takes the place of the scores, before any work.
fn reserve_scores(
    path: &Path,
    args: &args::Fit,
    source: &Source,
) -> Result<(ScoreWriter, SchemaRef)> {
    let schema = scored::columns(source.id_fields(), args.columns.label.as_deref(), 0)?;
    let writer = ScoreWriter::create(path, schema.clone())?;
    interrupt::remove_on_exit(writer.temporary());
    Ok((writer, schema))
}

/// Writes the fitted rows' own scores.
fn write_scores(
    (mut writer, schema): (ScoreWriter, SchemaRef),
    fitted: &Fitted,
    batch: &Batch,
) -> Result<()> {
    let scores = fitted.fitted_scores().unwrap_or_default().to_vec();
    let scored = scored::assemble(&schema, fitted, batch, scores, 0)?;
    writer.write(&scored.rows)?;
    Ok(writer.finish()?)
}

/// A path that is the same for all names of a file in a folder that is there.
fn place(path: &Path) -> PathBuf {
    if let Ok(whole) = path.canonicalize() {
        return whole;
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Whether halves of the rows agree, if asked. Before the fit itself: rows whose half is too
/// little are refused before the long work.
fn check_halves(
    args: &args::Fit,
    spec: &Spec,
    rows: Rows<'_>,
    seed: u64,
    output: Output,
) -> Result<Option<f64>> {
    if !args.check_halves {
        return Ok(None);
    }
    let checkpoint = checkpoint_path(&args.output);
    let mut progress = FitProgress::new(output, &checkpoint);
    let agreement = spec.half_agreement(rows, seed, &mut progress);
    progress.finish();
    let agreement = agreement.map_err(|error| explain(error, &args.input, &checkpoint));
    Ok(Some(agreement.context("--check-halves")?))
}

/// Fits, from the start or from the checkpoint.
fn train(
    args: &args::Fit,
    spec: &Spec,
    batch: &Batch,
    seed: u64,
    checkpoint: &Path,
    output: Output,
) -> Result<Fitted> {
    let rows = batch.rows.rows();
    let resume = match (args.resume, checkpoint.exists()) {
        (true, true) => Some(load(checkpoint, output)?),
        (asked, found) => {
            note_fresh_start(asked, found, checkpoint, output);
            None
        }
    };
    let mut progress = FitProgress::new(output, checkpoint);
    let fitted = match resume {
        Some(checkpoint) => spec.resume(rows, seed, checkpoint, &mut progress),
        None => spec.fit(rows, seed, &mut progress),
    };
    progress.finish();
    fitted.map_err(|error| explain(batch.origin.locate(error), &args.input, checkpoint))
}

/// The rule that the flags set, if any.
pub(crate) fn threshold_rule(args: &args::ThresholdArgs) -> Option<ThresholdRule> {
    args.fpr
        .map(ThresholdRule::Fpr)
        .or(args.contamination.map(ThresholdRule::Contamination))
}

/// A threshold's rule in words.
pub(crate) fn describe(rule: ThresholdRule, fitted: &Fitted) -> String {
    let n = output::count(fitted.calibration().n());
    let rows = match fitted.provenance().reference {
        qualm::ReferenceRows::FittedRows => "fitted",
        qualm::ReferenceRows::SeparateRows => "calibration",
    };
    match rule {
        ThresholdRule::Fpr(rate) => format!(
            "at most {}% of the {n} {rows} rows score above it",
            percent(rate)
        ),
        ThresholdRule::Contamination(share) => {
            format!("for {}% outliers among the {n} {rows} rows", percent(share))
        }
        ThresholdRule::Score(_) => "given".to_owned(),
    }
}

fn percent(share: f64) -> f64 {
    (share * 1e6).round() / 1e4
}

/// The rows of `--calibrate`.
fn held_out(path: &Path, features: &Features) -> Result<Batch> {
    let source = Source::open(path, &Selection::default(), Some(features))?;
    Ok(source.read_all()?)
}

/// Where an interrupted fit is kept.
fn checkpoint_path(model: &Path) -> PathBuf {
    let mut name = model.as_os_str().to_owned();
    name.push(".checkpoint");
    PathBuf::from(name)
}

fn load(path: &Path, output: Output) -> Result<Checkpoint> {
    let checkpoint = Checkpoint::load(path).context("cannot resume")?;
    output.note(format!("note: going on from step {}", checkpoint.step()));
    Ok(checkpoint)
}

/// Says so where the user may expect that an earlier fit goes on.
fn note_fresh_start(asked: bool, found: bool, checkpoint: &Path, output: Output) {
    let path = checkpoint.display();
    if asked {
        output.note(format!(
            "note: no checkpoint {path}; fitting from the start"
        ));
    } else if found {
        output.warn(format!(
            "fitting from the start, which replaces {path}; --resume would go on from there"
        ));
    }
}

/// Adds what the library cannot know: which file the rows came from, and how to go on.
fn explain(error: Error, input: &Path, checkpoint: &Path) -> anyhow::Error {
    let context = match &error {
        Error::Interrupted { .. } => format!(
            "stopped; the state is kept in {}: repeat the command with --resume to go on",
            checkpoint.display()
        ),
        Error::Stopped { .. } => "stopped; no model was written".to_owned(),
        // These name a file, or what to change, by themselves.
        Error::CheckpointMismatch { .. } => checkpoint.display().to_string(),
        Error::InvalidKey { .. }
        | Error::ScoreNotFinite { .. }
        | Error::Device(_)
        | Error::Write { .. }
        | Error::DiskFull { .. } => {
            return error.into();
        }
        _ => Location::file(input).to_string(),
    };
    anyhow::Error::new(error).context(context)
}
