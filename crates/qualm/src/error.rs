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
