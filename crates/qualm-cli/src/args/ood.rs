//! The flags of `qualm ood`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use qualm::ood::OodSpec;

use super::ThresholdArgs;

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm ood list                                                    what each detector needs
  qualm ood fit train.npz --detector knn -o knn.qualm
  qualm ood fit train.npz --detector mahalanobis --set normalise=true -o m.qualm
  qualm ood score knn.qualm test.npz -o scores.parquet
  qualm ood fit photos/ --classifier resnet20.safetensors --detector odin -o odin.qualm
  qualm ood score odin.qualm new_photos/ -o scores.parquet

Input: images, with --classifier, or arrays: .npz arrays or columns of Parquet or Arrow, one row
an item: features (vectors of a layer of the classifier), logits, and to fit label (the class, a
whole number). With PyTorch or any other framework:
numpy.savez(\"train.npz\", features=z, logits=l, label=y).")]
pub(crate) struct Ood {
    #[command(subcommand)]
    pub(crate) command: OodCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OodCommand {
    /// Fit a detector to what a classifier computed for items in distribution
    Fit(Box<OodFit>),
    /// Score items with a fitted detector: score, p-value, outlier
    Score(Box<OodScore>),
    /// List the detectors, with what each needs
    List,
}

/// The network that images go through.
#[derive(Debug, Args)]
pub(crate) struct ClassifierArgs {
    /// The classifier: a residual network as .safetensors, .pt or .pth [default, to score: the one of the fit,
    /// beside its detector or in this folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) classifier: Option<PathBuf>,
    /// Its preprocessing: the name of a built-in one or a .toml file of keys, as for qualm embed
    /// [default: NAME.toml or encoder.toml beside the classifier, or what its file says]
    #[arg(long, value_name = "NAME|FILE.toml", requires = "classifier")]
    pub(crate) preprocessing: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm ood fit train.npz --detector knn -o knn.qualm
  qualm ood fit train.npz --detector vim --set n_components=64 -o vim.qualm
  qualm ood fit train.parquet --detector rmds --features pool5 --label y -o rmds.qualm
  qualm ood fit train.npz --detector mahalanobis --features stage1,stage2,features -o m.qualm
  qualm ood fit train.npz --detector energy --calibrate held_out.npz --fpr 0.01 -o e.qualm
  qualm ood fit photos/ --classifier net.safetensors --detector gram -o gram.qualm
  qualm ood fit photos/ --classifier net.safetensors --detector mahalanobis --features
    stage_1,stage_2,features --set epsilon=0.002 -o m.qualm

Images go through the classifier, a ResNet (safetensors, .pt, .pth) with its last layer. Its
layers are stage_1 and so on, the means over the feature maps of its stages; the last is also
called features. odin, gram and rotation need images, and so does mahalanobis with epsilon above 0.

Items with a label below 0 are known outliers. They are left out of the fit; mahalanobis with
--set combine=logistic weighs its layers by them. Keys of each detector: qualm ood list.")]
pub(crate) struct OodFit {
    /// Features, logits and labels of items in distribution, as the detector needs them; or images,
    /// with --classifier
    #[arg(value_name = "DATA")]
    pub(crate) input: PathBuf,
    #[command(flatten)]
    pub(crate) network: ClassifierArgs,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Which detector
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(OodSpec::DETECTORS))]
    pub(crate) detector: String,
    /// TOML file of keys
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// One key, wins over --config; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The arrays of features, one a layer; of images the layers [default: features; of images all
    /// stages where the method sees them all]
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) features: Vec<String>,
    /// The array of logits [default: logits]
    #[arg(long, value_name = "NAME", conflicts_with = "classifier")]
    pub(crate) logits: Option<String>,
    /// The classes: whole numbers, below 0 for known outliers; of images also the names of the
    /// classifier's classes [default: label, where the detector needs it or the input has it, or the
    /// sub-folders of images]
    #[arg(long, value_name = "NAME")]
    pub(crate) label: Option<String>,
    /// Id columns to copy to the scores; images have their names
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "COLUMN",
        conflicts_with = "classifier"
    )]
    pub(crate) id: Vec<String>,
    #[command(flatten)]
    pub(crate) rule: ThresholdArgs,
    /// Held-out items in distribution to calibrate p-values and threshold on [default: the fitted
    /// items]
    #[arg(long, value_name = "FILE")]
    pub(crate) calibrate: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm ood score knn.qualm test.npz                         to stdout, as CSV
  qualm ood score knn.qualm test.npz -o scores.parquet
  qualm ood score knn.qualm test.npz --fpr 0.01              another threshold, without refitting
  qualm ood score knn.qualm mixed.npz --label is_outlier -o scores.csv    for qualm eval

Output columns: the id columns, the label if asked for, score (higher = more out of
distribution), p_value (conformal, against the reference items), outlier (1 if score >
threshold). Arrays are found by the names that they had in the fit.")]
pub(crate) struct OodScore {
    /// A file written by `qualm ood fit`
    #[arg(value_name = "FILE")]
    pub(crate) model: PathBuf,
    /// Features and logits of the items to score; or images, for a detector that was fitted to
    /// images
    #[arg(value_name = "DATA")]
    pub(crate) input: PathBuf,
    #[command(flatten)]
    pub(crate) network: ClassifierArgs,
    /// Where to write the scores [default: CSV on stdout]
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rule: ThresholdArgs,
    /// The threshold itself: items that score above it are outliers
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, conflicts_with_all = ["fpr", "contamination"])]
    pub(crate) threshold: Option<f64>,
    /// Id columns to copy to the scores [default: those of the fit, where present]
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub(crate) id: Vec<String>,
    /// Label column (1 = outlier) to copy to the scores, for `eval`
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
}
