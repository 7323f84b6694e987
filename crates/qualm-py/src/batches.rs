//! Record batches in, scored record batches out, for engines that work in batches.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt8Array};
use arrow_pyarrow::{FromPyArrow, ToPyArrow};
use arrow_schema::{DataType, Field, Schema};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use qualm::data::{Batch, Selection, Source};

use crate::errors::{guarded, raised};
use crate::model::Model;
use crate::rows::reader;
use crate::threads::Threads;

/// What is added to the ids.
const SCORED: [&str; 3] = ["score", "p_value", "outlier"];

/// Scores one batch: a `pyarrow.RecordBatch` of the id columns, `score`, `p_value` and `outlier`.
///
/// `ids` are the columns to carry through; `None` for those that the model was fitted with, where
/// the batch has them.
#[pyfunction]
#[pyo3(signature = (model, batch, ids, threads))]
pub(crate) fn score_batch<'py>(
    model: &Bound<'py, Model>,
    batch: &Bound<'py, PyAny>,
    ids: Option<Vec<String>>,
    threads: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let py = batch.py();
    let model = model.get();
    let selection = Selection {
        ids_if_present: match &ids {
            Some(_) => Vec::new(),
            None => model.read().roles().ids.clone(),
        },
        ids: ids.unwrap_or_default(),
        ..Selection::default()
    };
    if let Ok(empty) = RecordBatch::from_pyarrow_bound(batch)
        && empty.num_rows() == 0
    {
        return nothing(&empty, &selection)?.to_pyarrow(py);
    }
    let reader = reader(batch)?;
    let expected = model.features();
    let read = guarded(py, move || {
        let source = Source::from_reader(reader, &selection, Some(&expected))?;
        Ok((source.id_fields(), source.read_all()?))
    })?;
    let (ids, rows) = read.map_err(raised)?;
    let scores = model.scores(py, rows.rows.rows(), threads)?;
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    guarded(py, || pool.install(|| scored(model, ids, rows, scores)))??.to_pyarrow(py)
}

fn scored(
    model: &Model,
    mut fields: Vec<Field>,
    batch: Batch,
    scores: Vec<f64>,
) -> PyResult<RecordBatch> {
    let fitted = model.read();
    let threshold = fitted.threshold().map_err(raised)?;
    let p_values = fitted.calibration().p_values(&scores);
    let outliers = scores.iter().map(|s| Some(u8::from(*s > threshold)));
    let outliers: UInt8Array = outliers.collect();
    let mut columns = batch.ids;
    columns.push(Arc::new(Float64Array::from(scores)));
    columns.push(Arc::new(Float64Array::from(p_values)));
    columns.push(Arc::new(outliers));
    add_scored(&mut fields)?;
    assemble(fields, columns)
}

/// The scores of no rows.
fn nothing(batch: &RecordBatch, selection: &Selection) -> PyResult<RecordBatch> {
    let schema = batch.schema();
    let names = selection.ids.iter().chain(&selection.ids_if_present);
    let mut fields: Vec<Field> = names
        .filter_map(|name| schema.field_with_name(name).ok())
        .cloned()
        .collect();
    add_scored(&mut fields)?;
    Ok(RecordBatch::new_empty(Arc::new(Schema::new(fields))))
}

fn add_scored(fields: &mut Vec<Field>) -> PyResult<()> {
    if let Some(id) = fields.iter().find(|f| SCORED.contains(&f.name().as_str())) {
        return Err(PyValueError::new_err(format!(
            "column '{}' would stand twice in the output; rename it, or leave it out of the ids",
            id.name()
        )));
    }
    let types = [DataType::Float64, DataType::Float64, DataType::UInt8];
    let scored = SCORED.into_iter().zip(types);
    fields.extend(scored.map(|(name, kind)| Field::new(name, kind, false)));
    Ok(())
}

fn assemble(fields: Vec<Field>, columns: Vec<ArrayRef>) -> PyResult<RecordBatch> {
    let schema = Arc::new(Schema::new(fields));
    RecordBatch::try_new(schema, columns).map_err(|e| PyValueError::new_err(e.to_string()))
}
