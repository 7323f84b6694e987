//! What every input format becomes: named columns, then a stream of parts.
//!
//! A table is opened far enough to know its columns; the caller decides which it
//! needs; only those are read, some thousand rows at a time.

use std::path::Path;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use crate::error::{Error, Location, Result};

/// The most rows in one part.
pub(super) const PART_ROWS: usize = 8192;
/// About the most memory that one part takes.
const PART_BYTES: usize = 32 << 20;

/// Rows to read at a time when one row takes `row_bytes`.
pub(super) fn part_rows(row_bytes: usize) -> usize {
    (PART_BYTES / row_bytes.max(1)).clamp(1, PART_ROWS)
}

/// What a column can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One number a row: a feature.
    Number,
    /// A list of numbers a row: an embedding.
    Vector,
    /// Anything else: an id, a label, or nothing.
    Other,
}

impl Kind {
    /// What a column of this type can be used for.
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Dictionary(_, value) if is_number(value) => Self::Number,
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
                if is_number(item.data_type()) =>
            {
                Self::Vector
            }
            other if is_number(other) => Self::Number,
            _ => Self::Other,
        }
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_floating()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Decimal32(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..)
                | DataType::Decimal256(..)
        )
}

/// A column as the file declares it.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Its name; empty for the one array of an `.npy` file.
    pub(super) name: String,
    /// Its type.
    pub(super) data_type: DataType,
    /// What it can be used for.
    pub(super) kind: Kind,
    /// For a text column of a CSV file: the first row (from 1) that is not a number, and its text.
    pub(super) not_a_number: Option<(usize, String)>,
}

impl Column {
    pub(super) fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            kind: Kind::of(&data_type),
            data_type,
            not_a_number: None,
        }
    }
}

/// Refuses a name that two columns share.
pub(super) fn distinct(columns: &[Column], at: &Location) -> Result<()> {
    let mut names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(Error::DuplicateColumn {
            at: at.clone().column(twice[0]),
        }),
        None => Ok(()),
    }
}

/// Runs a reader that panics on some damaged files, and makes an error of it.
///
/// The Arrow family checks offsets with assertions: flip a byte in an Arrow file and one
/// time in ten a buffer is sliced beyond its end.
pub(super) fn guarded<T>(at: &Location, read: impl FnOnce() -> T) -> Result<T> {
    // A reader that panicked is not used again: the error ends the reading.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .map_err(|_| Error::Damaged { at: at.clone() })
}

/// A column that the caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its place among [`Table::columns`].
    pub(super) index: usize,
    /// Ids and labels are wanted as they stand: a CSV id `007` stays `007`.
    pub(super) as_it_stands: bool,
}

/// Some rows of one file.
#[derive(Debug)]
pub(super) struct Part {
    /// The file they come from; `None` for rows that came from memory.
    pub(super) file: Option<Arc<Path>>,
    /// The first of them, counted from 0 in that file.
    pub(super) first_row: usize,
    /// How many there are.
    pub(super) n_rows: usize,
    /// The wanted columns, in the order asked for.
    pub(super) columns: Vec<ArrayRef>,
}

impl Part {
    /// The place of a row (from 0 in this part).
    pub(super) fn at(&self, row: usize) -> Location {
        let at = self.file.as_deref().map(Location::file);
        at.unwrap_or_default().at_row(self.first_row + row + 1)
    }
}

/// An opened input.
pub(super) trait Table: Send + std::fmt::Debug {
    /// All columns, in file order.
    fn columns(&self) -> &[Column];

    /// The number of rows, where the format declares it.
    fn n_rows(&self) -> Option<u64> {
        None
    }

    /// The vector column to take when there are several and none was chosen.
    fn default_vector(&self) -> Option<usize> {
        None
    }

    /// Says which columns the parts shall hold, before the first is read.
    fn project(&mut self, wanted: &[Wanted]) -> Result<()>;

    /// The next rows, or `None` at the end.
    fn next_part(&mut self) -> Result<Option<Part>>;
}
