//! Record batches that another library hands over, in memory or one after another.

use std::fmt;

use arrow_array::RecordBatchReader;

use qualm::Location;

use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::splitter::{BatchSplitter, columns_of, pick};
use crate::table::{Chunk, Column, Projection, Table, distinct};

/// A table without a file.
pub(crate) struct StreamTable {
    reader: Box<dyn RecordBatchReader + Send>,
    columns: Vec<Column>,
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
            places: Vec::new(),
            splitter: BatchSplitter::default(),
        })
    }
}

impl Table for StreamTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn project(&mut self, projection: &[Projection]) -> Result<()> {
        self.places = projection.iter().map(|p| p.index).collect();
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let reader = &mut self.reader;
        let batch = self.splitter.next(|n_given| {
            let batch = reader.next().transpose();
            batch.map_err(|source| Error::Arrow {
                at: Location::row(n_given + 1),
                source,
            })
        })?;
        Ok(batch.map(|(batch, first_row)| Chunk {
            origin: Origin::memory(first_row),
            n_rows: batch.num_rows(),
            columns: pick(&batch, &self.places),
        }))
    }
}
