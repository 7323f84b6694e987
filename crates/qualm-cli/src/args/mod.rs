//! The flags of every command.

mod bench;
mod bench_ood;
mod corrupt;
mod encoder;
mod monitor;
mod ood;
mod train;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use qualm::{Device, Spec};

use crate::detectors;
pub(crate) use bench::{
    Bench, BenchCommand, BenchCorruption, BenchRun, BenchSets, PaperTable, Suite,
};
pub(crate) use bench_ood::BenchOod;
pub(crate) use corrupt::Corrupt;
pub(crate) use encoder::{
    Embed, Encoder, EncoderArgs, EncoderCheck, EncoderCommand, ImageArgs, OnError,
};
pub(crate) use monitor::{Correction, Monitor, TestName, WindowSize};
pub(crate) use ood::{Ood, OodCommand, OodFit, OodScore};
pub(crate) use train::Train;

/// How much to trust each embedding: fit once without labels, then score every new item in
/// one forward pass.
#[derive(Debug, Parser)]
#[command(
    name = "qualm",
    version,
    propagate_version = true,
    after_help = "Examples:
  qualm demo                                          fit, score and evaluate in seconds, on data inside
  qualm fit embeddings.npy -o model.qualm             fit a detector, without labels
  qualm score model.qualm new.npy -o scores.csv       higher score = more anomalous
  qualm eval scores.csv --label is_outlier            AUROC and other metrics, with labels
  qualm info model.qualm                              what is in a model file
  qualm bench table2 --data sets                      compare detectors on labelled sets

Inputs: .csv .tsv .parquet .arrow .feather .npy .npz, a folder of Parquet parts, or - for
CSV or an Arrow stream on standard input. Exit codes: 0 done, 2 error or interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Print one JSON document on stdout and nothing else there
    #[arg(long, global = true, help_heading = "Common options")]
    pub(crate) json: bool,
    /// No progress, notes or warnings on stderr; errors still appear
    #[arg(long, short, global = true, help_heading = "Common options")]
    pub(crate) quiet: bool,
    /// Seed of all randomness: the same seed gives the same bits at any thread count
    #[arg(
        long,
        global = true,
        help_heading = "Common options",
        default_value_t = 0,
        value_name = "N",
        value_parser = seed,
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// Threads to use [default: all]
    #[arg(long, global = true, help_heading = "Common options", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fit a detector to vectors or a table, without labels
    Fit(Fit),
    /// Score rows with a fitted model: score, p-value, outlier
    Score(Score),
    /// Watch a model's input: an alarm when it has changed
    Monitor(Box<Monitor>),
    /// Out-of-distribution detectors over a classifier's features and logits
    Ood(Ood),
    /// AUROC and other metrics of scores against labels
    Eval(Eval),
    /// Describe a model file
    Info(Info),
    /// Embed images with an encoder
    Embed(Embed),
    /// Look at an encoder
    Encoder(Encoder),
    /// Damage images: the common corruptions and more
    Corrupt(Corrupt),
    /// Compare detectors on labelled sets, damaged images or images out of distribution
    Bench(Bench),
    /// One run of a suite, for `bench` itself
    #[command(hide = true)]
    BenchRun(BenchRun),
    /// Train an encoder on images, without labels or with them
    Train(Train),
    /// Fit, score and evaluate on data inside the binary
    Demo(Demo),
}

/// Which columns mean what.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_field_names,
    reason = "fields are called as their flags"
)]
pub(crate) struct Columns {
    /// Feature columns [default: every numeric column, or the only vector column]
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) columns: Vec<String>,
    /// Columns to leave out of the features
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) exclude: Vec<String>,
    /// Label column: not a feature, never used in fitting
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// Id columns: not features, copied to the scores
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub(crate) id: Vec<String>,
    /// The list column that holds the embedding
    #[arg(long, value_name = "COLUMN")]
    pub(crate) vector: Option<String>,
    /// Rows with the same value in this column are views of one item, such as crops of an image:
    /// each row of a bag is a random view of its item [default: as the file of `embed` says]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) item: Option<String>,
    /// CSV or TSV without a header: the columns are numbered, as `column_1`
    #[arg(long)]
    pub(crate) no_header: bool,
}

