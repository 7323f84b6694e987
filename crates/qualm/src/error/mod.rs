//! Everything that can go wrong, with the values that say why.

use std::io;
use std::path::PathBuf;

mod location;
mod parts;

use crate::device::DeviceError;
pub use location::{Location, Names};
use parts::{Extension, Gibibytes, Named};

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
    #[error("{at}: found {value}, expected a finite number; remove or impute such rows first")]
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

    // ---- specifications ---------------------------------------------------------
    /// A hyper-parameter outside its range.
    #[error("{key} = {value}: expected {expected}")]
    InvalidKey {
        key: &'static str,
        value: String,
        expected: &'static str,
    },
    /// A hyper-parameter of the wrong type, or none of the words it may be.
    #[error("{key} = {value}: {source}")]
    InvalidValue {
        key: String,
        value: String,
        source: serde_json::Error,
    },
    /// Keys or values that do not make a Spec.
    #[error("the specification does not fit detector '{detector}': {source}")]
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
    #[error("{found} rows are too few: {why} need at least {expected}")]
    TooFewRows {
        found: usize,
        expected: usize,
        why: &'static str,
    },
    /// A hyper-parameter that the rows given do not allow.
    #[error(
        "{key} = {value}: expected at most {most} with {n_rows} rows; lower it or fit more rows"
    )]
    KeyForRows {
        key: String,
        value: usize,
        most: usize,
        n_rows: usize,
    },
    /// Every column is constant.
    #[error("all {n_rows} rows are equal: there is nothing to tell apart; give rows that vary")]
    NoVariance { n_rows: usize },
    /// More memory than there is.
    #[error(
        "fitting needs about {}, but {} of memory are free; choose a smaller model (such as \
         hidden, layers, members or batch_size), or fit fewer rows",
        Gibibytes(*needed),
        Gibibytes(*available)
    )]
    Memory { needed: u64, available: u64 },
    /// Training left the finite numbers.
    #[error(
        "training diverged: loss {loss} at step {step}; try a smaller learning_rate, \
         a log_variance_bound or a bounded space (sphere, unit, kernel)"
    )]
    Diverged { step: u64, loss: f64 },
    /// The fitted model gives every reference row the same score.
    #[error(
        "every one of the {n_rows} reference rows has the score {score}: the model tells nothing \
         apart; try another space or other hyper-parameters (qualm info lists a model's keys)"
    )]
    ConstantScores { n_rows: usize, score: f64 },
    /// A score that is not a finite number.
    #[error("row {row} has the score {score}; its values lie too far from the fitted rows")]
    ScoreNotFinite { row: usize, score: f64 },
    /// The caller stopped the fit.
    #[error("interrupted at step {step} of {steps}")]
    Interrupted { step: u64, steps: u64 },
    /// The caller stopped a fit that has no training steps.
    #[error("interrupted while working on {what}: {done} of {total} done")]
    Stopped {
        what: &'static str,
        done: u64,
        total: u64,
    },
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

    // ---- model files ----------------------------------------------------------------
    /// The file could not be read.
    #[error("{}: cannot read: {source}", file.display())]
    ReadModel {
        file: PathBuf,
        source: std::io::Error,
    },
    /// Not a safetensors file, or one cut short.
    #[error("{}: not a complete .qualm file ({source}); fit the model again or restore the file", file.display())]
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
    /// A calibration on nothing.
    #[error("no reference scores to calibrate on; give at least one")]
    NoReference,
    // ---- files ----------------------------------------------------------------
    /// A file or folder that is not there.
    #[error("{}: no such file or folder; check the path", path.display())]
    NotFound { path: PathBuf },
    /// The operating system would not read it.
    #[error("{at}: cannot be read")]
    Read {
        at: Location,
        #[source]
        source: io::Error,
    },
    /// A file of no bytes.
    #[error("{at}: the file is empty (0 bytes); was it written completely?")]
    EmptyFile { at: Location },
    /// A folder without Parquet parts.
    #[error("{}: no *.parquet file in this folder; a folder is read as the parts of one Parquet table", path.display())]
    NoParts { path: PathBuf },
    /// An extension that no reader or writer answers to.
    #[error("{}: cannot tell the format from {}; known are {known}", path.display(), Extension(path))]
    UnknownFormat { path: PathBuf, known: &'static str },
    /// Content that is not what the extension says.
    #[error(
        "{at}: expected {expected}, found {found}; give the file the extension of its format or write it again"
    )]
    WrongFormat {
        at: Location,
        expected: &'static str,
        found: &'static str,
    },
    /// Fewer bytes than the file's own header promises.
    #[error(
        "{at}: the file is truncated: its header promises {expected} bytes of values, found {found}; copy or write it again"
    )]
    Truncated {
        at: Location,
        expected: u64,
        found: u64,
    },

    // ---- text tables ----------------------------------------------------------
    /// A row with more or fewer fields than the header.
    #[error(
        "{at}: found {found} fields, expected {expected} as in the header; check separators and quotes"
    )]
    Ragged {
        at: Location,
        found: usize,
        expected: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("{at}: not valid UTF-8; convert the file to UTF-8 first")]
    NotUtf8 { at: Location },
    /// Text where a number belongs.
    #[error(
        "{at}: found '{found}', expected a number; correct it, or fit without the column (--exclude)"
    )]
    NotANumber { at: Location, found: String },
    /// A column name used twice.
    #[error(
        "{at}: the name stands more than once in the header, expected distinct names; rename one, or add the header if there is none"
    )]
    DuplicateColumn { at: Location },
    /// A first line of numbers where the names belong.
    #[error("{at}: the first line holds only numbers, expected column names; add a header line")]
    NoHeader { at: Location },
    /// A header without the separator that the extension promises.
    #[error(
        "{at}: the header has one field and contains {found}, expected {expected} between fields; convert the file"
    )]
    WrongSeparator {
        at: Location,
        found: &'static str,
        expected: &'static str,
    },
    /// Text that the CSV parser gave up on.
    #[error("{at}: cannot be read as CSV")]
    Csv {
        at: Location,
        #[source]
        source: csv::Error,
    },

    // ---- binary tables --------------------------------------------------------
    /// A NumPy header that cannot be understood.
    #[error(
        "{at}: the NumPy header is damaged: no valid {expected}; write the file again with numpy.save"
    )]
    NpyHeader {
        at: Location,
        expected: &'static str,
    },
    /// An array of another rank than two.
    #[error(
        "{at}: found an array of shape {shape:?}, expected two dimensions (rows, columns); reshape it first"
    )]
    NpyShape { at: Location, shape: Vec<u64> },
    /// An array of something else than real numbers.
    #[error(
        "{at}: found an array of type '{found}', expected floats, integers or bools; convert it with .astype('float32')"
    )]
    NpyType { at: Location, found: String },
    /// A damaged `.npz` archive.
    #[error("{at}: the archive cannot be read")]
    Archive {
        at: Location,
        #[source]
        source: npyz::zip::result::ZipError,
    },
    /// Arrays of one archive, used together, of different lengths.
    #[error(
        "{at}: found {found} rows, expected {expected} as in the other arrays used; use arrays of the same length"
    )]
    RowsDiffer {
        at: Location,
        found: u64,
        expected: u64,
    },
    /// A damaged or unsupported Parquet file.
    #[error(
        "{at}: cannot be read as Parquet; it may be truncated or damaged; copy or write it again"
    )]
    Parquet {
        at: Location,
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// A damaged or unsupported Arrow file, or damaged Parquet pages.
    #[error(
        "{at}: the table cannot be read; it may be truncated or damaged; copy or write it again"
    )]
    Arrow {
        at: Location,
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// A binary table whose parts contradict each other.
    #[error("{at}: the file is damaged; copy or write it again")]
    Damaged {
        /// The file.
        at: Location,
    },

    // ---- which columns mean what ----------------------------------------------
    /// A column that was asked for by name and is not there.
    #[error("{at}: no such column, asked for as {role}; the file has {known}")]
    NoSuchColumn {
        at: Location,
        role: &'static str,
        known: Names,
    },
    /// Columns that the model was fitted on, or that other parts of a folder have, and that are not there.
    #[error("{at}: {} of the columns needed are missing: {missing}; the file has {known}; add or rename them", missing.0.len())]
    MissingColumns {
        at: Location,
        missing: Names,
        known: Names,
    },
    /// A column of another type than its role needs.
    #[error(
        "{at}: found a column of type {found}, expected {expected}; choose another column, or convert it"
    )]
    ColumnType {
        at: Location,
        found: String,
        expected: &'static str,
    },
    /// Nothing to use as a feature.
    #[error("{at}: no numeric column to use as a feature; not numeric or set aside: {found}")]
    NoNumericColumn { at: Location, found: Names },
    /// Several vector columns, none chosen.
    #[error("{at}: several vector columns, {names}; choose one with --vector")]
    SeveralVectors { at: Location, names: Names },
    /// A vector that the model needs, in a file with none of that name and no other choice.
    #[error("{at}: no vector column{} of width {width} to give to the model; the file has {known}", Named(name.as_deref()))]
    NoVector {
        at: Location,
        name: Option<String>,
        width: usize,
        known: Names,
    },
    /// One column in two roles.
    #[error("column '{column}' is asked for both as {first} and as {second}; choose one")]
    Conflict {
        column: String,
        first: &'static str,
        second: &'static str,
    },
    /// A part of a folder where a column has another type than in the first part.
    #[error(
        "{at}: found type {found}, expected {expected} as in the first part; write the parts with one schema"
    )]
    PartType {
        at: Location,
        found: String,
        expected: String,
    },

    // ---- values ---------------------------------------------------------------
    /// An empty field or a null.
    #[error(
        "{at}: missing value, expected a number; remove or impute such rows first, or fit without the column (--exclude)"
    )]
    Missing { at: Location },
    /// A finite number that float32 cannot hold.
    #[error(
        "{at}: found {value}, too large for float32 (at most 3.4e38); rescale the column first"
    )]
    TooLarge { at: Location, value: f64 },
    /// A vector of another length than those above it.
    #[error(
        "{at}: found a vector of {found} values, expected {expected}; all vectors need the same length"
    )]
    RaggedVector {
        at: Location,
        found: usize,
        expected: usize,
    },
    /// A label that is neither 0 nor 1.
    #[error(
        "{at}: found the label '{found}', expected 0 or 1 (or false, true), where 1 is an outlier"
    )]
    BadLabel { at: Location, found: String },

    // ---- output ---------------------------------------------------------------
    /// Two output columns of one name.
    #[error(
        "column '{column}' would stand twice in the output; rename it in the input or leave it out of --id and --label"
    )]
    OutputTwice { column: String },
    /// An output path whose folder is not there.
    #[error("{}: cannot be written: the folder does not exist; create it first", path.display())]
    NoOutputFolder { path: PathBuf },
    /// An output path that is a folder.
    #[error("{}: cannot be written: it is a folder; give a file name", path.display())]
    OutputIsFolder { path: PathBuf },
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
    /// The operating system would not write; a broken pipe on standard output is one of these.
    #[error("{}: cannot be written", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Columns that the Parquet writer refuses.
    #[error("{}: cannot be written as Parquet", path.display())]
    WriteParquet {
        path: PathBuf,
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// Columns that the Arrow writer refuses.
    #[error("{}: cannot be written as an Arrow file", path.display())]
    WriteArrow {
        path: PathBuf,
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// A column that has no text form.
    #[error("{}: column '{column}' of type {found} cannot be written as text; write .parquet or .arrow instead", path.display())]
    NoTextForm {
        path: PathBuf,
        column: String,
        found: String,
    },
}

impl Error {
    /// The same error about rows that so many others stand before: a score's row is counted from
    /// the first of all.
    #[must_use]
    pub fn after_rows(self, before: usize) -> Self {
        match self {
            Self::ScoreNotFinite { row, score } => Self::ScoreNotFinite {
                row: before + row,
                score,
            },
            other => other,
        }
    }

    /// Whether the reader of a stream went away: for a command that prints to a pipe
    /// this is the normal end, not a failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
