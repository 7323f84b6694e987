//! The flags of every command.

mod bench;
mod bench_ood;
mod completions;
mod corrupt;
mod encoder;
mod monitor;
mod ood;
mod report;
mod table;
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
pub(crate) use completions::{Completions, What};
pub(crate) use corrupt::Corrupt;
pub(crate) use encoder::{
    Embed, Encoder, EncoderArgs, EncoderCheck, EncoderCommand, ImageArgs, OnError,
};
pub(crate) use monitor::{Correction, Monitor, TestName, WindowSize};
pub(crate) use ood::{Ood, OodCommand, OodFit, OodScore};
pub(crate) use report::{Gallery, PageArgs, Report};
pub(crate) use table::{TextArgs, TreatmentArgs};
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

Inputs: .csv .tsv .jsonl (also .gz, .zst) .parquet .arrow .feather .npy .npz, several of them, a
pattern, a folder of parts, or - for CSV, JSON lines, Parquet or Arrow on standard input.
Exit codes: 0 done, 2 error or interrupted. -h after a command is short, --help is whole."
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
    /// A page of the most and least certain rows, with their images
    Gallery(Box<Gallery>),
    /// A page on a model and its scores: plots, strangest rows, a map, settings
    Report(Box<Report>),
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
    /// Completions for shells, and manual pages
    Completions(Completions),
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
    #[arg(hide_short_help = true, long, value_name = "COLUMN")]
    pub(crate) item: Option<String>,
    /// CSV or TSV without a header: the columns are numbered, as `column_1`
    #[arg(hide_short_help = true, long)]
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
#[command(after_long_help = format!("Examples:
  qualm fit embeddings.npy -o model.qualm
  qualm fit items.parquet --vector embedding --id item_id -o model.qualm
  qualm fit table.csv --label y --exclude timestamp --fpr 0.01 -o model.qualm
  qualm fit train.parquet --calibrate held_out.parquet -o model.qualm
  qualm fit customers.csv.gz --id id --missing median --encode onehot --dates --thousands , --top 20 \\
      -o model.qualm                                  from a raw export to its twenty strangest rows
  qualm fit export.csv --na NA,? --delimiter ';' --decimal , -o model.qualm
  qualm fit usual.parquet --clean -o model.qualm      no outliers among the fitted rows
  qualm fit views.parquet --item image -o model.qualm     several rows an image
  qualm fit lake/ --sample-rows 100000 --id item_id -o model.qualm      larger than memory
  qualm fit table.csv --set metric=normal --set bandwidth=0.3 -o model.qualm
  qualm fit table.csv --preset paper --set epochs=20 --set bag_size=half -o model.qualm
  qualm fit table.csv --detector sp --set subset_size=50 -o model.qualm
  qualm fit table.csv --detector sp --preset paper --scores scores.csv -o model.qualm
  qualm fit table.csv --check-halves -o model.qualm   do two halves of the rows agree?
  qualm fit big.parquet --preset mlp --resume -o model.qualm      continue an interrupted fit
  qualm fit big.npy --preset paper --device cuda -o model.qualm

{}", detectors::help()))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Fit {
    /// Rows to fit on
    pub(crate) input: PathBuf,
    /// More files of the same table; patterns such as 'parts/*.csv' name several
    #[arg(value_name = "MORE")]
    pub(crate) more: Vec<PathBuf>,
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
    #[arg(hide_short_help = true, long, value_name = "FILE.toml")]
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
    #[arg(hide_short_help = true, long, value_name = "NAME")]
    pub(crate) device: Option<Device>,
    #[command(flatten)]
    pub(crate) columns: Columns,
    #[command(flatten)]
    pub(crate) treatment: TreatmentArgs,
    #[command(flatten)]
    pub(crate) text: TextArgs,
    #[command(flatten)]
    pub(crate) rule: ThresholdArgs,
    /// Held-out rows to calibrate p-values and threshold on [default: the fitted rows]
    #[arg(long, value_name = "FILE")]
    pub(crate) calibrate: Option<PathBuf>,
    /// Fit to a uniform sample of so many rows: for inputs larger than memory. All rows are read twice, and
    /// p-values and threshold refer to those that were not sampled. Which rows are sampled depends
    /// on their --id and --seed alone; without --id on their numbers
    // How columns are prepared is learned from all rows, which are held for that.
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one,
        allow_negative_numbers = true,
        conflicts_with_all = ["missing", "na", "encode", "dates"]
    )]
    pub(crate) sample_rows: Option<usize>,
    /// Also write the scores of the fitted rows, with the columns and formats of `score`. For
    /// knn and lof, a fitted row is not its own neighbour
    #[arg(long, value_name = "FILE")]
    pub(crate) scores: Option<PathBuf>,
    /// Also show the N strangest of the fitted rows, with their values and the three features that
    /// contribute most
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true, conflicts_with = "scores")]
    pub(crate) top: Option<usize>,
    /// First fit two more models, each to a random half of the rows, and store the rank
    /// correlation of their scores in the model (see `info`). Takes the time of one more fit, or
    /// up to two on few rows
    #[arg(hide_short_help = true, long)]
    pub(crate) check_halves: bool,
    /// Continue from MODEL.qualm.checkpoint, which an interrupted fit of a network leaves
    #[arg(long)]
    pub(crate) resume: bool,
    /// No histogram of the scores in a terminal
    #[arg(long)]
    pub(crate) no_plot: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm score model.qualm new.csv                     to stdout, as CSV
  qualm score model.qualm new.parquet -o scores.parquet
  qualm score model.qualm new.csv --explain 3         the three features that contribute most
  qualm score model.qualm new.csv --top 20            the strangest rows first, with values and reasons
  qualm score model.qualm new.csv --keep all -o s.csv         beside the columns of the input
  qualm score model.qualm new.csv --on-error skip -o s.csv    lists bad rows in s.rejects.csv
  qualm score model.qualm new.csv --fpr 0.01          another threshold, without refitting
  qualm score model.qualm new.csv --id name --label y -o scores.csv
  qualm score model.qualm photos/                     images, by the encoder that the model names
  cat new.csv | qualm score model.qualm - | head

