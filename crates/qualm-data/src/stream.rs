//! Record batches that another library hands over, in memory or one after another, or that come from a pipe.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchReader};

use qualm::Location;

use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::splitter::{BatchSplitter, Spot, columns_of, look, pick, whole};
use crate::table::{Chunk, Column, Projection, Table, distinct, guarded};

/// A table without a file.
pub(crate) struct StreamTable {
    reader: Box<dyn RecordBatchReader + Send>,
    /// The pipe that they come from.
    pipe: Option<Arc<Path>>,
    columns: Vec<Column>,
    /// The first batch, once it was looked at.
    first: Option<RecordBatch>,
    spots: Vec<Spot>,
    splitter: BatchSplitter,
}

impl fmt::Debug for StreamTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamTable")
            .field("columns", &self.columns)
            .field("splitter", &self.splitter)
            .finish_non_exhaustive()
    }
}

impl StreamTable {
    pub(crate) fn new(reader: Box<dyn RecordBatchReader + Send>) -> Result<Self> {
        Self::of(reader, None)
    }

    /// Of a reader of a pipe that messages name.
    pub(crate) fn of_pipe(reader: Box<dyn RecordBatchReader + Send>, pipe: &Path) -> Result<Self> {
        Self::of(reader, Some(Arc::from(pipe)))
    }

    fn of(reader: Box<dyn RecordBatchReader + Send>, pipe: Option<Arc<Path>>) -> Result<Self> {
        let columns = columns_of(&reader.schema());
        distinct(&columns, &place(pipe.as_ref()))?;
        Ok(Self {
            reader,
            pipe,
            columns,
            first: None,
            spots: Vec::new(),
            splitter: BatchSplitter::default(),
        })
    }
}

fn place(pipe: Option<&Arc<Path>>) -> Location {
    pipe.map(Location::file).unwrap_or_default()
}

fn next(
    reader: &mut dyn RecordBatchReader,
    pipe: Option<&Arc<Path>>,
    n_given: usize,
) -> Result<Option<RecordBatch>> {
    let at = place(pipe).at_row(n_given + 1);
    let batch = guarded(&at, || reader.next())?.transpose();
    batch.map_err(|source| Error::Arrow { at, source })
}

impl Table for StreamTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn look_at(&mut self, places: &[usize]) -> Result<()> {
        self.first = next(self.reader.as_mut(), self.pipe.as_ref(), 0)?;
        let spots = whole(&self.columns, places);
        if let Some(first) = &self.first {
            look(&mut self.columns, places, first, &spots);
        }
        Ok(())
    }

    fn project(&mut self, projection: &[Projection]) -> Result<()> {
        let places: Vec<usize> = projection.iter().map(|p| p.index).collect();
        self.spots = whole(&self.columns, &places);
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let (reader, pipe, first) = (&mut self.reader, &self.pipe, &mut self.first);
        let batch = self.splitter.next(|n_given| match first.take() {
            Some(first) => Ok(Some(first)),
            None => next(reader.as_mut(), pipe.as_ref(), n_given),
        })?;
        Ok(batch.map(|(batch, first_row)| Chunk {
            origin: match pipe {
                Some(pipe) => Origin::file(Arc::clone(pipe), first_row),
                None => Origin::memory(first_row),
            },
            n_rows: batch.num_rows(),
            columns: pick(&batch, &self.spots),
            rejects: Vec::new(),
        }))
    }
}
