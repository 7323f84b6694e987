//! The flags of `qualm monitor`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{EncoderArgs, at_least_one};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  qualm fit usual.parquet --clean -o model.qualm
  qualm monitor model.qualm today.parquet --reference held_out.parquet
  qualm monitor model.qualm week.parquet --reference held_out.parquet --window 1000
  qualm monitor model.qualm today.parquet --reference held_out.parquet --sequential --state watch.state
  qualm monitor model.qualm photos/ --encoder clip.onnx --json || page-somebody

Window tests compare the scores of each window with those of the reference, once. An alarm needs a
corrected p-value of at most --alpha and an effect of at least --min-effect: of a million rows every
trifle is significant.

The sequential test may be looked at after every batch: the probability that it ever raises a false
alarm is at most --alpha, however long it runs. With --run-length N it is armed again after each
alarm, and false alarms are N rows apart or more on average. Both hold if, without a change, the
order of the rows tells nothing; thin rows that depend on those before, such as frames of a video
(--thin, --mean-of).

--state keeps the sequential test between runs. The same input goes on after the rows that have
counted; another input is the continuation of the stream.

Without --reference the model's own reference scores are compared with, which are those of its
fitted rows unless it was fitted with --calibrate. Exit code 1 on an alarm.")]
pub(crate) struct Monitor {
    /// A model written by `qualm fit`
    pub(crate) model: PathBuf,
    /// The rows, or images, to look at
    pub(crate) current: PathBuf,
    /// Rows known to be usual, other than those fitted, in the order in which they came
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Option<PathBuf>,
    /// Rows of a window [default: all of CURRENT is one]
    #[arg(long, value_name = "ROWS", value_parser = at_least_one, allow_negative_numbers = true, conflicts_with = "sequential")]
    pub(crate) window: Option<usize>,
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
    /// How p-values are corrected for the number of windows
    #[arg(
        long,
        value_name = "NAME",
        default_value = "holm",
        conflicts_with = "sequential"
    )]
    pub(crate) correct: Correction,
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

/// A correction of many p-values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Correction {
    /// No false alarm among all windows, with probability 1 - alpha
    Holm,
    /// At most a share alpha of the alarms is false, on average
    Bh,
    /// None
    None,
}
