//! The sequential test, and its state on disk.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use qualm::monitor::{
    ColumnMoments, Guarantee, Sequential, SequentialSpec, Thinning, autocorrelation,
    digest_of_scores,
};
use qualm::reports::{MonitorReport, MonitorStream, REPORT_VERSION};
use qualm::{AtomicFile, Fitted, digest};
use qualm_data::Batch;
use serde::{Deserialize, Serialize};

use super::input::{Reference, Stream};
use super::strangest::Strangest;
use super::windows::moved;
use crate::args::Monitor;
use crate::interrupt;
use crate::output::{self, Output};
use crate::paths::place;

/// What a state belongs to, and how far it has come in the present input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    model: String,
    reference: String,
    input: String,
    position: u64,
}

/// The state's file, which one process at a time may write.
struct StateFile {
    path: PathBuf,
    /// Held until the end.
    _lock: File,
}

pub(super) fn run(
    args: &Monitor,
    seed: u64,
    fitted: &Fitted,
    reference: &Reference,
    current: Stream,
    output: Output,
) -> Result<MonitorReport> {
    let spec = spec(args, seed);
    if reference.columns.is_some() {
        note_dependence(&reference.scores, &spec, output);
    }
    let file = args.state.as_deref().map(StateFile::lock).transpose()?;
    let (mut watch, mut context) = begin(args, &spec, reference, file.as_ref(), output)?;
    let fields = current.id_fields.clone();
    let (mut n_read, mut new_alarm) = (0, None);
    let mut highest = f64::NEG_INFINITY;
    let mut columns = ColumnMoments::new(fitted.n_features());
    let mut strangest = Strangest::default();
    let already = context.position;
    // From here on it stops between two batches, whose state is kept.
    interrupt::graceful(true);
    let outcome = current.run(fitted, "monitor", output, |batch: Batch, scores| {
        if interrupt::asked() {
            bail!("interrupted");
        }
        let before = n_read;
        n_read += scores.len() as u64;
        if n_read <= already {
            return Ok(());
        }
        let from = already.saturating_sub(before) as usize;
        let new = scores.get(from..).unwrap_or_default();
        let update = watch.update(new)?;
        for (row, (place, &score)) in (before + from as u64 + 1..).zip((from..).zip(new)) {
            strangest.take(&batch, place, row, score);
        }
        if let Some(rows) = batch.rows.rows().slice(from..scores.len()) {
            columns.add(rows);
        }
        highest = highest.max(update.log10_highest);
        new_alarm = new_alarm.or(update.alarm_at);
        context.position = n_read;
        if let Some(file) = &file {
            file.write(&watch, &context)?;
        }
        Ok(())
    });
    interrupt::graceful(false);
    outcome.map_err(|error| match &file {
        Some(file) => error.context(format!(
            "stopped; {} of the stream are kept in {}",
            output::rows(watch.n_rows()),
            file.path.display()
        )),
        None => error,
    })?;
    if n_read < already {
        bail!(
            "{}: {}, and {} of it had counted before; a stream only grows",
            args.current.display(),
            output::rows(n_read),
            output::rows(already)
        );
    }
    if n_read == already && already == 0 {
        bail!("{}: no rows to look at", args.current.display());
    }
    let highest = highest.max(watch.log10_evidence());
    let mut report = report(args, &watch, new_alarm.is_some(), highest);
    report.n = n_read - already;
    if new_alarm.is_some() {
        report.columns = moved(fitted, reference, &columns);
        report.strangest = strangest.rows(&fields, fitted);
    }
    Ok(report)
}

/// The test where an earlier run has left it, or a new one.
fn begin(
    args: &Monitor,
    spec: &SequentialSpec,
    reference: &Reference,
    file: Option<&StateFile>,
    output: Output,
) -> Result<(Sequential, Kept)> {
    let fresh = Kept {
        model: model_digest(&args.model)?,
        reference: digest_of_scores(&reference.scores),
        input: place(&args.current).display().to_string(),
        position: 0,
    };
    let Some((watch, kept)) = file.map(StateFile::read).transpose()?.flatten() else {
        let watch = Sequential::new(&reference.scores, spec.clone()).context("reference")?;
        return Ok((watch, fresh));
    };
    check_same(&watch, &kept, spec, &fresh, args)?;
    let position = if kept.input == fresh.input {
        kept.position
    } else {
        0
    };
    output.note(format!(
        "note: going on after {} of the stream",
        output::rows(watch.n_rows())
    ));
    Ok((watch, Kept { position, ..fresh }))
}

