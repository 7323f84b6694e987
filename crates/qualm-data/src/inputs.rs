//! What the paths of an input name: files, folders of parts, patterns.

use std::path::{Path, PathBuf};

use qualm::Location;

use crate::error::{Error, Result};
use crate::format::Format;
use crate::remote::{self, Entry};

/// How deep folders of partitions may lie in each other.
const DEPTH: usize = 16;

/// A file of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    /// What the names of its folders say: `date=2026-03-01` is a column `date`.
    pub(crate) partitions: Vec<(String, String)>,
}

/// The files that paths name, in order: those of folders and patterns by their names.
///
/// # Errors
/// [`Error::NoMatch`], [`Error::BadPattern`], [`Error::Remote`], [`Error::StandardInputBeside`], and those of
/// folders without parts.
pub(crate) fn parts(paths: &[PathBuf]) -> Result<Vec<Part>> {
    let mut all = Vec::new();
    for path in paths {
        match matches(path)? {
            Some(found) => {
                for path in found {
                    expand(path, &mut all)?;
                }
            }
            None => expand(path.clone(), &mut all)?,
        }
    }
    if all.len() > 1 && all.iter().any(|part| part.path.as_os_str() == "-") {
        return Err(Error::StandardInputBeside);
    }
    Ok(all)
}

/// What a pattern matches, by name; `None` for a path without one.
fn matches(pattern: &Path) -> Result<Option<Vec<PathBuf>>> {
    if remote::scheme(pattern).is_some() {
        return remote::matches(pattern);
    }
    let text = pattern.to_string_lossy();
    if text == "-" || pattern.exists() || !text.contains(['*', '?', '[']) {
        return Ok(None);
    }
    let found = glob::glob(&text).map_err(|source| Error::BadPattern {
        path: pattern.to_owned(),
        source: Box::new(source),
    })?;
    let mut all = Vec::new();
    for path in found {
        all.push(path.map_err(|error| Error::Read {
            at: Location::file(error.path()),
            source: error.into(),
        })?);
    }
    if all.is_empty() {
        return Err(Error::NoMatch {
            path: pattern.to_owned(),
        });
    }
    all.sort_unstable();
    Ok(Some(all))
}

/// Adds a file, or the parts of a folder.
fn expand(path: PathBuf, all: &mut Vec<Part>) -> Result<()> {
    if path.as_os_str() != "-" && is_folder(&path)? {
        return folder(&path, &[], DEPTH, all);
    }
    all.push(Part {
        path,
        partitions: Vec::new(),
    });
    Ok(())
}

/// Whether a folder holds the parts of a table, and nothing else.
#[must_use]
pub fn is_table_folder(path: &Path) -> bool {
    folder(path, &[], DEPTH, &mut Vec::new()).is_ok()
}

fn is_folder(path: &Path) -> Result<bool> {
    match remote::scheme(path) {
        Some(_) => remote::is_folder(path),
        None => Ok(path.is_dir()),
    }
}

/// Adds the parts of a folder: its Parquet files; else its other tables, if there is nothing else in it;
/// else those of its folders that are named `key=value`.
fn folder(
    path: &Path,
    partitions: &[(String, String)],
    depth: usize,
    all: &mut Vec<Part>,
) -> Result<()> {
    let no_parts = || Error::NoParts {
        path: path.to_owned(),
    };
    let part = |path| Part {
        path,
        partitions: partitions.to_vec(),
    };
    let entries = visible(path)?;
    let parts = parquet_among(&entries);
    if !parts.is_empty() {
        all.extend(parts.into_iter().map(part));
        return Ok(());
    }
    if entries.is_empty() || depth == 0 {
        return Err(no_parts());
    }
    if entries.iter().all(|entry| !entry.is_folder) {
        let is_table = |entry: &Entry| {
            Format::of(&entry.path).is_ok_and(|format| !matches!(format, Format::Npy | Format::Npz))
        };
        if !entries.iter().all(is_table) {
            return Err(no_parts());
        }
        all.extend(entries.into_iter().map(|entry| part(entry.path)));
        return Ok(());
    }
    for entry in entries {
        let Some((key, value)) = entry.name.split_once('=').filter(|_| entry.is_folder) else {
            return Err(no_parts());
        };
        let mut partitions = partitions.to_vec();
        // What Hive writes for a null.
        let value = if value == "__HIVE_DEFAULT_PARTITION__" {
            ""
        } else {
            value
        };
        partitions.push((key.to_owned(), value.to_owned()));
        folder(&entry.path, &partitions, depth - 1, all)?;
    }
    Ok(())
}

/// The `*.parquet` files directly in a folder, in the order of their names.
///
/// # Errors
/// [`Error::NoParts`] where there is none, [`Error::Read`] where the folder cannot be read.
pub fn parquet_parts(path: &Path) -> Result<Vec<PathBuf>> {
    let parts = parquet_among(&visible(path)?);
    if parts.is_empty() {
        return Err(Error::NoParts {
            path: path.to_owned(),
        });
    }
    Ok(parts)
}

fn parquet_among(entries: &[Entry]) -> Vec<PathBuf> {
    let is_parquet = |entry: &&Entry| {
        let extension = entry.path.extension();
        !entry.is_folder && extension.is_some_and(|e| e.eq_ignore_ascii_case("parquet"))
    };
    let parts = entries.iter().filter(is_parquet);
    parts.map(|entry| entry.path.clone()).collect()
}

/// What is in a folder, by name, but for what writers leave beside the parts, such as `_SUCCESS` and
/// `.part.crc`.
fn visible(path: &Path) -> Result<Vec<Entry>> {
    let mut entries = match remote::scheme(path) {
        Some(_) => remote::entries(path)?,
        None => entries(path).map_err(|source| Error::Read {
            at: Location::file(path),
            source,
        })?,
    };
    entries.retain(|entry| !entry.name.starts_with(['.', '_']));
    entries.sort_unstable();
    Ok(entries)
}

fn entries(path: &Path) -> std::io::Result<Vec<Entry>> {
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        Ok(Entry {
            path: entry.path(),
            name: entry.file_name().to_string_lossy().into_owned(),
            // Of a link, what it leads to.
            is_folder: !entry.path().is_file(),
        })
    };
    std::fs::read_dir(path)?.map(entry).collect()
}
