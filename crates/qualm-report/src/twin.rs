//! The numbers of a page as a file: JSON, or Parquet with a row for each item shown.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};
use qualm::Location;
use qualm_data::ScoreWriter;

use crate::error::{Error, Result};

/// What a JSON document of ours begins with, after its brace.
pub(crate) const OURS: &str = "\"qualm_page\":";
/// The entry in the metadata of a Parquet file of ours.
pub(crate) const KEY: &str = "qualm.page";

/// How the numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One document with all numbers.
    Json,
    /// A table of the items shown.
    Parquet,
}

/// The format that a path's extension names.
///
/// # Errors
/// [`Error::UnknownTwin`].
pub fn format(path: &Path) -> Result<Format> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("json") => Ok(Format::Json),
        Some("parquet") => Ok(Format::Parquet),
        _ => Err(Error::UnknownTwin {
            path: path.to_owned(),
        }),
    }
}

/// Refuses a Parquet file that is none of ours.
pub(crate) fn check_parquet(path: &Path) -> Result<()> {
    let empty = File::open(path)
        .and_then(|f| f.metadata())
        .is_ok_and(|m| m.len() == 0);
    let head = qualm_data::Head::of_file(path, false);
    if empty || head.is_ok_and(|head| head.metadata.contains_key(KEY)) {
        return Ok(());
    }
    Err(Error::NotOurs {
        path: path.to_owned(),
        kind: "file of numbers",
    })
}

/// A table of columns by their names, which says what it is the table of. `nullable` tells which
/// columns may miss values.
///
/// # Errors
/// When columns differ in length.
pub(crate) fn table<N: AsRef<str>>(
    columns: Vec<(N, ArrayRef)>,
    nullable: impl Fn(&str) -> bool,
    of: &str,
) -> Result<RecordBatch> {
    let fields = columns.iter().map(|(name, array)| {
        let name = name.as_ref();
        Field::new(name, array.data_type().clone(), nullable(name))
    });
    let metadata = HashMap::from([(KEY.to_owned(), of.to_owned())]);
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata);
    let columns = columns.into_iter().map(|(_, array)| array).collect();
    let rows = RecordBatch::try_new(Arc::new(schema), columns);
    Ok(rows.map_err(|source| qualm_data::Error::Arrow {
        at: Location::default(),
        source,
    })?)
}

/// Writes a table of the items shown.
///
/// # Errors
/// Those of [`ScoreWriter`].
pub fn write_table(path: &Path, rows: &RecordBatch) -> Result<()> {
    let mut writer = ScoreWriter::create(path, rows.schema())?;
    writer.write(rows)?;
    Ok(writer.finish()?)
}
