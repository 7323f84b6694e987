//! `qualm train`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::HumanBytes;
use qualm::container;
use qualm::reports::{REPORT_VERSION, TrainReport};
use qualm::{AtomicFile, Checkpoint, Error, Location};
use qualm_vision::read::{ImageSource, OnError, ReadOptions};
use qualm_vision::train::{
    COLLAPSED, LabelUse, Method, TrainImages, TrainSpec, TrainedEncoder, Training, input_side,
};
use serde_json::{Map, Value};

use crate::args;
use crate::checkpoints;
use crate::config;
use crate::interrupt;
use crate::output::{self, Output};
use crate::paths::{place, refuse_same};
use crate::train_progress::{Finished, TrainProgress, collapsed, time_is_up, words};

/// Reasons of unreadable images that are shown.
const SHOWN: usize = 5;

pub(crate) fn run(args: &args::Train, seed: u64, output: Output) -> Result<()> {
    TrainJob::resolve(args, seed, output)?.run(output)
}

/// Everything that a training needs, checked: settings and images are read, the places of all
/// outputs are taken.
#[derive(Debug)]
struct TrainJob<'a> {
    args: &'a args::Train,
    seed: u64,
    spec: TrainSpec,
    images: TrainImages,
    eval: Option<TrainImages>,
    checkpoint: PathBuf,
    resume: Option<Checkpoint>,
    encoder_file: Option<AtomicFile>,
    export_file: Option<AtomicFile>,
}

impl<'a> TrainJob<'a> {
    fn resolve(args: &'a args::Train, seed: u64, output: Output) -> Result<Self> {
        let (method, keys) = settings(args)?;
        // A first look, before anything is read: the values do not depend on the images.
        TrainSpec::new(&method, 32, usize::MAX, &keys)?;
        let checkpoint = checkpoints::beside(&args.output);
        let (encoder_file, export_file) = reserve(args, &checkpoint)?;
        let mut source = open(args, &args.images, output)?;
        let first = source.next_batch(1)?;
        let first = first.as_ref().and_then(|batch| batch.first());
        let asked = keys.get("image_size").and_then(Value::as_u64);
        let side = match (asked, first) {
            (Some(side), _) => u32::try_from(side).unwrap_or(u32::MAX),
            (None, Some(item)) => input_side(&item.image),
            (None, None) => 32,
        };
        let labelled = first.is_some_and(|item| item.label.is_some());
        source.rewind()?;
        let uses = method == "supervised"
            || (method == "rotation" && labelled)
            || args.eval_labels
            || args.eval.is_some();
        if method == "supervised" && !labelled {
            return Err(qualm_vision::Error::LabelsNeeded {
                method: "supervised",
            })
            .context(args.images.display().to_string());
        }
        let labels = if uses {
            LabelUse::Read
        } else {
            LabelUse::Ignore
        };
        let images = TrainImages::read(&mut source, side, labels);
        let mut images = images.with_context(|| args.images.display().to_string())?;
        note_rejects(&source, output);
        let eval = match &args.eval {
            Some(path) => {
                let mut source = open(args, path, output)?;
                let classes = images.labels().map(|labels| labels.classes.as_slice());
                let labels = LabelUse::Of(classes.unwrap_or_default());
                let eval = TrainImages::read(&mut source, side, labels);
                let eval = eval.with_context(|| path.display().to_string())?;
                note_rejects(&source, output);
                Some(eval)
            }
            None if args.eval_labels => {
                let (spec, _) = TrainSpec::new(&method, side, images.len(), &keys)?;
                let eval = images.hold_out(spec.held_out, seed);
                if eval.is_empty() {
                    bail!(
                        "{}: held_out = {} of {} leaves nothing to measure on; raise it, or give \
                         images with --eval",
                        args.images.display(),
                        spec.held_out,
                        output::counted(images.len() as u64, "image")
                    );
                }
                Some(eval)
            }
            None => None,
        };
        let spec = TrainSpec::new(&method, side, images.len(), &keys);
        let (spec, notes) = spec.with_context(|| {
            let n = output::counted(images.len() as u64, "image");
            format!("{} ({n})", args.images.display())
        })?;
        for note in notes {
            output.note(format!("note: {note}"));
        }
        output.note(format!("note: settings: {}", in_words(&spec)));
        Ok(Self {
            resume: checkpoints::resume("training", args.resume, &checkpoint, output)?,
            args,
            seed,
            spec,
            images,
            eval,
            checkpoint,
            encoder_file: Some(encoder_file),
            export_file,
        })
    }

