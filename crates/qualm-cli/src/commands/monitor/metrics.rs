//! The metrics of a watch, for the textfile collector of Prometheus' node exporter.

use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use qualm::AtomicFile;
use qualm::monitor::Streams;
use qualm::reports::MonitorReport;

use crate::args::Monitor;
use crate::interrupt;
use crate::output::Output;
use crate::prometheus::{Exposition, Histogram};

/// The shares of the reference scores at which buckets end.
const SHARES: [f64; 8] = [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

/// The file, and what is counted for it.
#[derive(Debug)]
pub(super) struct Metrics {
    path: PathBuf,
    model: String,
    /// Scores of no stream yet.
    empty: Histogram,
    /// Those of each stream.
    scores: Vec<Histogram>,
    /// When the latest row was read, in seconds since 1970.
    read_at: f64,
}

/// The present state of a stream.
#[derive(Debug, Default)]
struct Now<'a> {
    stream: &'a str,
    n_rows: u64,
    n_alarms: u64,
    is_alarm: bool,
    /// The decimal logarithm.
    evidence: Option<f64>,
    /// Of the latest window: Cohen's d, AUROC and the decimal logarithm of the p-value.
    window: Option<[f64; 3]>,
    /// When the latest row is from, in microseconds since 1970.
    time: Option<i64>,
}

