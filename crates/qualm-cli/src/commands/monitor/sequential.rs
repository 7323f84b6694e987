//! The sequential test, of one stream or of several, as rows come.

use anyhow::{Result, bail};
use arrow_schema::Field;
use qualm::Fitted;
use qualm::monitor::{
    Across, Guarantee, SequentialSpec, StreamAlarm, Streams, Thinning, dependence,
};
use qualm::reports::{MonitorAlarm, MonitorEvidence, MonitorReport, MonitorStream, REPORT_VERSION};
use qualm_data::Batch;

use super::alarms::Alarms;
use super::input::{Counted, Reference, Stream};
use super::metrics::Metrics;
use super::rows::{Beside, Told};
use super::settings;
use super::state::{Kept, StateFile, begin};
use super::stretch::{Details, Row, Stretch};
use crate::args::Monitor;
use crate::interrupt;
use crate::output::{self, Output};
use crate::plot::Trace;

/// Everything that watching needs, and what it has found.
struct Watcher<'a> {
    args: &'a Monitor,
    fitted: &'a Fitted,
    reference: &'a Reference,
    fields: Vec<Field>,
    beside: Beside,
    file: Option<StateFile>,
    streams: Streams,
    kept: Kept,
    /// Of each stream.
    parts: Vec<Part>,
    /// Rows of the input so far, and those of them that earlier runs had counted.
    n_read: u64,
    already: u64,
    counted: Counted,
    alarms: Alarms<'a>,
    metrics: Option<Metrics>,
}

/// The least logarithm of evidence that is reported, that of the smallest float64.
const LEAST: f64 = f64::MIN_10_EXP as f64;

/// What is known of a stream besides its test, of this run.
struct Part {
    /// The rows since the evidence began to rise, but for those of the present batch.
    stretch: Stretch,
    /// Those of the present batch.
    rows: Vec<Row>,
    /// The highest evidence, as a decimal logarithm.
    highest: f64,
    trace: Trace,
}

/// What a run has found.
pub(super) struct Outcome {
    pub(super) report: MonitorReport,
    /// The evidence over the rows, of the stream with most of it: decimal logarithms.
    pub(super) evidence: Trace,
}

pub(super) fn run(
    args: &Monitor,
    seed: u64,
    fitted: &Fitted,
    reference: &Reference,
    current: Stream,
    output: Output,
) -> Result<Outcome> {
    let spec = settings::spec(args, seed);
    if reference.columns.is_some() {
        note_dependence(&reference.scores, &spec, output);
    }
    let file = args.state.as_deref().map(StateFile::lock).transpose()?;
    let (streams, kept) = begin(args, &spec, reference, file.as_ref(), output)?;
    let counted = Counted {
        rows: kept.position,
        first: kept.first_score,
    };
    let n_cols = fitted.n_features();
    let mut watcher = Watcher {
        args,
        fitted,
        reference,
        beside: Beside::new(args, &current.id_fields),
        fields: current.id_fields.clone(),
        file,
        parts: streams
            .streams()
            .iter()
            .map(|_| Part::new(n_cols))
            .collect(),
        streams,
        n_read: 0,
        already: counted.rows,
        counted,
        kept,
        alarms: Alarms::new(args, output),
        metrics: Metrics::new(args, &reference.scores)?,
    };
    // From here on it stops between two batches, whose state is kept.
    interrupt::graceful(true);
    let outcome = current.run(fitted, counted, "monitor", output, |batch, scores| {
        // A followed input ends by itself, after what was read of it.
        if interrupt::asked() && !args.follow {
            bail!("interrupted");
        }
        watcher.take(&batch, &scores)
    });
    interrupt::graceful(false);
    outcome.map_err(|error| watcher.stopped(error))?;
    watcher.finish()
}

impl Part {
    fn new(n_cols: usize) -> Self {
        Self {
            stretch: Stretch::new(n_cols),
            rows: Vec::new(),
            highest: f64::NEG_INFINITY,
            trace: Trace::default(),
        }
    }

    /// Adds the rows of the present batch to those before.
    fn gather(&mut self, batch: &Batch) {
        for row in self.rows.drain(..) {
            self.stretch.take(batch, row);
        }
    }
}