    fn run(mut self, output: Output) -> Result<()> {
        let started = Instant::now();
        let resume = self.resume.take();
        let (encoder_file, export_file) = (self.encoder_file.take(), self.export_file.take());
        let finished = Finished::default();
        let training = Training::new(
            self.spec.clone(),
            &self.images,
            self.eval.as_ref(),
            self.seed,
        );
        let told = finished.clone();
        let mut training = training.map_err(|error| self.explain(error))?;
        training = training.on_epoch(move |epoch| {
            let mut told = told
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            told.push(*epoch);
        });
        let mut progress = TrainProgress::new(
            output,
            &self.checkpoint,
            [training.steps_per_epoch(), self.spec.warmup_epochs],
            self.args.max_minutes,
            finished,
        );
        let done = training.run(resume, &mut progress);
        progress.finish();
        let timed_out = match done {
            Ok(()) => false,
            Err(qualm_vision::Error::Core(Error::Interrupted { .. })) if progress.timed_out => true,
            Err(error) => return Err(self.explain(error)),
        };
        training.measure()?;
        let elapsed = started.elapsed();
        let encoder = training.encoder();
        write(&encoder, encoder_file, export_file)?;
        if timed_out {
            let time = time_is_up(
                self.args.max_minutes,
                training.curve().len(),
                self.spec.epochs,
            );
            Output::warn_always(format!(
                "{time}; the state is kept in {}: repeat the command with --resume to go on",
                self.checkpoint.display()
            ));
        }
        let report = self.report(&encoder, elapsed);
        if report.collapsed && !progress.warned {
            let last = report.curve.last().map_or(0.0, |epoch| epoch.output_std);
            Output::warn_always(collapsed(last));
        }
        if !timed_out {
            // It is finished: nothing could go on from it.
            let _ = std::fs::remove_file(&self.checkpoint);
        }
        output.result(&report, || text(&report, elapsed))
    }

    fn report(&self, encoder: &TrainedEncoder, elapsed: Duration) -> TrainReport {
        let description = &encoder.description;
        let name = |path: &PathBuf| path.display().to_string();
        let curve = description.curve.clone();
        let labels = self.images.labels();
        let width = (description
            .architecture
            .parse::<qualm::nn::resnet::Architecture>())
        .map_or(0, |architecture| architecture.width());
        TrainReport {
            report_version: REPORT_VERSION,
            encoder: Some(name(&self.args.output)),
            export: self.args.export.as_ref().map(name),
            encoder_bytes: std::fs::metadata(&self.args.output).ok().map(|m| m.len()),
            method: self.spec.method.name().to_owned(),
            network: description.architecture.clone(),
            n: self.images.len(),
            n_eval: self.eval.as_ref().map_or(0, TrainImages::len),
            n_classes: labels.map_or(0, |labels| labels.classes.len()),
            width,
            epochs: self.spec.epochs,
            epochs_done: curve.len() as u64,
            train_seconds: elapsed.as_secs_f64(),
            collapsed: curve
                .last()
                .is_some_and(|epoch| epoch.output_std < COLLAPSED),
            curve,
            spec: Value::Object(self.spec.keys()),
        }
    }

    /// Adds what the library cannot know: which images, and how to go on.
    fn explain(&self, error: qualm_vision::Error) -> anyhow::Error {
        let qualm_vision::Error::Core(core) = &error else {
            return anyhow!(error).context(self.args.images.display().to_string());
        };
        let context = match core {
            Error::Interrupted { .. } => format!(
                "stopped; the state is kept in {}: repeat the command with --resume to go on",
                self.checkpoint.display()
            ),
            Error::CheckpointMismatch { .. } => self.checkpoint.display().to_string(),
            Error::InvalidKey { .. } | Error::Write { .. } | Error::DiskFull { .. } => {
                return error.into();
            }
            _ => Location::file(&self.args.images).to_string(),
        };
        anyhow::Error::new(error).context(context)
    }
}

/// The method, and the keys that the flags and the configuration file set.
fn settings(args: &args::Train) -> Result<(String, Map<String, Value>)> {
    let mut keys = config::keys(args.config.as_deref(), &args.set)?;
    let flags = [
        ("network", args.network.clone().map(Value::from)),
        ("epochs", args.epochs.map(Value::from)),
        ("batch_size", args.batch.map(Value::from)),
    ];
    for (key, value) in flags {
        if let Some(value) = value {
            keys.insert(key.to_owned(), value);
        }
    }
    let method = match (&args.method, keys.remove("method")) {
        (Some(method), _) => method.clone(),
        (None, Some(Value::String(method))) => method,
        (None, Some(other)) => bail!("method = {other}: expected a name"),
        (None, None) => Method::NAMES[0].to_owned(),
    };
    Ok((method, keys))
}

