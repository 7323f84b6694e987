//! Columns of frames and tables of Python as Arrow holds them.

use std::sync::Arc;

use arrow_array::ffi_stream::RecordBatchStreamReader;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, LargeListArray,
    NullArray, RecordBatch, RecordBatchIterator, RecordBatchReader, StringArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_pyarrow::FromPyArrow;
use arrow_schema::Field;
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::PyList;
use qualm::Location;

use crate::errors::raised;

/// A column of a frame: its name; its numbers or texts, if it holds either; where each row holds
/// a vector, how many of the numbers are the row's; and what it holds, in words, if neither.
pub(crate) type Column<'py> = (
    String,
    Option<Bound<'py, PyAny>>,
    Option<Vec<Option<usize>>>,
    Option<String>,
);

/// Texts, whole numbers, truth values or numbers as Arrow holds them.
pub(crate) fn array(given: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    if let Ok(texts) = given.cast::<PyList>() {
        let texts = texts.extract::<Vec<Option<String>>>()?;
        return Ok(Arc::new(StringArray::from(texts)));
    }
    if let Ok(values) = given.extract::<PyReadonlyArray1<'_, i64>>() {
        return Ok(Arc::new(Int64Array::from(values.as_array().to_vec())));
    }
    if let Ok(values) = given.extract::<PyReadonlyArray1<'_, bool>>() {
        return Ok(Arc::new(BooleanArray::from(values.as_array().to_vec())));
    }
    if let Ok(values) = given.extract::<PyReadonlyArray1<'_, f32>>() {
        return Ok(Arc::new(Float32Array::from(values.as_array().to_vec())));
    }
    let values = given.extract::<PyReadonlyArray1<'_, f64>>()?;
    Ok(Arc::new(Float64Array::from(values.as_array().to_vec())))
}

/// A column of a frame as Arrow holds it; without values, as one of nulls, which is no feature.
pub(crate) fn column(
    values: Option<&Bound<'_, PyAny>>,
    lengths: Option<Vec<Option<usize>>>,
    n_rows: usize,
) -> PyResult<ArrayRef> {
    let Some(numbers) = values else {
        return Ok(Arc::new(NullArray::new(n_rows)));
    };
    let values = array(numbers)?;
    let Some(lengths) = lengths else {
        return Ok(values);
    };
    let there: NullBuffer = lengths.iter().map(Option::is_some).collect();
    let offsets = OffsetBuffer::from_lengths(lengths.into_iter().map(Option::unwrap_or_default));
    let item = Arc::new(Field::new("item", values.data_type().clone(), true));
    let list = LargeListArray::try_new(item, offsets, values, Some(there)).map_err(refused)?;
    Ok(Arc::new(list))
}

/// What Arrow refuses.
pub(crate) fn refused(source: arrow_schema::ArrowError) -> PyErr {
    let at = Location::default();
    raised(qualm_data::Error::Arrow { at, source })
}

/// The batches of an object with one of the two Arrow capsules.
pub(crate) fn reader(table: &Bound<'_, PyAny>) -> PyResult<Box<dyn RecordBatchReader + Send>> {
    if table.hasattr("__arrow_c_stream__")? {
        return Ok(Box::new(RecordBatchStreamReader::from_pyarrow_bound(
            table,
        )?));
    }
    let batch = RecordBatch::from_pyarrow_bound(table)?;
    let schema = batch.schema();
    Ok(Box::new(RecordBatchIterator::new([Ok(batch)], schema)))
}