impl Watcher<'_> {
    /// Takes the next rows, and keeps the state after them.
    fn take(&mut self, batch: &Batch, scores: &[f64]) -> Result<()> {
        let before = self.n_read;
        if before == 0 {
            self.begin_input(scores.first());
        }
        self.n_read += batch.rows.rows().n_rows() as u64;
        if self.n_read <= self.already {
            return Ok(());
        }
        let from = self.already.saturating_sub(before) as usize;
        let told = self.beside.of(batch)?;
        // Rows up to one that is refused have not counted: the state is that of the last batch.
        for (place, &score) in scores.iter().enumerate().skip(from) {
            let row = Row {
                place,
                number: before + place as u64 + 1,
                score,
                time: told.time(place),
            };
            self.take_row(batch, row, &told)?;
        }
        for part in &mut self.parts {
            part.gather(batch);
        }
        self.kept.position = self.n_read;
        if let Some(file) = &self.file {
            file.write(&self.streams, &self.kept)?;
        }
        // After the state: what they count is kept.
        match &self.metrics {
            Some(metrics) => metrics.write_sequential(&self.streams, &self.kept.last_times),
            None => Ok(()),
        }
    }

    /// Looks at the score of the first row: a file that was begun anew, as a log that is rotated is, is another
    /// input than that of which rows have counted.
    fn begin_input(&mut self, first: Option<&f64>) {
        if self.counted.of(first) < self.already {
            Output::warn_always(format!(
                "{}: begins with another row than when {} of it had counted; taken as a new file that \
                 continues the stream",
                self.args.current.display(),
                output::rows(self.already)
            ));
            self.already = 0;
        }
        self.kept.first_score = first.copied();
    }

    fn take_row(&mut self, batch: &Batch, row: Row, told: &Told) -> Result<()> {
        let place = self.streams.stream(told.stream(row.place))?;
        let n_cols = self.fitted.n_features();
        self.parts
            .resize_with(self.streams.streams().len(), || Part::new(n_cols));
        self.kept.last_times.resize(self.parts.len(), None);
        if let Some(last) = self.kept.last_times.get_mut(place) {
            self.beside.check_order(batch, row.place, *last, row.time)?;
            *last = row.time.or(*last);
        }
        let alarms = self.streams.update(place, row.score)?;
        if let Some(metrics) = &mut self.metrics {
            metrics.count(place, row.score);
        }
        let stream = self.streams.streams().get(place);
        if let (Some(stream), Some(part)) = (stream, self.parts.get_mut(place)) {
            let watch = stream.watch();
            // Evidence that begins anew after an alarm is no longer that of the alarm.
            let raised = alarms.iter().find(|alarm| alarm.stream == place);
            let evidence = raised.map_or(watch.log10_evidence(), |a| a.log10_evidence);
            part.highest = part.highest.max(evidence);
            part.trace.push(evidence);
            if raised.is_none() && watch.rising_from() > watch.n_rows() {
                part.rows.clear();
                part.stretch.clear(n_cols);
            } else {
                part.rows.push(row);
            }
        }
        for alarm in alarms {
            self.raise(batch, &alarm)?;
        }
        Ok(())
    }

    /// Tells of an alarm.
    fn raise(&mut self, batch: &Batch, alarm: &StreamAlarm) -> Result<()> {
        let Some(part) = self.parts.get_mut(alarm.stream) else {
            return Ok(());
        };
        part.gather(batch);
        let details = part
            .stretch
            .details(&self.fields, self.fitted, self.reference)?;
        let stream = self
            .streams
            .streams()
            .get(alarm.stream)
            .map(|s| s.name().to_owned());
        let document = MonitorAlarm {
            report_version: REPORT_VERSION,
            model: path(&self.args.model),
            input: path(&self.args.current),
            reference: self.args.reference.as_deref().map(path),
            is_drift: true,
            p_val: p_value(self.streams.spec().guarantee, alarm.log10_evidence),
            threshold: threshold(self.streams.spec().guarantee),
            distance: alarm.log10_evidence,
            stream: stream.filter(|_| self.args.stream.is_some()),
            row: alarm.row,
            changed_from: alarm.changed_from,
            stretch: details.stretch,
            columns: details.columns,
            strangest: details.strangest,
        };
        // A service that is armed again begins with the next row.
        part.stretch.clear(self.fitted.n_features());
        self.alarms.raise(document)
    }

    /// An error, and what is kept in spite of it.
    fn stopped(&self, error: anyhow::Error) -> anyhow::Error {
        match &self.file {
            // Without a row there is nothing to keep.
            Some(file) if self.kept.position > 0 => error.context(format!(
                "stopped; the first {} of {} are kept in {}",
                output::rows(self.kept.position),
                self.args.current.display(),
                file.path().display()
            )),
            _ => error,
        }
    }

    fn finish(self) -> Result<Outcome> {
        let current = self.args.current.display();
        let (n_read, already) = (self.n_read, self.already);
        if n_read < already && !interrupt::asked() {
            bail!(
                "{current}: {}, and {} of it had counted before; a stream only grows",
                output::rows(n_read),
                output::rows(already)
            );
        }
        if n_read == 0 && already == 0 && !interrupt::asked() {
            bail!("{current}: no rows to look at");
        }
        if let Some(metrics) = &self.metrics {
            metrics.write_sequential(&self.streams, &self.kept.last_times)?;
        }
        let parts = self.parts.iter();
        let most = parts.max_by(|a, b| a.highest.total_cmp(&b.highest));
        let evidence = most.map(|part| part.trace.clone()).unwrap_or_default();
        Ok(Outcome {
            report: self.report(),
            evidence,
        })
    }

    /// Where each stream stands.
    fn describe(&self) -> Vec<MonitorStream> {
        let streams = self.streams.streams().iter().enumerate();
        let evidence = |place: usize, n_rows: u64| {
            let trace = &self.parts.get(place)?.trace;
            (trace.n() > 0).then(|| MonitorEvidence {
                first_row: n_rows + 1 - trace.n(),
                rows_each: trace.each(),
                // JSON has no infinity.
                log10_highest: trace.values().iter().map(|v| v.max(LEAST)).collect(),
            })
        };
        let describe = |(place, stream): (usize, &qualm::monitor::Stream)| MonitorStream {
            stream: self.args.stream.is_some().then(|| stream.name().to_owned()),
            guarantee: self.streams.spec().guarantee,
            n_rows: stream.watch().n_rows(),
            n_alarms: stream.n_alarms(),
            alarms: stream.alarms().to_vec(),
            log10_evidence: stream.watch().log10_evidence(),
            evidence: evidence(place, stream.watch().n_rows()),
            state: self.args.state.as_deref().map(path),
        };
        streams.map(describe).collect()
    }

    fn report(self) -> MonitorReport {
        let mut streams = self.describe();
        let guarantee = self.streams.spec().guarantee;
        let for_ever = matches!(guarantee, Guarantee::Ever { .. });
        let earlier = streams.iter().any(|stream| stream.n_alarms > 0);
        // Of a stream without a row in this run, where it stands.
        let highest = streams.iter().enumerate().map(|(place, stream)| {
            let of_now = self
                .parts
                .get(place)
                .map_or(f64::NEG_INFINITY, |part| part.highest);
            of_now.max(stream.log10_evidence)
        });
        let highest: Vec<f64> = highest.collect();
        let first = self.alarms.first();
        let is_drift = first.is_some() || (for_ever && earlier);
        let details = first.map_or_else(Details::default, |alarm| Details {
            stretch: alarm.stretch,
            columns: alarm.columns,
            strangest: alarm.strangest,
        });
        MonitorReport {
            report_version: REPORT_VERSION,
            model: path(&self.args.model),
            input: path(&self.args.current),
            reference: self.args.reference.as_deref().map(path),
            is_drift,
            p_val: p_value(guarantee, believed(&highest, self.streams.across())),
            threshold: threshold(guarantee),
            distance: highest.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            n_reference: self.streams.n_reference(),
            n: self.n_read.saturating_sub(self.already),
            windows: Vec::new(),
            empty_windows: 0,
            untested_windows: 0,
            sequential: match self.args.stream {
                Some(_) => None,
                None => streams.pop(),
            },
            streams,
            stretch: details.stretch,
            columns: details.columns,
            strangest: details.strangest,
        }
    }
}

