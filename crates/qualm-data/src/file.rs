//! A file opened for reading, and its first bytes.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use qualm::Location;

use crate::error::{Error, Result};
use crate::format::SNIFF;
use crate::remote;

/// Opens a file for reading. What an address names is copied first, where addresses are read.
///
/// # Errors
/// [`Error::NotFound`] where there is none, [`Error::Read`] where it cannot be opened, [`Error::Remote`]
/// for an address that is not read.
pub fn open_file(path: &Path) -> Result<File> {
    if remote::scheme(path).is_some() {
        return remote::copy(path);
    }
    File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound {
            path: path.to_owned(),
        },
        _ => Error::Read {
            at: Location::file(path),
            source,
        },
    })
}

/// The same file without a name once more, from its beginning.
pub(crate) fn reopened(file: &File, path: &Path) -> Result<File> {
    let again = file.try_clone().and_then(|mut file| {
        file.rewind()?;
        Ok(file)
    });
    again.map_err(|source| Error::Read {
        at: Location::file(path),
        source,
    })
}

/// The first bytes of a file, which is then back at its start.
pub(crate) fn sniff(file: &mut File, at: &Location) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let read = Read::by_ref(file).take(SNIFF as u64).read_to_end(&mut head);
    read.and_then(|_| file.rewind())
        .map_err(|source| Error::Read {
            at: at.clone(),
            source,
        })?;
    Ok(head)
}
