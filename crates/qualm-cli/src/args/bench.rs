//! The flags of `qualm bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use qualm::Spec;

use super::bench_ood::BenchOod;
use super::{EncoderArgs, at_least_one};

/// A group of labelled sets and the presets used on them.
// The help of `bench` says what each is: here it would stretch that help over three pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    Table2,
    Extra,
    Embeddings,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_long_help = format!("Examples:
  qualm bench table2 --data sets -o results.jsonl
  qualm bench table2 --data sets --detectors dum,dum:sphere,sp --sets wdbc,pima
  qualm bench extra --data sets --limit-rows 10000 --timeout 600
  qualm bench embeddings --data sets --detectors sp --seeds 1 --json

Suites, and the preset that a detector gets in them unless it is given as NAME:PRESET:
  table2      anomaly sets of the paper's Table 2, with the paper's numbers: dum default, all
              others paper
  extra       other anomaly sets: default
  embeddings  embedding vectors: default
Detectors: {}.

Each file of DIR (or of DIR/SUITE, if DIR has none) is a set: .csv .tsv .parquet .arrow .feather
.npz, with a label (1 = outlier). Labels are used only to evaluate. The scores evaluated are
those of the fitted rows; for knn and lof, a row is not its own neighbour.

Each run is a process of its own and becomes one line of the results file, with a status if it
failed or ran out of time. Finished runs are not repeated when the command is run again; failed
ones only with --retry. A table of all results of the suite is written beside the results file:
results.md for results.jsonl.", Spec::DETECTORS.join(", ")))]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) command: Option<BenchCommand>,
    #[command(flatten)]
    pub(crate) sets: Option<BenchSets>,
}

/// What is measured on other things than labelled sets.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Whether detectors notice damaged images: the paper's Table 1
    Corruption(Box<BenchCorruption>),
    /// Whether detectors tell images out of distribution: the paper's Table 3
    Ood(Box<BenchOod>),
}

/// A suite of labelled sets, and what is run on them.
#[derive(Debug, Args)]
pub(crate) struct BenchSets {
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
    /// Runs of each detector on each set, with the seeds from --seed upwards
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,
    /// Draw N rows at random from larger sets: the same for all detectors and seeds
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) limit_rows: Option<usize>,
    /// Time limit of a run in seconds, reading included [default: no limit]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<Duration>,
    /// The results file [default: bench-SUITE.jsonl]
    #[arg(long, short, value_name = "RESULTS.jsonl")]
    pub(crate) output: Option<PathBuf>,
    /// The label column of every set [default: label, else y]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// Repeat runs that failed or ran out of time before
    #[arg(long)]
    pub(crate) retry: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm bench corruption --images test.parquet --train train.parquet --encoder net.safetensors \\
      -o results.parquet
  qualm bench corruption --images photos/ --encoder clip.onnx --model clip.qualm -o results.parquet
  qualm bench corruption --images test.parquet --encoder net.safetensors --kind all \\
      --detectors dum,knn,ecod+space=robust --limit-images 2000 -o results.parquet

The detectors are fitted to embeddings of clean images (--clean). The images of --images are split
at random: the first half stays clean and is the reference, the second half is damaged, in every
way and severity that was asked for, and scored. 'none' is the second half as it is. Without
--train and --model, one half of the images is fitted and the other one split.

Each corruption, severity and detector becomes a row: Welch's t, degrees of freedom, p and log10 p
of the scores beside those of the reference, Cohen's d, AUROC with its 95 % interval. A table in
the layout of the paper is written beside: results.md for results.parquet. Damaged images are not
written anywhere. An interrupted bench goes on when the command is repeated.")]
pub(crate) struct BenchCorruption {
    /// The images that are damaged
    #[arg(long, value_name = "IMAGES")]
    pub(crate) images: PathBuf,
    /// The encoder's file
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: PathBuf,
    #[command(flatten)]
    pub(crate) encoder_options: EncoderArgs,
    /// Clean images to fit the detectors to [default: one half of --images]
    #[arg(long, value_name = "IMAGES", conflicts_with = "model")]
    pub(crate) train: Option<PathBuf>,
    /// A model fitted to embeddings of the same encoder, in place of a fit
    #[arg(long, value_name = "MODEL.qualm")]
    pub(crate) model: Option<PathBuf>,
    /// Which detectors, each as NAME, NAME:PRESET or with settings as NAME:PRESET+KEY=VALUE
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "A,B:PRESET",
        conflicts_with = "model",
        default_value = "dum,knn,ecod+space=robust"
    )]
    pub(crate) detectors: Vec<String>,
    /// Which corruptions: names or groups, as in `qualm corrupt`
    #[arg(long, value_name = "NAMES", default_value = "common")]
    pub(crate) kind: String,
    /// How badly: numbers from 1 to 5, such as 3, 1,5 or 1-5
    #[arg(long, value_name = "N", default_value = "1-5")]
    pub(crate) severity: String,
    /// The parameters of severities: cifar, tiny, imagenet, or auto, by the size of an image
    #[arg(long, value_name = "SET", default_value = "auto")]
    pub(crate) params: String,
    /// Draw N images at random of each input
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) limit_images: Option<usize>,
    /// The column, or array of an .npz file, that holds the images or their paths
    #[arg(long, value_name = "COLUMN")]
    pub(crate) column: Option<String>,
    /// Which of the paper's tables stands beside [default: by the size of the images, cifar10 up
    /// to 48 pixels, tiny up to 96, none above]
    #[arg(long, value_name = "TABLE")]
    pub(crate) paper: Option<PaperTable>,
    /// The file of results to write: .parquet .arrow .feather .csv .tsv
    #[arg(long, short, value_name = "RESULTS.parquet")]
    pub(crate) output: PathBuf,
}

/// A part of the paper's Table 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PaperTable {
    Cifar10,
    Cifar100,
    Tiny,
    None,
}

/// What `bench` asks of a process of its own, which ends when its standard input does.
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

/// A time in seconds, above 0.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|s| *s > 0.0);
    let time = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
    time.ok_or_else(|| "expected seconds, above 0".to_owned())
}
