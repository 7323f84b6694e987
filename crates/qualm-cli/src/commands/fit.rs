//! `qualm fit`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use arrow_schema::SchemaRef;
use indicatif::HumanBytes;
use qualm::calibrate::ThresholdRule;
use qualm::reports::FitReport;
use qualm::{
    AtomicFile, Checkpoint, Error, Features, Fitted, Location, Missing, Sample, Spec, Views,
};
use qualm_data::{Batch, Batches, Keep, ScoreWriter, Selection, Source, format_for, scored};
use serde::Serialize;
use serde_json::Value;

use super::fit_sample::{self, Sampled};
use super::strangest;
use crate::args;
use crate::checkpoints;
use crate::columns::Roles;
use crate::config::Config;
use crate::histogram::ScoreCounts;
use crate::interrupt;
use crate::notes;
use crate::output::{self, Output};
use crate::paths::{place, refuse_same};
use crate::progress::FitProgress;
use crate::threshold;
use crate::unlike;

pub(crate) fn run(args: &args::Fit, seed: u64, output: Output) -> Result<()> {
    FitJob::resolve(args, seed, output)?.run(output)
}

/// Everything that a fit needs, checked: Spec and rows are read, the places of all outputs
/// are taken.
#[derive(Debug)]
struct FitJob<'a> {
    args: &'a args::Fit,
    seed: u64,
    spec: Spec,
    preset: String,
    rule: ThresholdRule,
    features: Features,
    roles: Roles,
    batch: Batch,
    /// How the rows were sampled, if asked.
    sampled: Option<Sampled>,
    /// Which rows are views of one item, where any are.
    views: Option<Views>,
    /// The rows of `--calibrate`.
    held_out: Option<Batch>,
    /// Where an interrupted fit is kept, and the one to go on from.
    checkpoint: PathBuf,
    resume: Option<Checkpoint>,
    model_file: AtomicFile,
    scores: Option<ScoresFile>,
    /// How many of the strangest rows to show, and their columns.
    top: Option<(usize, SchemaRef)>,
}

impl<'a> FitJob<'a> {
    fn resolve(args: &'a args::Fit, seed: u64, output: Output) -> Result<Self> {
        let Config { spec, preset } = Config::new(args)?;
        let rule = threshold::rule(&args.rule).unwrap_or_default();
        rule.validate()?;
        let checkpoint = checkpoints::beside(&args.output);
        let model_file = reserve(args, &checkpoint)?;
        let roles = Roles::of(args)?;
        fit_sample::check(args, &roles)?;
        let source = Source::open_all(&inputs(args), &selection(args, &roles)?, None)?;
        let features = source.features().clone();
        let is_dum = spec.detector() == Spec::default().detector();
        if is_dum {
            output.note(format!("note: {}", purpose(&preset, &spec)));
        }
        let scores = (args.scores.as_deref())
            .map(|path| ScoresFile::reserve(path, args, &source))
            .transpose()?;
        let columns = |n: usize| {
            let columns = scored::columns(source.id_fields(), None, strangest::reasons(&features));
            columns.map(|columns| (n, columns))
        };
        let top = args.top.map(columns).transpose()?;
        let n_rows = source.n_rows_hint().unwrap_or(0) as usize;
        let n_rows = n_rows.min(args.sample_rows.unwrap_or(usize::MAX));
        spec.check_memory(n_rows, features.width())?;
        // Opened first: what is wrong with it shows before the rows are read.
        let held_out = (args.calibrate.as_deref())
            .map(|path| held_out(path, &features, args))
            .transpose()?;
        let notes = source.notes();
        let (batch, sampled) = match args.sample_rows {
            Some(most) => {
                let (batch, sampled) = fit_sample::read(source, most, seed, output)?;
                (batch, Some(sampled))
            }
            None => (source.read_all()?, None),
        };
        let views = roles.views(&batch)?;
        if let Some(views) = &views {
            output.note(format!("note: {}", roles.describe(views)));
        }
        notes::on_fit(&notes.all(), output);
        if is_dum && Spec::preset(spec.detector(), &preset)? == Spec::default() {
            for advice in unlike::advice(batch.rows.rows()) {
                output.note(format!("note: {advice}"));
            }
        }
        if held_out.is_none()
            && sampled.is_none()
            && let Some(advice) = unlike::too_well_known(spec.detector(), batch.rows.rows())
        {
            output.note(format!("note: {advice}"));
        }
        let rounding = batch.rows.rows().rounding();
        let read = |source: Source| {
            let notes = source.notes();
            let rows = source.with_rounding(rounding).read_all()?;
            notes::on_score(&notes.all(), output);
            Ok::<_, qualm_data::Error>(rows)
        };
        let held_out = held_out.map(read).transpose()?;
        Ok(Self {
            args,
            seed,
            spec,
            preset,
            rule,
            batch,
            sampled,
            views,
            roles,
            features,
            held_out,
            resume: checkpoints::resume("fitting", args.resume, &checkpoint, output)?,
            checkpoint,
            model_file,
            scores,
            top,
        })
    }

