//! `qualm ood fit`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::HumanBytes;
use qualm::calibrate::ThresholdRule;
use qualm::fit::{Signal, Step, Work};
use qualm::ood::{Layers, Needs, OodFitted, OodInputs, OodSpec};
use qualm::reports::OodFitReport;
use qualm::{AtomicFile, Checkpoint, Error, Location, Progress};
use qualm_data::{ActivationBatch, ActivationColumns, ActivationSource};

use super::images::{ImageFit, refuse_arrays};
use crate::args;
use crate::config;
use crate::interrupt;
use crate::output::{self, Output};
use crate::paths::refuse_same;
use crate::progress::FitProgress;
use crate::threshold;

/// The column of classes, unless another is asked for.
const LABEL: &str = "label";

pub(super) fn run(args: &args::OodFit, seed: u64, output: Output) -> Result<()> {
    FitJob::resolve(args)?.run(seed, output)
}

/// Everything that a fit needs, checked: the arrays are read, the place of the output is taken.
#[derive(Debug)]
struct FitJob<'a> {
    args: &'a args::OodFit,
    spec: OodSpec,
    rule: ThresholdRule,
    data: Data,
    file: AtomicFile,
}

/// What the detector is fitted to.
#[derive(Debug)]
enum Data {
    Arrays(Box<Arrays>),
    Images(Box<ImageFit>),
}

/// Arrays that were read.
#[derive(Debug)]
struct Arrays {
    inputs: OodInputs,
    /// The name of the classes.
    label: Option<String>,
    batch: ActivationBatch,
    /// The items of `--calibrate`.
    held_out: Option<ActivationBatch>,
}

impl<'a> FitJob<'a> {
    fn resolve(args: &'a args::OodFit) -> Result<Self> {
        let keys = config::keys(args.config.as_deref(), &args.set)?;
        let spec = OodSpec::new(&args.detector)?.with(keys)?;
        let rule = threshold::rule(&args.rule).unwrap_or_default();
        rule.validate()?;
        let file = reserve(args)?;
        let data = match args.network.classifier.as_deref() {
            Some(classifier) => Data::Images(Box::new(ImageFit::open(args, &spec, classifier)?)),
            None => Data::Arrays(Box::new(Arrays::read(args, &spec)?)),
        };
        Ok(Self {
            args,
            spec,
            rule,
            data,
            file,
        })
    }

    fn run(self, seed: u64, output: Output) -> Result<()> {
        let started = Instant::now();
        let mut progress = Unresumable(FitProgress::new(output, Path::new("")));
        let (mut fitted, label) = match self.data {
            Data::Arrays(arrays) => arrays.fit(self.args, &self.spec, seed, &mut progress)?,
            Data::Images(images) => {
                progress.0 = progress.0.of("fit", "images");
                let label = images.label();
                let fitted = images.fit(&self.spec, seed, &mut progress);
                progress.0.finish();
                let fitted = fitted.map_err(|error| match error {
                    qualm_vision::Error::Core(error) => explain(self.args, error),
                    other => other.into(),
                })?;
                (fitted, label)
            }
        };
        fitted.set_threshold_rule(self.rule)?;
        let fitted = fitted.with_column_roles(self.args.id.clone(), label);
        let elapsed = started.elapsed();
        fitted.write_to(self.file)?;

        for warning in &fitted.provenance().warnings {
            output.warn(warning.to_string());
        }
        let model = &self.args.output;
        let report = OodFitReport {
            model: Some(model.display().to_string()),
            model_bytes: std::fs::metadata(model).ok().map(|m| m.len()),
            ..OodFitReport::new(&fitted, elapsed.as_secs_f64())?
        };
        output.result(&report, || text(&report, elapsed, &fitted))
    }
}

impl Arrays {
    fn read(args: &args::OodFit, spec: &OodSpec) -> Result<Self> {
        refuse_arrays(spec)?;
        let columns = columns(args, spec.needs())?;
        let source = ActivationSource::open(&args.input, &columns)?;
        let inputs = source.inputs();
        // Opened first: what is wrong with it shows before the rows are read.
        let held_out = (args.calibrate.as_deref())
            .map(|path| held_out(path, &columns, &inputs))
            .transpose()?;
        let batch = source.read_all()?;
        Ok(Self {
            inputs,
            label: (batch.classes.as_ref())
                .and_then(|_| columns.classes.or(columns.classes_if_present)),
            batch,
            held_out: held_out.map(ActivationSource::read_all).transpose()?,
        })
    }

