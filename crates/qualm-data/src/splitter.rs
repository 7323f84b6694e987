//! Record batches of any size to chunks of some thousand rows.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::Schema;

use crate::error::Result;
use crate::table::{Column, chunk_rows};

/// Splits large batches into several chunks.
#[derive(Debug, Default)]
pub(crate) struct BatchSplitter {
    /// What is left of a batch that was larger than a chunk, and the rows of a chunk.
    rest: Option<(RecordBatch, usize)>,
    n_given: usize,
}

impl BatchSplitter {
    /// The next rows and the number of those before them, or `None` at the end. `read` gets
    /// that number too, and gives the next batch.
    pub(crate) fn next(
        &mut self,
        read: impl FnOnce(usize) -> Result<Option<RecordBatch>>,
    ) -> Result<Option<(RecordBatch, usize)>> {
        let (batch, limit) = if let Some(rest) = self.rest.take() {
            rest
        } else {
            let Some(batch) = read(self.n_given)? else {
                return Ok(None);
            };
            // Of the whole batch: a slice counts all the memory that it is a slice of.
            let row_bytes = batch.get_array_memory_size() / batch.num_rows().max(1);
            (batch, chunk_rows(row_bytes))
        };
        let n_all = batch.num_rows();
        let n_rows = limit.min(n_all);
        let chunk = if n_rows < n_all {
            self.rest = Some((batch.slice(n_rows, n_all - n_rows), limit));
            batch.slice(0, n_rows)
        } else {
            batch
        };
        let first_row = self.n_given;
        self.n_given += n_rows;
        Ok(Some((chunk, first_row)))
    }
}

/// The columns that a schema declares.
pub(crate) fn columns_of(schema: &Schema) -> Vec<Column> {
    let fields = schema.fields().iter();
    fields
        .map(|f| Column::new(f.name(), f.data_type().clone()))
        .collect()
}

/// Columns of a batch by place, in the order asked for.
pub(crate) fn pick(batch: &RecordBatch, places: &[usize]) -> Vec<ArrayRef> {
    let columns = batch.columns();
    let picked = places.iter().filter_map(|&place| columns.get(place));
    picked.cloned().collect()
}
