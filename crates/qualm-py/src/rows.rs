//! What Python hands over, as the rows that the library takes.

use arrow_array::ffi_stream::RecordBatchStreamReader;
use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_pyarrow::FromPyArrow;
use numpy::{PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use qualm::{Error, Features, Location, Matrix};
use qualm_data::{Batches, Result, Selection, Source};

use crate::errors::{guarded, raised};
use crate::model::Model;

/// Rows of numbers with the names of their columns.
#[pyclass(frozen, module = "qualm._core")]
pub(crate) struct Rows {
    values: Values,
    features: Features,
}

enum Values {
    /// The caller's own array or a converted copy of it, and what the copy was made from.
    NumPy(Py<PyArray2<f32>>, Option<Py<PyAny>>),
    /// Read from Arrow.
    Arrow(Matrix),
}

#[pymethods]
impl Rows {
    /// Views a C-contiguous float32 array of two dimensions, without a copy.
    ///
    /// `names` are those of its columns; `original` is what `values` was converted from, which
    /// a message about a bad value quotes.
    #[staticmethod]
    #[pyo3(signature = (values, names=None, original=None))]
    fn from_numpy(
        values: &Bound<'_, PyArray2<f32>>,
        names: Option<Vec<String>>,
        original: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        contiguous(&values.readonly())?;
        let width = values.shape()[1];
        let features = names.map_or(Features::Vector { name: None, width }, Features::Columns);
        Ok(Self {
            values: Values::NumPy(values.clone().unbind(), original),
            features,
        })
    }

    /// Reads everything that has the Arrow `PyCapsule` interface: tables, record batches,
    /// streams. Columns are chosen as the command line chooses them: for a `model` those that it
    /// was fitted on, by name; otherwise the only vector column, or all numeric ones.
    #[staticmethod]
    #[pyo3(signature = (table, model=None))]
    fn from_arrow(table: &Bound<'_, PyAny>, model: Option<&Model>) -> PyResult<Self> {
        let reader = reader(table)?;
        // A model of vectors without a name takes any rows of its width.
        let nameless = |f: &Features| matches!(f, Features::Vector { name: None, .. });
        let expected = model.map(Model::features).filter(|f| !nameless(f));
        let read = guarded(table.py(), move || -> Result<_> {
            let source = Source::from_reader(reader, &Selection::default(), expected.as_ref())?;
            let features = source.features().clone();
            Ok((source.read_all()?.rows, features))
        })?;
        let (rows, features) = read.map_err(raised)?;
        Ok(Self {
            values: Values::Arrow(rows),
            features,
        })
    }

    /// `(n, d)`.
    #[getter]
    fn shape(&self, py: Python<'_>) -> (usize, usize) {
        match &self.values {
            Values::NumPy(array, _) => {
                let shape = array.bind(py).shape();
                (shape[0], shape[1])
            }
            Values::Arrow(rows) => (rows.rows().n_rows(), rows.rows().n_cols()),
        }
    }

    /// The names of the columns, or `None` for vectors.
    #[getter]
    fn names(&self) -> Option<Vec<String>> {
        self.features.names().map(<[String]>::to_vec)
    }

    /// The address of the first value, which tells a view from a copy.
    #[getter]
    fn address(&self, py: Python<'_>) -> PyResult<usize> {
        self.lend(py, |rows| Ok(rows.as_slice().as_ptr() as usize))
    }
}

impl Rows {
    pub(crate) fn features(&self) -> Features {
        self.features.clone()
    }

    /// Checks the values and lends them.
    ///
    /// They may be read without the interpreter's lock: as with NumPy's own functions, nobody
    /// must write to them meanwhile.
    pub(crate) fn lend<T>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(qualm::Rows<'_>) -> PyResult<T>,
    ) -> PyResult<T> {
        match &self.values {
            Values::NumPy(array, original) => {
                let array = array.bind(py).readonly();
                let width = array.shape()[1];
                let slice = contiguous(&array)?;
                let rows = guarded(py, || qualm::Rows::new(slice, width))?;
                let original = original.as_ref().map(|array| array.bind(py));
                work(rows.map_err(|error| raised(named(error, &self.features, original)))?)
            }
            Values::Arrow(rows) => work(rows.rows()),
        }
    }
}

fn contiguous<'a>(array: &'a PyReadonlyArray2<'_, f32>) -> PyResult<&'a [f32]> {
    let not = |_| PyValueError::new_err("the array is not C-contiguous");
    array.as_slice().map_err(not)
}

/// The error about a bad value, with the name of its column where that has one, and with what
/// stood there before it was converted to float32.
fn named(
    error: Error,
    features: &Features,
    original: Option<&Bound<'_, PyAny>>,
) -> qualm_data::Error {
    let Error::NotFinite { at, value } = error else {
        return error.into();
    };
    let (row, number) = (at.row.unwrap_or(1), at.column.as_deref().unwrap_or("1"));
    let column = number.parse::<usize>().unwrap_or(1);
    let name = features.names().and_then(|names| names.get(column - 1));
    let at = Location::row(row).column(name.map_or(number, String::as_str));
    let before = original.and_then(|array| {
        let value = array.get_item((row - 1, column - 1)).ok()?;
        value.extract::<f64>().ok()
    });
    match before {
        Some(value) if value.is_finite() => qualm_data::Error::TooLarge { at, value },
        _ => Error::NotFinite { at, value }.into(),
    }
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