    fn run(mut self, output: Output) -> Result<()> {
        let half_agreement = self.check_halves(output)?;
        let started = Instant::now();
        let mut fitted = self.train(output)?.with_features(self.features.clone())?;
        if let Some(sampled) = &self.sampled {
            let ids = match self.held_out {
                None => Some(&self.roles.ids),
                Some(_) => None,
            };
            fit_sample::calibrate(&mut fitted, sampled, self.args, ids, output)?;
        }
        if let Some(held_out) = &self.held_out {
            let calibrated = fitted.calibrate(held_out.rows.rows());
            calibrated.map_err(|error| held_out.origin.locate(error))?;
        }
        fitted.set_threshold_rule(self.rule)?;
        if let Some(agreement) = half_agreement {
            fitted = fitted.with_half_agreement(agreement);
        }
        let columns = &self.args.columns;
        let fitted = fitted
            .with_encoder(self.roles.encoder)
            .with_column_roles(self.roles.ids, columns.label.clone());
        let elapsed = started.elapsed();
        if let Some(scores) = self.scores {
            scores.write(&fitted, &self.batch)?;
        }
        let strangest = match &self.top {
            Some((n, columns)) => strangest::fitted_rows(*n, columns, &fitted, &self.batch)?,
            None => None,
        };
        fitted.write_to(self.model_file)?;
        // Its fit is finished: nothing could go on from it.
        let _ = std::fs::remove_file(&self.checkpoint);

        for warning in &fitted.provenance().warnings {
            output.warn(warning.to_string());
        }
        let chosen = chosen(&self.spec, fitted.spec());
        if !chosen.is_empty() {
            output.note(format!("note: decided for these rows: {chosen}"));
        }
        let (model, scores) = (&self.args.output, &self.args.scores);
        let report = FitReport {
            model: Some(model.display().to_string()),
            scores: scores.as_ref().map(|path| path.display().to_string()),
            model_bytes: std::fs::metadata(model).ok().map(|m| m.len()),
            half_agreement,
            ..FitReport::new(&fitted, &self.preset, elapsed.as_secs_f64())?
        };
        if output.bars() && !self.args.no_plot {
            let mut counts = ScoreCounts::new(&fitted)?;
            counts.add(fitted.calibration().scores());
            output.note(counts.draw());
        }
        let shown = strangest.as_ref().map(strangest::text).transpose()?;
        let document = Document {
            report: &report,
            strangest: strangest.as_ref().map(strangest::objects).transpose()?,
        };
        output.result(&document, || {
            text(&report, elapsed, &fitted)
                + &shown.map(|rows| format!("\n{rows}")).unwrap_or_default()
        })
    }

    /// Whether halves of the rows agree, if asked. Before the fit itself: rows whose half is
    /// too little are refused before the long work.
    fn check_halves(&self, output: Output) -> Result<Option<f64>> {
        if !self.args.check_halves {
            return Ok(None);
        }
        let mut progress = FitProgress::new(output, &self.checkpoint);
        let sample = self.sample()?;
        let agreement = self.spec.half_agreement(sample, self.seed, &mut progress);
        progress.finish();
        let agreement = agreement.map_err(|error| self.explain(error));
        Ok(Some(agreement.context("--check-halves")?))
    }

    /// The rows, with what is known of their items.
    fn sample(&self) -> qualm::Result<Sample<'_>> {
        let rows = self.batch.rows.rows();
        match &self.views {
            Some(views) => rows.with_views(views),
            None => Ok(rows.into()),
        }
    }

    /// Fits, from the start or from the checkpoint.
    fn train(&mut self, output: Output) -> Result<Fitted> {
        let resume = self.resume.take();
        let sample = self.sample()?;
        let mut progress = FitProgress::new(output, &self.checkpoint);
        let fitted = match resume {
            Some(state) => self.spec.resume(sample, self.seed, state, &mut progress),
            None => self.spec.fit(sample, self.seed, &mut progress),
        };
        progress.finish();
        fitted.map_err(|error| self.explain(self.batch.origin.locate(error)))
    }

    /// Adds what the library cannot know: which file the rows came from, and how to go on.
    fn explain(&self, error: Error) -> anyhow::Error {
        let context = match &error {
            Error::Interrupted { .. } => format!(
                "stopped; the state is kept in {}: repeat the command with --resume to go on",
                self.checkpoint.display()
            ),
            Error::Stopped { .. } => "stopped; no model was written".to_owned(),
            // These name a file, or what to change, by themselves.
            Error::CheckpointMismatch { .. } => self.checkpoint.display().to_string(),
            Error::InvalidKey { .. }
            | Error::ScoreNotFinite { .. }
            | Error::Device(_)
            | Error::Write { .. }
            | Error::DiskFull { .. } => {
                return error.into();
            }
            _ => Location::file(&self.args.input).to_string(),
        };
        anyhow::Error::new(error).context(context)
    }
}

/// What `--json` prints: the report, and the strangest rows where they were asked for.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a FitReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    strangest: Option<Vec<Value>>,
}

