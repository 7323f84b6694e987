//! Everything that can go wrong, with the values that say why.

use std::fmt;
use std::path::{Path, PathBuf};

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in the input something was found. Rows count from 1, a header not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// The file, or `None` for rows that came from memory.
    pub file: Option<PathBuf>,
    /// The row, from 1.
    pub row: Option<usize>,
    /// The column: its name, or its number from 1 where it has none.
    pub column: Option<String>,
}

impl Location {
    /// A place in a file, as yet without row and column.
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self {
            file: Some(path.as_ref().to_owned()),
            ..Self::default()
        }
    }

    /// A row (from 1) of rows held in memory.
    #[must_use]
    pub fn row(row: usize) -> Self {
        Self {
            row: Some(row),
            ..Self::default()
        }
    }

    /// The same place, in this row (from 1).
    #[must_use]
    pub fn at_row(mut self, row: usize) -> Self {
        self.row = Some(row);
        self
    }

    /// The same place, in this column.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(path) => write!(f, "{}", path.display())?,
            None => f.write_str("input")?,
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column '{column}'")?;
        }
        Ok(())
    }
}

/// Everything that the library refuses, or that stops it.
///
/// Messages say what was found, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // ---- rows -----------------------------------------------------------------
    /// No row, or no column.
    #[error("{at}: no rows to read; give at least one row of numbers")]
    Empty {
        /// The input.
        at: Location,
    },
    /// A flat slice that is not a whole number of rows.
    #[error("{len} values do not make whole rows of {n_cols} columns")]
    Shape {
        /// Values given.
        len: usize,
        /// Columns asked for.
        n_cols: usize,
    },
    /// NaN or an infinity.
    #[error("{at}: found {value}, expected a finite number; remove or impute such rows first")]
    NotFinite {
        /// The first such value.
        at: Location,
        /// What stands there.
        value: f64,
    },
    /// Rows of another width than the model was fitted on.
    #[error("{at}: got {found} columns, expected {expected}, the width the model was fitted on")]
    Width {
        /// The input.
        at: Location,
        /// Columns found.
        found: usize,
        /// Columns that the model needs.
        expected: usize,
    },

    // ---- specifications ---------------------------------------------------------
    /// A hyper-parameter outside its range.
    #[error("{key} = {value}: expected {expected}")]
    InvalidKey {
        /// The key of the Spec.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Keys or values that do not make a Spec.
    #[error("the specification does not fit detector '{detector}': {source}")]
    InvalidSpec {
        /// The detector asked for.
        detector: String,
        /// The key and what is wrong with it.
        source: serde_json::Error,
    },
    /// No detector of this name.
    #[error("unknown detector '{found}'; expected one of: {}", known.join(", "))]
    UnknownDetector {
        /// The name asked for.
        found: String,
        /// The names there are.
        known: &'static [&'static str],
    },
    /// No preset of this name.
    #[error("detector '{detector}' has no preset '{found}'; expected one of: {}", known.join(", "))]
    UnknownPreset {
        /// The name asked for.
        found: String,
        /// The detector.
        detector: &'static str,
        /// The names there are.
        known: &'static [&'static str],
    },

    // ---- fitting ------------------------------------------------------------------
    /// Not enough rows for what was asked.
    #[error("{found} rows are too few: {why} need at least {expected}")]
    TooFewRows {
        /// Rows given.
        found: usize,
        /// Rows needed.
        expected: usize,
        /// What needs them.
        why: &'static str,
    },
    /// Every column is constant.
    #[error("all {n_rows} rows are equal: there is nothing to tell apart; give rows that vary")]
    NoVariance {
        /// Rows given.
        n_rows: usize,
    },
    /// Training left the finite numbers.
    #[error(
        "training diverged: loss {loss} at step {step}; try a smaller learning_rate, \
         a log_variance_bound or a bounded space (sphere, unit, kernel)"
    )]
    Diverged {
        /// The step, from 1.
        step: u64,
        /// Its loss.
        loss: f64,
    },
    /// The fitted model gives every reference row the same score.
    #[error(
        "every one of the {n_rows} reference rows has the score {score}: the model tells nothing \
         apart; try another space, covariance or objective"
    )]
    ConstantScores {
        /// Reference rows.
        n_rows: usize,
        /// Their score.
        score: f64,
    },
    /// A score that is not a finite number.
    #[error("row {row} has the score {score}; its values lie too far from the fitted rows")]
    ScoreNotFinite {
        /// The row, from 1.
        row: usize,
        /// Its score.
        score: f64,
    },
    /// The caller stopped the fit.
    #[error("interrupted at step {step} of {steps}")]
    Interrupted {
        /// Steps taken by the member under way.
        step: u64,
        /// Its steps in all.
        steps: u64,
    },
    /// A checkpoint of another fit.
    #[error(
        "the checkpoint was made with another {what} ({found}, now {expected}); \
         repeat the first call's arguments, or fit without resuming"
    )]
    CheckpointMismatch {
        /// What differs.
        what: &'static str,
        /// In the checkpoint.
        found: String,
        /// In this call.
        expected: String,
    },
    /// An explanation asked for more features than there are.
    #[error("cannot explain by {found} features: the model has {expected}")]
    TooManyExplanations {
        /// Features asked for.
        found: usize,
        /// Features of the model.
        expected: usize,
    },

    // ---- model files ----------------------------------------------------------------
    /// The file could not be read.
    #[error("{}: cannot read: {source}", file.display())]
    ReadModel {
        /// The file.
        file: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Not a safetensors file, or one cut short.
    #[error("{}: not a complete .qualm file ({source}); fit the model again or restore the file", file.display())]
    NotAModel {
        /// The file.
        file: PathBuf,
        /// What the reader objected to.
        source: safetensors::SafeTensorError,
    },
    /// Written by a later version.
    #[error(
        "{}: format version {found}, but this qualm reads up to version {supported}; upgrade qualm",
        file.display()
    )]
    NewerModel {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u64,
        /// The latest version that can be read.
        supported: u64,
    },
    /// A well-formed file whose content is not that of a model.
    #[error(
        "{}: corrupt model file: {part} is {found}, expected {expected}; \
         fit the model again or restore the file",
        file.display()
    )]
    CorruptModel {
        /// The file.
        file: PathBuf,
        /// The tensor or metadata entry.
        part: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
    /// The model could not be put into bytes.
    #[error("cannot serialise the model: {source}")]
    SerialiseModel {
        /// What the writer objected to.
        source: safetensors::SafeTensorError,
    },
    /// The metadata could not be put into JSON.
    #[error("cannot serialise the model's metadata: {source}")]
    SerialiseMetadata {
        /// What the writer objected to.
        source: serde_json::Error,
    },
    // ---- scores, labels, cuts -------------------------------------------------
    /// Scores and labels that do not belong to the same rows.
    #[error("{scores} scores but {labels} labels; give one label for each score")]
    LabelCount {
        /// Scores given.
        scores: usize,
        /// Labels given.
        labels: usize,
    },
    /// Labels without a single outlier, or without a single inlier.
    #[error(
        "all {rows} rows are labelled {found}; ranking metrics need at least one {missing} as well"
    )]
    OneClass {
        /// Rows given.
        rows: usize,
        /// The class that every row has.
        found: &'static str,
        /// The class that no row has.
        missing: &'static str,
    },
    /// A score without a rank.
    #[error("the score of row {row} is NaN, which ranks nowhere; score that row again or drop it")]
    NanScore {
        /// The first such row, from 1.
        row: usize,
    },
    /// A setting outside its range.
    #[error("{name} is {found}, expected {expected}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: f64,
        /// The values that it may have, in words.
        expected: &'static str,
    },
    /// A calibration on nothing.
    #[error("no reference scores to calibrate on; give at least one")]
    NoReference,
}
