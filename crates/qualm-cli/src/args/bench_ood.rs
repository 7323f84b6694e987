//! The flags of `qualm bench ood`.

use std::path::PathBuf;

use clap::Args;

use super::at_least_one;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  qualm bench ood --in cifar10=test.parquet --out near:cifar100=cifar100.parquet,far:mnist=mnist/ \\
      --train train.parquet --classifier resnet20.safetensors,resnet56.safetensors -o results.parquet
  qualm bench ood --in test/ --out other/ --train train/ --encoder clip.onnx --preprocessing clip \\
      -o results.parquet
  qualm bench ood --in test/ --out other/ --train train/ --classifier net.safetensors \\
      --detectors knn,mahalanobis@stage_1:features,dum+epochs=50 --limit-images 1000 -o results.parquet

Every detector is fitted to the images of --train over each classifier, and scores the images of
--in and of each --out. On an encoder's embeddings those run that need features alone. Each network
sees an image once for all detectors that need no gradient and no rotation of it.

A detector is NAME, NAME@LAYER:LAYER for other layers than its own, either with settings as
NAME+KEY=VALUE: qualm ood list. By default all run, mahalanobis with and without normalise; rotation
over the networks that have a rotation head.

Every image takes the same path: decoded, brought to squares of one size, and with --reencode
through a format with loss. Images of --in and --out that are also among those of --train, pixel
by pixel, are refused.

Each network, detector and set becomes a row: AUROC with DeLong's 95 % interval; FPR at 95 % TPR,
AUPR in and AUPR out with intervals of a bootstrap. A table in the layout of the paper is written
beside: results.md for results.parquet. Where --in is called cifar10, cifar100 or svhn, the paper's
numbers stand in it. An interrupted bench goes on when the command is repeated.")]
pub(crate) struct BenchOod {
    /// The images in distribution, kept apart from those of --train
    #[arg(long = "in", value_name = "[NAME=]IMAGES")]
    pub(crate) inside: String,
    /// The images out of distribution; near: or far: in front of a set counts it in the mean over
    /// such sets
    #[arg(
        long = "out",
        required = true,
        value_delimiter = ',',
        value_name = "[near:|far:][NAME=]IMAGES"
    )]
    pub(crate) outside: Vec<String>,
    /// The images that detectors are fitted to, in distribution; with classes for the detectors
    /// that need them
    #[arg(long, value_name = "IMAGES")]
    pub(crate) train: PathBuf,
    /// Classifiers: residual networks as .safetensors, .pt or .pth
    #[arg(long, value_delimiter = ',', value_name = "FILE")]
    pub(crate) classifier: Vec<PathBuf>,
    /// Encoders, whose embeddings are scored: ONNX, .safetensors, .pt, .pth, or pixel-statistics
    #[arg(long, value_delimiter = ',', value_name = "FILE")]
    pub(crate) encoder: Vec<PathBuf>,
    /// Networks with a rotation head, for the detector rotation alone
    #[arg(long, value_delimiter = ',', value_name = "FILE")]
    pub(crate) rotation: Vec<PathBuf>,
    /// The preprocessing of all networks, or with FILE= of one: a built-in one or a .toml file of keys,
    /// as for qualm embed [default: as for qualm embed]; may be repeated
    #[arg(long, value_delimiter = ',', value_name = "[FILE=]NAME|FILE.toml")]
    pub(crate) preprocessing: Vec<String>,
    /// The onnxruntime library, for ONNX files [default: as for qualm embed]
    #[arg(long, value_name = "PATH")]
    pub(crate) onnxruntime: Option<PathBuf>,
    /// Which detectors [default: all]
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "A,B@LAYER:LAYER,C+KEY=VALUE"
    )]
    pub(crate) detectors: Vec<String>,
    /// Side in pixels of the squares that every image is brought to first [default: the shorter
    /// side of the first image of --in]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) size: Option<u32>,
    /// Write every image in this format and read it again: png and webp lose nothing;
    /// jpeg:QUALITY or webp:QUALITY cover what an earlier format has left
    #[arg(long, value_name = "FORMAT", default_value = "png")]
    pub(crate) reencode: String,
    /// Leave out images of --in and --out that are among those of --train, in place of refusing them
    #[arg(long)]
    pub(crate) drop_overlap: bool,
    /// Draw N images at random of each input
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) limit_images: Option<usize>,
    /// The column, or array of an .npz file, that holds the images or their paths
    #[arg(long, value_name = "COLUMN")]
    pub(crate) column: Option<String>,
    /// The column of classes of --train and --in [default: label, or the sub-folders]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// The file of results to write: .parquet .arrow .feather .csv .tsv
    #[arg(long, short, value_name = "RESULTS.parquet")]
    pub(crate) output: PathBuf,
}