/// All settings, but for those of the views.
fn in_words(spec: &TrainSpec) -> String {
    let keys = spec
        .keys()
        .into_iter()
        .filter(|(_, value)| !value.is_object());
    let words: Vec<String> = keys
        .map(|(key, value)| match value {
            Value::String(word) => format!("{key}={word}"),
            value => format!("{key}={value}"),
        })
        .collect();
    words.join(" ")
}

fn open(args: &args::Train, path: &Path, output: Output) -> Result<ImageSource> {
    let source = ImageSource::open(
        path,
        &ReadOptions {
            column: args.column.clone(),
            label: args.label.clone(),
            on_error: match args.on_error {
                args::OnError::Skip => OnError::Skip,
                args::OnError::Stop => OnError::Stop,
            },
            ..ReadOptions::default()
        },
    )?;
    if !source.skipped().is_empty() {
        output.note(format!("note: {}: {}", path.display(), source.skipped()));
    }
    Ok(source)
}

/// Says which images could not be read and are left out.
fn note_rejects(source: &ImageSource, output: Output) {
    let rejects = source.rejects();
    for reject in rejects.iter().take(SHOWN) {
        output.warn(format!("{}: left out: {}", reject.id, reject.reason));
    }
    if rejects.len() > SHOWN {
        let more = rejects.len() - SHOWN;
        output.warn(format!(
            "{more} more images that cannot be read are left out"
        ));
    }
}

/// Takes the places of the outputs, before any work.
fn reserve(args: &args::Train, checkpoint: &Path) -> Result<(AtomicFile, Option<AtomicFile>)> {
    let inputs = [Some(&args.images), args.eval.as_ref(), args.config.as_ref()];
    let inputs: Vec<&Path> = inputs.into_iter().flatten().map(PathBuf::as_path).collect();
    refuse_same("--output", &args.output, &inputs)?;
    if let Some(export) = &args.export {
        refuse_same("--export", export, &inputs)?;
        let others = [args.output.as_path(), checkpoint];
        if others.iter().any(|other| place(export) == place(other)) {
            bail!(
                "{}: would be written twice; choose another --export",
                export.display()
            );
        }
    }
    interrupt::listen()?;
    let take = |path: &Path| -> Result<AtomicFile> {
        let file = AtomicFile::create(path)?;
        interrupt::remove_on_exit(file.temporary());
        Ok(file)
    };
    let export = args.export.as_deref().map(take).transpose()?;
    Ok((take(&args.output)?, export))
}

/// Puts both files in their places.
fn write(
    encoder: &TrainedEncoder,
    encoder_file: Option<AtomicFile>,
    export_file: Option<AtomicFile>,
) -> Result<()> {
    let exported = match export_file {
        Some(file) => Some((file, encoder.to_onnx()?)),
        None => None,
    };
    let bytes = encoder.to_bytes()?;
    if let Some(file) = encoder_file {
        container::write(&bytes, file)?;
    }
    if let Some((file, bytes)) = exported {
        container::write(&bytes, file)?;
    }
    Ok(())
}

fn text(report: &TrainReport, elapsed: Duration) -> String {
    let encoder = report.encoder.as_deref().unwrap_or_default();
    let export = report.export.as_deref();
    let export = export.map(|path| format!("export    {path}\n"));
    let last = report.curve.last().map(words);
    let measured = if report.n_eval > 0 {
        format!(", measured on {}", report.n_eval)
    } else {
        String::new()
    };
    format!(
        "trained   {} ({}) on {}{measured} in {}\n\
         epoch     {} of {}: {}\n\
         encoder   {encoder} ({}, {})\n\
         {}\
         next      qualm embed IMAGES --encoder {} -o embeddings.parquet\n",
        report.network,
        report.method,
        output::counted(report.n as u64, "image"),
        output::seconds(elapsed),
        report.epochs_done,
        report.epochs,
        last.unwrap_or_default(),
        output::counted(report.width as u64, "column"),
        HumanBytes(report.encoder_bytes.unwrap_or_default()),
        export.unwrap_or_default(),
        output::shell(encoder),
    )
}
