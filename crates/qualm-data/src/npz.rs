//! NumPy's `.npz`: a zip archive of `.npy` files, one a column.
//!
//! Two-dimensional arrays are vector columns, one-dimensional arrays ordinary ones, as in
//! the layout `X`, `y`. The arrays that are needed are held in memory while they are read:
//! a zip archive has one reading position, and several arrays are read side by side.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use arrow_schema::DataType;
use qualm::Location;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::{Error, Result};
use crate::npy::{Values, data_type};
use crate::npy_header::{Header, in_words};
use crate::origin::Origin;
use crate::table::{Chunk, Column, Kind, Projection, Table, chunk_rows, distinct};

/// The array that is the input when there are several of two dimensions.
const DEFAULT: &str = "X";

/// An archive of arrays.
pub(crate) struct NpzTable {
    file: Arc<Path>,
    archive: ZipArchive<BufReader<File>>,
    columns: Vec<Column>,
    /// For each column its place in the archive and its header, or the name of a type that is
    /// not read.
    entries: Vec<(usize, Result<Header, String>)>,
    values: Vec<Values>,
    n_rows: usize,
    n_given: usize,
}

impl std::fmt::Debug for NpzTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NpzTable")
            .field("file", &self.file)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl NpzTable {
    pub(crate) fn open(path: &Path, file: File) -> Result<Self> {
        let at = Location::file(path);
        let mut archive =
            ZipArchive::new(BufReader::new(file)).map_err(|e| archive_error(&at, e))?;
        let mut columns = Vec::new();
        let mut entries = Vec::new();
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|e| archive_error(&at, e))?;
            let name = entry.name().map_err(|e| archive_error(&at, e))?;
            let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else {
                continue;
            };
            let header = match Header::read(&mut entry, &at.clone().column(&name)) {
                Ok(header) => Ok(header),
                // Objects and the like are columns that cannot be used, not damage.
                Err(Error::NpyType { found, .. }) => Err(found),
                Err(error) => return Err(error),
            };
            let (data_type, remark) = match &header {
                Ok(header) if matches!(header.shape.len(), 1 | 2) => (data_type(header), None),
                Ok(header) => {
                    let n = header.shape.len();
                    (DataType::Null, Some(format!("{n} dimensions")))
                }
                Err(descr) => (DataType::Null, Some(in_words(descr).to_owned())),
            };
            columns.push(Column {
                remark,
                ..Column::new(name, data_type)
            });
            entries.push((index, header));
        }
        distinct(&columns, &at)?;
        Ok(Self {
            file: Arc::from(path),
            archive,
            columns,
            entries,
            values: Vec::new(),
            n_rows: 0,
            n_given: 0,
        })
    }

    /// Reads one array into memory.
    fn load(&mut self, column: usize) -> Result<Values> {
        let name = self.columns.get(column).map(|c| c.name.clone());
        let at = Location {
            column: name,
            ..Location::file(&self.file)
        };
        let (index, header) = self
            .entries
            .get(column)
            .ok_or_else(|| qualm::Error::Empty { at: at.clone() })?;
        let header = header.as_ref().map_err(|found| Error::NpyType {
            at: at.clone(),
            found: found.clone(),
        });
        let promised = header?.total_bytes();
        let entry = self
            .archive
            .by_index(*index)
            .map_err(|e| archive_error(&at, e))?;
        // The declared size is not trusted: memory grows with what is really there, and
        // never beyond what the header promises.
        let mut bytes = Vec::new();
        entry
            .take(promised)
            .read_to_end(&mut bytes)
            .map_err(|source| Error::Read {
                at: at.clone(),
                source,
            })?;
        let length = bytes.len() as u64;
        Values::open(at, Box::new(Cursor::new(bytes)), length)
    }
}

fn archive_error(at: &Location, source: ZipError) -> Error {
    Error::Archive {
        at: at.clone(),
        source: Box::new(source),
    }
}

impl Table for NpzTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn default_vector(&self) -> Option<usize> {
        self.columns
            .iter()
            .position(|c| c.kind == Kind::Vector && c.name == DEFAULT)
    }

    fn n_rows(&self) -> Option<u64> {
        let chosen = self.default_vector().or_else(|| {
            (self.columns.iter()).position(|c| matches!(c.kind, Kind::Vector | Kind::Number))
        })?;
        let (_, header) = self.entries.get(chosen)?;
        header.as_ref().ok()?.shape.first().copied()
    }

    fn project(&mut self, projection: &[Projection]) -> Result<()> {
        self.values.clear();
        for column in projection {
            let values = self.load(column.index)?;
            if self.values.is_empty() {
                self.n_rows = values.n_rows();
            } else if values.n_rows() != self.n_rows {
                return Err(Error::RowsDiffer {
                    at: values.at().clone(),
                    found: values.n_rows() as u64,
                    expected: self.n_rows as u64,
                });
            }
            self.values.push(values);
        }
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let first_row = self.n_given;
        let row_bytes = self.values.iter().map(Values::row_bytes).sum();
        let n_rows = chunk_rows(row_bytes).min(self.n_rows - first_row);
        if n_rows == 0 {
            return Ok(None);
        }
        self.n_given += n_rows;
        let columns = self.values.iter_mut().map(|v| v.next_rows(n_rows));
        Ok(Some(Chunk {
            origin: Origin::file(Arc::clone(&self.file), first_row),
            n_rows,
            columns: columns.collect::<Result<_>>()?,
            rejects: Vec::new(),
        }))
    }
}
