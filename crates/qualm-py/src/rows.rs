//! Python's arrays, frames and tables as the rows that the library takes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_schema::{Field, Schema};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use qualm::digest::sha256_of_values;
use qualm::{Error, Features, Location, Matrix, Rounding};
use qualm_data::{Batches, ColumnNote, Result, Selection, Source, Unused, WhyUnused};

use crate::asked::{Choice, Treated};
use crate::columns::{Column, column, reader, refused};
use crate::errors::{guarded, raised, to_json};

/// The columns that a model was fitted on, and how their values were rounded.
#[pyclass(frozen, name = "Features", module = "qualm._core")]
pub(crate) struct PyFeatures(pub(crate) Features, pub(crate) Rounding);

#[pymethods]
impl PyFeatures {
    /// The names of the features, `(d,)`, or `None` for vectors.
    #[getter]
    fn names(&self) -> Option<Vec<String>> {
        self.0.names().map(<[String]>::to_vec)
    }

    /// What one of them is called, counted from 0.
    fn name(&self, feature: usize) -> String {
        self.0.name(feature)
    }

    /// The names of the columns that hold them: one for vectors, none for those of an array.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.0.columns()
    }

    /// What was done about missing values, categories and dates, as JSON; `None` for nothing.
    #[getter]
    fn treatment(&self) -> PyResult<Option<String>> {
        self.0
            .recipe()
            .map(Treated::of)
            .as_ref()
            .map(to_json)
            .transpose()
    }
}

/// Rows of numbers with the names of their columns.
#[pyclass(frozen, name = "Rows", module = "qualm._core")]
pub(crate) struct PyRows {
    values: Values,
    features: Features,
    /// What a user should know of the columns that a fit would use, and would not.
    notes: Vec<String>,
}

enum Values {
    /// The caller's own array.
    NumPy(Py<PyArray2<f32>>),
    /// A copy.
    Owned(Matrix),
}

#[pymethods]
impl PyRows {
    /// Views a C-contiguous float32 array of two dimensions, without a copy. `names` are those of
    /// its columns.
    #[staticmethod]
    #[pyo3(signature = (values, names=None))]
    fn from_float32(
        values: &Bound<'_, PyArray2<f32>>,
        names: Option<Vec<String>>,
    ) -> PyResult<Self> {
        contiguous(&values.readonly())?;
        Ok(Self {
            features: features(names, values.shape()[1]),
            values: Values::NumPy(values.clone().unbind()),
            notes: Vec::new(),
        })
    }

    /// Rounds a C-contiguous float64 array of two dimensions: as the rows of the model that
    /// `model` belongs to, or by a rule chosen for these.
    #[staticmethod]
    #[pyo3(signature = (values, names=None, model=None))]
    fn from_float64(
        py: Python<'_>,
        values: &Bound<'_, PyArray2<f64>>,
        names: Option<Vec<String>>,
        model: Option<&PyFeatures>,
    ) -> PyResult<Self> {
        let values = values.readonly();
        let features = features(names, values.shape()[1]);
        let slice = contiguous(&values)?;
        let rounding = model.map(|model| &model.1);
        let rows = guarded(py, || Matrix::from_f64(slice, features.width(), rounding))?;
        let rows = rows.map_err(|error| raised(named(error, &features)))?;
        Ok(Self {
            values: Values::Owned(rows),
            features,
            notes: Vec::new(),
        })
    }

    /// Reads everything that has the Arrow `PyCapsule` interface: tables, record batches,
    /// streams. Columns are chosen as in a file: for a model those that it was fitted on, by
    /// name; otherwise what `choice` asks for, or the only vector column, or all numeric ones.
    /// Where they are not `named`, the rows are those of an array.
    #[staticmethod]
    #[pyo3(signature = (table, features=None, named=true, treatment=None, choice=None))]
    fn from_arrow(
        table: &Bound<'_, PyAny>,
        features: Option<&PyFeatures>,
        named: bool,
        treatment: Option<&str>,
        choice: Option<Choice>,
    ) -> PyResult<Self> {
        let selection = selection(treatment, choice)?;
        let (py, reader, words) = (table.py(), reader(table)?, HashMap::new());
        let read = Self::read_beside(py, reader, &selection, features, named, &words);
        Ok(read?.0)
    }

