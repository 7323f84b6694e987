//! Everything that can go wrong between a model, its rows and a page.

use std::path::PathBuf;

/// This library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that making a page refuses, or that stops it.
///
/// Messages say what was found, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum Error {
    /// What models and their rows refuse themselves.
    #[error(transparent)]
    Core(Box<qualm::Error>),
    /// What tables and their files refuse themselves.
    #[error(transparent)]
    Data(Box<qualm_data::Error>),
    /// What images and their files refuse themselves.
    #[error(transparent)]
    Vision(Box<qualm_vision::Error>),
    /// A template that cannot be filled.
    #[error("the page cannot be written")]
    Template(#[from] askama::Error),
    /// Something that cannot be put into JSON.
    #[error("the numbers of the page cannot be put into JSON")]
    Json(#[from] serde_json::Error),

    // ---- what stands in the way -------------------------------------------------
    /// A file that no report of ours is to replace.
    #[error("{}: exists and is no {kind} of qualm; choose another name, or overwrite it", path.display())]
    NotOurs { path: PathBuf, kind: &'static str },
    /// A page whose name says that it is something else.
    #[error("{}: a page is an HTML file; expected a name that ends in .html", path.display())]
    NotHtml { path: PathBuf },
    /// An extension of a file of numbers that is not known.
    #[error("{}: cannot tell the format of the numbers; expected .json or .parquet", path.display())]
    UnknownTwin { path: PathBuf },

    // ---- galleries ---------------------------------------------------------------
    /// A class that no row is of.
    #[error("no row is of class '{found}'; classes are {known}")]
    NoSuchClass {
        found: String,
        known: qualm::error::Names,
    },
    /// Classes are asked for, and the rows have none.
    #[error(
        "the rows have no column of classes; expected one called 'label', or the name of another"
    )]
    NoClasses,
    /// An item that no row is of.
    #[error("no row is a view of '{found}'; items are such as '{example}'")]
    NoSuchItem { found: String, example: String },
    /// Views are asked for, and the rows are none.
    #[error(
        "each row is an item of its own: no item has two views; embed the images with several views each"
    )]
    NoViews,
    /// Rows that do not say which image they are of.
    #[error(
        "the rows do not say which images they are of: expected a column of ids such as 'path', found {known}; name the column"
    )]
    NoImageIds { known: qualm::error::Names },
    /// Images that are not those of the rows.
    #[error(
        "none of the {n} images that are to be shown is among those of {}: the rows name '{row}', the images are called '{image}'; give the images that were embedded",
        path.display()
    )]
    OtherImages {
        path: PathBuf,
        n: usize,
        row: String,
        image: String,
    },
    /// Images that are to be one for each row, and are not.
    #[error("{found} images, expected {expected}: one for each row")]
    NotOneEach { found: usize, expected: usize },
    /// The metadata of views that cannot be read.
    #[error("the parameters of the views in the metadata of the rows cannot be read")]
    ViewMetadata {
        #[source]
        source: serde_json::Error,
    },

    // ---- files for other programs --------------------------------------------------
    /// A name of a file for another program that has another ending.
    #[error("{}: expected a name that ends in {expected}", path.display())]
    NotNamed {
        path: PathBuf,
        expected: &'static str,
    },
    /// Rows without places on a map, that another program is to show.
    #[error(
        "rows for other programs need places on a map: expected three or more rows with the features of the model, found {found}"
    )]
    NoPlaces { found: String },
    /// No images for a program that shows images.
    #[error("FiftyOne shows rows by their images: expected the images that the rows are of")]
    NoFiles,
    /// Images that are no files, for a program that reads files.
    #[error("{}: holds its images itself, and FiftyOne reads them from files; expected a folder, or a list of paths", path.display())]
    NoImageFiles { path: PathBuf },

    // ---- results -------------------------------------------------------------------
    /// A file of results that is none.
    #[error("{}: expected {expected}, found {found}", path.display())]
    NotResults {
        path: PathBuf,
        expected: &'static str,
        found: String,
    },
    /// Results of a version that this one does not read.
    #[error("{}: results of version {found}, expected {expected} or less; use the qualm that wrote them, or a newer one", path.display())]
    ResultsVersion {
        path: PathBuf,
        found: u64,
        expected: u32,
    },
}

impl From<qualm::Error> for Error {
    fn from(error: qualm::Error) -> Self {
        Self::Core(Box::new(error))
    }
}

impl From<qualm_data::Error> for Error {
    fn from(error: qualm_data::Error) -> Self {
        Self::Data(Box::new(error))
    }
}

impl From<qualm_vision::Error> for Error {
    fn from(error: qualm_vision::Error) -> Self {
        Self::Vision(Box::new(error))
    }
}

/// For fronts whose errors are those of tables.
impl From<Error> for qualm_data::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => (*error).into(),
            Error::Data(error) => *error,
            Error::Vision(error) => (*error).into(),
            other => Self::Other(Box::new(other)),
        }
    }
}
