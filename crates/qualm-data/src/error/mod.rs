//! Everything that can go wrong between a file and its rows, with the values that say why.

mod words;

use std::path::PathBuf;

use qualm::Location;
use qualm::error::Names;

use self::words::{Decompress, Extension, Meant, Named, NotNumeric, Shape, copies, remedy};
use crate::column_notes::Unused;
use crate::npy_header::in_words;
use crate::role::Role;

pub(crate) use self::words::quoted;

/// This library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that reading and writing tables refuses, or that stops it.
///
/// Messages say what was found, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum Error {
    /// What rows, models and output files refuse themselves.
    #[error(transparent)]
    Core(#[from] qualm::Error),

    /// What another source of rows refuses; see [`crate::Batches`].
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),

    // ---- files ----------------------------------------------------------------
    /// A file or folder that is not there.
    #[error("{}: no such file or folder; check the path", path.display())]
    NotFound { path: PathBuf },
    /// The operating system would not read it.
    #[error("{at}: cannot be read")]
    Read {
        at: Location,
        #[source]
        source: std::io::Error,
    },
    /// A file of no bytes.
    #[error("{at}: the file is empty (0 bytes); was it written completely?")]
    EmptyFile { at: Location },
    /// A folder without the parts of a table.
    #[error("{}: no *.parquet file in this folder; a folder is read as the parts of one table: Parquet files, only files of another table format, or folders such as date=2026-03-01 of these", path.display())]
    NoParts { path: PathBuf },
    /// An extension that no reader or writer answers to.
    #[error("{}: cannot tell the format from {}; {}known are {known}", path.display(), Extension(path), Decompress(path))]
    UnknownFormat { path: PathBuf, known: &'static str },
    /// Content that is not what the extension says.
    #[error("{at}: expected {expected}, found {found}; {}", remedy(found))]
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

    /// A pattern that no file matches.
    #[error("{}: no file matches this pattern; check it", path.display())]
    NoMatch { path: PathBuf },
    /// A pattern that is none.
    #[error("{}: not a pattern", path.display())]
    BadPattern {
        path: PathBuf,
        #[source]
        source: Box<glob::PatternError>,
    },
    /// An address of another machine.
    #[error(
        "{}: {scheme}:// is not read here: copy the file to this machine first (such as with {}), or \
         score it where it lies with qualm.spark",
        path.display(),
        copies(scheme)
    )]
    Remote { path: PathBuf, scheme: String },
    /// Standard input among other files.
    #[error("standard input is read alone; give the other files without it")]
    StandardInputBeside,

    // ---- text tables ----------------------------------------------------------
    /// A line that is no JSON.
    #[error("{at}: the line is no JSON; correct it")]
    JsonLine {
        at: Location,
        #[source]
        source: serde_json::Error,
    },
    /// A line of JSON that is no object.
    #[error(
        "{at}: expected an object of JSON in each line, such as {{\"x\": 1}}; write one row a line"
    )]
    NotAnObject { at: Location },
    /// A row with more or fewer fields than the header.
    #[error(
        "{at}: found {found} field{}, expected {expected} as in the header; check separators and quotes",
        if *found == 1 { "" } else { "s" }
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
    #[error("{at}: found '{found}', expected a number; correct it, or fit without the column")]
    NotANumber { at: Location, found: String },
    /// Text where a vector belongs.
    #[error(
        "{at}: found '{found}', expected a vector such as [0.1, 0.2]; correct it, or write the \
         vectors as a list column of a Parquet file"
    )]
    NotAVector { at: Location, found: String },
    /// Text where a time belongs.
    #[error(
        "{at}: found '{found}', expected a time as ISO 8601 has it, such as 2026-03-01T12:00:00Z, or \
         seconds since 1970; correct it"
    )]
    NotATime { at: Location, found: String },
    /// A file whose rows cannot be read while it grows.
    #[error(
        "{}: cannot be followed: only CSV and tab-separated text grows row by row; write such a file, or \
         pipe CSV or an Arrow stream in",
        path.display()
    )]
    CannotFollow { path: PathBuf },
    /// A column name used twice.
    #[error(
        "{at}: the name stands more than once in the header, expected distinct names; rename one, or add the header if there is none"
    )]
    DuplicateColumn { at: Location },
    /// A first line of numbers where the names belong.
    #[error("{at}: the first line holds only numbers, expected column names; add a header line")]
    NoHeader { at: Location },
    /// A file that cannot lack a header.
    #[error("{}: only CSV and tab-separated text can be without a header; leave that option out", path.display())]
    NoHeaderHere { path: PathBuf },
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
        "{at}: found an array of shape {}, expected two dimensions (rows, columns); reshape it first",
        Shape(shape)
    )]
    NpyShape { at: Location, shape: Vec<u64> },
    /// An array of something else than real numbers, and, for an id, text.
    #[error(
        "{at}: found an array of type '{found}' ({}), expected floats, integers or bools, or for an id also text of a fixed length; convert it with .astype('float32')",
        if found == "text" { "strings" } else { in_words(found) }
    )]
    NpyType { at: Location, found: String },
    /// A damaged `.npz` archive.
    #[error("{at}: the archive cannot be read")]
    Archive {
        at: Location,
        #[source]
        source: Box<zip::result::ZipError>,
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
    /// A compressed buffer whose length cannot be true.
    #[error(
        "{at}: a compressed buffer of {compressed} bytes promises {promised} bytes of values, \
         which it cannot hold; the file is damaged; copy or write it again"
    )]
    BufferLength {
        at: Location,
        compressed: u64,
        promised: u64,
    },
    /// A binary table whose parts contradict each other.
    #[error("{at}: the file is truncated or damaged; copy or write it again")]
    Damaged {
        /// The file.
        at: Location,
    },

    // ---- which columns mean what ----------------------------------------------
    /// A column that was asked for by name and is not there.
    #[error(
        "{at}: no such column, asked for as {role}; {}the input has {known}",
        Meant(at, known)
    )]
    NoSuchColumn {
        at: Location,
        role: Role,
        known: Names,
    },
    /// Columns that the model was fitted on, or that other parts of a folder have, and that are not there.
    #[error(
        "{at}: {} missing: {missing}; the input has {known}; add or rename {}",
        match missing.0.len() {
            1 => "a column that is needed is".to_owned(),
            n => format!("{n} of the columns needed are"),
        },
        if missing.0.len() == 1 { "it" } else { "them" }
    )]
    MissingColumns {
        at: Location,
        missing: Names,
        known: Box<Names>,
    },
    /// A column of another type than its role needs.
    #[error(
        "{at}: found a column of type {found}, expected {expected}; choose another column, or convert it"
    )]
    ColumnType {
        at: Location,
        role: Role,
        found: Box<str>,
        expected: &'static str,
    },
    /// Nothing to use as a feature.
    #[error(
        "{at}: no numeric column to use as a feature{}",
        NotNumeric(unused, set_aside)
    )]
    NoNumericColumn {
        at: Location,
        unused: Vec<Unused>,
        set_aside: Box<Names>,
    },
    /// Rows without a value in them.
    #[error("{at}: each row holds 0 values, expected at least one number a row")]
    NoValues { at: Location },
    /// Several vector columns, none chosen.
    #[error("{at}: several vector columns, {names}; choose one")]
    SeveralVectors { at: Location, names: Names },
    /// A vector that the model needs, in a file with none of that name and no other choice.
    #[error("{at}: no vector column{} of width {width} to give to the model; the input has {known}", Named(name.as_deref()))]
    NoVector {
        at: Location,
        name: Option<Box<str>>,
        width: usize,
        known: Box<Names>,
    },
    /// One column in two roles.
    #[error("column '{column}' is asked for both as {first} and as {second}; choose one")]
    Conflict {
        column: String,
        first: Role,
        second: Role,
    },
    /// One column twice in one role.
    #[error("column '{column}' is asked for twice as {role}; name it once")]
    NamedTwice { column: String, role: Role },
    /// A vector column and other columns, both asked for as the features.
    #[error(
        "column '{column}' is asked for as a feature beside the vector column '{vector}'; ask for columns or for a vector"
    )]
    VectorAndColumns { column: String, vector: String },
    /// A feature that a fitted model does not know.
    #[error(
        "column '{column}' is asked for as a feature, and is no feature of the model; leave it out"
    )]
    NotInModel { column: String },
    /// A part of a folder where a column has another type than in the first part.
    #[error(
        "{at}: found type {found}, expected {expected} as in the first part; write the parts with one schema"
    )]
    PartType {
        at: Location,
        found: Box<str>,
        expected: Box<str>,
    },

    /// An entry of a schema's metadata that is not what qualm writes there.
    #[error(
        "{at}: the entry '{key}' of its metadata cannot be read; write the file again, or without the entry"
    )]
    Metadata {
        at: Location,
        key: &'static str,
        #[source]
        source: serde_json::Error,
    },
    /// Rows that another encoder made than those that a model was fitted to.
    #[error(
        "{at}: its rows were made by the encoder {found}, but the model was fitted to rows of {expected}; embed the images with that encoder"
    )]
    OtherEncoder {
        at: Location,
        found: String,
        expected: String,
    },

    // ---- values ---------------------------------------------------------------
    /// The first of several values of one kind that are wrong.
    #[error(
        "{first} (and {}{more} more in {n_columns} column{})",
        if *complete { "" } else { "at least " },
        if *n_columns == 1 { "" } else { "s" }
    )]
    Several {
        first: Box<Error>,
        more: u64,
        n_columns: usize,
        complete: bool,
    },
    /// A category that no fitted row was of.
    #[error(
        "{at}: found '{found}', a category that no fitted row was of, expected one of {known}; correct \
         it, or fit again with rows of it or with a rule for unknown categories"
    )]
    UnknownCategory {
        at: Location,
        found: Box<str>,
        known: Names,
    },
    /// A column whose values cannot be learned from, because there are none.
    #[error("{at}: no row has a value; fit without the column")]
    NothingThere { at: Location },
    /// Missing values, all rows with which are to be left out.
    #[error(
        "{at}: a value is missing in every one of the {n_rows} rows, so that none is left; fit without \
         the columns that are mostly empty, or fill in what is missing"
    )]
    NothingLeft { at: Location, n_rows: usize },
    /// A treatment of columns asked for where the input is vectors.
    #[error(
        "{at}: the vectors of this column are the input; missing values, categories and dates can be \
         treated in columns with one value a row; name such columns, or ask for no treatment"
    )]
    VectorsUntreated { at: Location },
    /// A column that cannot say which item a row is a view of.
    #[error("{at}: found type {found}, expected numbers or text that name the item of each row")]
    NotAnItem { at: Location, found: String },
    /// An empty field or a null.
    #[error(
        "{at}: missing value, expected a number; remove or impute such rows first, or fit without the column"
    )]
    Missing { at: Location },
    /// An empty field or a null in a column that is no feature and that each row needs.
    #[error(
        "{at}: missing value, which each row needs in this column; fill it in, or remove the row"
    )]
    Blank { at: Location },
    /// A finite number that float32 cannot hold.
    #[error(
        "{at}: found {value:?}, too large for float32 (at most 3.4e38); rescale the column first"
    )]
    TooLarge { at: Location, value: f64 },
    /// A vector of another length than those above it.
    #[error(
        "{at}: found a vector of {found} value{}, expected {expected}; all vectors need the same length",
        if *found == 1 { "" } else { "s" }
    )]
    RaggedVector {
        at: Location,
        found: usize,
        expected: usize,
    },
    /// A label that is neither 0 nor 1.
    #[error(
        "{at}: found {}, expected 0 or 1 (or false, true), where 1 is an outlier",
        if found.is_empty() { "no label".to_owned() } else { format!("the label '{found}'") }
    )]
    BadLabel { at: Location, found: String },

    /// A class that is not a whole number.
    #[error(
        "{at}: found {}, expected the class as a whole number: 0 or more, or below 0 for a known outlier",
        if found.is_empty() { "no class".to_owned() } else { format!("'{found}'") }
    )]
    BadClass { at: Location, found: String },

    // ---- output ---------------------------------------------------------------
    /// Two output columns of one name.
    #[error(
        "column '{column}' would stand twice in the output; rename it in the input, or ask for it neither as an id nor as the label"
    )]
    OutputTwice { column: String },
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
    /// Where the row is that this is about, if it is about a value of one row, or its number of values.
    #[must_use]
    pub fn bad_row(&self) -> Option<&Location> {
        let at = match self {
            Self::Several { first, .. } => return first.bad_row(),
            Self::Ragged { at, .. }
            | Self::JsonLine { at, .. }
            | Self::NotAnObject { at }
            | Self::NotANumber { at, .. }
            | Self::NotAVector { at, .. }
            | Self::NotATime { at, .. }
            | Self::Missing { at }
            | Self::UnknownCategory { at, .. }
            | Self::TooLarge { at, .. }
            | Self::RaggedVector { at, .. }
            | Self::BadLabel { at, .. }
            | Self::Core(qualm::Error::NotFinite { at, .. }) => at,
            _ => return None,
        };
        at.row.is_some().then_some(at)
    }

    /// The same, with how many more values there are like the first of which it speaks. `count` has the
    /// number of such values in each column, the first among them.
    pub(crate) fn with_more(self, count: &[u64], complete: bool) -> Self {
        let more = count.iter().sum::<u64>().saturating_sub(1);
        if more == 0 {
            return self;
        }
        Self::Several {
            first: Box::new(self),
            more,
            n_columns: count.iter().filter(|n| **n > 0).count(),
            complete,
        }
    }
}