/// The evidence of several streams together, as decimal logarithms: its inverse is the smallest level at which
/// one of them would be believed.
fn believed(log10_evidence: &[f64], across: Across) -> f64 {
    let mut sorted = log10_evidence.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let n = sorted.len() as f64;
    let of_rank = |(k, e): (usize, f64)| match across {
        Across::Each => e,
        Across::EBenjaminiHochberg => e + (k as f64 / n).log10(),
    };
    let all = (1..).zip(sorted).map(of_rank);
    all.fold(f64::NEG_INFINITY, f64::max)
}

fn path(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// With what probability chance would ever bring such evidence; nothing for a run length.
fn p_value(guarantee: Guarantee, log10_evidence: f64) -> Option<f64> {
    let for_ever = matches!(guarantee, Guarantee::Ever { .. });
    for_ever.then(|| 10f64.powf(-log10_evidence).min(1.0))
}

fn threshold(guarantee: Guarantee) -> f64 {
    match guarantee {
        Guarantee::Ever { alpha } => alpha,
        Guarantee::RunLength { rows } => rows,
    }
}

/// Says where rows of the reference tell what the next one is.
fn note_dependence(scores: &[f64], spec: &SequentialSpec, output: Output) {
    if spec.thinning != Thinning::None {
        return;
    }
    if let Some(correlation) = dependence(scores) {
        output.warn(format!(
            "neighbouring rows of the reference have alike scores (correlation {correlation:.2}); the \
             guarantee holds for rows whose order tells nothing: thin them with --thin or --mean-of"
        ));
    }
}