/// The file of the fitted rows' own scores.
#[derive(Debug)]
struct ScoresFile {
    writer: ScoreWriter,
    schema: SchemaRef,
}

impl ScoresFile {
    /// Takes its place, before any work.
    fn reserve(path: &Path, args: &args::Fit, source: &Source) -> Result<Self> {
        let schema = scored::columns(source.id_fields(), args.columns.label.as_deref(), 0)?;
        let writer = ScoreWriter::create(path, schema.clone())?;
        interrupt::remove_on_exit(writer.temporary());
        Ok(Self { writer, schema })
    }

    fn write(mut self, fitted: &Fitted, batch: &Batch) -> Result<()> {
        let scores = fitted.fitted_scores().unwrap_or_default().to_vec();
        let scored = scored::assemble(&self.schema, fitted, batch, scores, 0)?;
        self.writer.write(&scored.rows)?;
        Ok(self.writer.finish()?)
    }
}

/// What the fit takes the rows for, which decides more than any other key.
fn purpose(preset: &str, spec: &Spec) -> String {
    let rows = match spec.keys().get("reference").and_then(Value::as_str) {
        Some("clean") => "the fitted rows are taken for usual, none for an outlier",
        _ => "the fitted rows may hold outliers; --clean, if they are known to be usual",
    };
    format!("preset {preset}: {rows}")
}

/// The keys whose values the rows have chosen.
fn chosen(asked: &Spec, fitted: &Spec) -> String {
    let asked = asked.keys();
    let changed = fitted.keys().into_iter();
    let changed = changed.filter(|(key, value)| asked.get(key) != Some(value));
    let words: Vec<String> = changed
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    words.join(", ")
}

fn text(report: &FitReport, elapsed: Duration, fitted: &Fitted) -> String {
    let model = report.model.as_deref().unwrap_or_default();
    let scores = report.scores.clone();
    let halves = report.half_agreement;
    let halves = halves.map(|agreement| format!("rank correlation {agreement:.3}"));
    let more: String = [("scores", scores), ("halves", halves)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}    {}\n", value?)))
        .collect();
    format!(
        "fitted    {} ({}) on {} x {} in {}\n\
         threshold {}\n\
         model     {model} ({})\n\
         {more}\
         next      qualm score {} NEW_ROWS\n",
        report.detector,
        report.preset,
        output::rows(report.n as u64),
        width(fitted.features()),
        output::seconds(elapsed),
        threshold::describe(report.threshold, fitted),
        HumanBytes(report.model_bytes.unwrap_or_default()),
        output::shell(model),
    )
}

/// The paths of the rows.
pub(super) fn inputs(args: &args::Fit) -> Vec<PathBuf> {
    std::iter::once(&args.input)
        .chain(&args.more)
        .cloned()
        .collect()
}

/// How wide the rows are.
fn width(features: &Features) -> String {
    let d = features.width() as u64;
    match features.recipe() {
        None => output::counted(d, "column"),
        Some(recipe) => {
            let columns = output::counted(recipe.columns().len() as u64, "column");
            format!("{} ({columns})", output::counted(d, "feature"))
        }
    }
}

/// Which columns are read, and as what.
fn selection(args: &args::Fit, roles: &Roles) -> Result<Selection> {
    let treatment = args.treatment.treatment()?;
    Ok(Selection {
        // Rows that are left out leave gaps.
        row_numbers: treatment.missing == Missing::Drop || args.top.is_some(),
        keep: if args.top.is_some() {
            Keep::All
        } else {
            Keep::Ids
        },
        treatment,
        text: args.text.format()?,
        columns: args.columns.columns.clone(),
        exclude: args.columns.exclude.clone(),
        label: args.columns.label.clone(),
        ids: roles.ids.clone(),
        vector: args.columns.vector.clone(),
        no_header: args.columns.no_header,
        read_label: args.scores.is_some(),
        ..Selection::default()
    })
}

/// Takes the place of the model file, before any work.
fn reserve(args: &args::Fit, checkpoint: &Path) -> Result<AtomicFile> {
    let beside = [args.calibrate.as_ref(), args.config.as_ref()];
    let rows = std::iter::once(&args.input).chain(&args.more);
    let inputs = rows.chain(beside.into_iter().flatten());
    let inputs: Vec<&Path> = inputs.map(PathBuf::as_path).collect();
    refuse_same("--output", &args.output, &inputs)?;
    if let Some(scores) = &args.scores {
        format_for(scores)?;
        refuse_same("--scores", scores, &inputs)?;
        let others = [args.output.as_path(), checkpoint];
        if others.iter().any(|other| place(scores) == place(other)) {
            bail!(
                "{}: would be written twice; choose another --scores",
                scores.display()
            );
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

/// The file of `--calibrate`.
fn held_out(path: &Path, features: &Features, args: &args::Fit) -> Result<Source> {
    let selection = Selection {
        no_header: args.columns.no_header,
        text: args.text.format()?,
        ..Selection::default()
    };
    Ok(Source::open(path, &selection, Some(features))?)
}