/// The rule that sets the threshold; at most one of these.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct ThresholdArgs {
    /// False-positive rate: this share of the reference rows may score above the threshold [default: 0.05]
    #[arg(long, value_name = "RATE")]
    pub(crate) fpr: Option<f64>,
    /// Share of outliers among the reference rows, above 0 and at most 0.5
    #[arg(long, value_name = "SHARE")]
    pub(crate) contamination: Option<f64>,
}

#[derive(Debug, Args)]
#[command(after_help = format!("Examples:
  qualm fit embeddings.npy -o model.qualm
  qualm fit items.parquet --vector embedding --id item_id -o model.qualm
  qualm fit table.csv --label y --exclude timestamp --fpr 0.01 -o model.qualm
  qualm fit train.parquet --calibrate held_out.parquet -o model.qualm
  qualm fit usual.parquet --clean -o model.qualm      no outliers among the fitted rows
  qualm fit views.parquet --item image -o model.qualm     several rows an image
  qualm fit table.csv --set metric=normal --set bandwidth=0.3 -o model.qualm
  qualm fit table.csv --preset paper --set epochs=20 --set bag_size=half -o model.qualm
  qualm fit table.csv --detector sp --set subset_size=50 -o model.qualm
  qualm fit table.csv --detector sp --preset paper --scores scores.csv -o model.qualm
  qualm fit table.csv --check-halves -o model.qualm   do two halves of the rows agree?
  qualm fit big.parquet --preset mlp --resume -o model.qualm      continue an interrupted fit
  qualm fit big.npy --preset paper --device cuda -o model.qualm

{}", detectors::help()))]
pub(crate) struct Fit {
    /// Rows to fit on
    pub(crate) input: PathBuf,
    /// The model file to write
    #[arg(long, short, value_name = "MODEL.qualm")]
    pub(crate) output: PathBuf,
    /// Which detector [default: dum]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Spec::DETECTORS))]
    pub(crate) detector: Option<String>,
    /// Named set of hyper-parameters [default: default]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// TOML file of hyper-parameters (the keys of the Spec; also detector and preset)
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// One hyper-parameter, wins over --config; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The fitted rows are known to be usual (novelty detection: monitoring, out-of-distribution,
    /// quality control); the same as --set reference=clean. Without it they may hold outliers
    /// (outlier detection), the same as --set reference=mixed
    #[arg(long)]
    pub(crate) clean: bool,
    /// Where to train: cpu, cuda or wgpu; the same as --set device=NAME [default: cpu]
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<Device>,
    #[command(flatten)]
    pub(crate) columns: Columns,
    #[command(flatten)]
    pub(crate) rule: ThresholdArgs,
    /// Held-out rows to calibrate p-values and threshold on [default: the fitted rows]
    #[arg(long, value_name = "FILE")]
    pub(crate) calibrate: Option<PathBuf>,
    /// Also write the scores of the fitted rows, with the columns and formats of `score`. For
    /// knn and lof, a fitted row is not its own neighbour
    #[arg(long, value_name = "FILE")]
    pub(crate) scores: Option<PathBuf>,
    /// First fit two more models, each to a random half of the rows, and store the rank
    /// correlation of their scores in the model (see `info`). Takes the time of one more fit, or
    /// up to two on few rows
    #[arg(long)]
    pub(crate) check_halves: bool,
    /// Continue from MODEL.qualm.checkpoint, which an interrupted fit of a network leaves
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  qualm score model.qualm new.csv                     to stdout, as CSV
  qualm score model.qualm new.parquet -o scores.parquet
  qualm score model.qualm new.csv --explain 3         the three features that contribute most
  qualm score model.qualm new.csv --fpr 0.01          another threshold, without refitting
  qualm score model.qualm new.csv --id name --label y -o scores.csv
  qualm score model.qualm photos/                     images, by the encoder that the model names
  cat new.csv | qualm score model.qualm - | head

Output columns: the id columns, the label if asked for, score (higher = more anomalous), p_value
(conformal, against the reference rows), outlier (1 if score > threshold). Formats by
extension: .csv .tsv .parquet .arrow .feather .jsonl .ndjson.")]
pub(crate) struct Score {
    /// A model written by `qualm fit`
    pub(crate) model: PathBuf,
    /// Rows to score
    pub(crate) input: PathBuf,
    /// Where to write the scores [default: CSV on stdout]
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rule: ThresholdArgs,
    /// The threshold itself: rows that score above it are outliers
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, conflicts_with_all = ["fpr", "contamination"])]
    pub(crate) threshold: Option<f64>,
    /// Add the K features that contribute most to each score, and their shares
    #[arg(long, value_name = "K", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) explain: Option<usize>,
    /// Id columns to copy to the scores [default: those of the fit, where present]
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub(crate) id: Vec<String>,
    /// Label column (1 = outlier) to copy to the scores, for `eval`
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// The list column that holds the embedding, where there are several
    #[arg(long, value_name = "COLUMN")]
    pub(crate) vector: Option<String>,
    /// CSV or TSV without a header: the columns are numbered, as `column_1`
    #[arg(long)]
    pub(crate) no_header: bool,
    /// Where to run the network: cpu, cuda or wgpu
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub(crate) device: Device,
    /// INPUT holds images: embed them with this encoder [default: for a model of embeddings, the
    /// encoder that it names, beside the model or in the working directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) encoder_options: EncoderArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  qualm eval scores.csv --label y                     a file of scores with a label column
  qualm eval model.qualm labelled.parquet --label y   score first, then evaluate
  qualm eval scores.parquet --label y --json