    /// Reads a frame of `n_rows` from its columns, chosen as in [`PyRows::from_arrow`].
    ///
    /// Each is its name, its numbers as a float32 or float64 array of one dimension or its texts
    /// as a list (`None` where it holds something else), the lengths of its vectors (`None` where
    /// it holds one number a row), and what else it holds, in words. Where they are not `named`,
    /// the rows are those of an array.
    #[staticmethod]
    #[pyo3(signature = (columns, n_rows, features=None, named=true, treatment=None, choice=None))]
    fn from_columns(
        py: Python<'_>,
        columns: Vec<Column<'_>>,
        n_rows: usize,
        features: Option<&PyFeatures>,
        named: bool,
        treatment: Option<&str>,
        choice: Option<Choice>,
    ) -> PyResult<Self> {
        let selection = selection(treatment, choice)?;
        let mut words = HashMap::new();
        let columns = columns.into_iter().map(|(name, values, lengths, what)| {
            let array = column(values.as_ref(), lengths, n_rows)?;
            let field = Field::new(&name, array.data_type().clone(), true);
            words.extend(what.map(|what| (name, what)));
            Ok((Arc::new(field), array))
        });
        let (fields, arrays): (Vec<_>, Vec<_>) =
            columns.collect::<PyResult<Vec<_>>>()?.into_iter().unzip();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(refused)?;
        let reader = Box::new(RecordBatchIterator::new([Ok(batch)], schema));
        let read = Self::read_beside(py, reader, &selection, features, named, &words);
        Ok(read?.0)
    }

    /// A sample of at most `most` rows of a table, as the command line takes it of a file, by the
    /// ids in `ids`. Also gives the id of its last row.
    #[staticmethod]
    fn sampled(
        table: &Bound<'_, PyAny>,
        ids: Vec<String>,
        vector: Option<String>,
        columns: Vec<String>,
        most: usize,
        seed: u64,
    ) -> PyResult<(Self, String)> {
        let selection = Selection {
            ids,
            vector,
            columns,
            ..Selection::default()
        };
        let reader = reader(table)?;
        let read = guarded(table.py(), move || -> Result<_> {
            let source = Source::from_reader(reader, &selection, None)?;
            let features = source.features().clone();
            let notes = source.notes();
            let sample = source.sample(most, seed, |_| ())?;
            let rows = Self {
                notes: notes
                    .all()
                    .into_iter()
                    .map(|note| said(note, &HashMap::new()))
                    .collect(),
                ..Self::new(sample.batch.rows, features)
            };
            Ok((rows, sample.last.id().to_owned()))
        })?;
        read.map_err(raised)
    }

    /// `(n, d)`.
    #[getter]
    fn shape(&self, py: Python<'_>) -> (usize, usize) {
        match &self.values {
            Values::NumPy(array) => {
                let shape = array.bind(py).shape();
                (shape[0], shape[1])
            }
            Values::Owned(rows) => (rows.rows().n_rows(), rows.rows().n_cols()),
        }
    }

    /// Where no model chose the columns: what is not used and why, and what is likely no data.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// Whether their columns have names.
    #[getter]
    fn named(&self) -> bool {
        self.features.names().is_some()
    }

    /// A copy of some rows, by their numbers from 0, in that order.
    fn pick(&self, py: Python<'_>, numbers: &Bound<'_, PyArray1<i64>>) -> PyResult<Self> {
        let numbers = numbers.readonly();
        let numbers: Vec<usize> = numbers.as_array().iter().map(|i| *i as usize).collect();
        self.lend(py, |rows| {
            if let Some(beyond) = numbers.iter().find(|i| **i >= rows.n_rows()) {
                return Err(PyIndexError::new_err(format!(
                    "no row {beyond}: there are {}",
                    rows.n_rows()
                )));
            }
            let picked = guarded(py, || rows.pick(&numbers))?;
            Ok(Self::new(picked.map_err(raised)?, self.features.clone()))
        })
    }

    /// The digest of the values, as the provenance of a model has it of the rows it was fitted to.
    fn digest(&self, py: Python<'_>) -> PyResult<String> {
        self.lend(py, |rows| guarded(py, || sha256_of_values(rows.as_slice())))
    }

    /// The address of the first value, which tells a view from a copy.
    #[getter]
    fn address(&self, py: Python<'_>) -> PyResult<usize> {
        self.lend(py, |rows| Ok(rows.as_slice().as_ptr() as usize))
    }
}

impl PyRows {
    fn new(rows: Matrix, features: Features) -> Self {
        Self {
            values: Values::Owned(rows),
            features,
            notes: Vec::new(),
        }
    }

    pub(crate) fn features(&self) -> &Features {
        &self.features
    }

    /// The rows as a matrix of its own: an array is copied.
    pub(crate) fn matrix(&self, py: Python<'_>) -> PyResult<Matrix> {
        match &self.values {
            Values::Owned(rows) => Ok(rows.clone()),
            Values::NumPy(_) => self.lend(py, |rows| {
                let values = rows.as_slice().to_vec();
                Ok(Matrix::checked(values.into(), rows.n_cols()).with_rounding(rows.rounding()))
            }),
        }
    }

