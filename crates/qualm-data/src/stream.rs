//! Record batches that another library hands over, in memory or one after another.

use std::fmt;

use arrow_array::{RecordBatch, RecordBatchReader};

use qualm::Location;

use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::splitter::{BatchSplitter, columns_of, look, pick};
use crate::table::{Chunk, Column, Projection, Table, distinct};

/// A table without a file.
pub(crate) struct StreamTable {
    reader: Box<dyn RecordBatchReader + Send>,
    columns: Vec<Column>,
    /// The first batch, once it was looked at.
    first: Option<RecordBatch>,
    places: Vec<usize>,
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
        let columns = columns_of(&reader.schema());
        distinct(&columns, &Location::default())?;
        Ok(Self {
            reader,
            columns,
            first: None,
            places: Vec::new(),
            splitter: BatchSplitter::default(),
        })
    }
}

fn next(reader: &mut dyn RecordBatchReader, n_given: usize) -> Result<Option<RecordBatch>> {
    let batch = reader.next().transpose();
    batch.map_err(|source| Error::Arrow {
        at: Location::row(n_given + 1),
        source,
    })
}

impl Table for StreamTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn look_at(&mut self, places: &[usize]) -> Result<()> {
        self.first = next(self.reader.as_mut(), 0)?;
        if let Some(first) = &self.first
            && let Ok(text) = first.project(places)
        {
            look(&mut self.columns, places, &text);
        }
        Ok(())
    }

    fn project(&mut self, projection: &[Projection]) -> Result<()> {
        self.places = projection.iter().map(|p| p.index).collect();
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let (reader, first) = (&mut self.reader, &mut self.first);
        let batch = self.splitter.next(|n_given| match first.take() {
            Some(first) => Ok(Some(first)),
            None => next(reader.as_mut(), n_given),
        })?;
        Ok(batch.map(|(batch, first_row)| Chunk {
            origin: Origin::memory(first_row),
            n_rows: batch.num_rows(),
            columns: pick(&batch, &self.places),
        }))
    }
}
