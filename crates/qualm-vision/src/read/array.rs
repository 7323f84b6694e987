//! NumPy arrays of images, streamed from their file.
//!
//! An array in Fortran order is held in memory: its images do not follow each other in the file.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use qualm::Location;
use qualm::error::Names;
use qualm_data::{NpyHeader, NpyNumber};

use crate::error::{Error, Result};
use crate::image::Image;

use super::ReadOptions;
use super::entry::{Entry, Raw};

/// What an array of images has to be.
pub(super) const EXPECTED: &str =
    "uint8 of shape (n, height, width, 3), or grey of shape (n, height, width), none of them 0";

pub(super) trait Bytes: Read + Seek + Send + Sync {}
impl<T: Read + Seek + Send + Sync> Bytes for T {}

/// An array of images.
pub(super) struct ArrayImages {
    at: Location,
    shape: Shape,
    values: Box<dyn Bytes>,
    /// Where in `values` the first image begins.
    start: u64,
    /// The name of the labels, and that of each image.
    pub(super) label: Option<(String, Vec<Option<String>>)>,
    n_given: u64,
}

impl std::fmt::Debug for ArrayImages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArrayImages")
            .field("at", &self.at)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    n: u64,
    height: u32,
    width: u32,
    /// 1 or 3.
    channels: usize,
}

impl Shape {
    fn bytes(self) -> usize {
        self.height as usize * self.width as usize * self.channels
    }

    /// The shape of an array of images, or `None` of another array.
    pub(super) fn of(header: &NpyHeader) -> Option<Self> {
        let side = |n: u64| u32::try_from(n).ok().filter(|&n| n > 0);
        let (n, height, width, channels) = match header.shape[..] {
            [n, height, width] => (n, height, width, 1),
            [n, height, width, channels @ (1 | 3)] => (n, height, width, channels as usize),
            _ => return None,
        };
        (header.item.number == NpyNumber::U8 && n > 0).then_some(Self {
            n,
            height: side(height)?,
            width: side(width)?,
            channels,
        })
    }
}

/// An array as a message describes it.
pub(super) fn described(header: &NpyHeader) -> String {
    let number = format!("{:?}", header.item.number).to_lowercase();
    let shape: Vec<String> = header.shape.iter().map(ToString::to_string).collect();
    let mut text = format!("type {number} and shape ({})", shape.join(", "));
    if matches!(header.shape[..], [_, 3, h, w] if h > 3 && w > 3) {
        text.push_str(", which is channels first: use .transpose(0, 2, 3, 1)");
    }
    text
}

impl ArrayImages {
    pub(super) fn open_npy(path: &Path, options: &ReadOptions) -> Result<Self> {
        let at = Location::file(path);
        if let Some(name) = options.column.as_ref().or(options.label.as_ref()) {
            return Err(Error::NoSuchPart {
                at: at.column(name),
                kind: "array",
                known: Names(Vec::new()),
            });
        }
        let mut file = BufReader::new(qualm_data::open_file(path)?);
        let length = length(&file, &at)?;
        if length == 0 {
            return Err(qualm_data::Error::EmptyFile { at }.into());
        }
        let header = NpyHeader::read(&mut file, &at)?;
        whole(&header, length, &at)?;
        Self::new(at, &header, Box::new(file), 0, options.max_pixels)
    }

    /// The images of one array of which `values` holds the whole file, from `start` on.
    pub(super) fn new(
        at: Location,
        header: &NpyHeader,
        mut values: Box<dyn Bytes>,
        start: u64,
        max_pixels: u64,
    ) -> Result<Self> {
        let Some(shape) = Shape::of(header) else {
            return Err(Error::ArrayShape {
                at,
                found: described(header),
                expected: EXPECTED,
            });
        };
        if u64::from(shape.width) * u64::from(shape.height) > max_pixels {
            return Err(Error::TooManyPixels {
                at,
                width: shape.width,
                height: shape.height,
                limit: max_pixels,
            });
        }
        let mut start = start + header.length;
        if header.fortran {
            values = Box::new(Cursor::new(in_c_order(&at, header, &mut values, start)?));
            start = 0;
        }
        let mut images = Self {
            at,
            shape,
            values,
            start,
            label: None,
            n_given: 0,
        };
        images.rewind()?;
        Ok(images)
    }

