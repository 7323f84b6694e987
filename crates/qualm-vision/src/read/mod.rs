//! Images from files, in batches: always in the same order, decoded in parallel.
//!
//! - **A folder**: all image files in it and below, sorted by path. The class of an image is the
//!   first sub-folder on the way to it. Files are chosen by extension and decoded by content.
//! - **A list of paths**: CSV, tab-separated text or Parquet with a column `path`, `image`,
//!   `file` or `filename`, or with a single column of text. Paths are relative to the folder of
//!   the list.
//! - **A table of images**: Parquet as Hugging Face writes it, with a column of structs
//!   `{bytes, path}`; a folder of such files is one table.
//! - **An array**: `.npy` or `.npz`, uint8, `(n, height, width, 3)`, or grey `(n, height, width)`.
//! - **One image file**.
//!
//! PNG, JPEG, WebP, BMP, GIF (its first frame) and TIFF become [`Image`]s of eight bits a colour,
//! as `PIL.Image.convert("RGB")` makes them: grey is repeated, alpha is dropped, palettes are
//! looked up. Where Pillow cuts off 16-bit values we scale them. The EXIF orientation is applied.

mod archive;
mod array;
mod column;
mod decode;
mod entry;
mod exact;
mod files;
mod folder;
mod jpeg;
mod list;
mod pick;
mod resize;
mod table;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use qualm::Location;

use crate::error::{Error, Result};
use crate::image::Image;

use array::ArrayImages;
use entry::Entry;
use files::Files;
use table::TableImages;

pub(crate) use decode::{Accepted, decode};

pub use folder::{Skipped, SkippedFiles};
pub use pick::Picked;
pub use resize::Resize;

/// About the most bytes of pixels in one batch.
const BATCH_BYTES: usize = 256 << 20;
/// Images decoded at once before the size of one is known.
const FIRST_GROUP: usize = 64;

/// One image of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What names it in its input, see [`ImageSource::id_name`].
    pub id: String,
    /// Its class, where the input says one.
    pub label: Option<String>,
    /// Its pixels.
    pub image: Image,
}

/// What happens at an image that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// Reading ends with its error.
    #[default]
    Stop,
    /// It is left out and kept among [`ImageSource::rejects`].
    Skip,
}

/// How an input is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// The column, or array of an `.npz` file, that holds images or paths; told by name and type
    /// when `None`.
    pub column: Option<String>,
    /// The column, or array, that holds the labels: numbers or text. When `None`, the column
    /// `label` if there is one. In a folder the sub-folders are the labels.
    pub label: Option<String>,
    /// What happens at an image that cannot be read.
    pub on_error: OnError,
    /// The most pixels of an image. Larger ones are refused before anything is allocated.
    pub max_pixels: u64,
    /// Refuse images that lose something as one picture of eight bits of red, green and blue: animations, 16 bits a
    /// colour, CMYK. Otherwise the first frame is taken, and colours are converted.
    pub exact: bool,
}

impl Default for ReadOptions {
    /// `max_pixels` is the size above which Pillow, too, refuses an image: 2^30 / 6.
    fn default() -> Self {
        Self {
            column: None,
            label: None,
            on_error: OnError::default(),
            max_pixels: 178_956_970,
            exact: false,
        }
    }
}

impl ReadOptions {
    fn accepted(&self) -> Accepted {
        Accepted {
            max_pixels: self.max_pixels,
            exact: self.exact,
        }
    }
}

/// An image that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// What names it in its input.
    pub id: String,
    /// Why it could not be read: the message of its error, with its causes.
    pub reason: String,
}

/// An opened input of images.
///
/// ```
/// use qualm_vision::read::{ImageSource, ReadOptions};
///
/// let folder = tempfile::tempdir()?;
/// // A grey NumPy array: two images of 1 x 2 pixels.
/// let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2), }\n";
/// let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
/// bytes.extend((header.len() as u16).to_le_bytes());
/// bytes.extend(header.as_bytes());
/// bytes.extend([0, 50, 100, 150]);
/// let path = folder.path().join("two.npy");
/// std::fs::write(&path, bytes)?;
///
/// let mut source = ImageSource::open(&path, &ReadOptions::default())?;
/// assert_eq!(source.n_images_hint(), 2);
/// while let Some(batch) = source.next_batch(1)? {
///     for item in batch {
///         println!("{} {} x {}", item.id, item.image.width(), item.image.height());
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ImageSource {
    path: PathBuf,
    on_error: OnError,
    accepted: Accepted,
    input: Input,
    skipped: SkippedFiles,
    rejects: Vec<Reject>,
    /// Images given out since the start.
    n_given: usize,
    /// Bytes of an image, as far as the last ones tell.
    image_bytes: usize,
}

