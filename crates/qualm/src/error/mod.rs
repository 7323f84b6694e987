//! Everything that can go wrong, with the values that say why.

use std::io;
use std::path::PathBuf;

mod location;
mod words;

use crate::device::DeviceError;
pub use location::{Location, Names};
use words::{Divergence, Expected, Gibibytes, Lighter, Parser, Rows};

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that the library refuses, or that stops it.
///
/// Messages say what was found, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum Error {
    // ---- rows -----------------------------------------------------------------
    /// No row, or no column.
    #[error("{at}: no rows to read; give at least one row of numbers")]
    Empty { at: Location },
    /// A flat slice that is not a whole number of rows.
    #[error("{len} values do not make whole rows of {n_cols} columns")]
    Shape { len: usize, n_cols: usize },
    /// NaN or an infinity.
    #[error("{at}: found {value:?}, expected a finite number; remove or impute such rows first")]
    NotFinite { at: Location, value: f64 },
    /// Rows of another width than the model was fitted on.
    #[error("{at}: got {found} columns, expected {expected}, the width the model was fitted on")]
    Width {
        at: Location,
        found: usize,
        expected: usize,
    },
    /// A slice for scores that is not as long as there are rows.
    #[error("room for {found} scores, but there are {expected} rows")]
    OutputLength { found: usize, expected: usize },
    /// Views of another number of rows than there are.
    #[error("the items of {found} rows are given, expected those of {expected}, one for each row")]
    ViewCount { found: usize, expected: usize },

    // ---- specifications ---------------------------------------------------------
    /// A hyper-parameter outside its range.
    #[error("{key} = {value}: expected {expected}")]
    InvalidKey {
        key: &'static str,
        value: String,
        expected: &'static str,
    },
    /// A hyper-parameter of the wrong type, or none of the words it may be.
    #[error("{key} = {value}: {}", Expected(source))]
    InvalidValue {
        key: String,
        value: String,
        source: serde_json::Error,
    },
    /// Keys or values that do not make a Spec.
    #[error(
        "the specification does not fit detector '{detector}': {}",
        Parser(source)
    )]
    InvalidSpec {
        detector: String,
        source: serde_json::Error,
    },
    /// No detector of this name.
    #[error("unknown detector '{found}'; expected one of: {}", known.join(", "))]
    UnknownDetector {
        found: String,
        known: &'static [&'static str],
    },
    /// No preset of this name.
    #[error("detector '{detector}' has no preset '{found}'; expected one of: {}", known.join(", "))]
    UnknownPreset {
        found: String,
        detector: &'static str,
        known: &'static [&'static str],
    },
    /// A device that cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),

    // ---- fitting ------------------------------------------------------------------
    /// Not enough rows for what was asked.
    #[error("{} {} too few: {why} need at least {expected}", Rows(*found), if *found == 1 { "is" } else { "are" })]
    TooFewRows {
        found: usize,
        expected: usize,
        why: &'static str,
    },
    /// One stream more than may be watched at once.
    #[error(
        "stream '{name}': is one more than the {most} that may be watched; each keeps a state of its \
         own: is the column one of ids? If not, allow more"
    )]
    TooManyStreams { name: String, most: usize },
    /// A hyper-parameter that the rows given do not allow.
    #[error(
        "{key} = {value}: expected at most {most} with {}; lower it or fit more rows",
        Rows(*n_rows)
    )]
    KeyForRows {
        key: String,
        value: usize,
        most: usize,
        n_rows: usize,
    },
    /// Every column is constant.
    #[error(
        "{}: there is nothing to tell apart; give rows that vary",
        if *n_rows == 1 {
            "there is only 1 row".to_owned()
        } else {
            format!("all {n_rows} rows are equal")
        }
    )]
    NoVariance { n_rows: usize },
    /// More memory than there is.
    #[error(
        "fitting needs about {}, but {} of memory are free; {}fit fewer rows or columns",
        Gibibytes(*needed),
        Gibibytes(*available),
        Lighter(lighter)
    )]
    Memory {
        needed: u64,
        available: u64,
        /// What could be done to the hyper-parameters: `set metric = euclidean`.
        lighter: Vec<String>,
    },
    /// Training left the finite numbers.
    #[error("training diverged: loss {loss} at step {step}; {}", Divergence(*step))]
    Diverged { step: u64, loss: f64 },
    /// The fitted model gives every reference row the same score.
    #[error(
        "every one of the {n_rows} reference rows has the score {score:?}: the model tells nothing \
         apart; try another space or other hyper-parameters"
    )]
    ConstantScores { n_rows: usize, score: f64 },
    /// A score that is not a finite number.
    #[error(
        "{at}: the score is {score:?}; the values of this row lie too far from the fitted rows"
    )]
    ScoreNotFinite { at: Location, score: f64 },
    /// The caller stopped the fit, at a step of all networks together.
    #[error("interrupted at step {step} of {steps}")]
    Interrupted { step: u64, steps: u64 },
    /// The caller stopped a fit that has no training steps.
    #[error("interrupted while working on {what}: {done} of {total} done")]
    Stopped {
        what: &'static str,
        done: u64,
        total: u64,
    },
    /// What a learner of another crate refuses; see [`crate::fit::Learner`].
    #[error(transparent)]
    Learner(Box<dyn std::error::Error + Send + Sync>),
    /// A checkpoint of another fit.
    #[error(
        "the checkpoint was made with another {what} ({found}, now {expected}); \
         repeat the first call's arguments, or fit without resuming"
    )]
    CheckpointMismatch {
        what: &'static str,
        found: String,
        expected: String,
    },
    /// An explanation asked for more features than there are.
    #[error("cannot explain by {found} features: the model has {expected}")]
    TooManyExplanations { found: usize, expected: usize },

    // ---- out-of-distribution detection ----------------------------------------
    /// An array that the detector needs.
    #[error(
        "detector '{detector}' needs {what}, and there are none; give them, or choose a detector that needs none"
    )]
    MissingInput {
        detector: &'static str,
        what: &'static str,
    },
    /// A detector that must be fitted first.
    #[error("detector '{detector}' must be fitted first")]
    NotFitted { detector: &'static str },
    /// Features of several layers for a detector of one.
    #[error(
        "detector '{detector}' takes the features of one layer, found those of {found}; give one of them"
    )]
    SeveralLayers {
        detector: &'static str,
        found: usize,
    },
    /// Features of another number of layers than the detector was fitted to.
    #[error(
        "features of {found} layers, expected those of {expected}, as the detector was fitted to"
    )]
    LayerCount { found: usize, expected: usize },
    /// Arrays that are not of the same items.
    #[error("{what}: {found} rows, expected {expected}, as many as the first array has")]
    RowsDiffer {
        what: &'static str,
        found: usize,
        expected: usize,
    },
    /// Values that were rounded less an offset.
    #[error("{what}: the values are less an offset; give them as they are, as float32")]
    RoundedInput { what: &'static str },
    /// Not enough rows of one class.
    #[error("class {class}: {} {} too few, expected at least {expected}; give more rows of this class, or leave it out", Rows(*found), if *found == 1 { "is" } else { "are" })]
    ClassTooSmall {
        class: i64,
        found: usize,
        expected: usize,
    },
    /// Classes whose rows are all equal.
    #[error(
        "none of the {n_features} features varies within the classes: there is no covariance; give features of another layer"
    )]
    ConstantClasses { n_features: usize },
    /// A class that the classifier does not have.
    #[error(
        "class {class}, but the logits are of {n_classes} classes; number the classes from 0 in the order of the logits"
    )]
    NoSuchClass { class: i64, n_classes: usize },
    /// Nothing but rows that are known to be out of distribution.
    #[error(
        "every label is below 0, which marks known outliers; give the classes of rows that are in distribution, from 0"
    )]
    OnlyOutliers,
    /// A combination of layers that asks for known outliers.
    #[error(
        "combine = logistic needs rows that are known to be out of distribution; label them -1, or set combine = equal"
    )]
    NoKnownOutliers,
    /// Not enough features for what was asked.
    #[error(
        "detector '{detector}' needs at least {expected} features, found {found}; choose another detector"
    )]
    TooFewFeatures {
        detector: &'static str,
        found: usize,
        expected: usize,
    },
    /// Logits that do not follow from the features.
    #[error(
        "the logits are no linear function of the features ({:.1}% of their variance is unexplained): give the \
         features that go into the classifier's last layer, or set origin = mean",
        100.0 * unexplained
    )]
    NotTheLastLayer { unexplained: f64 },
    /// Features that lie in their principal space.
    #[error(
        "the {n_features} features have no part outside their principal space; set a smaller n_components"
    )]
    NoResidual { n_features: usize },

    // ---- model files ----------------------------------------------------------------
    /// The file could not be read.
    #[error("{}: cannot read: {source}", file.display())]
    ReadModel {
        file: PathBuf,
        source: std::io::Error,
    },
    /// Not a safetensors file, or one cut short.
    #[error("{}: not a complete .qualm file or state ({source}); restore it, fit the model again or begin a new state", file.display())]
    NotAModel {
        file: PathBuf,
        source: safetensors::SafeTensorError,
    },
    /// Written by a later version.
    #[error(
        "{}: format version {found}, but this qualm reads up to version {supported}; upgrade qualm",
        file.display()
    )]
    NewerModel {
        file: PathBuf,
        found: u64,
        supported: u64,
    },
    /// A well-formed file whose content is not that of a model.
    #[error(
        "{}: corrupt model file: {part} is {found}, expected {expected}; \
         fit the model again or restore the file",
        file.display()
    )]
    CorruptModel {
        file: PathBuf,
        part: String,
        found: String,
        expected: String,
    },
    /// The model could not be put into bytes.
    #[error("cannot serialise the model: {source}")]
    SerialiseModel {
        source: safetensors::SafeTensorError,
    },
    /// The metadata could not be put into JSON.
    #[error("cannot serialise the model's metadata: {source}")]
    SerialiseMetadata { source: serde_json::Error },
    // ---- networks on images ---------------------------------------------------
    /// No residual network of this name.
    #[error("unknown network '{found}'; expected one of: {}", known.join(", "))]
    UnknownArchitecture {
        found: String,
        known: &'static [&'static str],
    },
    /// A stage that the network does not have.
    #[error("stage {found}, counted from 0, of a network with {n_stages} stages")]
    NoSuchStage { found: usize, n_stages: usize },
    /// A tensor that the network needs.
    #[error("tensor '{tensor}' is missing; expected one of shape {expected:?}")]
    MissingTensor {
        tensor: String,
        expected: Vec<usize>,
    },
    /// A tensor of another shape than the network has.
    #[error("tensor '{tensor}' has shape {found:?}, expected {expected:?}")]
    TensorShape {
        tensor: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    /// A flat slice that is not a whole number of images.
    #[error("{len} values do not make whole images of {rows} x {cols} pixels with 3 channels")]
    ImageValues {
        len: usize,
        rows: usize,
        cols: usize,
    },
    /// A slice of another length than the network and its batch have.
    #[error("{what}: {found} values, expected {expected}")]
    SliceLength {
        what: &'static str,
        found: usize,
        expected: usize,
    },
    /// A batch whose images shrink to a single pixel.
    #[error(
        "a batch of {found} is too small for batch norm: a layer's output is a single pixel, which has no variance; give more or larger images"
    )]
    BatchTooSmall { found: usize },
    // ---- scores, labels, cuts -------------------------------------------------
    /// Scores and labels that do not belong to the same rows.
    #[error("{scores} scores but {labels} labels; give one label for each score")]
    LabelCount { scores: usize, labels: usize },
    /// Labels without a single outlier, or without a single inlier.
    #[error(
        "all {rows} rows are labelled {found}; ranking metrics need at least one {missing} as well"
    )]
    OneClass {
        rows: usize,
        found: &'static str,
        missing: &'static str,
    },
    /// A score without a rank.
    #[error("the score of row {row} is NaN, which ranks nowhere; score that row again or drop it")]
    NanScore { row: usize },
    /// A setting outside its range.
    #[error("{name} is {found}, expected {expected}")]
    OutOfRange {
        name: &'static str,
        found: f64,
        expected: &'static str,
    },
    /// Two samples whose spread cannot be estimated.
    #[error(
        "the scores of the reference and of the {n} rows compared with it are each all the same; there is no spread to compare their means by"
    )]
    NoSpread { n: usize },
    /// A calibration on nothing.
    #[error("no reference scores to calibrate on; give at least one")]
    NoReference,
    // ---- output ---------------------------------------------------------------
    /// An output path whose folder is not there.
    #[error("{}: cannot be written: the folder does not exist; create it first", path.display())]
    NoOutputFolder { path: PathBuf },
    /// An output path that is a folder.
    #[error("{}: cannot be written: it is a folder; give a file name", path.display())]
    OutputIsFolder { path: PathBuf },
    /// An output path behind links that lead back to themselves.
    #[error("{}: cannot be written: its symbolic links lead in a circle; remove one, or choose another place", path.display())]
    OutputLinkLoop { path: PathBuf },
    /// A file or folder that may not be written.
    #[error("{}: cannot be written: no permission; choose another place or change its permissions", path.display())]
    OutputDenied {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A full disk.
    #[error("{}: no space left on the disk; nothing was overwritten; free some space and run again", path.display())]
    DiskFull {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A limit on the size of files, of the process or of the file system.
    #[error("{}: cannot be written: the limit on the size of a file is reached (ulimit -f shows that of the process); nothing was overwritten; raise it, or write less", path.display())]
    FileLimit {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The operating system would not write; a broken pipe on standard output is one of these.
    #[error("{}: cannot be written", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// An error about a score, with its row, counted from 1, numbered otherwise.
    pub(crate) fn renumbered(self, number: impl FnOnce(usize) -> usize) -> Self {
        match self {
            Self::ScoreNotFinite { at, score } => Self::ScoreNotFinite {
                at: Location::row(number(at.row.unwrap_or(1))),
                score,
            },
            other => other,
        }
    }
}