    /// The fitted detector, and the name of the classes.
    fn fit(
        self,
        args: &args::OodFit,
        spec: &OodSpec,
        seed: u64,
        progress: &mut Unresumable<'_>,
    ) -> Result<(OodFitted, Option<String>)> {
        let fitted = spec.fit(&self.batch.activations(), seed, progress);
        progress.0.finish();
        let mut fitted = fitted.map_err(|error| explain(args, self.batch.origin.locate(error)))?;
        if let Some(held_out) = &self.held_out {
            let calibrated = fitted.calibrate(&held_out.activations());
            calibrated.map_err(|error| held_out.origin.locate(error))?;
        }
        Ok((fitted.with_inputs(self.inputs)?, self.label))
    }
}

/// Adds what the library cannot know: which file the items came from.
fn explain(args: &args::OodFit, error: Error) -> anyhow::Error {
    let context = match &error {
        Error::Interrupted { .. } | Error::Stopped { .. } => {
            "stopped; no file was written".to_owned()
        }
        Error::InvalidKey { .. } | Error::ScoreNotFinite { .. } => return error.into(),
        _ => Location::file(&args.input).to_string(),
    };
    anyhow::Error::new(error).context(context)
}

/// Progress of a fit that is not kept when it is interrupted.
#[derive(Debug)]
struct Unresumable<'a>(FitProgress<'a>);

impl Progress for Unresumable<'_> {
    fn step(&mut self, step: &Step) -> Signal {
        self.0.step(step)
    }

    fn work(&mut self, work: &Work) -> Signal {
        self.0.work(work)
    }

    fn save(&mut self, _: &Checkpoint) -> qualm::Result<()> {
        Ok(())
    }
}

/// Which columns are read: those that the detector needs, and classes where there are any, for
/// known outliers.
fn columns(args: &args::OodFit, needs: Needs) -> Result<ActivationColumns> {
    if needs.features == Layers::None && !args.features.is_empty() {
        bail!(
            "--features: detector '{}' needs {needs}; leave it out",
            args.detector
        );
    }
    let mut columns = ActivationColumns {
        features: match needs.features {
            Layers::None => Vec::new(),
            _ if args.features.is_empty() => vec!["features".to_owned()],
            Layers::One | Layers::Several => args.features.clone(),
        },
        logits: needs.logits.then(|| {
            let name = args.logits.clone();
            name.unwrap_or_else(|| "logits".to_owned())
        }),
        classes: args.label.clone(),
        ids: args.id.clone(),
        ..ActivationColumns::default()
    };
    if needs.labels {
        columns.classes.get_or_insert_with(|| LABEL.to_owned());
    } else {
        columns.classes_if_present = Some(LABEL.to_owned());
    }
    Ok(columns)
}

/// The file of `--calibrate`.
fn held_out(
    path: &Path,
    columns: &ActivationColumns,
    inputs: &OodInputs,
) -> Result<ActivationSource> {
    let columns = ActivationColumns {
        features: columns.features.clone(),
        logits: columns.logits.clone(),
        ..ActivationColumns::default()
    };
    let source = ActivationSource::open(path, &columns)?;
    source.check_widths(&inputs.widths())?;
    Ok(source)
}

/// Takes the place of the output, before any work.
fn reserve(args: &args::OodFit) -> Result<AtomicFile> {
    let inputs = [
        Some(&args.input),
        args.calibrate.as_ref(),
        args.config.as_ref(),
    ];
    let inputs: Vec<&Path> = inputs.into_iter().flatten().map(PathBuf::as_path).collect();
    refuse_same("--output", &args.output, &inputs)?;
    interrupt::listen()?;
    let file = AtomicFile::create(&args.output)?;
    interrupt::remove_on_exit(file.temporary());
    Ok(file)
}

fn text(report: &OodFitReport, elapsed: Duration, fitted: &OodFitted) -> String {
    let model = report.model.as_deref().unwrap_or_default();
    let inputs = report.inputs.features.iter().chain(&report.inputs.logits);
    let inputs: Vec<String> = inputs
        .map(|input| format!("{} ({})", input.name, input.width))
        .collect();
    format!(
        "fitted    {} on {} of {} in {}\n\
         threshold {}\n\
         model     {model} ({})\n\
         next      qualm ood score {} NEW_ITEMS\n",
        report.detector,
        output::rows(report.n as u64),
        inputs.join(", "),
        output::seconds(elapsed),
        threshold::describe_ood(report.threshold, fitted),
        HumanBytes(report.model_bytes.unwrap_or_default()),
        output::shell(model),
    )
}
