//! Parts of a fit to a sample of rows that an engine holds in batches.

use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchIterator};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use qualm::Location;
use qualm::calibrate;
use qualm_data::{Batches, Error, Origin, Result, RowPlace, Selection, Source, row_places, score};

use crate::columns::reader;
use crate::errors::{guarded, raised};
use crate::model::Model;
use crate::threads::Threads;

/// Counts of scores by the cells of a fitted model.
#[pyclass(frozen, module = "qualm._core")]
pub(crate) struct ScoreCells {
    cells: Mutex<calibrate::ScoreCells>,
}

#[pymethods]
impl ScoreCells {
    /// Empty cells of a model whose reference is its fitted rows.
    #[new]
    fn new(py: Python<'_>, model: &Model) -> PyResult<Self> {
        let work = || calibrate::ScoreCells::of(model.read().calibration());
        let cells = guarded(py, work)?;
        Ok(Self {
            cells: Mutex::new(cells),
        })
    }

    /// Scores the rows of a batch and counts those behind the row `last` of a sample, by their
    /// `ids`.
    #[pyo3(signature = (model, batch, ids, vector, seed, last, threads))]
    #[expect(clippy::too_many_arguments, reason = "called from one Python function")]
    fn count(
        &self,
        py: Python<'_>,
        model: &Model,
        batch: &Bound<'_, PyAny>,
        ids: Vec<String>,
        vector: Option<String>,
        seed: u64,
        last: String,
        threads: usize,
    ) -> PyResult<()> {
        let (batches, schema) = batches_of(batch)?;
        if batches.iter().all(|batch| batch.num_rows() == 0) {
            return Ok(());
        }
        let pool = Threads::take(py, threads)?;
        let pool = pool.pool()?;
        let work = move || -> Result<()> {
            let fitted = model.read();
            let selection = Selection {
                ids: ids.clone(),
                vector,
                ..Selection::default()
            };
            let reader = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
            let source =
                Source::from_reader(Box::new(reader), &selection, Some(fitted.features()))?;
            let batch = source.with_rounding(fitted.rounding()).read_all()?;
            let numbers = 0..batch.rows.rows().n_rows() as u64;
            let places = row_places(&batch.ids, &batch.origin, &ids, numbers, seed)?;
            let last = RowPlace::new(seed, last);
            let scores = score(&fitted, &batch)?;
            let apart = scores
                .iter()
                .zip(&places)
                .filter(|(_, place)| **place > last);
            let apart: Vec<f64> = apart.map(|(score, _)| *score).collect();
            self.lock().count(&apart);
            Ok(())
        };
        guarded(py, || pool.install(work))?.map_err(raised)
    }

    /// The counts, `(n_cells,)`.
    fn counts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u64>> {
        PyArray1::from_slice(py, self.lock().counts())
    }

    /// Adds counts of the same model, `(n_cells,)`.
    fn add(&self, counts: &Bound<'_, PyArray1<u64>>) -> PyResult<()> {
        let counts = counts.readonly();
        self.lock().add(counts.as_slice()?).map_err(raised)
    }

    /// The scores counted.
    #[getter]
    fn n(&self) -> u64 {
        self.lock().n()
    }
}

impl ScoreCells {
    pub(crate) fn lock(&self) -> MutexGuard<'_, calibrate::ScoreCells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cell of each row in the order of a seed, by its id columns: `(n,)` uint16.
#[pyfunction]
pub(crate) fn row_cells<'py>(
    py: Python<'py>,
    batch: &Bound<'py, PyAny>,
    ids: Vec<String>,
    seed: u64,
) -> PyResult<Bound<'py, PyArray1<u16>>> {
    let (batches, _) = batches_of(batch)?;
    let work = move || -> Result<Vec<u16>> {
        let mut cells = Vec::new();
        for batch in &batches {
            let columns: Vec<ArrayRef> = ids
                .iter()
                .filter_map(|name| batch.column_by_name(name))
                .cloned()
                .collect();
            let numbers = 0..batch.num_rows() as u64;
            let origin = Origin::memory(cells.len());
            let places = row_places(&columns, &origin, &ids, numbers, seed)?;
            cells.extend(places.iter().map(|place| place.key().cell()));
        }
        Ok(cells)
    };
    let cells = guarded(py, work)?.map_err(raised)?;
    Ok(cells.into_pyarray(py))
}

/// Checks all values of a batch that a fit would read. Gives how many columns it would have.
#[pyfunction]
#[pyo3(signature = (batch, ids, vector, columns))]
pub(crate) fn check_batch(
    py: Python<'_>,
    batch: &Bound<'_, PyAny>,
    ids: Vec<String>,
    vector: Option<String>,
    columns: Vec<String>,
) -> PyResult<usize> {
    let (batches, schema) = batches_of(batch)?;
    let selection = Selection {
        ids,
        vector,
        columns,
        ..Selection::default()
    };
    let work = || -> Result<usize> {
        let reader = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
        let source = Source::from_reader(Box::new(reader), &selection, None)?;
        let width = source.features().width();
        source.read_all()?;
        Ok(width)
    };
    guarded(py, work)?.map_err(raised)
}

fn batches_of(batch: &Bound<'_, PyAny>) -> PyResult<(Vec<RecordBatch>, arrow_schema::SchemaRef)> {
    let reader = reader(batch)?;
    let schema = reader.schema();
    let batches = reader.collect::<std::result::Result<_, _>>();
    let batches = batches.map_err(|source| {
        let at = Location::default();
        raised(Error::Arrow { at, source })
    })?;
    Ok((batches, schema))
}