/// What is known without the rows of this run.
fn report(args: &Monitor, watch: &Sequential, new_alarm: bool, highest: f64) -> MonitorReport {
    let guarantee = watch.spec().guarantee;
    let for_ever = matches!(guarantee, Guarantee::Ever { .. });
    let path = |path: &PathBuf| path.display().to_string();
    MonitorReport {
        report_version: REPORT_VERSION,
        model: path(&args.model),
        input: path(&args.current),
        reference: args.reference.as_ref().map(path),
        is_drift: new_alarm || (for_ever && watch.n_alarms() > 0),
        p_val: for_ever.then(|| 10f64.powf(-highest).min(1.0)),
        threshold: match guarantee {
            Guarantee::Ever { alpha } => alpha,
            Guarantee::RunLength { rows } => rows,
        },
        distance: highest,
        n_reference: watch.n_reference(),
        n: 0,
        windows: Vec::new(),
        sequential: Some(MonitorStream {
            guarantee,
            n_rows: watch.n_rows(),
            n_alarms: watch.n_alarms(),
            alarms: watch.alarms().to_vec(),
            log10_evidence: watch.log10_evidence(),
            state: args.state.as_ref().map(path),
        }),
        columns: Vec::new(),
        strangest: Vec::new(),
    }
}

fn spec(args: &Monitor, seed: u64) -> SequentialSpec {
    let guarantee = match args.run_length {
        Some(rows) => Guarantee::RunLength { rows },
        None => Guarantee::Ever { alpha: args.alpha },
    };
    let thinning = match (args.thin, args.mean_of) {
        (Some(rows), _) => Thinning::Every(rows),
        (None, Some(rows)) => Thinning::MeanOf(rows),
        (None, None) => Thinning::None,
    };
    SequentialSpec {
        guarantee,
        thinning,
        seed,
    }
}

/// Says where rows of the reference tell what the next one is.
fn note_dependence(scores: &[f64], spec: &SequentialSpec, output: Output) {
    let correlation = autocorrelation(scores);
    let chance = 3.0 / (scores.len() as f64).sqrt();
    if spec.thinning == Thinning::None && correlation > chance.max(0.1) {
        output.warn(format!(
            "neighbouring rows of the reference have alike scores (correlation {correlation:.2}); the \
             guarantee holds for rows whose order tells nothing: thin them with --thin or --mean-of"
        ));
    }
}

fn model_digest(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(digest::sha256([bytes.as_slice()]))
}

/// Refuses a state of something else.
fn check_same(
    watch: &Sequential,
    kept: &Kept,
    spec: &SequentialSpec,
    fresh: &Kept,
    args: &Monitor,
) -> Result<()> {
    let state = args.state.as_deref().unwrap_or(Path::new("")).display();
    let what = if kept.model != fresh.model {
        "another model"
    } else if kept.reference != fresh.reference {
        "another reference"
    } else if watch.spec().guarantee != spec.guarantee {
        "another --alpha or --run-length"
    } else if watch.spec().thinning != spec.thinning {
        "another --thin or --mean-of"
    } else if watch.spec().seed != spec.seed {
        "another --seed"
    } else {
        return Ok(());
    };
    bail!("{state}: is the state of {what}; give the same, or another --state to start anew")
}

impl StateFile {
    /// # Errors
    /// When another process holds it.
    fn lock(path: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock_path = PathBuf::from(name);
        let lock = File::create(&lock_path)
            .with_context(|| format!("{}: cannot be written", lock_path.display()))?;
        if lock.try_lock().is_err() {
            bail!(
                "{}: another qualm monitor writes it; wait for that one, or use another --state",
                path.display()
            );
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The state, if there is one.
    fn read(&self) -> Result<Option<(Sequential, Kept)>> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| self.path.display().to_string()),
        };
        let (watch, context) = Sequential::from_bytes(&self.path, &bytes)?;
        let context = serde_json::from_value(context)
            .with_context(|| format!("{}: not a state of qualm monitor", self.path.display()))?;
        Ok(Some((watch, context)))
    }

    fn write(&self, watch: &Sequential, context: &Kept) -> Result<()> {
        let bytes = watch.to_bytes(&serde_json::to_value(context)?)?;
        let mut file = AtomicFile::create(&self.path)?;
        interrupt::remove_on_exit(file.temporary());
        file.write_all(&bytes)
            .with_context(|| format!("{}: cannot be written", self.path.display()))?;
        Ok(file.commit()?)
    }
}

/// The test in words.
pub(super) fn words(report: &MonitorReport, stream: &MonitorStream) -> String {
    let promise = match stream.guarantee {
        Guarantee::Ever { alpha } => format!(
            "the probability of a false alarm, ever, is at most {alpha}, if the order of rows tells nothing"
        ),
        Guarantee::RunLength { rows } => format!(
            "false alarms are {rows} rows apart or more on average, if the order of rows tells nothing"
        ),
    };
    let verdict = match (report.is_drift, stream.alarms.last()) {
        (true, Some(row)) => format!("ALARM at row {row} of the stream"),
        _ => "no alarm".to_owned(),
    };
    format!(
        "{} beside {} of the reference, {} of the stream in all: {verdict}\n\
         evidence 1e{:.1} now, highest 1e{:.1}; {promise}\n",
        output::rows(report.n),
        output::counted(report.n_reference, "score"),
        output::rows(stream.n_rows),
        stream.log10_evidence,
        report.distance,
    )
}
