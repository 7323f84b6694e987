//! The flags of the commands that write pages.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use qualm_report::report::MapMethod;

use super::{EncoderArgs, at_least_one};

/// Where a page goes.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// The page to write: one HTML file
    #[arg(long, short, value_name = "PAGE.html")]
    pub(crate) output: PathBuf,
    /// Also every number shown, as .json or .parquet [default: the page's name with .json]
    #[arg(long, value_name = "FILE")]
    pub(crate) numbers: Option<PathBuf>,
    /// What the page is called
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Write over files that are no pages of qualm
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  qualm gallery model.qualm embeddings.parquet --images photos/ -o gallery.html
  qualm gallery model.qualm photos/ -o gallery.html           embeds them on the way
  qualm gallery model.qualm embeddings.parquet --images photos/ --by-class -o gallery.html
  qualm gallery model.qualm embeddings.parquet --images photos/ --classes cat,dog -o gallery.html
  qualm gallery model.qualm views.parquet --images photos/ --views -o views.html
  qualm gallery model.qualm table.csv -o rows.html            rows without images, with their columns
  qualm gallery model.qualm texts.parquet --text body -o texts.html

The page shows the rows with the highest and the lowest scores, each with its uncertainty (the
score), percentile, p-value, the features that contribute most, and the nearest typical rows. It is
one file that loads nothing from elsewhere. --by-class and --views draw five classes or images with
--seed where there are more.")]
pub(crate) struct Gallery {
    /// A model written by `qualm fit`
    pub(crate) model: PathBuf,
    /// Rows to show: a table, embeddings of `qualm embed`, or images
    pub(crate) input: PathBuf,
    /// The images that the rows are of: a folder, or a file as for `embed`
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) images: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    /// A section for each class; for five of them at random where there are more than ten
    #[arg(long)]
    pub(crate) by_class: bool,
    /// A section for each of these classes
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) classes: Vec<String>,
    /// How many rows at either end of a section
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) top: usize,
    /// A section for the views of each of five images at random
    #[arg(long)]
    pub(crate) views: bool,
    /// A section for the views of each of these images
    #[arg(long, value_delimiter = ',', value_name = "ID,ID")]
    pub(crate) items: Vec<String>,
    /// The column that names the image of a row [default: that of `embed`, or path, image, file,
    /// filename, id]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) item: Option<String>,
    /// The column of classes [default: label, in embeddings of `embed`]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) class: Option<String>,
    /// The column of text to show [default: the first whose values are long]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) text: Option<String>,
    /// The column, or array of an .npz file, of --images that holds the images or their paths
    #[arg(long, value_name = "COLUMN")]
    pub(crate) column: Option<String>,
    /// The list column that holds the embedding, where there are several
    #[arg(long, value_name = "COLUMN")]
    pub(crate) vector: Option<String>,
    /// CSV or TSV without a header: the columns are numbered, as `column_1`
    #[arg(long)]
    pub(crate) no_header: bool,
    /// INPUT holds images: embed them with this encoder [default: the one that the model names,
    /// beside the model or in the working directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) encoder_options: EncoderArgs,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("exports").args(["atlas", "fiftyone"]).multiple(true))]
#[command(after_help = "Examples:
  qualm report model.qualm -o model.html                      the model alone
  qualm report model.qualm new.parquet -o report.html         with scores of rows, and a map
  qualm report model.qualm labelled.csv --label y -o report.html   with ROC and precision-recall
  qualm report model.qualm scores.csv -o report.html          scores of `qualm score`: no map, no reasons
  qualm report model.qualm june.csv --current july.csv -o report.html
  qualm monitor model.qualm july.csv --json > watch.json
  qualm report model.qualm july.csv --monitor watch.json -o report.html
  qualm report model.qualm --bench results.jsonl -o report.html

Each part is there as far as its data are. The page is one file that loads nothing from elsewhere.
--numbers rows.parquet writes the rows shown with their scores and places on the map.
--map umap keeps neighbours together; it lays out up to 20,000 rows, drawn with --seed, and places the
others among them. Other programs show the rows, with --images their pictures:
  qualm report model.qualm emb.parquet --images photos/ --atlas rows.parquet --fiftyone rows.json -o report.html
  embedding-atlas rows.parquet --x projection_x --y projection_y --image image
  python -c 'import fiftyone as fo; fo.launch_app(fo.Dataset.from_json(\"rows.json\")).wait()'")]
pub(crate) struct Report {
    /// A model written by `qualm fit`
    pub(crate) model: PathBuf,
    /// Rows to score, or scores of `qualm score`
    #[arg(value_name = "SCORES | DATA")]
    pub(crate) input: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    /// The column that says which rows are outliers (1)
    #[arg(long, value_name = "COLUMN", requires = "input")]
    pub(crate) label: Option<String>,
    /// How many of the rows with the highest scores are listed
    #[arg(long, value_name = "N", default_value_t = qualm_report::report::TOP, value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) top: usize,
    /// How rows get their places on the map: their first two principal components, or UMAP, which
    /// keeps neighbours together
    #[arg(long, value_name = "METHOD", value_enum, default_value = "pca")]
    pub(crate) map: MapName,
    /// Also all rows for Embedding Atlas: a Parquet file
    #[arg(long, value_name = "FILE.parquet", requires = "input")]
    pub(crate) atlas: Option<PathBuf>,
    /// Also all rows for FiftyOne: a JSON file
    #[arg(long, value_name = "FILE.json", requires_all = ["input", "images"])]
    pub(crate) fiftyone: Option<PathBuf>,
    /// The images that the rows are of, for --atlas and --fiftyone: a folder, or a file as for `embed`
    #[arg(long, value_name = "DIR|FILE", requires = "exports")]
    pub(crate) images: Option<PathBuf>,
    /// The column, or array of an .npz file, of --images that holds the images or their paths
    #[arg(long, value_name = "COLUMN", requires = "images")]
    pub(crate) column: Option<String>,
    /// Later rows or scores, for the histogram
    #[arg(long, value_name = "FILE")]
    pub(crate) current: Option<PathBuf>,
    /// What `qualm monitor --json` printed, or its state; may be repeated
    #[arg(long, value_name = "RESULTS|STATE")]
    pub(crate) monitor: Vec<PathBuf>,
    /// What a `qualm bench` printed with --json, or its results file (.jsonl, .csv or .parquet); may be
    /// repeated
    #[arg(long, value_name = "RESULTS", num_args = 1..)]
    pub(crate) bench: Vec<PathBuf>,
    /// The column that names a row [default: that of `embed`, or path, image, file, filename, id]
    #[arg(long, value_name = "COLUMN", requires = "input")]
    pub(crate) item: Option<String>,
    /// The list column that holds the embedding, where there are several
    #[arg(long, value_name = "COLUMN", requires = "input")]
    pub(crate) vector: Option<String>,
    /// CSV or TSV without a header: the columns are numbered, as `column_1`
    #[arg(long, requires = "input")]
    pub(crate) no_header: bool,
}

/// How rows get their places on a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MapName {
    Pca,
    Umap,
}

impl From<MapName> for MapMethod {
    fn from(name: MapName) -> Self {
        match name {
            MapName::Pca => Self::Pca,
            MapName::Umap => Self::Umap,
        }
    }
}