    /// The rows, and the columns that the selection carries through beside them.
    pub(crate) fn read_beside(
        py: Python<'_>,
        reader: Box<dyn RecordBatchReader + Send>,
        selection: &Selection,
        features: Option<&PyFeatures>,
        named: bool,
        words: &HashMap<String, String>,
    ) -> PyResult<(Self, Vec<(String, ArrayRef)>)> {
        // A model of vectors without a name takes any rows of its width.
        let nameless = |f: &Features| matches!(f, Features::Vector { name: None, .. });
        let expected = features.map(|f| &f.0).filter(|f| named && !nameless(f));
        let read = guarded(py, move || -> Result<_> {
            let mut source = Source::from_reader(reader, selection, expected)?;
            if let Some(model) = features {
                source = source.with_rounding(&model.1);
            }
            let mut features = source.features().clone();
            let notes = source.notes();
            if !named {
                let width = features.width();
                features = Features::Vector { name: None, width };
            }
            let fields = source.id_fields();
            let batch = source.read_all()?;
            let names = fields.iter().map(|field| field.name().clone());
            let beside = names.zip(batch.ids).collect();
            let mut notes = notes.all();
            let at_fit = expected.is_none();
            notes.retain(|note| match note {
                ColumnNote::Unknown { .. } | ColumnNote::LeftOut { .. } => true,
                // That was asked for.
                ColumnNote::Encoded { .. } | ColumnNote::Filled { .. } => false,
                // Of columns without names there is no more to say than which are left out.
                _ => at_fit && (named || matches!(note, ColumnNote::NotUsed { .. })),
            });
            if let Some(note) = notes
                .iter()
                .find(|n| matches!(n, ColumnNote::LeftOut { .. }))
                && !at_fit
            {
                let note = format!(
                    "{note}; scores would not be those of all rows: remove such rows, or fit with \
                     missing='median'"
                );
                return Err(qualm_data::Error::Other(note.into()));
            }
            let rows = Self {
                notes: notes.into_iter().map(|note| said(note, words)).collect(),
                ..Self::new(batch.rows, features)
            };
            Ok((rows, beside))
        })?;
        read.map_err(|mut error| {
            match &mut error {
                qualm_data::Error::NoNumericColumn { unused, .. } => reword(unused, words),
                qualm_data::Error::ColumnType { at, found, .. } => {
                    let held = at.column.as_ref().and_then(|name| words.get(name));
                    *found = held.map_or_else(|| found.clone(), |held| held.as_str().into());
                }
                _ => {}
            }
            raised(error)
        })
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
            Values::NumPy(array) => {
                let array = array.bind(py).readonly();
                let width = array.shape()[1];
                let slice = contiguous(&array)?;
                let rows = guarded(py, || qualm::Rows::new(slice, width))?;
                work(rows.map_err(|error| raised(named(error, &self.features)))?)
            }
            Values::Owned(rows) => work(rows.rows()),
        }
    }
}

/// The features of an array.
fn features(names: Option<Vec<String>>, width: usize) -> Features {
    names.map_or(Features::Vector { name: None, width }, Features::Columns)
}

/// What is read of a table to fit to.
fn selection(treatment: Option<&str>, choice: Option<Choice>) -> PyResult<Selection> {
    let treatment = treatment.map(Treated::treatment).transpose()?;
    Ok(Selection {
        treatment: treatment.unwrap_or_default(),
        ..choice.unwrap_or_default().selection()
    })
}

/// A note on columns with what to do; `words` say what columns hold that came without values.
fn said(mut note: ColumnNote, words: &HashMap<String, String>) -> String {
    if let ColumnNote::NotUsed { columns, .. } = &mut note {
        reword(columns, words);
    }
    match note {
        ColumnNote::Label { .. } | ColumnNote::Id { .. } => {
            format!("{note}; leave it out of X if it is not meant as one")
        }
        ColumnNote::NotUsed { .. } if note.is_warning() => {
            format!("{note}; convert those that are meant as features")
        }
        _ => note.to_string(),
    }
}

/// Says what columns hold that came without values, and are none but nulls here.
fn reword(columns: &mut [Unused], words: &HashMap<String, String>) {
    for column in columns {
        if let (Some(words), WhyUnused::Type(held)) = (words.get(&column.name), &mut column.why) {
            held.clone_from(words);
        }
    }
}

fn contiguous<'a, T: numpy::Element>(array: &'a PyReadonlyArray2<'_, T>) -> PyResult<&'a [T]> {
    let not = |_| PyValueError::new_err("the array is not C-contiguous");
    array.as_slice().map_err(not)
}

/// The error about a bad value, with the name of its column where that has one.
fn named(error: Error, features: &Features) -> qualm_data::Error {
    let Error::NotFinite { at, value } = error else {
        return error.into();
    };
    let number = at.column.as_deref().unwrap_or("1");
    let column = number.parse::<usize>().unwrap_or(1);
    let name = features.names().and_then(|names| names.get(column - 1));
    let at = Location::row(at.row.unwrap_or(1)).column(name.map_or(number, String::as_str));
    if value.is_finite() {
        qualm_data::Error::TooLarge { at, value }
    } else {
        Error::NotFinite { at, value }.into()
    }
}
