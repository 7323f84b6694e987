//! The flags of `qualm monitor`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{EncoderArgs, TextArgs, at_least_one};

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm fit usual.parquet --clean -o model.qualm
  qualm monitor model.qualm today.parquet --reference held_out.parquet
  qualm monitor model.qualm week.parquet --reference held_out.parquet --window 1d --time when
  qualm monitor model.qualm week.parquet --reference held_out.parquet --window 500 --stream camera
  qualm monitor model.qualm today.parquet --reference held_out.parquet --sequential --state watch.state
  qualm monitor model.qualm log.csv --reference held_out.parquet --sequential --state watch.state \\
      --follow --on-alarm 'mail -s alarm ops@example.org' --metrics /var/lib/node_exporter/qualm.prom
  tail -n +1 -f log.csv | qualm monitor model.qualm - --sequential --follow --json
  qualm monitor model.qualm export.csv --reference held_out.csv --delimiter ';' --decimal ,
  qualm monitor model.qualm photos/ --encoder clip.onnx --json || page-somebody

Window tests compare the scores of each window with those of the reference, once. An alarm needs a
corrected p-value of at most --alpha and an effect of at least --min-effect: of a million rows every
trifle is significant. Windows are of so many rows, or of a duration (90s, 15m, 1h, 1d, 1w) by the
times in --time; windows of time begin at multiples of it, in UTC: 1h at full hours.

The sequential test may be looked at after every batch: the probability that it ever raises a false
alarm is at most --alpha, however long it runs. With --run-length N it is armed again after each
alarm, and false alarms are N rows apart or more on average. Both hold if, without a change, the
order of the rows tells nothing; thin rows that depend on those before, such as frames of a video
(--thin, --mean-of).

--state keeps the sequential test between runs. The same input goes on after the rows that have
counted; another input, or standard input, is the continuation of the stream.

--follow waits for more rows at the end of a CSV or TSV file, or of CSV or an Arrow stream on
standard input, counts them within a second and says an alarm when it is raised; Ctrl-C ends it.
With --json each alarm is then a line of JSON with \"event\": \"alarm\", and the report is the last line,
with \"event\": \"end\".

Without --reference the model's own reference scores are compared with, which are those of its
fitted rows unless it was fitted with --calibrate. Exit code 1 on an alarm.")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag that is given or not"
)]
pub(crate) struct Monitor {
    /// A model written by `qualm fit`
    pub(crate) model: PathBuf,
    /// The rows, or images, to look at
    pub(crate) current: PathBuf,
    /// Rows known to be usual, other than those fitted, in the order in which they came
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Option<PathBuf>,
    /// Rows of a window, or how long it lasts (1h; needs --time) [default: all of CURRENT is one]
    #[arg(long, value_name = "ROWS|DURATION", value_parser = window, allow_negative_numbers = true, conflicts_with = "sequential")]
    pub(crate) window: Option<WindowSize>,
    /// The column that says when a row is from: timestamps, ISO 8601 text, or seconds since 1970.
    /// Time may not go back
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// The column whose values split the rows into streams, each with its own windows or test
    #[arg(long, value_name = "COLUMN")]
    pub(crate) stream: Option<String>,
    /// The most streams: a sequential test keeps about 25 KiB for each, and as much as some rows
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = at_least_one,
        allow_negative_numbers = true,
        requires = "stream"
    )]
    pub(crate) max_streams: usize,
    /// How a window is compared with the reference
    #[arg(
        long,
        value_name = "NAME",
        default_value = "welch",
        conflicts_with = "sequential"
    )]
    pub(crate) test: TestName,
    /// The probability of a false alarm: for all windows together, or ever
    #[arg(
        long,
        value_name = "P",
        default_value_t = 0.05,
        allow_negative_numbers = true
    )]
    pub(crate) alpha: f64,
    /// The least effect of a window, a difference of means by the deviation within, for an alarm
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "D",
        default_value_t = 0.2,
        conflicts_with = "sequential"
    )]
    pub(crate) min_effect: f64,
    /// How many windows and streams are accounted for [default: holm; of sequential tests of several
    /// streams, bh by their e-values]
    #[arg(long, value_name = "NAME")]
    pub(crate) correct: Option<Correction>,
    /// Test row after row, with a guarantee that holds however often it is looked at
    #[arg(long)]
    pub(crate) sequential: bool,
    /// Arm again after each alarm; false alarms are ROWS apart or more on average
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "ROWS",
        requires = "sequential",
        conflicts_with = "alpha"
    )]
    pub(crate) run_length: Option<f64>,
    /// Count one row of each K, the last one
    #[arg(long, value_name = "K", requires = "sequential")]
    pub(crate) thin: Option<NonZeroU32>,
    /// Count the mean score of each K rows as one row
    #[arg(
        long,
        value_name = "K",
        requires = "sequential",
        conflicts_with = "thin"
    )]
    pub(crate) mean_of: Option<NonZeroU32>,
    /// Keep the sequential test in this file, and go on from it
    #[arg(long, value_name = "FILE", requires = "sequential")]
    pub(crate) state: Option<PathBuf>,
    /// Wait for more rows at the end of CURRENT, a growing CSV or TSV file or `-`, until Ctrl-C
    #[arg(long, requires = "sequential")]
    pub(crate) follow: bool,
    /// Run this through the shell for each alarm (of window tests: once), with its JSON on standard
    /// input. It is waited for; a failure is a warning
    #[arg(long, value_name = "COMMAND")]
    pub(crate) on_alarm: Option<String>,
    /// Write metrics for the textfile collector of Prometheus' node exporter, which reads *.prom
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
    /// No plot of evidence or windows, which a terminal gets
    #[arg(long)]
    pub(crate) no_plot: bool,
    /// Id columns to name strange rows by [default: those of the fit, where present]
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub(crate) id: Vec<String>,
    /// The list column that holds the embedding, where there are several
    #[arg(long, value_name = "COLUMN")]
    pub(crate) vector: Option<String>,
    /// CSV or TSV without a header: the columns are numbered, as `column_1`
    #[arg(long)]
    pub(crate) no_header: bool,
    /// CURRENT and the reference hold images: embed them with this encoder
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) encoder_options: EncoderArgs,
    /// Of CURRENT and the reference, which are written alike where both are text.
    #[command(flatten)]
    pub(crate) text: TextArgs,
}

