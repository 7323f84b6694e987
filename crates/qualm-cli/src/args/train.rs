//! The flags of `train`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use qualm_vision::train::Method;

use super::encoder::OnError;

#[derive(Debug, Args)]
#[expect(
    clippy::doc_markdown,
    reason = "help is read in a terminal, where backticks are noise"
)]
#[command(after_long_help = "Examples:
  qualm train photos -o encoder.safetensors                       SimCLR, without labels
  qualm train photos --network resnet20 --epochs 100 -o encoder.safetensors
  qualm train photos --method moco --set temperature=0.2 --batch 256 -o encoder.safetensors
  qualm train photos --eval-labels -o encoder.safetensors         sub-folders = classes: kNN accuracy
                                                                  on a tenth that is held out
  qualm train train.parquet --eval test.parquet -o encoder.safetensors
  qualm train photos --method supervised -o classifier.safetensors
  qualm train photos --max-minutes 90 -o encoder.safetensors      stop at the end of an epoch
  qualm train photos --resume -o encoder.safetensors              go on from there
  qualm train photos --export encoder.onnx -o encoder.safetensors

Methods: simclr, moco and byol compare two random views of each image and need no labels;
supervised learns labels; rotation learns by how many quarters an image was turned, and labels
where there are any.

Keys of --set and --config, with the defaults that follow from method and image size: method,
network, image_size, epochs, batch_size, optimizer (sgd or lars), lars_eta, learning_rate,
warmup_epochs, momentum, weight_decay, temperature, bank_size, ema_momentum, projection_hidden,
projection_width, rotation_weight, mean, std, knn_every, knn_neighbours, knn_temperature, held_out,
and those of the views, as in --set views.flip=0. A key that the method does not have is refused,
with a list of those it has.

Networks: resnet18-cifar (default up to 64 pixels), resnet18 (default above), resnet8, resnet20,
resnet32, resnet44, resnet56, resnet34, resnet50, resnet34-cifar, resnet50-cifar.

Images: a folder (sub-folder = class), a CSV or Parquet list of paths, Hugging Face image Parquet,
.npy or .npz of uint8 (n, h, w, 3).")]
pub(crate) struct Train {
    /// Images to train on
    pub(crate) images: PathBuf,
    /// The encoder file to write
    #[arg(long, short, value_name = "ENCODER.safetensors")]
    pub(crate) output: PathBuf,
    /// How to train [default: simclr]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Method::NAMES))]
    pub(crate) method: Option<String>,
    /// The architecture; the same as --set network=NAME
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// How many times all images are seen; the same as --set epochs=N
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<u64>,
    /// Images a step; the same as --set batch_size=N
    #[arg(long, value_name = "N")]
    pub(crate) batch: Option<u64>,
    /// TOML file of settings (the keys of --set)
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, wins over --config; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The column that holds images or paths [default: told by name and type]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) column: Option<String>,
    /// The column of labels [default: the column `label`, or the sub-folders]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// Measure kNN accuracy every few epochs by the labels, on images that are held out; simclr,
    /// moco and byol never learn from labels
    #[arg(long)]
    pub(crate) eval_labels: bool,
    /// Measure on these labelled images instead of holding some out
    #[arg(long, value_name = "IMAGES")]
    pub(crate) eval: Option<PathBuf>,
    /// What to do about an image that cannot be read
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub(crate) on_error: OnError,
    /// Continue from ENCODER.safetensors.checkpoint, which an interrupted training leaves
    #[arg(long)]
    pub(crate) resume: bool,
    /// Also write the encoder as ONNX: float32 images from 0 to 1, (batch, 3, size, size)
    #[arg(long, value_name = "FILE.onnx")]
    pub(crate) export: Option<PathBuf>,
    /// Stop at the end of the epoch that is under way after so many minutes, write the encoder and
    /// keep the checkpoint for --resume
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    pub(crate) max_minutes: Option<Duration>,
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: Option<f64> = text.parse().ok().filter(|m| *m > 0.0);
    let time = minutes.and_then(|m| Duration::try_from_secs_f64(60.0 * m).ok());
    time.ok_or_else(|| "expected minutes, above 0".to_owned())
}
