//! Without the feature `remote`: every address is refused.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Entry, refuse};
use crate::error::Result;

pub(crate) fn copy(address: &Path) -> Result<File> {
    Err(refuse(address))
}

pub(crate) fn entries(address: &Path) -> Result<Vec<Entry>> {
    Err(refuse(address))
}

pub(crate) fn is_folder(address: &Path) -> Result<bool> {
    Err(refuse(address))
}

pub(crate) fn matches(address: &Path) -> Result<Option<Vec<PathBuf>>> {
    Err(refuse(address))
}
