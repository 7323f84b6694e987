//! Lists of paths: CSV, tab-separated text, or a column of a Parquet table.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use qualm::Location;
use qualm::error::Names;

use crate::error::{Error, Result};

use super::column::{LABEL, PATHS, asked};
use super::files::{Files, Listed};
use super::folder::{KNOWN, extension, is_image};
use super::{Input, OnError, ReadOptions};

/// Rows that decide which column is text.
const LOOKED_AT: usize = 100;

/// Opens a list in text with a header.
pub(super) fn open(path: &Path, separator: u8, options: &ReadOptions) -> Result<Input> {
    let at = Location::file(path);
    let bad_text = |row: Option<usize>, source: csv::Error| {
        let at = Location {
            row,
            ..Location::file(path)
        };
        match source.into_kind() {
            csv::ErrorKind::Io(source) => qualm_data::Error::Read { at, source },
            csv::ErrorKind::Utf8 { .. } => qualm_data::Error::NotUtf8 { at },
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => qualm_data::Error::Ragged {
                at,
                found: len as usize,
                expected: expected_len as usize,
            },
            _ => qualm_data::Error::Damaged { at },
        }
    };
    let file = qualm_data::open_file(path)?;
    if file.metadata().is_ok_and(|data| data.len() == 0) {
        return Err(qualm_data::Error::EmptyFile { at }.into());
    }
    let mut reader = ReaderBuilder::new().delimiter(separator).from_reader(file);
    let header = reader.headers().map_err(|e| bad_text(None, e))?;
    let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    if let Some(found) = names
        .iter()
        .find(|name| is_image(&extension(Path::new(name))))
    {
        return Err(Error::NoListHeader {
            at,
            found: found.clone(),
        });
    }
    let mut rows = Vec::new();
    for row in reader.records() {
        rows.push(row.map_err(|e| bad_text(Some(rows.len() + 1), e))?);
    }
    let label = match &options.label {
        Some(name) => Some(asked(&names, name, &at)?),
        None => names.iter().position(|name| name == LABEL),
    };
    let paths = match &options.column {
        Some(name) => asked(&names, name, &at)?,
        None => path_column(&names, label, &rows).ok_or_else(|| Error::NoImageColumn {
            at: at.clone(),
            known: Names(names.clone()),
        })?,
    };
    let value = |row: &StringRecord, column: usize| {
        let value = row.get(column).map(str::trim);
        value.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let rows = rows.iter().enumerate().map(|(i, row)| Row {
        at: at.clone().at_row(i + 1),
        path: value(row, paths),
        label: label.and_then(|label| value(row, label)),
    });
    let label = label.and_then(|place| names.get(place).cloned());
    let folder = path.parent().unwrap_or(Path::new(""));
    files(at.clone(), folder, rows, label, options.on_error)
}

/// The column of the paths: by its name, or the only one that is text.
fn path_column(names: &[String], label: Option<usize>, rows: &[StringRecord]) -> Option<usize> {
    let named = |known: &&str| names.iter().position(|name| name == known);
    if let Some(place) = PATHS.iter().find_map(named) {
        return Some(place);
    }
    let is_text = |column: usize| {
        let values = rows
            .iter()
            .take(LOOKED_AT)
            .filter_map(|row| row.get(column));
        let mut filled = values.map(str::trim).filter(|text| !text.is_empty());
        filled.any(|text| text.parse::<f64>().is_err())
    };
    let mut texts = (0..names.len()).filter(|&column| Some(column) != label && is_text(column));
    texts.next().filter(|_| texts.next().is_none())
}

/// A row of a list.
pub(super) struct Row {
    pub(super) at: Location,
    pub(super) path: Option<String>,
    pub(super) label: Option<String>,
}

/// The files that a list names. Missing ones are refused here, before any work, unless broken
/// images are to be skipped.
pub(super) fn files(
    at: Location,
    folder: &Path,
    rows: impl Iterator<Item = Row>,
    label: Option<String>,
    on_error: OnError,
) -> Result<Input> {
    let mut files = Vec::new();
    for row in rows {
        let id = row
            .path
            .ok_or_else(|| Error::NoImageHere { at: row.at.clone() })?;
        files.push(Listed {
            path: folder.join(&id),
            id,
            label: row.label,
            named_at: Some(row.at),
        });
    }
    if files.is_empty() {
        return Err(Error::NoImages {
            at,
            skipped: String::new(),
            known: KNOWN,
        });
    }
    if on_error == OnError::Stop {
        let mut missing = files.iter().filter(|file| !file.path.exists());
        if let Some(first) = missing.next() {
            return Err(Error::ListedMissing {
                at: first.named_at.clone().unwrap_or(at),
                path: first.path.clone(),
                more: missing.count(),
            });
        }
    }
    Ok(Input::Files(Files::of_list(files, label)))
}
