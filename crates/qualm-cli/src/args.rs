//! The flags of every command.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use qualm::{Device, Spec};

use crate::detectors;

/// How much to trust each embedding: fit once without labels, then one forward pass
/// gives every new item an uncertainty.
#[derive(Debug, Parser)]
#[command(
    name = "qualm",
    version,
    propagate_version = true,
    after_help = "Examples:
  qualm demo                                          the main job, end to end, in seconds
  qualm fit embeddings.npy -o model.qualm             learn what is normal, without labels
  qualm score model.qualm new.npy -o scores.csv       higher score = stranger
  qualm eval scores.csv --label is_outlier            how well the scores rank a labelled set
  qualm info model.qualm                              what is in a model file
  qualm bench table2 --data sets                      detectors side by side on labelled sets

Inputs: .csv .tsv .parquet .arrow .feather .npy .npz, a folder of Parquet parts, or - for
CSV on standard input. Exit codes: 0 done, 2 error or interrupted."
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
        value_name = "N"
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
    /// AUROC and other metrics of scores against labels
    Eval(Eval),
    /// What is in a model file
    Info(Info),
    /// Run a suite: labelled sets x detectors x seeds, to a results file and a table
    Bench(Bench),
    /// One run of a suite, for `bench` itself
    #[command(hide = true)]
    BenchRun(BenchRun),
    /// The main job, end to end, on data inside the binary
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
    /// Label column: kept out of the features, never used in fitting
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// Id columns: kept out of the features, carried through to the scores
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub(crate) id: Vec<String>,
    /// The list column that holds the embedding
    #[arg(long, value_name = "COLUMN")]
    pub(crate) vector: Option<String>,
}

/// Where inliers end; at most one of these.
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
  qualm fit table.csv --preset paper --set epochs=20 --set bag_size=half -o model.qualm
  qualm fit table.csv --detector sp --set subset_size=50 -o model.qualm
  qualm fit table.csv --detector sp --preset paper --scores scores.csv -o model.qualm
  qualm fit table.csv --check-halves -o model.qualm   does the answer hang on the rows?
  qualm fit big.parquet --resume -o model.qualm       go on after Ctrl-C
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
    /// Named set of hyper-parameters
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// TOML file of hyper-parameters (the keys of the Spec; also detector and preset)
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// One hyper-parameter, wins over --config; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Where to train: cpu, cuda or wgpu; the same as --set device=NAME [default: cpu]
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<Device>,
    #[command(flatten)]
    pub(crate) columns: Columns,
    #[command(flatten)]
    pub(crate) rule: ThresholdArgs,
    /// Rows kept apart from fitting, to calibrate p-values and threshold on
    #[arg(long, value_name = "FILE")]
    pub(crate) calibrate: Option<PathBuf>,
    /// Also write the fitted rows' own scores: columns and formats are those of `score`; to
    /// knn and lof a fitted row is not its own neighbour here
    #[arg(long, value_name = "FILE")]
    pub(crate) scores: Option<PathBuf>,
    /// First fit two more models, each to a random half of the rows, and keep how far their
    /// scores agree (see `info`): costs about one more fit, on few rows up to two
    #[arg(long)]
    pub(crate) check_halves: bool,
    /// Go on from MODEL.qualm.checkpoint, left by an interrupted fit of a network
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  qualm score model.qualm new.csv                     to stdout, as CSV
  qualm score model.qualm new.parquet -o scores.parquet
  qualm score model.qualm new.csv --explain 3         the three columns behind each score
  qualm score model.qualm new.csv --fpr 0.01          another threshold, no refit
  qualm score model.qualm new.csv --id name --label y -o scores.csv
  cat new.csv | qualm score model.qualm - | head

