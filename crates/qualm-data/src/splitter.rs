//! Record batches of any size to chunks of some thousand rows.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema};

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

/// The columns that a schema declares, and after them the fields within columns of records.
pub(crate) fn columns_of(schema: &Schema) -> Vec<Column> {
    let index = pandas_index(schema);
    let fields = schema.fields().iter();
    let mut columns: Vec<Column> = fields
        .map(|f| Column {
            is_index: index.contains(f.name()),
            ..Column::new(f.name(), f.data_type().clone())
        })
        .collect();
    let mut inner = Vec::new();
    for (root, field) in schema.fields().iter().enumerate() {
        fields_within(field, root, &mut Vec::new(), field.name(), &mut inner);
    }
    // A column that is itself called so wins.
    let known: HashSet<String> = columns.iter().map(|c| c.name.clone()).collect();
    columns.extend(inner.into_iter().filter(|c| !known.contains(&c.name)));
    columns
}

/// Adds the fields within a column of records that are no records themselves.
fn fields_within(
    field: &Field,
    root: usize,
    path: &mut Vec<usize>,
    name: &str,
    out: &mut Vec<Column>,
) {
    let DataType::Struct(fields) = field.data_type() else {
        if !path.is_empty() {
            out.push(Column {
                inside: Some((root, path.clone())),
                ..Column::new(name, field.data_type().clone())
            });
        }
        return;
    };
    for (i, field) in fields.iter().enumerate() {
        path.push(i);
        fields_within(field, root, path, &format!("{name}.{}", field.name()), out);
        path.pop();
    }
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
pub(crate) fn look(columns: &mut [Column], places: &[usize], batch: &RecordBatch, spots: &[Spot]) {
    for (&place, values) in places.iter().zip(pick(batch, spots)) {
        if let Some(column) = columns.get_mut(place) {
            column.look(values.as_ref());
        }
    }
}

/// Where a column is in the batches of a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    root: usize,
    inside: Vec<usize>,
}

/// The columns of the file that hold some columns, ascending, and where these are in batches of them.
pub(crate) fn spots(columns: &[Column], places: &[usize]) -> (Vec<usize>, Vec<Spot>) {
    let found = places.iter().filter_map(|&place| {
        let column = columns.get(place)?;
        Some(column.inside.clone().unwrap_or((place, Vec::new())))
    });
    let found: Vec<(usize, Vec<usize>)> = found.collect();
    let mut roots: Vec<usize> = found.iter().map(|(root, _)| *root).collect();
    roots.sort_unstable();
    roots.dedup();
    let spot = |(root, inside)| Spot {
        root: roots.partition_point(|r| *r < root),
        inside,
    };
    let spots = found.into_iter().map(spot).collect();
    (roots, spots)
}

/// Where some columns are in batches of all columns.
pub(crate) fn whole(columns: &[Column], places: &[usize]) -> Vec<Spot> {
    let (roots, mut spots) = spots(columns, places);
    for spot in &mut spots {
        spot.root = roots.get(spot.root).copied().unwrap_or(spot.root);
    }
    spots
}

/// Columns of a batch, in the order asked for.
pub(crate) fn pick(batch: &RecordBatch, spots: &[Spot]) -> Vec<ArrayRef> {
    let picked = spots.iter().filter_map(|spot| {
        let mut array = Arc::clone(batch.columns().get(spot.root)?);
        for &field in &spot.inside {
            array = within(&array, field)?;
        }
        Some(array)
    });
    picked.collect()
}

/// A field of a column of records: null also where the record is.
fn within(array: &ArrayRef, field: usize) -> Option<ArrayRef> {
    let records = array.as_struct_opt()?;
    let inner = records.columns().get(field)?;
    let Some(nulls) = records.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return Some(Arc::clone(inner));
    };
    let nulls = NullBuffer::union(Some(nulls), inner.nulls());
    let data = inner.to_data().into_builder().nulls(nulls).build().ok()?;
    Some(make_array(data))
}