#[derive(Debug)]
enum Input {
    Files(Files),
    Table(Box<TableImages>),
    Array(Box<ArrayImages>),
}

impl ImageSource {
    /// Opens an input as far as to know how many images it names.
    ///
    /// # Errors
    /// When the path does not exist or names no known kind of input, when it holds no image, when
    /// a table or array does not hold images, or, unless broken images are skipped, when a listed
    /// file is missing.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        let (input, skipped) = open(path, options)?;
        Ok(Self {
            path: path.to_owned(),
            on_error: options.on_error,
            accepted: options.accepted(),
            input,
            skipped,
            rejects: Vec::new(),
            n_given: 0,
            image_bytes: BATCH_BYTES / FIRST_GROUP,
        })
    }

    /// Image files in an order of their own. Each is called by its number, from 0; of `options` only
    /// `on_error`, `max_pixels` and `exact` matter.
    #[must_use]
    pub fn of_files(files: Vec<PathBuf>, options: &ReadOptions) -> Self {
        Self {
            path: PathBuf::new(),
            on_error: options.on_error,
            accepted: options.accepted(),
            input: Input::Files(Files::numbered(files)),
            skipped: SkippedFiles::default(),
            rejects: Vec::new(),
            n_given: 0,
            image_bytes: BATCH_BYTES / FIRST_GROUP,
        }
    }

    /// The images that the input names. Fewer come where broken ones are skipped.
    #[must_use]
    pub fn n_images_hint(&self) -> u64 {
        match &self.input {
            Input::Files(files) => files.len() as u64,
            Input::Table(table) => table.n_rows(),
            Input::Array(array) => array.n_images(),
        }
    }

    /// What [`Item::id`] is: `path`, or `id` for the number of the row or image, from 0.
    ///
    /// In a folder, the path is relative to it, with `/`. In a list, it is what the list says; files of
    /// [`ImageSource::of_files`] have numbers. In a table of images it is their `path`, if each has one and no two have the same.
    #[must_use]
    pub fn id_name(&self) -> &'static str {
        match &self.input {
            Input::Files(files) => files.id_name(),
            Input::Table(table) => table.id_name(),
            Input::Array(_) => "id",
        }
    }

    /// Where the labels come from: the name of the column or array, or `folder` for sub-folders.
    /// `None` when no image has one.
    #[must_use]
    pub fn label_name(&self) -> Option<&str> {
        match &self.input {
            Input::Files(files) => files.label_name(),
            Input::Table(table) => table.label_name(),
            Input::Array(array) => array.label_name(),
        }
    }

    /// The file of each image, by its id; `None` where one file holds them all, a table or an array.
    #[must_use]
    pub fn files(&self) -> Option<impl Iterator<Item = (&str, &Path)>> {
        match &self.input {
            Input::Files(files) => Some(files.all()),
            Input::Table(_) | Input::Array(_) => None,
        }
    }

    /// The files of a folder that are not read.
    #[must_use]
    pub fn skipped(&self) -> &SkippedFiles {
        &self.skipped
    }

    /// The images left out since the start, in the order of the input.
    #[must_use]
    pub fn rejects(&self) -> &[Reject] {
        &self.rejects
    }

    /// The next images, at most `n` and at least one, or `None` at the end.
    ///
    /// Fewer than `n` come at the end of the input, where broken images are skipped, and where the
    /// images are so large that `n` of them would take more than about 256 MiB.
    ///
    /// # Errors
    /// The first image, in the order of the input, that cannot be read, unless such are skipped;
    /// [`Error::AllRejected`] at the end of an input of which none could be. After an error the
    /// source is read on from [`rewind`](Self::rewind) only.
    pub fn next_batch(&mut self, n: usize) -> Result<Option<Vec<Item>>> {
        let n = n.max(1);
        let mut items = Vec::new();
        let mut bytes = 0;
        while items.len() < n && bytes < BATCH_BYTES {
            let fit = (BATCH_BYTES - bytes) / self.image_bytes.max(1);
            let entries = self.next_entries(fit.clamp(1, n - items.len()))?;
            if entries.is_empty() {
                break;
            }
            let accepted = self.accepted;
            let decoded: Vec<_> = entries
                .into_par_iter()
                .map(|entry| entry.item(accepted))
                .collect();
            let (mut group, n_before) = (0, items.len());
            for item in decoded {
                match item {
                    Ok(item) => {
                        group += item.image.pixels().len();
                        items.push(item);
                    }
                    Err(refused) => {
                        let (id, error) = *refused;
                        if self.on_error == OnError::Stop {
                            return Err(error);
                        }
                        let reason = with_causes(&error);
                        self.rejects.push(Reject { id, reason });
                    }
                }
            }
            bytes += group;
            if let Some(mean) = group.checked_div(items.len() - n_before) {
                self.image_bytes = mean;
            }
        }
        self.n_given += items.len();
        if !items.is_empty() {
            return Ok(Some(items));
        }
        match self.rejects.first() {
            Some(first) if self.n_given == 0 => Err(Error::AllRejected {
                at: Location::file(&self.path),
                n: self.rejects.len(),
                reason: first.reason.clone(),
            }),
            _ => Ok(None),
        }
    }

    fn next_entries(&mut self, n: usize) -> Result<Vec<Entry>> {
        match &mut self.input {
            Input::Files(files) => Ok(files.next(n)),
            Input::Table(table) => table.next(n),
            Input::Array(array) => array.next(n),
        }
    }

    /// Goes back to the first image, and forgets the rejects.
    ///
    /// # Errors
    /// When the file cannot be read from its beginning.
    pub fn rewind(&mut self) -> Result<()> {
        self.rejects.clear();
        self.n_given = 0;
        match &mut self.input {
            Input::Files(files) => files.rewind(),
            Input::Table(table) => table.rewind(),
            Input::Array(array) => array.rewind()?,
        }
        Ok(())
    }

    /// All images that are left, resized, in memory.
    ///
    /// # Errors
    /// As [`next_batch`](Self::next_batch), and [`qualm::Error::Memory`] when they do not fit.
    pub fn read_all(&mut self, resize: Resize) -> Result<Vec<Item>> {
        let mut all: Vec<Item> = Vec::new();
        while let Some(batch) = self.next_batch(BATCH)? {
            let batch: Vec<Item> = batch
                .into_par_iter()
                .map(|item| resize.item(item))
                .collect::<Result<_>>()?;
            if all.is_empty() {
                let bytes: usize = batch.iter().map(|item| item.image.pixels().len()).sum();
                let more = self.n_images_hint().saturating_sub(batch.len() as u64);
                let needed = (bytes / batch.len().max(1)) as u64 * more;
                qualm::memory::check(needed, || vec!["resize the images to fewer pixels".into()])?;
            }
            all.extend(batch);
        }
        Ok(all)
    }
}

