//! The flags of the commands on images and their encoders.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::at_least_one;

/// Which encoder, and what is known of it.
#[derive(Debug, Args)]
pub(crate) struct EncoderArgs {
    /// Its preprocessing: the name of a built-in one (timm, imagenet, clip, siglip2, dinov2,
    /// dinov3, sscd, cifar, akamaster) or a .toml file of keys [default: NAME.toml or encoder.toml
    /// beside the encoder, or what its file says]
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub(crate) preprocessing: Option<String>,
    /// The onnxruntime library, for ONNX files [default: `QUALM_ORT_DYLIB_PATH`, `ORT_DYLIB_PATH`, the
    /// Python package onnxruntime, the system's]
    #[arg(long, value_name = "PATH")]
    pub(crate) onnxruntime: Option<PathBuf>,
    /// Add columns of pixel statistics (noise, sharpness, blocks, colour) beside the encoder's own:
    /// for damage that it overlooks
    #[arg(long)]
    pub(crate) statistics: bool,
}

/// What happens at an image that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    Stop,
    Skip,
}

/// How images are read.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Images read at once
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) batch: usize,
    /// The column, or array of an .npz file, that holds the images or their paths
    #[arg(long, value_name = "COLUMN")]
    pub(crate) column: Option<String>,
    /// The column, or array, of the labels [default: label, if there is one]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// At an image that cannot be read: stop, or skip it and list it with the rejects
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub(crate) on_error: OnError,
    /// The list of skipped images: their name and the reason [default: OUTPUT.rejects.csv]
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm embed photos/ --encoder clip.onnx --preprocessing clip -o embeddings.parquet
  qualm embed cifar10.parquet --encoder resnet20.safetensors -o embeddings.parquet
  qualm embed photos/ --encoder clip.onnx --views 8 -o views.parquet     random views, SimCLR's
  qualm embed photos/ --encoder clip.onnx --on-error skip -o e.parquet   leaves out broken images
  qualm embed photos/ --encoder clip.onnx --resume -o e.parquet          after an interruption
  qualm fit embeddings.parquet -o model.qualm

Images: a folder (the first sub-folder is the label), one image, a list of paths (.csv .tsv
.parquet), a table of images (Parquet as Hugging Face writes it), .npy or .npz of uint8
(n, h, w, 3). Encoders: ONNX; ResNets as safetensors or PyTorch state dicts (.pt, .pth); or
pixel-statistics, which needs no file.

Output columns: path or id, label (if known), with --views view, crop_left, crop_top, crop_width,
crop_height and flip, and embedding. Formats: .parquet .arrow .feather.

The keys of a .toml file of preprocessing: preprocessing (a built-in one to start from), size,
filter (nearest, bilinear, bicubic, lanczos), antialias, crop (none, centre), crop_fraction, mean,
std, layout (nchw, nhwc), dtype (float32, float16, uint8), output, pooling (none, cls, mean, gap),
l2, statistics.")]
pub(crate) struct Embed {
    /// Where the images are
    pub(crate) images: PathBuf,
    /// The encoder's file
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: PathBuf,
    /// The file of embeddings to write
    #[arg(long, short, value_name = "EMB.parquet")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) options: EncoderArgs,
    /// Embed K random views of each image in place of the image itself
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) views: Option<u32>,
    /// One parameter of the views, such as `crop_area=[0.2,1]`; may be repeated
    #[arg(long = "view-set", value_name = "KEY=VALUE", requires = "views")]
    pub(crate) view_set: Vec<String>,
    #[command(flatten)]
    pub(crate) images_args: ImageArgs,
    /// Continue from EMB.parquet.parts, which an interrupted run leaves
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm encoder check model.onnx --preprocessing clip
  qualm encoder check resnet20.safetensors --json
  qualm encoder check --help                      the test picture, in Python")]
pub(crate) struct Encoder {
    #[command(subcommand)]
    pub(crate) command: EncoderCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EncoderCommand {
    /// Describe an encoder, and embed a test picture to compare with Python
    Check(EncoderCheck),
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm encoder check model.onnx --preprocessing clip
  qualm encoder check resnet20.safetensors --json

The test picture, in Python:
  import numpy as np
  from PIL import Image
  y, x = np.mgrid[0:240, 0:320]
  rgb = [x * 255 // 319, y * 255 // 239, (x // 8 + y // 8) % 2 * 255]
  picture = Image.fromarray(np.stack(rgb, -1).astype(np.uint8))
Prepared and embedded there, it has the vector that is printed here (--json: all of it), but for
the rounding of float32.")]
pub(crate) struct EncoderCheck {
    /// The encoder's file
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) options: EncoderArgs,
}
