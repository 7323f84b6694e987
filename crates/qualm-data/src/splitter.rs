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
    let index = pandas_index(schema);
    let fields = schema.fields().iter();
    fields
        .map(|f| Column {
            is_index: index.contains(f.name()),
            ..Column::new(f.name(), f.data_type().clone())
        })
        .collect()
}

/// The columns that pandas made of the index of a table: `__index_level_0__` for one without
/// a name.
fn pandas_index(schema: &Schema) -> Vec<String> {
    let notes = schema.metadata().get("pandas");
    let notes = notes.and_then(|notes| serde_json::from_str::<serde_json::Value>(notes).ok());
    let columns = notes
        .as_ref()
        .and_then(|notes| notes.get("index_columns")?.as_array());
    let columns = columns.into_iter().flatten();
    columns
        .filter_map(|name| Some(name.as_str()?.to_owned()))
        .collect()
}

/// What the first rows of some columns of text are: vectors, or no numbers.
pub(crate) fn look(columns: &mut [Column], places: &[usize], batch: &RecordBatch) {
    for (&place, values) in places.iter().zip(batch.columns()) {
        if let Some(column) = columns.get_mut(place) {
            column.look(values);
        }
    }
}

/// Columns of a batch by place, in the order asked for.
pub(crate) fn pick(batch: &RecordBatch, places: &[usize]) -> Vec<ArrayRef> {
    let columns = batch.columns();
    let picked = places.iter().filter_map(|&place| columns.get(place));
    picked.cloned().collect()
}
