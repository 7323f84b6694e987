//! Record batches in, scored record batches out, for engines that work in batches.

use arrow_array::{RecordBatch, RecordBatchIterator};
use arrow_pyarrow::ToPyArrow;
use arrow_schema::{Field, Schema};
use pyo3::prelude::*;
use qualm::Location;
use qualm_data::{Batches, Error, Result, Selection, Source, scored};

use crate::columns::reader;
use crate::errors::{guarded, raised};
use crate::model::Model;
use crate::threads::Threads;

/// Scores one batch: a `pyarrow.RecordBatch` of the id columns, `score`, `p_value` and `outlier`.
///
/// `ids` are the columns to carry through; `None` for those that the model was fitted with, where
/// the batch has them. `vector` is the column of vectors, where there are several.
#[pyfunction]
#[pyo3(signature = (model, batch, ids, threads, vector=None))]
pub(crate) fn score_batch<'py>(
    model: &Bound<'py, Model>,
    batch: &Bound<'py, PyAny>,
    ids: Option<Vec<String>>,
    threads: usize,
    vector: Option<String>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = batch.py();
    let model = model.get();
    let selection = Selection {
        ids_if_present: match &ids {
            Some(_) => Vec::new(),
            None => model.read().roles().ids.clone(),
        },
        ids: ids.unwrap_or_default(),
        vector,
        ..Selection::default()
    };
    let reader = reader(batch)?;
    let schema = reader.schema();
    let (expected, rounding) = {
        let fitted = model.read();
        (fitted.features().clone(), fitted.rounding().clone())
    };
    let read = guarded(py, move || -> Result<_> {
        let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(|source| {
            let at = Location::default();
            Error::Arrow { at, source }
        })?;
        if batches.iter().all(|batch| batch.num_rows() == 0) {
            return Ok((of_no_rows(&schema, &selection), None));
        }
        let reader = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
        let source = Source::from_reader(Box::new(reader), &selection, Some(&expected))?;
        let source = source.with_rounding(&rounding);
        Ok((source.id_fields(), Some(source.read_all()?)))
    })?;
    let (ids, batch) = read.map_err(raised)?;
    let schema = scored::columns(ids, None, 0).map_err(raised)?;
    let Some(batch) = batch else {
        return RecordBatch::new_empty(schema).to_pyarrow(py);
    };
    let scores = model.scores(py, batch.rows.rows(), threads)?;
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    let work = || scored::assemble(&schema, &model.read(), &batch, scores, 0);
    let scored = guarded(py, || pool.install(work))?.map_err(raised)?;
    scored.rows.to_pyarrow(py)
}

/// The id columns, as a batch declares them.
fn of_no_rows(schema: &Schema, selection: &Selection) -> Vec<Field> {
    let names = selection.ids.iter().chain(&selection.ids_if_present);
    let fields = names.filter_map(|name| schema.field_with_name(name).ok());
    fields.cloned().collect()
}
