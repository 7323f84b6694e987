//! Files that lie elsewhere: in an object store or on a web server, named by an address such as
//! `s3://bucket/rows.parquet`.
//!
//! Read with the feature `remote`; without it every address is refused with what to do instead.

use std::path::{Path, PathBuf};

use crate::error::Error;

#[cfg(not(feature = "remote"))]
mod absent;
#[cfg(feature = "remote")]
mod copy;
#[cfg(feature = "remote")]
mod list;
#[cfg(feature = "remote")]
mod object;
#[cfg(feature = "remote")]
mod parquet;

#[cfg(not(feature = "remote"))]
pub(crate) use absent::{copy, entries, is_folder, matches};
#[cfg(feature = "remote")]
pub use copy::watch_copies;
#[cfg(feature = "remote")]
pub(crate) use {
    copy::copy,
    list::{entries, is_folder, matches},
    parquet::{Ranges, batches, open as open_parquet},
};

/// Something in a folder, here or elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// Its own name, without the folder.
    pub(crate) name: String,
    pub(crate) is_folder: bool,
}

/// The scheme of an address; `None` for the path of a file on this machine.
pub(crate) fn scheme(path: &Path) -> Option<&str> {
    let (scheme, _) = path.to_str()?.split_once("://")?;
    (!path.exists()).then_some(scheme)
}

/// The error about an address that is not read.
fn refuse(address: &Path) -> Error {
    Error::Remote {
        path: address.to_owned(),
        scheme: scheme(address).unwrap_or_default().to_owned(),
    }
}

/// Whether a path is the address of a web server, which has no folders and where `?` is no pattern.
#[cfg(feature = "remote")]
fn is_web(path: &Path) -> bool {
    matches!(scheme(path), Some("http" | "https"))
}
