//! An image that is named by the input and not yet decoded.

use std::io::Read;
use std::path::{Path, PathBuf};

use qualm::Location;

use crate::error::{Error, Result};
use crate::image::Image;

use super::Item;
use super::decode::{Accepted, decode};

/// Bytes a pixel of the largest format, four channels of 16 bits.
const PIXEL_BYTES: u64 = 8;
/// Bytes that a file may have beside its pixels: metadata, thumbnails, colour profiles.
const BESIDE_PIXELS: u64 = 64 << 20;

/// An image to decode.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) label: Option<String>,
    /// Where it stands in the input.
    pub(super) at: Location,
    pub(super) raw: Raw,
}

/// What there is of an image before it is decoded.
#[derive(Debug)]
pub(super) enum Raw {
    /// A file of its own.
    File(PathBuf),
    /// The bytes of such a file.
    Bytes(Vec<u8>),
    /// Pixels.
    Image(Image),
    /// Nothing.
    Missing,
}

impl Entry {
    /// The image, or what names it and why it cannot be read.
    pub(super) fn item(self, accepted: Accepted) -> Result<Item, Box<(String, Error)>> {
        let image = match self.raw {
            Raw::File(path) => read_file(&path, &self.at, accepted),
            Raw::Bytes(bytes) => decode(&bytes, &self.at, accepted),
            Raw::Image(image) => Ok(image),
            Raw::Missing => Err(Error::NoImageHere { at: self.at }),
        };
        match image {
            Ok(image) => Ok(Item {
                id: self.id,
                label: self.label,
                image,
            }),
            Err(error) => Err(Box::new((self.id, error))),
        }
    }
}

/// An image file. `listed`: the file itself, or the row of the list that names it.
fn read_file(path: &Path, listed: &Location, accepted: Accepted) -> Result<Image> {
    let at = Location::file(path);
    let mut file = match qualm_data::open_file(path) {
        Err(qualm_data::Error::NotFound { .. }) if listed.row.is_some() => {
            return Err(Error::ListedMissing {
                at: listed.clone(),
                path: path.to_owned(),
                more: 0,
            });
        }
        file => file?,
    };
    let unreadable = |source| qualm_data::Error::Read {
        at: at.clone(),
        source,
    };
    let found = file.metadata().map_err(unreadable)?.len();
    let limit = (accepted.max_pixels)
        .saturating_mul(PIXEL_BYTES)
        .saturating_add(BESIDE_PIXELS);
    if found > limit {
        return Err(Error::TooManyBytes { at, found, limit });
    }
    let mut bytes = Vec::with_capacity(found as usize);
    // A file that grows, or a device without end, is no image.
    let read = Read::by_ref(&mut file).take(limit).read_to_end(&mut bytes);
    read.map_err(unreadable)?;
    decode(&bytes, &at, accepted)
}
