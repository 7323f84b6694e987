//! `qualm ood score`: activations in, scores out, batch by batch.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use qualm::calibrate::ThresholdRule;
use qualm::ood::OodFitted;
use qualm::reports::ScoreReport;
use qualm_data::{
    ActivationBatch, ActivationColumns, ActivationSource, ColumnNotes, Rejects, score_activations,
    scored,
};
use qualm_vision::read::Item;

use super::images::{ImageScore, refuse_arrays};
use crate::args;
use crate::columns::ids_if_present;
use crate::commands::score::summary;
use crate::commands::sink::{Sink, check_format};
use crate::interrupt;
use crate::output::Output;
use crate::paths::{check_model, refuse_same};
use crate::pipeline::{self, Input, ReadAhead};
use crate::progress;
use crate::threshold;

pub(super) fn run(args: &args::OodScore, output: Output) -> Result<()> {
    ScoreJob::resolve(args, output)?.run(output)
}

/// Everything that scoring needs, checked: the detector with its threshold, the arrays and the
/// place of the scores.
#[derive(Debug)]
struct ScoreJob<'a> {
    args: &'a args::OodScore,
    fitted: OodFitted,
    batches: Batches,
    n_rows_hint: Option<u64>,
    schema: SchemaRef,
    sink: Sink,
}

/// The items to score, read ahead.
#[derive(Debug)]
enum Batches {
    Arrays(ReadAhead<ActivationBatch>),
    Images(ReadAhead<Vec<Item>>, Box<ImageScore>),
}

impl<'a> ScoreJob<'a> {
    fn resolve(args: &'a args::OodScore, output: Output) -> Result<Self> {
        check_model("ood score", &args.model, Some(&args.input))?;
        interrupt::listen()?;
        let mut fitted = OodFitted::load(&args.model)?;
        let rule = threshold::rule(&args.rule);
        if let Some(rule) = rule.or(args.threshold.map(ThresholdRule::Score)) {
            fitted.set_threshold_rule(rule)?;
        }
        if let Some(target) = &args.output {
            refuse_same("--output", target, &[&args.model, &args.input])?;
            check_format(target)?;
        }
        let (input, batches) = if let Some(images) = ImageScore::open(args, &fitted)? {
            let (input, items) = images.read()?;
            (input, Batches::Images(items, Box::new(images)))
        } else {
            let (input, batches) = read_arrays(args, &fitted)?;
            (input, Batches::Arrays(batches))
        };
        let schema = scored::columns(input.id_fields, args.label.as_deref(), 0)?;
        let sink = Sink::new(args.output.as_deref(), output.json(), schema.clone())?;
        Ok(Self {
            args,
            fitted,
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
        let started = Instant::now();
        let schema = &self.schema;
        let score = |batch: ActivationBatch| {
            let scores = score_activations(fitted, &batch)?;
            let scored = scored::assemble_activations(schema, fitted, &batch, scores)?;
            n += scored.rows.num_rows();
            n_outliers += scored.n_outliers;
            Ok(scored.rows)
        };
        let sink = &mut self.sink;
        let write = |scored: RecordBatch| {
            sink.write(&scored)?;
            bar.inc(scored.num_rows() as u64);
            Ok(())
        };
        match self.batches {
            Batches::Arrays(batches) => pipeline::run(batches, score, write)?,
            Batches::Images(items, mut images) => {
                let mut score = score;
                let work = |items| score(images.batch(items, fitted)?);
                pipeline::run(items, work, write)?;
            }
        }
        bar.finish_and_clear();
        let elapsed = started.elapsed();
        let name = |path: &Path| path.display().to_string();
        let seconds = elapsed.as_secs_f64();
        let report = ScoreReport {
            model: Some(name(&args.model)),
            input: Some(name(&args.input)),
            output: args.output.as_deref().map(name),
            ..ScoreReport::above(fitted.threshold()?, n, n_outliers, seconds)
        };
        let threshold = threshold::describe_ood(report.threshold, fitted);
        self.sink
            .finish(&report, &summary(&report, elapsed, &threshold), output)
    }
}

/// Opens arrays and begins to read them.
fn read_arrays(
    args: &args::OodScore,
    fitted: &OodFitted,
) -> Result<(Input, ReadAhead<ActivationBatch>)> {
    refuse_arrays(fitted.spec())?;
    let columns = columns(args, fitted);
    let (path, widths) = (args.input.clone(), fitted.inputs().widths());
    let open = move || {
        let source = ActivationSource::open(&path, &columns)?;
        source.check_widths(&widths)?;
        let input = Input {
            id_fields: source.id_fields(),
            n_rows_hint: source.n_rows_hint(),
            notes: ColumnNotes::default(),
            rejects: Rejects::default(),
        };
        Ok((input, source))
    };
    pipeline::read(open, |source| Ok(source.next_batch()?))
}

/// Which columns are read: the arrays by the names of the fit, ids and label.
fn columns(args: &args::OodScore, fitted: &OodFitted) -> ActivationColumns {
    let inputs = fitted.inputs();
    let names = inputs.features.iter().map(|input| input.name.clone());
    ActivationColumns {
        features: names.collect(),
        logits: inputs.logits.as_ref().map(|input| input.name.clone()),
        label: args.label.clone(),
        ids: args.id.clone(),
        ids_if_present: ids_if_present(&args.id, fitted.roles()),
        ..ActivationColumns::default()
    }
}