/// Images read at once by [`ImageSource::read_all`] and [`ImageSource::pick`].
const BATCH: usize = 1024;

/// A number for an image, from what names it: the first 64 bits of the SHA-256 of the name.
///
/// It depends on nothing else, so that an image has the same views in any order and input.
#[must_use]
pub fn image_id(id: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    digest
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The message of an error, followed by those of its causes.
fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The kind of input that a path names.
fn open(path: &Path, options: &ReadOptions) -> Result<(Input, SkippedFiles)> {
    if path.is_dir() {
        return open_folder(path, options);
    }
    // A path that is not there is the commoner mistake: say that before its extension.
    drop(qualm_data::open_file(path)?);
    let extension = folder::extension(path);
    let input = match extension.as_str() {
        "csv" => list::open(path, b',', options)?,
        "tsv" => list::open(path, b'\t', options)?,
        "parquet" => table::open(path, &[path.to_owned()], options)?,
        "npy" => Input::Array(Box::new(ArrayImages::open_npy(path, options)?)),
        "npz" => Input::Array(Box::new(archive::open(path, options)?)),
        other if folder::is_image(other) => Input::Files(Files::one(path)),
        _ => {
            return Err(Error::UnknownInput {
                path: path.to_owned(),
            });
        }
    };
    Ok((input, SkippedFiles::default()))
}

/// A folder of images, or, where there are none, of the Parquet parts of one table.
fn open_folder(path: &Path, options: &ReadOptions) -> Result<(Input, SkippedFiles)> {
    let (files, skipped) = folder::list(path)?;
    if !files.is_empty() {
        return Ok((Input::Files(Files::of_folder(path, files)), skipped));
    }
    let parts = match qualm_data::parquet_parts(path) {
        Err(qualm_data::Error::NoParts { .. }) => {
            return Err(Error::NoImages {
                at: Location::file(path),
                skipped: skipped.to_string(),
                known: folder::KNOWN,
            });
        }
        parts => parts?,
    };
    Ok((table::open(path, &parts, options)?, SkippedFiles::default()))
}