Output columns: the id columns, the label if asked for, score (higher = more anomalous), p_value
(conformal, against the reference rows), outlier (1 if score > threshold). Where rows may be left
out, reordered or kept with their columns and there is no id, a column `row` numbers them as messages
do. Formats by extension: .csv .tsv .parquet .arrow .feather .jsonl .ndjson.")]
pub(crate) struct Score {
    /// A model written by `qualm fit`
    pub(crate) model: PathBuf,
    /// Rows to score
    pub(crate) input: PathBuf,
    /// More files of the same table; patterns such as 'parts/*.csv' name several
    #[arg(value_name = "MORE")]
    pub(crate) more: Vec<PathBuf>,
    /// Where to write the scores [default: CSV on stdout]
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rule: ThresholdArgs,
    /// False-discovery rate: at most this share of the rows called outliers is expected to be none
    /// (Benjamini and Hochberg over the p-values). Holds the scored rows in memory
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with_all = ["fpr", "contamination", "threshold", "top"])]
    pub(crate) fdr: Option<f64>,
    /// The threshold itself: rows that score above it are outliers
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, conflicts_with_all = ["fpr", "contamination"])]
    pub(crate) threshold: Option<f64>,
    /// Add the K features that contribute most to each score, and their shares
    #[arg(long, value_name = "K", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) explain: Option<usize>,
    /// Only the N rows with the highest scores, the strangest first, with the values of the model's
    /// columns and the three features that contribute most (--keep and --explain say otherwise)
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) top: Option<usize>,
    /// Columns of the input to copy to the scores, features too: names, or all (but vectors)
    #[arg(long, value_delimiter = ',', value_name = "A,B | all")]
    pub(crate) keep: Vec<String>,
    /// At a row that cannot be scored: stop, or skip it and list it with the rejects
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub(crate) on_error: OnError,
    /// The list of skipped rows: file, row, column and reason [default: OUT.rejects.csv]
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Id columns to copy to the scores [default: those of the fit, where present]
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub(crate) id: Vec<String>,
    /// Label column (1 = outlier) to copy to the scores, for `eval`
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// The label of outliers, such as fraud or -1; any other is none [default: 1 or true]
    #[arg(
        long,
        value_name = "LABEL",
        requires = "label",
        allow_hyphen_values = true
    )]
    pub(crate) positive: Option<String>,
    /// The list column that holds the embedding, where there are several
    #[arg(long, value_name = "COLUMN")]
    pub(crate) vector: Option<String>,
    /// CSV or TSV without a header: the columns are numbered, as `column_1`
    #[arg(hide_short_help = true, long)]
    pub(crate) no_header: bool,
    /// Where to run the network: cpu, cuda or wgpu
    #[arg(
        hide_short_help = true,
        long,
        value_name = "NAME",
        default_value = "cpu"
    )]
    pub(crate) device: Device,
    /// No histogram of the scores in a terminal
    #[arg(long)]
    pub(crate) no_plot: bool,
    /// INPUT holds images: embed them with this encoder [default: for a model of embeddings, the
    /// encoder that it names, beside the model or in the working directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) encoder_options: EncoderArgs,
    #[command(flatten)]
    pub(crate) text: TextArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
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
    /// The label of outliers, such as fraud or -1; any other is none [default: 1 or true]
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    pub(crate) positive: Option<String>,
    /// The score column of a file of scores [default: score]
    #[arg(long, value_name = "COLUMN", conflicts_with = "input")]
    pub(crate) score: Option<String>,
    /// The list column that holds the embedding, where there are several
    #[arg(long, value_name = "COLUMN", requires = "input")]
    pub(crate) vector: Option<String>,
    /// CSV or TSV without a header: the columns are numbered, as `column_1`
    #[arg(hide_short_help = true, long, requires = "input")]
    pub(crate) no_header: bool,
    /// Where to run the network: cpu, cuda or wgpu [default: cpu]
    #[arg(hide_short_help = true, long, value_name = "NAME", requires = "input")]
    pub(crate) device: Option<Device>,
    #[command(flatten)]
    pub(crate) text: TextArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
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

/// A share between 0 and 1.
fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x| *x > 0.0 && *x < 1.0);
    number.ok_or_else(|| "expected a number above 0 and below 1".to_owned())
}

/// A whole number from 0.
fn seed(text: &str) -> Result<u64, String> {
    let number = text.parse();
    number.map_err(|_| "expected a whole number from 0 to 18446744073709551615".to_owned())
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm demo
  qualm demo --keep wdbc        keep the data and the model in a folder

Data: Breast Cancer Wisconsin (Diagnostic), 569 x 30, UCI, CC BY 4.0. Labels are used only to
evaluate.")]
pub(crate) struct Demo {
    /// Folder to keep wdbc.csv and wdbc.qualm in
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}
