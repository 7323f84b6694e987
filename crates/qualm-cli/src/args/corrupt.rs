//! The flags of `qualm corrupt`.

use std::path::PathBuf;

use clap::Args;

use super::ImageArgs;

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm corrupt photos/ --kind fog --severity 3 -o foggy/
  qualm corrupt cifar10.parquet --kind common --severity 1-5 -o cifar10-c.parquet
  qualm corrupt photos/ --kind blur,jpeg_compression --severity 1,5 -o damaged.parquet
  qualm corrupt photos/ --kind all -o damaged/ --format jpeg:90 --sheet look.html
  qualm corrupt photos/ --kind frost -o frozen/ --frost-dir site-packages/imagecorruptions/frost

Kinds, by group:
  noise     gaussian_noise shot_noise impulse_noise
  blur      defocus_blur glass_blur motion_blur zoom_blur
  weather   snow frost fog brightness
  digital   contrast elastic_transform pixelate jpeg_compression
  held_out  speckle_noise gaussian_blur spatter saturate
  bar       blue_noise_sample brownish_noise caustic_refraction checkerboard_cutout
            cocentric_sine_waves inverse_sparkles perlin_noise plasma_noise
            single_frequency_greyscale sparkles
  field     rescale exposure white_balance rotate reencode
  common    the first four groups: the fifteen of ImageNet-C
  all       everything

Output: a .parquet file with the columns path or id, label (if known), corruption, severity and
image, which every command on images reads; or a folder, KIND/SEVERITY/NAME. A damaged image
depends on the seed, the name of the image, the kind and the severity, and on nothing else.")]
pub(crate) struct Corrupt {
    /// Where the images are
    pub(crate) images: PathBuf,
    /// Which corruptions: names or groups, separated by commas
    #[arg(long, value_name = "NAMES")]
    pub(crate) kind: String,
    /// How badly: numbers from 1 to 5, such as 3, 1,5 or 1-5
    #[arg(long, value_name = "N", default_value = "1-5")]
    pub(crate) severity: String,
    /// The table (.parquet) or the folder to write
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// The parameters of severities: cifar, tiny, imagenet, or auto, by the size of an image
    #[arg(long, value_name = "SET", default_value = "auto")]
    pub(crate) params: String,
    /// Copy the faults of the published code, such as pixels that `glass_blur` loses
    #[arg(long)]
    pub(crate) compat: bool,
    /// A folder of photographs of frost, in place of generated ones
    #[arg(long, value_name = "DIR")]
    pub(crate) frost_dir: Option<PathBuf>,
    /// How images are written: png, webp (without loss), webp:QUALITY, jpeg or jpeg:QUALITY
    #[arg(long, value_name = "FORMAT", default_value = "png")]
    pub(crate) format: String,
    /// A contact sheet of the first images: .html or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) sheet: Option<PathBuf>,
    /// Images on the sheet
    #[arg(long, value_name = "N", default_value_t = 3, requires = "sheet", value_parser = super::at_least_one, allow_negative_numbers = true)]
    pub(crate) sheet_images: usize,
    #[command(flatten)]
    pub(crate) images_args: ImageArgs,
    /// Continue an interrupted run
    #[arg(long)]
    pub(crate) resume: bool,
}
