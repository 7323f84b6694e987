//! What lies in a folder of a store, and what a pattern of addresses matches.

use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use glob::{MatchOptions, Pattern};
use object_store::ObjectStoreExt;
use object_store::path::Path as Key;
use url::Url;

use super::object::{Object, wait};
use super::{Entry, is_web};
use crate::error::{Error, Result};

/// What lies directly in a folder.
///
/// # Errors
/// Those of the store.
pub(crate) fn entries(address: &Path) -> Result<Vec<Entry>> {
    let folder = Object::at(address)?;
    let found = wait(address, folder.store.list_with_delimiter(Some(&folder.key)))?;
    let found = found.map_err(|error| folder.failed(error))?;
    let folders = found.common_prefixes.iter().map(|key| (key, true));
    let objects = found.objects.iter().map(|object| (&object.location, false));
    let entry = |(key, is_folder): (&Key, bool)| {
        let name = key.filename()?.to_owned();
        Some(Entry {
            path: address_of(address, &folder.key, key)?,
            name,
            is_folder,
        })
    };
    Ok(folders.chain(objects).filter_map(entry).collect())
}

/// Whether an address names a folder: one that ends in `/`, or a prefix of others and no object itself.
///
/// # Errors
/// Those of the store; [`Error::NotFound`] for what is neither.
pub(crate) fn is_folder(address: &Path) -> Result<bool> {
    if is_web(address) {
        return Ok(false);
    }
    if address.to_string_lossy().ends_with('/') {
        return Ok(true);
    }
    let object = Object::at(address)?;
    if object.key.is_root() {
        return Ok(true);
    }
    match wait(address, object.store.head(&object.key))? {
        Ok(_) => return Ok(false),
        Err(object_store::Error::NotFound { .. }) => {}
        Err(error) => return Err(object.failed(error)),
    }
    if entries(address)?.is_empty() {
        return Err(Error::NotFound {
            path: address.to_owned(),
        });
    }
    Ok(true)
}

/// The objects that a pattern matches, by name; `None` for an address without one.
///
/// # Errors
/// Those of the store; [`Error::NoMatch`] and [`Error::BadPattern`].
pub(crate) fn matches(address: &Path) -> Result<Option<Vec<PathBuf>>> {
    let text = address.to_string_lossy();
    let Some(wild) = text.find(['*', '?', '[']).filter(|_| !is_web(address)) else {
        return Ok(None);
    };
    // Everything below the last folder that the pattern names in full.
    let start = text.get(..wild).and_then(|known| known.rfind('/'));
    let (known, pattern) = text.split_at(start.map_or(wild, |slash| slash + 1));
    let known = Path::new(known);
    let pattern = Pattern::new(pattern).map_err(|source| Error::BadPattern {
        path: address.to_owned(),
        source: Box::new(source),
    })?;
    let options = MatchOptions {
        require_literal_separator: true,
        ..MatchOptions::new()
    };
    let folder = Object::at(known)?;
    let found = folder.store.list(Some(&folder.key)).try_collect::<Vec<_>>();
    let found = wait(known, found)?.map_err(|error| folder.failed(error))?;
    let is_match = |key: &Key| {
        let below = key.prefix_match(&folder.key)?;
        let name = below.map(|part| part.as_ref().to_owned());
        let name = name.collect::<Vec<_>>().join("/");
        Some(pattern.matches_with(&name, options))
    };
    let mut all: Vec<PathBuf> = found
        .iter()
        .filter(|object| is_match(&object.location) == Some(true))
        .filter_map(|object| address_of(known, &folder.key, &object.location))
        .collect();
    if all.is_empty() {
        return Err(Error::NoMatch {
            path: address.to_owned(),
        });
    }
    all.sort_unstable();
    Ok(Some(all))
}

/// The address of what lies in a folder.
fn address_of(folder: &Path, folder_key: &Key, key: &Key) -> Option<PathBuf> {
    let mut url = Url::parse(folder.to_str()?).ok()?;
    let below = key.prefix_match(folder_key)?;
    {
        let mut segments = url.path_segments_mut().ok()?;
        segments.pop_if_empty();
        for part in below {
            segments.push(part.as_ref());
        }
    }
    Some(PathBuf::from(String::from(url)))
}