Columns out: the id columns, the label if asked for, score (higher = stranger), p_value
(conformal, against the reference rows), outlier (1 when score > threshold). Formats by
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
    #[arg(long, value_name = "K", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) explain: Option<usize>,
    /// Id columns to carry through [default: those the model was fitted with, where present]
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub(crate) id: Vec<String>,
    /// Label column (1 = outlier) to carry through, so that `eval` can read the output
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// The list column that holds the embedding, where there are several
    #[arg(long, value_name = "COLUMN")]
    pub(crate) vector: Option<String>,
    /// Where to run the network: cpu, cuda or wgpu
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  qualm eval scores.csv --label y                     a file of scores with a label column
  qualm eval model.qualm labelled.parquet --label y   score first, then evaluate
  qualm eval scores.parquet --label y --json

Labels: 1 or true = outlier, 0 or false = inlier. auroc_unoriented is max(AUROC, 1 - AUROC):
compare with papers that print that; it needs labels to pick the direction.")]
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

/// A set of labelled sets, the presets used on them and the numbers they are compared with.
// The help of `bench` says what each is: here it would stretch that help over three pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    Table2,
    Extra,
    Embeddings,
}

#[derive(Debug, Args)]
#[command(after_help = format!("Examples:
  qualm bench table2 --data sets -o results.parquet
  qualm bench table2 --data sets --detectors dum,dum:sphere,sp --sets wdbc,pima
  qualm bench extra --data sets --limit-rows 10000 --timeout 600
  qualm bench embeddings --data sets --detectors sp --seeds 1 --json

Suites, and the preset that a detector gets in them unless it is given as NAME:PRESET:
  table2      anomaly sets of the paper's Table 2, its own numbers beside ours: dum default, all
              others paper
  extra       other anomaly sets: default
  embeddings  vectors of networks: dum embedding, all others default
Detectors: {}.

Each file of DIR (or of DIR/SUITE, where DIR holds none) is a set: .csv .tsv .parquet .arrow
.feather .npz, with a label (1 = outlier). Nothing is fitted to labels: they only measure. The
scores measured are the fitted rows' own, to knn and lof without the row itself.

Every run is a process of its own. One that fails or runs out of time is a row with its status.
Rows are kept in the results file as they are finished and not run again when the command is
repeated; after a failure only with --retry. The table, of all that the results file holds of
the suite, is also written beside it: results.md for results.parquet.", Spec::DETECTORS.join(", ")))]
pub(crate) struct Bench {
    /// Which suite
    pub(crate) suite: Suite,
    /// Folder of labelled sets
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Which detectors, each as NAME or NAME:PRESET [default: all]
    #[arg(long, value_delimiter = ',', value_name = "A,B:PRESET")]
    pub(crate) detectors: Vec<String>,
    /// Which sets, by file name without extension [default: all]
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) sets: Vec<String>,
    /// Runs of each detector on each set; their seeds count up from --seed
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,
    /// Of larger sets, so many rows drawn at random: the same for all detectors and seeds
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) limit_rows: Option<usize>,
    /// Seconds that a run may take, reading included [default: no limit]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// The results file [default: bench-SUITE.parquet]
    #[arg(long, short, value_name = "RESULTS.parquet")]
    pub(crate) output: Option<PathBuf>,
    /// The label column of every set [default: label, else y]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// Run again what failed or ran out of time before
    #[arg(long)]
    pub(crate) retry: bool,
}

/// What `bench` asks of a process of its own. It ends with its standard input.
#[derive(Debug, Args)]
pub(crate) struct BenchRun {
    pub(crate) input: PathBuf,
    #[arg(long)]
    pub(crate) label: Option<String>,
    #[arg(long)]
    pub(crate) detector: String,
    #[arg(long)]
    pub(crate) preset: String,
    #[arg(long)]
    pub(crate) limit_rows: Option<usize>,
}

/// A stretch of time in seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|s| *s > 0.0);
    let time = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
    time.ok_or_else(|| "expected seconds, above 0".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  qualm demo
  qualm demo --keep wdbc        also leave the data and the model in a folder, to go on with

Data: Breast Cancer Wisconsin (Diagnostic), 569 x 30, UCI, CC BY 4.0. The labels are used
only to measure, never to fit.")]
pub(crate) struct Demo {
    /// Folder to leave wdbc.csv and wdbc.qualm in
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}
