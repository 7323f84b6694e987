//! The interface of every input format: named columns, then rows in chunks.
//!
//! A table is opened far enough to know its columns; the caller decides which it
//! needs; only those are read, some thousand rows at a time.

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Metadata};
use qualm::Location;

use crate::error::{Error, Result, quoted};
use crate::origin::Origin;
use crate::rejects::Reject;
use crate::text_vectors::{is_vector, texts};
use crate::times::is_date;

/// The most rows in one chunk.
pub(crate) const CHUNK_ROWS: usize = 8192;
/// The most rows that decide what a column of text is.
pub(crate) const LOOKED_AT: usize = 1000;
/// About the most memory that one chunk takes.
const CHUNK_BYTES: usize = 32 << 20;

/// Rows to read at a time when one row takes `row_bytes`.
pub(crate) fn chunk_rows(row_bytes: usize) -> usize {
    (CHUNK_BYTES / row_bytes.max(1)).clamp(1, CHUNK_ROWS)
}

/// What a column can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One number a row: a feature.
    Number,
    /// A list of numbers a row: an embedding.
    Vector,
    /// Anything else: an id, a label, or nothing.
    Other,
}

impl Kind {
    /// What a column of this type can be used for.
    pub(crate) fn of(data_type: &DataType) -> Self {
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
pub(crate) struct Column {
    /// Its name; empty for the one array of an `.npy` file.
    pub(crate) name: String,
    /// Its type.
    pub(crate) data_type: DataType,
    /// What it can be used for.
    pub(crate) kind: Kind,
    /// For a text column that was looked at: the first that is not a number.
    pub(crate) not_a_number: Option<FirstText>,
    /// Whether it is text that was looked at and found to be dates.
    pub(crate) holds_dates: bool,
    /// What it holds, where its type does not say.
    pub(crate) remark: Option<String>,
    /// Whether it is the index of a pandas table, which is no feature unless it is asked for.
    pub(crate) is_index: bool,
    /// For a field within a column of records, called `a.b`: the place of that column and those of the
    /// fields on the way. It is no feature unless it is asked for.
    pub(crate) inside: Option<(usize, Vec<usize>)>,
}

/// The first of a column that is not a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirstText {
    /// Its row, from 1.
    pub(crate) row: usize,
    /// Its line, where that is not the one that the row leads to expect.
    pub(crate) line: Option<usize>,
    /// What it is, as messages quote it.
    pub(crate) found: String,
}

impl FirstText {
    pub(crate) fn new(row: usize, found: String) -> Self {
        Self {
            row,
            line: None,
            found,
        }
    }

    pub(crate) fn at_line(self, line: Option<usize>) -> Self {
        Self { line, ..self }
    }
}

impl Column {
    pub(crate) fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            kind: Kind::of(&data_type),
            data_type,
            not_a_number: None,
            holds_dates: false,
            remark: None,
            is_index: false,
            inside: None,
        }
    }

    /// Looks at the first rows of a column of text: vectors, if at least half of those that are
    /// filled are.
    pub(crate) fn look(&mut self, values: &dyn Array) {
        let texts = texts(values)
            .unwrap_or_default()
            .into_iter()
            .take(LOOKED_AT);
        let filled = texts
            .enumerate()
            .filter_map(|(row, text)| Some((row, text?)));
        let (mut n_filled, mut n_vectors, mut n_dates) = (0, 0, 0);
        for (row, text) in filled.filter(|(_, text)| !text.trim().is_empty()) {
            n_filled += 1;
            n_vectors += usize::from(is_vector(text));
            n_dates += usize::from(is_date(text));
            if self.not_a_number.is_none() && text.trim().parse::<f64>().is_err() {
                self.not_a_number = Some(FirstText::new(row + 1, quoted(text)));
            }
        }
        if n_vectors > 0 && 2 * n_vectors >= n_filled {
            self.kind = Kind::Vector;
        }
        self.holds_dates = n_dates > 0 && 2 * n_dates >= n_filled;
    }

    /// Whether it may be a feature without being asked for.
    pub(crate) fn is_usual(&self) -> bool {
        !self.is_index && self.inside.is_none()
    }

    /// Whether it holds dates, or dates with times.
    pub(crate) fn is_date(&self) -> bool {
        self.holds_dates
            || matches!(
                self.data_type,
                DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
            )
    }
}

/// Refuses a name that two columns share.
pub(crate) fn distinct(columns: &[Column], at: &Location) -> Result<()> {
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
///
/// # Errors
/// [`Error::Damaged`] in place of the panic.
pub fn guarded<T>(at: &Location, read: impl FnOnce() -> T) -> Result<T> {
    // A reader that panicked is not used again: the error ends the reading.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .map_err(|_| Error::Damaged { at: at.clone() })
}

/// A column to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Projection {
    /// Its place among [`Table::columns`].
    pub(crate) index: usize,
    /// Whether the values are kept as the file holds them, for ids and labels: a CSV id `007`
    /// stays `007`. The others are parsed as numbers.
    pub(crate) verbatim: bool,
}

/// Some rows of one file.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Where they are in the input.
    pub(crate) origin: Origin,
    /// How many there are.
    pub(crate) n_rows: usize,
    /// The projected columns, in the order of the projection.
    pub(crate) columns: Vec<ArrayRef>,
    /// Rows before these, or among them, that were left out.
    pub(crate) rejects: Vec<Reject>,
}

impl Chunk {
    /// Some of its rows, that follow each other.
    pub(crate) fn slice(&self, start: usize, n_rows: usize) -> Self {
        let columns = self.columns.iter();
        Self {
            origin: self.origin.slice(start, n_rows),
            n_rows,
            columns: columns.map(|c| c.slice(start, n_rows)).collect(),
            rejects: Vec::new(),
        }
    }
}

/// An opened input.
pub(crate) trait Table: Send + std::fmt::Debug {
    /// All columns, in file order.
    fn columns(&self) -> &[Column];

    /// Entries that the file's schema has besides the columns, where the format has any.
    fn metadata(&self) -> Option<&Metadata> {
        None
    }

    /// The number of rows, where the format declares it.
    fn n_rows(&self) -> Option<u64> {
        None
    }

    /// The vector column to take when there are several and none was chosen.
    fn default_vector(&self) -> Option<usize> {
        None
    }

    /// Whether the names of the columns are all numbers, as the first row of a file without
    /// header would be.
    fn has_numeric_header(&self) -> bool {
        false
    }

    /// Looks at the first rows of some columns of text ([`Column::look`]), before any is read.
    fn look_at(&mut self, places: &[usize]) -> Result<()> {
        let _ = places;
        Ok(())
    }

    /// Chooses the columns of the chunks, before the first is read.
    fn project(&mut self, projection: &[Projection]) -> Result<()>;

    /// The next rows, or `None` at the end.
    fn next_chunk(&mut self) -> Result<Option<Chunk>>;

    /// The next chunk that holds a row, or one that was left out.
    fn next_filled(&mut self) -> Result<Option<Chunk>> {
        while let Some(chunk) = self.next_chunk()? {
            if chunk.n_rows > 0 || !chunk.rejects.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }
}