Labels: 1 or true = outlier, 0 or false = inlier. auroc_unoriented is max(AUROC, 1 - AUROC), as
some papers report it: it uses the labels to choose the direction.")]
pub(crate) struct Eval {
    /// A file of scores; or, with INPUT, a model
    #[arg(value_name = "SCORES | MODEL.qualm")]
    pub(crate) scores: PathBuf,
    /// Labelled rows to score with the model
    pub(crate) input: Option<PathBuf>,
    /// The label column
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: String,
    /// The score column of a file of scores [default: score]
    #[arg(long, value_name = "COLUMN", conflicts_with = "input")]
    pub(crate) score: Option<String>,
    /// The list column that holds the embedding, where there are several
    #[arg(long, value_name = "COLUMN", requires = "input")]
    pub(crate) vector: Option<String>,
    /// CSV or TSV without a header: the columns are numbered, as `column_1`
    #[arg(long, requires = "input")]
    pub(crate) no_header: bool,
    /// Where to run the network: cpu, cuda or wgpu [default: cpu]
    #[arg(long, value_name = "NAME", requires = "input")]
    pub(crate) device: Option<Device>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  qualm info model.qualm
  qualm info model.qualm --json")]
pub(crate) struct Info {
    /// A model written by `qualm fit`
    pub(crate) model: PathBuf,
}

/// A whole number from 1.
fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| *n > 0);
    number.ok_or_else(|| "expected a whole number, 1 or more".to_owned())
}

/// A whole number from 0.
fn seed(text: &str) -> Result<u64, String> {
    let number = text.parse();
    number.map_err(|_| "expected a whole number from 0 to 18446744073709551615".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  qualm demo
  qualm demo --keep wdbc        keep the data and the model in a folder

Data: Breast Cancer Wisconsin (Diagnostic), 569 x 30, UCI, CC BY 4.0. Labels are used only to
evaluate.")]
pub(crate) struct Demo {
    /// Folder to keep wdbc.csv and wdbc.qualm in
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}
