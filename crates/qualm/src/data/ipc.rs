//! Arrow IPC (also called Feather version 2): the file format and the stream format,
//! told apart by the file's first bytes, whatever the extension.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, SchemaRef};

use super::format::Format;
use super::open::{open_file, sniff};
use super::table::{Column, Part, Table, Wanted, distinct, guarded, part_rows};
use crate::error::{Error, Location, Result};

/// A table in one Arrow file.
#[derive(Debug)]
pub(super) struct IpcTable {
    file: Arc<Path>,
    columns: Vec<Column>,
    reader: Reader,
    places: Vec<usize>,
    /// What is left of a batch that was larger than a part, and the rows of a part.
    rest: Option<(RecordBatch, usize)>,
    n_given: usize,
}

#[derive(Debug)]
enum Reader {
    File(Box<FileReader<BufReader<File>>>),
    Stream(Box<StreamReader<BufReader<File>>>),
}

impl Reader {
    fn open(path: &Path, columns: Option<Vec<usize>>) -> Result<Self> {
        let at = Location::file(path);
        let mut file = open_file(path)?;
        let head = sniff(&mut file, &at)?;
        Format::Ipc.check(&head, &at)?;
        let reader = guarded(&at, || {
            if head.starts_with(b"ARROW1") {
                FileReader::try_new_buffered(file, columns).map(|r| Self::File(Box::new(r)))
            } else {
                StreamReader::try_new_buffered(file, columns).map(|r| Self::Stream(Box::new(r)))
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
    pub(super) fn open(path: &Path) -> Result<Self> {
        let reader = Reader::open(path, None)?;
        let columns: Vec<Column> = reader
            .schema()
            .fields()
            .iter()
            .map(|f| Column::new(f.name(), f.data_type().clone()))
            .collect();
        distinct(&columns, &Location::file(path))?;
        Ok(Self {
            file: Arc::from(path),
            columns,
            reader,
            places: Vec::new(),
            rest: None,
            n_given: 0,
        })
    }
}

impl Table for IpcTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn project(&mut self, wanted: &[Wanted]) -> Result<()> {
        let mut sorted: Vec<usize> = wanted.iter().map(|w| w.index).collect();
        sorted.sort_unstable();
        sorted.dedup();
        self.places = wanted
            .iter()
            .map(|w| sorted.partition_point(|&s| s < w.index))
            .collect();
        self.reader = Reader::open(&self.file, Some(sorted))?;
        Ok(())
    }

    fn next_part(&mut self) -> Result<Option<Part>> {
        let (batch, limit) = if let Some(rest) = self.rest.take() {
            rest
        } else {
            let at = Location::file(&self.file).at_row(self.n_given + 1);
            let Some(batch) = guarded(&at, || self.reader.next())? else {
                return Ok(None);
            };
            let batch = batch.map_err(|source| Error::Arrow { at, source })?;
            // Of the whole batch: a slice counts all the memory that it is a slice of.
            let row_bytes = batch.get_array_memory_size() / batch.num_rows().max(1);
            (batch, part_rows(row_bytes))
        };
        let n_all = batch.num_rows();
        let n_rows = limit.min(n_all);
        let part = if n_rows < n_all {
            self.rest = Some((batch.slice(n_rows, n_all - n_rows), limit));
            batch.slice(0, n_rows)
        } else {
            batch
        };
        let first_row = self.n_given;
        self.n_given += n_rows;
        Ok(Some(Part {
            file: Arc::clone(&self.file),
            first_row,
            n_rows,
            columns: pick(&part, &self.places),
        }))
    }
}

/// Columns of a batch by place, in the order asked for.
pub(super) fn pick(batch: &RecordBatch, places: &[usize]) -> Vec<ArrayRef> {
    places
        .iter()
        .filter_map(|&place| batch.columns().get(place).cloned())
        .collect()
}
