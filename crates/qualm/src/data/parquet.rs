//! Parquet: one file, or the parts of a table in a folder.
//!
//! The footers of all parts are read when the input is opened, so that a part which lacks
//! a column is refused before any work; only the columns asked for are ever decoded.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Type;

use super::cutter::pick;
use super::format::Format;
use super::open::{open_file, sniff};
use super::table::{Column, Part, Table, Wanted, distinct, guarded, part_rows};
use crate::error::{Error, Location, Names, Result};

/// One table, in one or more files.
pub(super) struct ParquetTable {
    files: Vec<PartFile>,
    /// The wanted columns by name, each with whether it goes out as it stands.
    wanted: Vec<(Column, bool)>,
    current: Option<Current>,
    /// Files opened so far.
    n_opened: usize,
}

#[derive(Debug)]
struct PartFile {
    path: Arc<Path>,
    columns: Vec<Column>,
    n_rows: u64,
}

struct Current {
    path: Arc<Path>,
    reader: ParquetRecordBatchReader,
    /// For each wanted column its place in the batches.
    places: Vec<usize>,
    n_given: usize,
}

impl std::fmt::Debug for ParquetTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetTable")
            .field("files", &self.files)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

impl ParquetTable {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::of(&[path.to_owned()])
    }

    /// Opens the `*.parquet` files directly in a folder, in the order of their names.
    pub(super) fn open_folder(path: &Path) -> Result<Self> {
        let unreadable = |source| Error::Read {
            at: Location::file(path),
            source,
        };
        let mut parts = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let part = entry.map_err(unreadable)?.path();
            let name = part.file_name().unwrap_or_default().to_string_lossy();
            // Writers leave notes such as `_SUCCESS` and `.part.crc` beside the parts.
            let set_aside = name.starts_with(['.', '_']);
            let parquet = (part.extension()).is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
            if parquet && !set_aside && part.is_file() {
                parts.push(part);
            }
        }
        if parts.is_empty() {
            return Err(Error::NoParts {
                path: path.to_owned(),
            });
        }
        parts.sort_unstable();
        Self::of(&parts)
    }

    fn of(paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let builder = builder(path)?;
            let fields = builder.schema().fields();
            let columns: Vec<Column> = fields
                .iter()
                .map(|f| Column::new(f.name(), f.data_type().clone()))
                .collect();
            distinct(&columns, &Location::file(path))?;
            let n_rows = builder.metadata().file_metadata().num_rows();
            files.push(PartFile {
                path: Arc::from(path.as_path()),
                columns,
                n_rows: u64::try_from(n_rows).unwrap_or(0),
            });
        }
        Ok(Self {
            files,
            wanted: Vec::new(),
            current: None,
            n_opened: 0,
        })
    }

    /// Opens the next file, if there is one.
    fn advance(&mut self) -> Result<bool> {
        let Some(file) = self.files.get(self.n_opened) else {
            return Ok(false);
        };
        self.n_opened += 1;
        let roots = places(file, &self.wanted)?;
        let mut sorted = roots.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let builder = builder(&file.path)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), sorted.iter().copied());
        let at = Location::file(&file.path);
        let reader = guarded(&at, || {
            let limit = part_rows(row_bytes(&builder, &sorted));
            builder.with_projection(mask).with_batch_size(limit).build()
        })?;
        let reader = reader.map_err(|source| Error::Parquet { at, source })?;
        let places = roots
            .iter()
            .map(|root| sorted.partition_point(|s| s < root))
            .collect();
        self.current = Some(Current {
            path: Arc::clone(&file.path),
            reader,
            places,
            n_given: 0,
        });
        Ok(true)
    }
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let at = Location::file(path);
    let mut file = open_file(path)?;
    Format::Parquet.check(&sniff(&mut file, &at)?, &at)?;
    guarded(&at, || ParquetRecordBatchReaderBuilder::try_new(file))?
        .map_err(|source| Error::Parquet { at, source })
}

/// The wanted columns' places among those of a file.
fn places(file: &PartFile, wanted: &[(Column, bool)]) -> Result<Vec<usize>> {
    let place = |name: &str| file.columns.iter().position(|c| c.name == name);
    let missing: Vec<String> = wanted
        .iter()
        .filter(|(column, _)| place(&column.name).is_none())
        .map(|(column, _)| column.name.clone())
        .collect();
    if !missing.is_empty() {
        return Err(Error::MissingColumns {
            at: Location::file(&file.path),
            missing: Names(missing),
            known: Names(file.columns.iter().map(|c| c.name.clone()).collect()),
        });
    }
    for (column, as_it_stands) in wanted {
        let Some(found) = file.columns.iter().find(|c| c.name == column.name) else {
            continue;
        };
        // Numbers of any type mix; ids go into one output column and cannot.
        let fits = if *as_it_stands {
            found.data_type == column.data_type
        } else {
            found.kind == column.kind
        };
        if !fits {
            return Err(Error::PartType {
                at: Location::file(&file.path).column(&column.name),
                found: found.data_type.to_string(),
                expected: column.data_type.to_string(),
            });
        }
    }
    Ok(wanted.iter().filter_map(|(c, _)| place(&c.name)).collect())
}

/// About the bytes that one row of some root columns takes in memory.
fn row_bytes(builder: &ParquetRecordBatchReaderBuilder<File>, roots: &[usize]) -> usize {
    let schema = builder.parquet_schema();
    let mut bytes = 0;
    for group in builder.metadata().row_groups() {
        for (leaf, chunk) in group.columns().iter().enumerate() {
            if roots
                .binary_search(&schema.get_column_root_idx(leaf))
                .is_ok()
            {
                bytes += match chunk.column_type() {
                    Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => chunk.uncompressed_size(),
                    _ => chunk.num_values().saturating_mul(8),
                };
            }
        }
    }
    let n_rows = builder.metadata().file_metadata().num_rows().max(1);
    usize::try_from(bytes / n_rows).unwrap_or(0)
}

impl Table for ParquetTable {
    fn columns(&self) -> &[Column] {
        self.files.first().map_or(&[], |f| &f.columns)
    }

    fn n_rows(&self) -> Option<u64> {
        Some(self.files.iter().map(|f| f.n_rows).sum())
    }

    fn project(&mut self, wanted: &[Wanted]) -> Result<()> {
        self.wanted = wanted
            .iter()
            .filter_map(|w| Some((self.columns().get(w.index)?.clone(), w.as_it_stands)))
            .collect();
        for file in &self.files {
            places(file, &self.wanted)?;
        }
        Ok(())
    }

    fn next_part(&mut self) -> Result<Option<Part>> {
        loop {
            if let Some(current) = &mut self.current
                && let at = Location::file(&current.path)
                && let Some(batch) = guarded(&at, || current.reader.next())?
            {
                let batch = batch.map_err(|source| Error::Arrow { at, source })?;
                let first_row = current.n_given;
                current.n_given += batch.num_rows();
                return Ok(Some(Part {
                    file: Some(Arc::clone(&current.path)),
                    first_row,
                    n_rows: batch.num_rows(),
                    columns: pick(&batch, &current.places),
                }));
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }
}