    pub(super) fn n_images(&self) -> u64 {
        self.shape.n
    }

    pub(super) fn label_name(&self) -> Option<&str> {
        self.label.as_ref().map(|(name, _)| name.as_str())
    }

    pub(super) fn rewind(&mut self) -> Result<()> {
        self.n_given = 0;
        let at = &self.at;
        let seeked = self.values.seek(SeekFrom::Start(self.start));
        seeked.map_err(|source| read_error(at, source))?;
        Ok(())
    }

    pub(super) fn next(&mut self, n: usize) -> Result<Vec<Entry>> {
        let left = usize::try_from(self.shape.n - self.n_given).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        for _ in 0..n.min(left) {
            let row = self.n_given as usize;
            let mut pixels = vec![0; self.shape.bytes()];
            let read = self.values.read_exact(&mut pixels);
            read.map_err(|source| read_error(&self.at.clone().at_row(row + 1), source))?;
            if self.shape.channels == 1 {
                pixels = pixels.into_iter().flat_map(|grey| [grey; 3]).collect();
            }
            let image = Image::new(self.shape.width, self.shape.height, pixels)?;
            entries.push(Entry {
                id: row.to_string(),
                label: (self.label.as_ref()).and_then(|(_, labels)| labels.get(row)?.clone()),
                at: self.at.clone().at_row(row + 1),
                raw: Raw::Image(image),
            });
            self.n_given += 1;
        }
        Ok(entries)
    }
}

/// How long a file is.
fn length(file: &BufReader<File>, at: &Location) -> Result<u64> {
    let data = file.get_ref().metadata();
    Ok(data.map_err(|source| read_error(at, source))?.len())
}

pub(super) fn read_error(at: &Location, source: std::io::Error) -> Error {
    let at = at.clone();
    qualm_data::Error::Read { at, source }.into()
}

/// Refuses an array file of fewer bytes than its header promises.
pub(super) fn whole(header: &NpyHeader, length: u64, at: &Location) -> Result<()> {
    let (expected, found) = (header.value_bytes(), length.saturating_sub(header.length));
    if expected > found {
        let at = at.clone();
        return Err(qualm_data::Error::Truncated {
            at,
            expected,
            found,
        }
        .into());
    }
    Ok(())
}

/// The values of an array of bytes in Fortran order, the first index fastest, in C order.
fn in_c_order(
    at: &Location,
    header: &NpyHeader,
    values: &mut dyn Bytes,
    start: u64,
) -> Result<Vec<u8>> {
    let n_bytes = header.value_bytes();
    qualm::memory::check(n_bytes.saturating_mul(2), || {
        vec!["save the array in C order (numpy.ascontiguousarray)".into()]
    })?;
    // Not more than the file holds, which was checked.
    let mut found = vec![0; n_bytes as usize];
    let read = values.seek(SeekFrom::Start(start));
    let read = read.and_then(|_| values.read_exact(&mut found));
    read.map_err(|source| read_error(at, source))?;
    let shape: Vec<usize> = header.shape.iter().map(|&n| n as usize).collect();
    let mut out = Vec::with_capacity(found.len());
    let mut index = vec![0; shape.len()];
    for _ in 0..found.len() {
        let places = index.iter().zip(&shape).rev();
        let place = places.fold(0, |place, (i, n)| place * n + i);
        out.push(found.get(place).copied().unwrap_or_default());
        for (i, n) in index.iter_mut().zip(&shape).rev() {
            *i += 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    Ok(out)
}
