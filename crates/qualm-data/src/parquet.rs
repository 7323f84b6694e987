//! Parquet: one file, or the parts of a table in a folder.
//!
//! The footers of all parts are read when the input is opened, so that a part which lacks
//! a column is refused before any work; only the columns asked for are ever decoded.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{Metadata, SchemaRef};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::Type;

use qualm::Location;
use qualm::error::Names;

use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::parquet_file::{ParquetBatches, ParquetFile};
use crate::splitter::{Spot, columns_of, look, pick, spots};
use crate::table::{Chunk, Column, LOOKED_AT, Projection, Table, chunk_rows, distinct, guarded};
use crate::text_vectors::is_text;
use crate::type_words::TypeWords;

/// One table, in one or more files.
pub(crate) struct ParquetTable {
    files: Vec<PartFile>,
    /// The columns to read, by name, each with whether it is kept verbatim.
    projected: Vec<(Column, bool)>,
    current: Option<Current>,
    /// Files opened so far.
    n_opened: usize,
}

#[derive(Debug)]
struct PartFile {
    path: Arc<Path>,
    /// What it holds, where it has no name to be opened by.
    kept: Option<Arc<File>>,
    schema: SchemaRef,
    columns: Vec<Column>,
    n_rows: u64,
}

struct Current {
    path: Arc<Path>,
    batches: ParquetBatches,
    /// For each column to read where it is in the batches.
    spots: Vec<Spot>,
    n_given: usize,
}

impl std::fmt::Debug for ParquetTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetTable")
            .field("files", &self.files)
            .field("projected", &self.projected)
            .finish_non_exhaustive()
    }
}

impl ParquetTable {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::open_files(&[path.to_owned()])
    }

    /// Opens a file that was kept of a pipe, which messages name.
    pub(crate) fn open_kept(pipe: &Path, kept: Option<Arc<File>>) -> Result<Self> {
        Self::open_each([(pipe, kept)].into_iter())
    }

    /// Opens the parts of one table.
    pub(crate) fn open_files(paths: &[PathBuf]) -> Result<Self> {
        Self::open_each(paths.iter().map(|path| (path.as_path(), None)))
    }

    fn open_each<'a>(paths: impl Iterator<Item = (&'a Path, Option<Arc<File>>)>) -> Result<Self> {
        let mut files = Vec::new();
        for (path, kept) in paths {
            let opened = ParquetFile::open(path, kept.as_deref())?;
            let footer = opened.footer();
            let columns = columns_of(footer.schema());
            distinct(&columns, &Location::file(path))?;
            let n_rows = footer.metadata().file_metadata().num_rows();
            files.push(PartFile {
                path: Arc::from(path),
                kept,
                schema: Arc::clone(footer.schema()),
                columns,
                n_rows: u64::try_from(n_rows).unwrap_or(0),
            });
        }
        Ok(Self {
            files,
            projected: Vec::new(),
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
        let (sorted, found) = spots(&file.columns, &places(file, &self.projected)?);
        let opened = ParquetFile::open(&file.path, file.kept.as_deref())?;
        let limit = chunk_rows(row_bytes(opened.footer(), &sorted));
        self.current = Some(Current {
            path: Arc::clone(&file.path),
            batches: opened.batches(&sorted, limit)?,
            spots: found,
            n_given: 0,
        });
        Ok(true)
    }
}

/// The places of the columns to read among those of a file.
fn places(file: &PartFile, projected: &[(Column, bool)]) -> Result<Vec<usize>> {
    let named = file.columns.iter().enumerate();
    let places: HashMap<&str, usize> = named.map(|(i, c)| (c.name.as_str(), i)).collect();
    let place = |name: &str| places.get(name).copied();
    let missing: Vec<String> = projected
        .iter()
        .filter(|(column, _)| place(&column.name).is_none())
        .map(|(column, _)| column.name.clone())
        .collect();
    if !missing.is_empty() {
        return Err(Error::MissingColumns {
            at: Location::file(&file.path),
            missing: Names(missing),
            known: Names(file.columns.iter().map(|c| c.name.clone()).collect()).into(),
        });
    }
    for (column, verbatim) in projected {
        let Some(found) = place(&column.name).and_then(|place| file.columns.get(place)) else {
            continue;
        };
        // Numbers of any type mix; ids go into one output column and cannot.
        let fits = if *verbatim {
            found.data_type == column.data_type
        } else {
            // Vectors in text are told by the first part.
            found.kind == column.kind || is_text(&found.data_type) && is_text(&column.data_type)
        };
        if !fits {
            return Err(Error::PartType {
                at: Location::file(&file.path).column(&column.name),
                found: TypeWords(&found.data_type).to_string().into(),
                expected: TypeWords(&column.data_type).to_string().into(),
            });
        }
    }
    Ok(projected
        .iter()
        .filter_map(|(c, _)| place(&c.name))
        .collect())
}

/// About the bytes that one row of some root columns takes in memory.
fn row_bytes(footer: &ArrowReaderMetadata, roots: &[usize]) -> usize {
    let schema = footer.parquet_schema();
    let mut bytes = 0;
    for group in footer.metadata().row_groups() {
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
    let n_rows = footer.metadata().file_metadata().num_rows().max(1);
    usize::try_from(bytes / n_rows).unwrap_or(0)
}

impl Table for ParquetTable {
    fn columns(&self) -> &[Column] {
        self.files.first().map_or(&[], |f| &f.columns)
    }

    fn metadata(&self) -> Option<&Metadata> {
        self.files.first().map(|f| f.schema.metadata())
    }

    fn n_rows(&self) -> Option<u64> {
        Some(self.files.iter().map(|f| f.n_rows).sum())
    }

    fn look_at(&mut self, places: &[usize]) -> Result<()> {
        let Some(file) = self.files.first_mut() else {
            return Ok(());
        };
        let at = Location::file(&file.path);
        let opened = ParquetFile::open(&file.path, file.kept.as_deref())?;
        let (roots, found) = spots(&file.columns, places);
        let mut batches = opened.batches(&roots, LOOKED_AT)?;
        let batch = guarded(&at, || batches.next())?.transpose();
        if let Some(batch) = batch.map_err(|source| Error::Arrow { at, source })? {
            look(&mut file.columns, places, &batch, &found);
        }
        Ok(())
    }

    fn project(&mut self, projection: &[Projection]) -> Result<()> {
        self.projected = projection
            .iter()
            .filter_map(|p| Some((self.columns().get(p.index)?.clone(), p.verbatim)))
            .collect();
        for file in &self.files {
            places(file, &self.projected)?;
        }
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        loop {
            if let Some(current) = &mut self.current
                && let at = Location::file(&current.path)
                && let Some(batch) = guarded(&at, || current.batches.next())?
            {
                let batch = batch.map_err(|source| Error::Arrow { at, source })?;
                let first_row = current.n_given;
                current.n_given += batch.num_rows();
                return Ok(Some(Chunk {
                    origin: Origin::file(Arc::clone(&current.path), first_row),
                    n_rows: batch.num_rows(),
                    columns: pick(&batch, &current.spots),
                    rejects: Vec::new(),
                }));
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }
}