/// How large a window is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WindowSize {
    /// In rows.
    Rows(usize),
    /// In microseconds.
    Time(i64),
}

/// A test of two samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestName {
    /// Welch's t of the means
    Welch,
    /// Ranks
    MannWhitney,
    /// The largest distance of the distribution functions
    Ks,
}

/// A correction of many tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Correction {
    /// No false alarm among all windows, with probability 1 - alpha
    Holm,
    /// At most a share alpha of the alarms is false, on average
    Bh,
    /// None
    None,
}

/// A number of rows, or a number and a unit of time.
fn window(text: &str) -> Result<WindowSize, String> {
    let wrong = || {
        "expected a number of rows, 2 or more, or a duration such as 90s, 15m, 1h, 1d or 1w"
            .to_owned()
    };
    let units = [
        ("s", 1),
        ("m", 60),
        ("h", 3600),
        ("d", 86_400),
        ("w", 604_800),
    ];
    let unit = units.into_iter().find(|(unit, _)| text.ends_with(unit));
    let (number, seconds) = match unit {
        Some((unit, seconds)) => (text.strip_suffix(unit).unwrap_or(text), Some(seconds)),
        None => (text, None),
    };
    let number: i64 = number.trim().parse().map_err(|_| wrong())?;
    let size = match seconds {
        None => usize::try_from(number)
            .ok()
            .filter(|n| *n >= 2)
            .map(WindowSize::Rows),
        Some(seconds) => {
            let micros = number.checked_mul(seconds * 1_000_000).filter(|n| *n > 0);
            micros.map(WindowSize::Time)
        }
    };
    size.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_rows_or_durations() {
        for (text, expected) in [
            ("500", WindowSize::Rows(500)),
            ("90s", WindowSize::Time(90_000_000)),
            ("15m", WindowSize::Time(900_000_000)),
            ("2h", WindowSize::Time(7_200_000_000)),
            ("1 d", WindowSize::Time(86_400_000_000)),
            ("1w", WindowSize::Time(604_800_000_000)),
        ] {
            assert_eq!(window(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "1",
            "-5",
            "0h",
            "-1h",
            "h",
            "1.5h",
            "1y",
            "1hh",
            "99999999999999999h",
        ] {
            let refused = window(text);
            assert!(refused.is_err(), "{text}: {refused:?}");
        }
    }
}
