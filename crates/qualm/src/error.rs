//! Everything that can go wrong, with the values that say why.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

mod location;

pub use location::{Location, Names};

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

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

    // ---- files ----------------------------------------------------------------
    /// A file or folder that is not there.
    #[error("{}: no such file or folder; check the path", path.display())]
    NotFound {
        /// The path given.
        path: PathBuf,
    },
    /// The operating system would not read it.
    #[error("{at}: cannot be read")]
    Read {
        /// The input.
        at: Location,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A file of no bytes.
    #[error("{at}: the file is empty (0 bytes); was it written completely?")]
    EmptyFile {
        /// The input.
        at: Location,
    },
    /// A folder without Parquet parts.
    #[error("{}: no *.parquet file in this folder; a folder is read as the parts of one Parquet table", path.display())]
    NoParts {
        /// The folder.
        path: PathBuf,
    },
    /// An extension that no reader or writer answers to.
    #[error("{}: cannot tell the format from {}; known are {known}", path.display(), Extension(path))]
    UnknownFormat {
        /// The path given.
        path: PathBuf,
        /// The extensions that are known.
        known: &'static str,
    },
    /// Content that is not what the extension says.
    #[error(
        "{at}: expected {expected}, found {found}; give the file the extension of its format or write it again"
    )]
    WrongFormat {
        /// The input.
        at: Location,
        /// The format that the extension promises.
        expected: &'static str,
        /// What the first bytes look like.
        found: &'static str,
    },
    /// Fewer bytes than the file's own header promises.
    #[error(
        "{at}: the file is truncated: its header promises {expected} bytes of values, found {found}; copy or write it again"
    )]
    Truncated {
        /// The input.
        at: Location,
        /// Bytes promised.
        expected: u64,
        /// Bytes there.
        found: u64,
    },

    // ---- text tables ----------------------------------------------------------
    /// A row with more or fewer fields than the header.
    #[error(
        "{at}: found {found} fields, expected {expected} as in the header; check separators and quotes"
    )]
    Ragged {
        /// The row.
        at: Location,
        /// Fields in the row.
        found: usize,
        /// Fields in the header.
        expected: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("{at}: not valid UTF-8; convert the file to UTF-8 first")]
    NotUtf8 {
        /// The row, or the file where the header itself is invalid.
        at: Location,
    },
    /// Text where a number belongs.
    #[error(
        "{at}: found '{found}', expected a number; correct it, or leave the column out with --exclude"
    )]
    NotANumber {
        /// The field.
        at: Location,
        /// The text found, shortened.
        found: String,
    },
    /// A column name used twice.
    #[error(
        "{at}: the name stands more than once in the header, expected distinct names; rename one, or add the header if there is none"
    )]
    DuplicateColumn {
        /// The column.
        at: Location,
    },
    /// A first line of numbers where the names belong.
    #[error("{at}: the first line holds only numbers, expected column names; add a header line")]
    NoHeader {
        /// The file.
        at: Location,
    },
    /// A header without the separator that the extension promises.
    #[error(
        "{at}: the header has one field and contains {found}, expected {expected} between fields; convert the file"
    )]
    WrongSeparator {
        /// The file.
        at: Location,
        /// The separator that the header seems to use.
        found: &'static str,
        /// The separator that the extension promises.
        expected: &'static str,
    },
    /// Text that the CSV parser gave up on.
    #[error("{at}: cannot be read as CSV")]
    Csv {
        /// The row.
        at: Location,
        /// What the parser said.
        #[source]
        source: csv::Error,
    },

    // ---- binary tables --------------------------------------------------------
    /// A NumPy header that cannot be understood.
    #[error(
        "{at}: the NumPy header is damaged: no valid {expected}; write the file again with numpy.save"
    )]
    NpyHeader {
        /// The file or array.
        at: Location,
        /// The part that is missing or wrong.
        expected: &'static str,
    },
    /// An array of another rank than two.
    #[error(
        "{at}: found an array of shape {shape:?}, expected two dimensions (rows, columns); reshape it first"
    )]
    NpyShape {
        /// The file or array.
        at: Location,
        /// The shape found.
        shape: Vec<u64>,
    },
    /// An array of something else than real numbers.
    #[error(
        "{at}: found an array of type '{found}', expected floats, integers or bools; convert it with .astype('float32')"
    )]
    NpyType {
        /// The file or array.
        at: Location,
        /// NumPy's type string.
        found: String,
    },
    /// A damaged `.npz` archive.
    #[error("{at}: the archive cannot be read")]
    Archive {
        /// The file.
        at: Location,
        /// What the zip reader said.
        #[source]
        source: npyz::zip::result::ZipError,
    },
    /// Arrays of one archive, used together, of different lengths.
    #[error(
        "{at}: found {found} rows, expected {expected} as in the other arrays used; use arrays of the same length"
    )]
    RowsDiffer {
        /// The array.
        at: Location,
        /// Its rows.
        found: u64,
        /// The rows of the first.
        expected: u64,
    },
    /// A damaged or unsupported Parquet file.
    #[error("{at}: cannot be read as Parquet; it may be truncated or damaged")]
    Parquet {
        /// The file.
        at: Location,
        /// What the reader said.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// A damaged or unsupported Arrow file, or damaged Parquet pages.
    #[error("{at}: the table cannot be read; it may be truncated or damaged")]
    Arrow {
        /// The file.
        at: Location,
        /// What the reader said.
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
    #[error("{at}: no such column (asked for as {role}); the file has {known}")]
    NoSuchColumn {
        /// The column asked for.
        at: Location,
        /// What it was asked for as.
        role: &'static str,
        /// The columns that exist.
        known: Names,
    },
    /// Columns that the model was fitted on, or that other parts of a folder have, and that are not there.
    #[error("{at}: {} of the columns needed are missing: {missing}; the file has {known}", missing.0.len())]
    MissingColumns {
        /// The file.
        at: Location,
        /// The columns that are missing.
        missing: Names,
        /// The columns that exist.
        known: Names,
    },
    /// A column of another type than its role needs.
    #[error(
        "{at}: found a column of type {found}, expected {expected}; choose another column, or convert it"
    )]
    ColumnType {
        /// The column.
        at: Location,
        /// Its type.
        found: String,
        /// What its role needs.
        expected: &'static str,
    },
    /// Nothing to use as a feature.
    #[error("{at}: no numeric column to use as a feature; not numeric or set aside: {found}")]
    NoNumericColumn {
        /// The file.
        at: Location,
        /// The columns there are.
        found: Names,
    },
    /// Several vector columns, none chosen.
    #[error("{at}: several vector columns, {names}; choose one with --vector")]
    SeveralVectors {
        /// The file.
        at: Location,
        /// Their names.
        names: Names,
    },
    /// A vector that the model needs, in a file with none of that name and no other choice.
    #[error("{at}: no vector column{} of width {width} to give to the model; the file has {known}", Named(name.as_deref()))]
    NoVector {
        /// The file.
        at: Location,
        /// The vector column that the model was fitted on.
        name: Option<String>,
        /// Its width.
        width: usize,
        /// The columns that exist.
        known: Names,
    },
    /// One column in two roles.
    #[error("column '{column}' is asked for both as {first} and as {second}; choose one")]
    Conflict {
        /// The column.
        column: String,
        /// One role.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A part of a folder where a column has another type than in the first part.
    #[error(
        "{at}: found type {found}, expected {expected} as in the first part; write the parts with one schema"
    )]
    PartType {
        /// The part and the column.
        at: Location,
        /// Its type there.
        found: String,
        /// The type in the first part.
        expected: String,
    },

    // ---- values ---------------------------------------------------------------
    /// An empty field or a null.
    #[error(
        "{at}: missing value, expected a number; remove or impute such rows first, or leave the column out with --exclude"
    )]
    Missing {
        /// The first such value.
        at: Location,
    },
    /// A finite number that float32 cannot hold.
    #[error(
        "{at}: found {value}, too large for float32 (at most 3.4e38); rescale the column first"
    )]
    TooLarge {
        /// The first such value.
        at: Location,
        /// The number.
        value: f64,
    },
    /// A vector of another length than those above it.
    #[error(
        "{at}: found a vector of {found} values, expected {expected}; all vectors need the same length"
    )]
    RaggedVector {
        /// The row.
        at: Location,
        /// Values in this row's vector.
        found: usize,
        /// Values expected.
        expected: usize,
    },
    /// A label that is neither 0 nor 1.
    #[error(
        "{at}: found the label '{found}', expected 0 or 1 (or false, true), where 1 is an outlier"
    )]
    BadLabel {
        /// The label.
        at: Location,
        /// What stands there.
        found: String,
    },

    // ---- output ---------------------------------------------------------------
    /// An output path whose folder is not there.
    #[error("{}: cannot be written: the folder does not exist; create it first", path.display())]
    NoOutputFolder {
        /// The path given.
        path: PathBuf,
    },
    /// An output path that is a folder.
    #[error("{}: cannot be written: it is a folder; give a file name", path.display())]
    OutputIsFolder {
        /// The path given.
        path: PathBuf,
    },
    /// A file or folder that may not be written.
    #[error("{}: cannot be written: no permission; choose another place or change its permissions", path.display())]
    OutputDenied {
        /// The path given.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A full disk.
    #[error("{}: no space left on the disk; nothing was overwritten; free some space and run again", path.display())]
    DiskFull {
        /// The path given.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The operating system would not write; a broken pipe on standard output is one of these.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The path given, or `-` for a stream.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Columns that the Parquet writer refuses.
    #[error("{}: cannot be written as Parquet", path.display())]
    WriteParquet {
        /// The path given.
        path: PathBuf,
        /// What the writer said.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// Columns that the Arrow writer refuses.
    #[error("{}: cannot be written as an Arrow file", path.display())]
    WriteArrow {
        /// The path given.
        path: PathBuf,
        /// What the writer said.
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// A column that has no text form.
    #[error("{}: column '{column}' of type {found} cannot be written as text; write .parquet or .arrow instead", path.display())]
    NoTextForm {
        /// The path given.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
}

/// An extension, or the lack of one, as a message says it.
struct Extension<'a>(&'a Path);

impl fmt::Display for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.extension() {
            Some(extension) => write!(f, "the extension .{}", extension.display()),
            None => f.write_str("a name without extension"),
        }
    }
}

/// A name in quotes after a space, or nothing.
struct Named<'a>(Option<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, " '{name}'"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// Whether the reader of a stream went away: for a command that prints to a pipe
    /// this is the normal end, not a failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
