//! Everything that can go wrong between a picture and its row, with the values that say why.

use std::path::PathBuf;

use qualm::Location;
use qualm::error::Names;

/// This library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// For sources of rows, whose errors are those of tables: see [`qualm_data::Batches`].
impl Error {
    /// What is wrong with an image, with its name.
    pub(crate) fn of_image(self, id: &str) -> Self {
        Self::CorruptOf {
            id: id.to_owned(),
            source: Box::new(self),
        }
    }
}

impl From<Error> for qualm_data::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error.into(),
            Error::Data(error) => error,
            other => Self::Other(Box::new(other)),
        }
    }
}

/// Errors of a learner of this crate come back from the core's loop as what they were.
impl From<qualm::Error> for Error {
    fn from(error: qualm::Error) -> Self {
        match error {
            qualm::Error::Learner(source) => match source.downcast() {
                Ok(own) => *own,
                Err(source) => Self::Core(qualm::Error::Learner(source)),
            },
            error => Self::Core(error),
        }
    }
}

/// For learners, whose errors are those of the core: see [`qualm::fit::Learner`].
impl From<Error> for qualm::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            other => Self::Learner(Box::new(other)),
        }
    }
}

/// Everything that reading, viewing and encoding images refuses, or that stops it.
///
/// Messages say what was found, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum Error {
    /// What rows, models and training refuse themselves.
    #[error(transparent)]
    Core(qualm::Error),
    /// What tables and their files refuse themselves.
    #[error(transparent)]
    Data(#[from] qualm_data::Error),
    /// What encoders and their files refuse.
    #[error(transparent)]
    Encoder(#[from] crate::encoder::EncoderError),

    // ---- corruptions ----------------------------------------------------------
    /// No corruption, and no group, of this name.
    #[error("unknown corruption '{found}'; did you mean '{nearest}'?")]
    UnknownCorruption {
        found: String,
        nearest: &'static str,
    },
    /// A severity outside 1 to 5.
    #[error("severity {found}: expected a number from 1 to 5")]
    Severity { found: String },
    /// No set of parameters of this name.
    #[error(
        "unknown parameters '{found}'; expected one of: {}",
        crate::corrupt::Parameters::NAMES.join(", ")
    )]
    UnknownParameters { found: String },
    /// An image without room for blurs and patterns.
    #[error("an image of {width} x {height}: corruptions need at least {least} x {least} pixels")]
    TooSmallToCorrupt {
        width: usize,
        height: usize,
        least: u32,
    },
    /// What is wrong with an image, by its name.
    #[error("image {id}")]
    CorruptOf { id: String, source: Box<Error> },
    /// A texture that covers no image.
    #[error("{image}: a texture of frost needs at least 100 x 100 pixels")]
    SmallTexture { image: String },

    // ---- writing images -------------------------------------------------------
    /// No format of images of this name.
    #[error(
        "unknown format '{found}'; expected png, webp, jpeg, or webp:QUALITY or jpeg:QUALITY with 1 to 100"
    )]
    UnknownFormat { found: String },
    /// An image that a format does not hold.
    #[error("an image of {width} x {height} as {format}: {message}; choose another format")]
    Encode {
        width: u32,
        height: u32,
        format: String,
        message: String,
    },

    // ---- images ---------------------------------------------------------------
    /// Pixels that do not make an image of the size given with them.
    #[error(
        "an image of {width} x {height} has {expected} values (red, green, blue of each pixel), found {found}"
    )]
    PixelCount {
        width: u32,
        height: u32,
        found: usize,
        expected: usize,
    },

    // ---- reading images -------------------------------------------------------
    /// A path that names no kind of input.
    #[error(
        "{}: cannot tell how to read images from it; expected a folder, an image, a list of paths \
         (.csv, .tsv, .parquet), a .parquet file of images, or an array (.npy, .npz)", path.display()
    )]
    UnknownInput { path: PathBuf },
    /// A folder, list or table without an image in it.
    #[error("{at}: no image found{}", if skipped.is_empty() {
        "; it is empty".to_owned()
    } else {
        format!("; not read: {skipped}; images are {known}")
    })]
    NoImages {
        at: Location,
        skipped: String,
        known: &'static str,
    },
    /// Every image was refused.
    #[error("{at}: none of the {n} images could be read; the first: {reason}")]
    AllRejected {
        at: Location,
        n: usize,
        reason: String,
    },
    /// Bytes of no image format.
    #[error(
        "{at}: found {found}, expected an image (PNG, JPEG, WebP, BMP, GIF or TIFF); convert it, \
         or leave it out"
    )]
    NotAnImage { at: Location, found: &'static str },
    /// An image that its decoder gave up on.
    #[error(
        "{at}: cannot be decoded as {format}; it may be truncated or damaged; copy or write it again"
    )]
    Decode {
        at: Location,
        format: &'static str,
        #[source]
        source: Box<image::ImageError>,
    },
    /// An image of a format that we decode, in a way that we do not.
    #[error("{at}: this kind of {format} is not read; convert it to a PNG of 8 or 16 bits")]
    UnsupportedImage {
        at: Location,
        format: &'static str,
        #[source]
        source: Box<image::ImageError>,
    },
    /// An image whose decoder asks for more memory than its pixels may need.
    #[error(
        "{at}: more than {limit} bytes are needed to decode it as {format}; it may be damaged; \
         write it again"
    )]
    ImageMemory {
        at: Location,
        format: &'static str,
        limit: u64,
    },
    /// A JPEG without its last bytes.
    #[error(
        "{at}: the JPEG is truncated: it ends before its end-of-image marker; copy or write it again"
    )]
    TruncatedJpeg { at: Location },
    /// A decoder that panicked.
    #[error("{at}: the image is damaged; copy or write it again")]
    DamagedImage { at: Location },
    /// An image larger than the limit.
    #[error(
        "{at}: an image of {width} x {height} pixels, more than the limit of {limit}; reduce it \
         first"
    )]
    TooManyPixels {
        at: Location,
        width: u32,
        height: u32,
        limit: u64,
    },
    /// An image file larger than its pixels may be.
    #[error(
        "{at}: a file of {found} bytes, more than the {limit} that an image within the limit of \
         pixels needs; reduce it first"
    )]
    TooManyBytes {
        at: Location,
        found: u64,
        limit: u64,
    },
    /// Pixels without a known range.
    #[error(
        "{at}: the pixels are floating-point numbers, whose range is not known; convert the image \
         to 8 or 16 bits"
    )]
    FloatPixels { at: Location },
    /// An image that would lose something, where none must be lost.
    #[error(
        "{at}: {found}; convert it to one image of 8 bits of red, green and blue first, so that nothing is \
         lost unseen"
    )]
    NotExact { at: Location, found: &'static str },
    /// A listed file that is not there.
    #[error(
        "{at}: no such file: {}{}; paths are relative to the folder of the list",
        path.display(),
        match more {
            0 => String::new(),
            more => format!(" (and {more} more of the list)"),
        }
    )]
    ListedMissing {
        at: Location,
        path: PathBuf,
        more: usize,
    },
    /// A row of a list or table that names no image.
    #[error("{at}: the row holds no image: its value is missing; fill it in, or remove the row")]
    NoImageHere { at: Location },
    /// A table in which no column can be the images or their paths.
    #[error(
        "{at}: no column of images or paths; expected a column path, image, file or filename, or a \
         single column of text, found {known}; name the column"
    )]
    NoImageColumn { at: Location, known: Names },
    /// A list whose first line is a path.
    #[error(
        "{at}: the first line, '{found}', is a path, expected column names; add a header line 'path'"
    )]
    NoListHeader { at: Location, found: String },
    /// A column or array that was asked for and is not there.
    #[error("{at}: no such {kind}; there are {known}")]
    NoSuchPart {
        at: Location,
        kind: &'static str,
        known: Names,
    },
    /// A column of another type than its role needs.
    #[error("{at}: found a column of type {found}, expected {expected}; choose another column")]
    ImageColumnType {
        at: Location,
        found: String,
        expected: &'static str,
    },
    /// An array that does not hold images.
    #[error("{at}: found an array of {found}, expected {expected}")]
    ArrayShape {
        at: Location,
        found: String,
        expected: &'static str,
    },
    /// Several arrays that may be the images.
    #[error("{at}: several arrays of images, {names}; name one")]
    SeveralArrays { at: Location, names: Names },
    /// Images of different sizes where one size is needed.
    #[error(
        "{id}: an image of {} x {}, expected {} x {} as the first; resize the images",
        found.0, found.1, expected.0, expected.1
    )]
    SizesDiffer {
        id: String,
        found: (u32, u32),
        expected: (u32, u32),
    },

    // ---- views ----------------------------------------------------------------
    /// A key that views do not have.
    #[error("views have no key '{key}'; they have {known}")]
    UnknownViewKey { key: String, known: Names },
    /// Room for another number of values than the views have.
    #[error("room for {found} values, but the views have {expected}")]
    ViewLength { found: usize, expected: usize },
    /// A box that is not inside its image.
    #[error("a crop of {crop}, expected one inside the image of {width} x {height}")]
    CropOutside {
        crop: String,
        width: u32,
        height: u32,
    },

    // ---- embedding ------------------------------------------------------------
    /// Parts of a run on something else.
    #[error(
        "{}: left by a run with another {what} ({found}, now {expected}); repeat that run's \
         arguments, or start anew without resuming", folder.display()
    )]
    PartsOfAnother {
        folder: PathBuf,
        what: String,
        found: String,
        expected: String,
    },
    /// Parts that are not whole.
    #[error("{}: {message}; remove the folder and start anew", path.display())]
    BrokenParts { path: PathBuf, message: String },

    // ---- training ---------------------------------------------------------------
    /// A method that there is not.
    #[error("unknown method '{found}'; expected one of: {}", crate::train::Method::NAMES.join(", "))]
    UnknownMethod { found: String },
    /// A setting of a training that there is not, or a value of the wrong type.
    #[error("{key} = {value}: {reason}")]
    TrainKey {
        key: String,
        value: String,
        reason: String,
    },
    /// An image without a label where labels are used.
    #[error("image {id} has no label; give every image one, or train and measure without labels")]
    NoLabel { id: String },
    /// A label that no image trained on has.
    #[error("image {id} has label '{label}', which no image trained on has; leave such images out")]
    UnknownLabel { id: String, label: String },
    /// Labels to be learned, and none there.
    #[error(
        "method '{method}' learns labels, and the images have none; put each class into a folder of \
         its own, name a column of labels, or train with simclr, moco, byol or rotation"
    )]
    LabelsNeeded { method: &'static str },
    /// Images to measure on without labels, or none at all.
    #[error(
        "accuracy is measured by labels: there must be images to measure on, and both they and \
         those trained on must have labels"
    )]
    MeasureLabels,
    /// Labels that tell nothing apart.
    #[error("all images have the label '{class}'; a classifier needs at least two classes")]
    OneClass { class: String },

    // ---- out-of-distribution detectors ----------------------------------------
    /// A network without the layer that makes logits.
    #[error(
        "{}: the network has no classifier (fc.weight), and detector '{detector}' needs logits; give one that was trained on labels",
        file.display()
    )]
    NoClassifier {
        file: PathBuf,
        detector: &'static str,
    },
    /// A network that predicts no rotations.
    #[error(
        "{}: the network has no rotation head (head.rotation.0.weight), which detector 'rotation' needs; train one with the method rotation",
        file.display()
    )]
    NoRotationHead { file: PathBuf },
    /// An input that cannot be turned by quarters.
    #[error("{}: quarter turns need an input as high as wide, found {rows} x {cols}", file.display())]
    NotSquare {
        file: PathBuf,
        rows: usize,
        cols: usize,
    },
    /// A layer that the network does not have.
    #[error("{}: no layer '{found}'; expected one of: {}", file.display(), known.join(", "))]
    UnknownLayer {
        file: PathBuf,
        found: String,
        known: Vec<String>,
    },
    /// Layers for a detector that chooses none.
    #[error("detector '{detector}' sees no features of layers; name no layers")]
    NoLayers { detector: &'static str },
    /// A detector that needs more than one pass over the image as it is.
    #[error(
        "detector '{detector}' needs gradients or rotations, and shares no pass of the network"
    )]
    NotShared { detector: &'static str },
    /// An image without a class where classes are needed.
    #[error(
        "image {id} has no class; put each class into a folder of its own, or name a column of classes"
    )]
    NoClass { id: String },
    /// A class that the classifier does not know.
    #[error("image {id} is of class '{found}', which the classifier does not know; expected one of: {}", known.join(", "))]
    UnknownClass {
        id: String,
        found: String,
        known: Vec<String>,
    },
    /// Classes that cannot be those of the classifier.
    #[error(
        "the images are of {found} classes, and the classifier, whose file does not name its own, tells {expected} apart; label the images by the numbers of the logits, from 0"
    )]
    ClassCount { found: usize, expected: usize },
    /// Not enough images of one class.
    #[error("class '{class}': {found} of its images are given, expected at least {expected}")]
    ClassTooSmall {
        class: String,
        found: usize,
        expected: usize,
    },

    /// Tensors that do not fill an architecture.
    #[error("the encoder lacks tensors of a {architecture}, or they have other shapes")]
    IncompleteEncoder { architecture: String },
}