/// What a family says of a stream, if anything.
type Value = fn(&Now<'_>) -> Option<f64>;

/// Name, type, help and value of each family but the histogram.
const FAMILIES: [(&str, &str, &str, Value); 8] = [
    (
        "qualm_rows_total",
        "counter",
        "Rows that have counted; with a state, those of earlier runs too.",
        |now| Some(now.n_rows as f64),
    ),
    (
        "qualm_alarms_total",
        "counter",
        "Alarms raised; with a state, those of earlier runs too.",
        |now| Some(now.n_alarms as f64),
    ),
    (
        "qualm_alarm",
        "gauge",
        "1 where an alarm was raised: by the latest window, or by the sequential test at any row.",
        |now| Some(f64::from(u8::from(now.is_alarm))),
    ),
    (
        "qualm_evidence_log10",
        "gauge",
        "The decimal logarithm of the evidence of a change.",
        |now| now.evidence,
    ),
    (
        "qualm_window_effect_size",
        "gauge",
        "Cohen's d of the latest window beside the reference.",
        |now| now.window.map(|[d, _, _]| d),
    ),
    (
        "qualm_window_auroc",
        "gauge",
        "The chance that a score of the latest window is higher than one of the reference.",
        |now| now.window.map(|[_, auroc, _]| auroc),
    ),
    (
        "qualm_window_log10_p_value",
        "gauge",
        "The decimal logarithm of the p-value of the latest window, not corrected.",
        |now| now.window.map(|[_, _, p]| p),
    ),
    (
        "qualm_last_row_timestamp_seconds",
        "gauge",
        "When the latest row is from by --time, in seconds since 1970.",
        |now| now.time.map(|micros| micros as f64 / 1e6),
    ),
];

impl Metrics {
    /// Makes sure that the file can be written, before any work.
    pub(super) fn new(args: &Monitor, reference: &[f64]) -> Result<Option<Self>> {
        let Some(path) = &args.metrics else {
            return Ok(None);
        };
        AtomicFile::create(path).context("--metrics")?;
        if path.extension().is_none_or(|extension| extension != "prom") {
            Output::warn_always(format!(
                "--metrics {}: the node exporter reads only files that are called *.prom",
                path.display()
            ));
        }
        let mut sorted = reference.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| sorted.get((share * (sorted.len() - 1) as f64).round() as usize);
        let mut edges: Vec<f64> = SHARES
            .iter()
            .filter_map(|share| at(*share).copied())
            .collect();
        edges.dedup();
        Ok(Some(Self {
            path: path.clone(),
            model: args.model.display().to_string(),
            empty: Histogram::new(edges),
            scores: Vec::new(),
            read_at: 0.0,
        }))
    }

    /// Counts the score of a row of a stream.
    pub(super) fn count(&mut self, stream: usize, score: f64) {
        if self.scores.len() <= stream {
            self.scores.resize(stream + 1, self.empty.clone());
        }
        if let Some(scores) = self.scores.get_mut(stream) {
            scores.count(score);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.read_at = now.map_or(self.read_at, |now| now.as_secs_f64());
    }

    /// Writes where sequential tests stand.
    pub(super) fn write_sequential(&self, streams: &Streams, times: &[Option<i64>]) -> Result<()> {
        let now = streams
            .streams()
            .iter()
            .enumerate()
            .map(|(place, stream)| Now {
                stream: stream.name(),
                n_rows: stream.watch().n_rows(),
                n_alarms: stream.n_alarms(),
                is_alarm: stream.n_alarms() > 0,
                evidence: Some(stream.watch().log10_evidence()),
                window: None,
                time: times.get(place).copied().flatten(),
            });
        self.write(&now.collect::<Vec<_>>())
    }

    /// Writes what the windows of each stream have said. `streams` are names, numbers of rows, and when the
    /// latest row is from.
    pub(super) fn write_windows(
        &self,
        report: &MonitorReport,
        streams: &[(&str, u64, Option<i64>)],
    ) -> Result<()> {
        let now = streams.iter().map(|(stream, n_rows, time)| {
            let of_stream = |name: &Option<String>| name.as_deref().unwrap_or_default() == *stream;
            let mut windows = report
                .windows
                .iter()
                .filter(|window| of_stream(&window.stream));
            let n_alarms = windows.clone().filter(|window| window.is_drift).count() as u64;
            let latest = windows.next_back();
            Now {
                stream,
                n_rows: *n_rows,
                n_alarms,
                is_alarm: latest.is_some_and(|window| window.is_drift),
                evidence: None,
                window: latest.map(|window| {
                    let difference = &window.difference;
                    [difference.cohens_d, difference.auroc, difference.log10_p]
                }),
                time: *time,
            }
        });
        self.write(&now.collect::<Vec<_>>())
    }

    fn write(&self, streams: &[Now<'_>]) -> Result<()> {
        let mut file = AtomicFile::create(&self.path).context("--metrics")?;
        interrupt::remove_on_exit(file.temporary());
        file.write_all(self.text(streams).text().as_bytes())
            .with_context(|| format!("{}: cannot be written", self.path.display()))?;
        Ok(file.commit()?)
    }

    fn text(&self, streams: &[Now<'_>]) -> Exposition {
        let mut text = Exposition::default();
        text.family(
            "qualm_build_info",
            "gauge",
            "The version of qualm that wrote this.",
        );
        text.sample(
            "qualm_build_info",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1.0,
        );
        for (name, kind, help, value) in FAMILIES {
            let samples: Vec<_> = streams
                .iter()
                .filter_map(|now| Some((now, value(now)?)))
                .collect();
            if samples.is_empty() {
                continue;
            }
            text.family(name, kind, help);
            for (now, value) in samples {
                text.sample(name, &self.labels(now.stream), value);
            }
        }
        if self.scores.is_empty() {
            return text;
        }
        text.family(
            "qualm_last_read_timestamp_seconds",
            "gauge",
            "When the latest row was read, in seconds since 1970.",
        );
        text.sample(
            "qualm_last_read_timestamp_seconds",
            &[("model", self.model.as_str())],
            self.read_at,
        );
        text.family(
            "qualm_score",
            "histogram",
            "Scores of the rows of this run; buckets end at quantiles of the reference.",
        );
        for (now, scores) in streams.iter().zip(&self.scores) {
            text.histogram("qualm_score", &self.labels(now.stream), scores);
        }
        text
    }

    /// The only stream has an empty name, which Prometheus takes as no label.
    fn labels<'a>(&'a self, stream: &'a str) -> [(&'a str, &'a str); 2] {
        [("model", self.model.as_str()), ("stream", stream)]
    }
}
