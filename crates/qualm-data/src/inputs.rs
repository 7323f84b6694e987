//! What the paths of an input name: files, folders of parts, patterns.

use std::path::{Path, PathBuf};

use qualm::Location;

use crate::error::{Error, Result};
use crate::format::Format;
use crate::parquet::parquet_parts;

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
        let text = path.to_string_lossy();
        if let Some(scheme) = text.split_once("://").map(|(scheme, _)| scheme.to_owned())
            && !path.exists()
        {
            return Err(Error::Remote {
                path: path.clone(),
                scheme,
            });
        }
        if path.as_os_str() != "-" && !path.exists() && text.contains(['*', '?', '[']) {
            for found in matches(path)? {
                expand(found, &mut all)?;
            }
        } else {
            expand(path.clone(), &mut all)?;
        }
    }
    if all.len() > 1 && all.iter().any(|part| part.path.as_os_str() == "-") {
        return Err(Error::StandardInputBeside);
    }
    Ok(all)
}

/// What a pattern matches, by name.
fn matches(pattern: &Path) -> Result<Vec<PathBuf>> {
    let text = pattern.to_string_lossy();
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
    Ok(all)
}

/// Adds a file, or the parts of a folder.
fn expand(path: PathBuf, all: &mut Vec<Part>) -> Result<()> {
    if path.as_os_str() != "-" && path.is_dir() {
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
    match parquet_parts(path) {
        Ok(parts) => {
            all.extend(parts.into_iter().map(part));
            return Ok(());
        }
        Err(Error::NoParts { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut entries = visible(path)?;
    entries.sort_unstable();
    if entries.is_empty() || depth == 0 {
        return Err(no_parts());
    }
    if entries.iter().all(|entry| entry.is_file()) {
        let is_table = |entry: &PathBuf| {
            Format::of(entry).is_ok_and(|format| !matches!(format, Format::Npy | Format::Npz))
        };
        if !entries.iter().all(is_table) {
            return Err(no_parts());
        }
        all.extend(entries.into_iter().map(part));
        return Ok(());
    }
    for entry in entries {
        let name = entry
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let Some((key, value)) = name.split_once('=').filter(|_| entry.is_dir()) else {
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
        folder(&entry, &partitions, depth - 1, all)?;
    }
    Ok(())
}

/// What is in a folder, but for what writers leave beside the parts, such as `_SUCCESS`.
fn visible(path: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |source| Error::Read {
        at: Location::file(path),
        source,
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            entries.push(entry.path());
        }
    }
    Ok(entries)
}
