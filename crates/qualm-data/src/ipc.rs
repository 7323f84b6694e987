//! Arrow IPC (also called Feather version 2): the file format and the stream format,
//! told apart by the file's first bytes, whatever the extension.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, Metadata, SchemaRef};

use qualm::Location;

use crate::error::{Error, Result};
use crate::file::{open_file, reopened, sniff};
use crate::format::Format;
use crate::ipc_lengths;
use crate::origin::Origin;
use crate::splitter::{BatchSplitter, Spot, columns_of, look, pick, spots};
use crate::table::{Chunk, Column, Projection, Table, distinct, guarded};

/// A table in one Arrow file.
#[derive(Debug)]
pub(crate) struct IpcTable {
    file: Arc<Path>,
    /// What it holds, where it has no name to be opened by.
    kept: Option<Arc<File>>,
    schema: SchemaRef,
    columns: Vec<Column>,
    reader: Reader,
    spots: Vec<Spot>,
    splitter: BatchSplitter,
}

#[derive(Debug)]
enum Reader {
    File(Box<FileReader<BufReader<File>>>),
    Stream(Box<StreamReader<BufReader<File>>>),
}

impl Reader {
    fn open(path: &Path, kept: Option<&File>, columns: Option<Vec<usize>>) -> Result<Self> {
        let at = Location::file(path);
        let mut file = match kept {
            Some(kept) => reopened(kept, path)?,
            None => open_file(path)?,
        };
        let head = sniff(&mut file, &at)?;
        Format::Ipc.check(&head, &at)?;
        let is_stream = !head.starts_with(b"ARROW1");
        // The first reader, of all columns, is only asked for the schema.
        if columns.is_none() {
            guarded(&at, || ipc_lengths::check(&mut file, is_stream, &at))??;
        }
        let reader = guarded(&at, || {
            if is_stream {
                StreamReader::try_new_buffered(file, columns).map(|r| Self::Stream(Box::new(r)))
            } else {
                FileReader::try_new_buffered(file, columns).map(|r| Self::File(Box::new(r)))
            }
        });
        reader?.map_err(|source| Error::Arrow { at, source })
    }

    fn schema(&self) -> SchemaRef {
        match self {
            Self::File(reader) => reader.schema(),
            Self::Stream(reader) => reader.schema(),
        }
    }

    fn next(&mut self) -> Option<Result<RecordBatch, ArrowError>> {
        match self {
            Self::File(reader) => reader.next(),
            Self::Stream(reader) => reader.next(),
        }
    }
}

impl IpcTable {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::open_kept(path, None)
    }

    /// Opens a file that was kept of a pipe, which messages name, or the file at the path.
    pub(crate) fn open_kept(path: &Path, kept: Option<Arc<File>>) -> Result<Self> {
        let reader = Reader::open(path, kept.as_deref(), None)?;
        let columns = columns_of(&reader.schema());
        distinct(&columns, &Location::file(path))?;
        Ok(Self {
            file: Arc::from(path),
            kept,
            schema: reader.schema(),
            columns,
            reader,
            spots: Vec::new(),
            splitter: BatchSplitter::default(),
        })
    }
}

impl Table for IpcTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn metadata(&self) -> Option<&Metadata> {
        Some(self.schema.metadata())
    }

    fn look_at(&mut self, places: &[usize]) -> Result<()> {
        let at = Location::file(&self.file);
        let (roots, found) = spots(&self.columns, places);
        let mut reader = Reader::open(&self.file, self.kept.as_deref(), Some(roots))?;
        let batch = guarded(&at, || reader.next())?.transpose();
        if let Some(batch) = batch.map_err(|source| Error::Arrow { at, source })? {
            look(&mut self.columns, places, &batch, &found);
        }
        Ok(())
    }

    fn project(&mut self, projection: &[Projection]) -> Result<()> {
        let places: Vec<usize> = projection.iter().map(|p| p.index).collect();
        let (sorted, found) = spots(&self.columns, &places);
        self.spots = found;
        self.reader = Reader::open(&self.file, self.kept.as_deref(), Some(sorted))?;
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let (file, reader) = (&self.file, &mut self.reader);
        let batch = self.splitter.next(|n_given| {
            let at = Location::file(file).at_row(n_given + 1);
            let batch = guarded(&at, || reader.next())?.transpose();
            batch.map_err(|source| Error::Arrow { at, source })
        })?;
        Ok(batch.map(|(batch, first_row)| Chunk {
            origin: Origin::file(Arc::clone(&self.file), first_row),
            n_rows: batch.num_rows(),
            columns: pick(&batch, &self.spots),
            rejects: Vec::new(),
        }))
    }
}
