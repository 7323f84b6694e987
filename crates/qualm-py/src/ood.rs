//! Out-of-distribution detectors over arrays of features, logits and labels.

#![expect(
    clippy::needless_pass_by_value,
    reason = "what Python gives is converted into values of our own"
)]

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use numpy::ndarray::ArrayView2;
use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use qualm::ood::{Activations, OodFitted, OodSpec};
use qualm::{Error, Location, Rows};
use serde_json::{Map, Value};

use crate::errors::{guarded, raised, to_json};
use crate::fitting::watched;
use crate::model::rule;
use crate::threads::Threads;

/// Arrays of Python: float32 features of each layer and logits, int64 labels; all contiguous.
type Arrays<'py> = (
    Vec<PyReadonlyArray2<'py, f32>>,
    Option<PyReadonlyArray2<'py, f32>>,
    Option<PyReadonlyArray1<'py, i64>>,
);

/// A fitted out-of-distribution detector with its calibration.
#[pyclass(frozen, module = "qualm._core")]
pub(crate) struct OodModel {
    fitted: RwLock<OodFitted>,
}

/// Fits a detector. `keys` is JSON: those that differ from the defaults.
#[pyfunction]
#[pyo3(signature = (detector, keys, arrays, seed, threads, fpr))]
pub(crate) fn ood_fit(
    py: Python<'_>,
    detector: &str,
    keys: &str,
    arrays: Arrays<'_>,
    seed: u64,
    threads: usize,
    fpr: f64,
) -> PyResult<OodModel> {
    let spec = spec_of(detector, keys)?;
    let rule = rule("fpr", fpr)?;
    rule.validate().map_err(raised)?;
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    let mut fitted = lend(py, &arrays, |sample| {
        watched(py, None, |watch| {
            pool.install(|| spec.fit(&sample, seed, &mut &*watch))
        })
    })?;
    fitted.set_threshold_rule(rule).map_err(raised)?;
    Ok(OodModel::new(fitted))
}

/// Scores logits by a detector that learns nothing.
#[pyfunction]
pub(crate) fn ood_score_logits<'py>(
    py: Python<'py>,
    detector: &str,
    keys: &str,
    arrays: Arrays<'py>,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let spec = spec_of(detector, keys)?;
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    let scores = lend(py, &arrays, |sample| {
        guarded(py, || pool.install(|| spec.score_logits(&sample)))?.map_err(raised)
    })?;
    Ok(scores.into_pyarray(py))
}

/// A detector with keys in JSON.
fn spec_of(detector: &str, keys: &str) -> PyResult<OodSpec> {
    let not_json = |error: serde_json::Error| PyRuntimeError::new_err(error.to_string());
    let keys: Map<String, Value> = serde_json::from_str(keys).map_err(not_json)?;
    let spec = OodSpec::new(detector).and_then(|spec| spec.with(keys));
    spec.map_err(raised)
}

/// All out-of-distribution detectors, as JSON: name, summary, needs, and keys with their defaults.
#[pyfunction]
pub(crate) fn ood_detectors() -> PyResult<String> {
    to_json(&qualm::ood::ood_detectors())
}

#[pymethods]
impl OodModel {
    /// Scores items: `(n,)` float64, higher = more out of distribution.
    fn score<'py>(
        &self,
        py: Python<'py>,
        arrays: Arrays<'py>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let pool = Threads::take(py, threads)?;
        let pool = pool.pool()?;
        let scores = lend(py, &arrays, |sample| {
            guarded(py, || pool.install(|| self.read().score(&sample)))?.map_err(raised)
        })?;
        Ok(scores.into_pyarray(py))
    }

    /// Calibrates on items kept apart from fitting.
    fn calibrate(&self, py: Python<'_>, arrays: Arrays<'_>, threads: usize) -> PyResult<()> {
        let pool = Threads::take(py, threads)?;
        let pool = pool.pool()?;
        lend(py, &arrays, |sample| {
            guarded(py, || pool.install(|| self.write().calibrate(&sample)))?.map_err(raised)
        })
    }

    /// The conformal p-value of each score.
    fn p_values<'py>(
        &self,
        scores: &Bound<'py, PyArray1<f64>>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (py, scores) = (scores.py(), scores.readonly());
        let slice = scores.as_slice()?;
        let pool = Threads::take(py, threads)?;
        let pool = pool.pool()?;
        let work = || pool.install(|| self.read().calibration().p_values(slice));
        Ok(guarded(py, work)?.into_pyarray(py))
    }

    /// Sets the threshold; `kind` is `fpr`, `contamination` or `threshold`.
    fn set_threshold(&self, py: Python<'_>, kind: &str, value: f64) -> PyResult<()> {
        let rule = rule(kind, value)?;
        guarded(py, || self.write().set_threshold_rule(rule))?.map_err(raised)
    }

    /// The score above which an item counts as out of distribution.
    #[getter]
    fn threshold(&self) -> PyResult<f64> {
        self.read().threshold().map_err(raised)
    }

    /// The Spec as JSON.
    #[getter]
    fn spec(&self) -> PyResult<String> {
        to_json(self.read().spec())
    }

    /// What the user should know about the fit.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        let fitted = self.read();
        let warnings = fitted.provenance().warnings.iter();
        warnings.map(ToString::to_string).collect()
    }

    /// Scores of the fitted items, `(n,)`, without known outliers; `None` for a detector from a
    /// file.
    fn fitted_scores<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f64>>> {
        let fitted = self.read();
        let scores = fitted.fitted_scores()?;
        Some(PyArray1::from_slice(py, scores))
    }

    /// Writes the file.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        guarded(py, || self.read().save(path))?.map_err(raised)
    }

    /// Reads a file.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let fitted = guarded(py, || OodFitted::load(path))?.map_err(raised)?;
        Ok(Self::new(fitted))
    }

    /// The bytes of the file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = guarded(py, || self.read().to_bytes())?.map_err(raised)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Reads a detector from the bytes of its file.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        let fitted = guarded(py, || OodFitted::from_bytes(bytes))?.map_err(raised)?;
        Ok(Self::new(fitted))
    }

    /// Pickles by way of the file's bytes.
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let bytes = slf.get().to_bytes(slf.py())?;
        Ok((slf.getattr("from_bytes")?, (bytes,)))
    }
}

impl OodModel {
    fn new(fitted: OodFitted) -> Self {
        Self {
            fitted: RwLock::new(fitted),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, OodFitted> {
        self.fitted.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, OodFitted> {
        self.fitted.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks arrays and lends them as a sample.
fn lend<T>(
    py: Python<'_>,
    (features, logits, labels): &Arrays<'_>,
    work: impl FnOnce(Activations<'_>) -> PyResult<T>,
) -> PyResult<T> {
    let mut layers = Vec::with_capacity(features.len());
    for layer in features {
        layers.push(rows(py, layer.as_array(), "features")?);
    }
    let mut sample = Activations::of_layers(layers);
    if let Some(logits) = logits {
        sample = sample.with_logits(rows(py, logits.as_array(), "logits")?);
    }
    if let Some(labels) = labels {
        sample = sample.with_labels(labels.as_slice()?);
    }
    work(sample)
}

/// A contiguous array as rows; what is wrong with it is named.
fn rows<'a>(py: Python<'_>, array: ArrayView2<'a, f32>, name: &str) -> PyResult<Rows<'a>> {
    let width = array.ncols();
    let not_contiguous = || PyRuntimeError::new_err("expected a C-contiguous array");
    let values = array.to_slice().ok_or_else(not_contiguous)?;
    let rows = guarded(py, || Rows::new(values, width))?;
    rows.map_err(|error| {
        raised(match error {
            Error::NotFinite { at, value } => {
                // The library counts columns from 1, elements of vectors are counted from 0.
                let column = at.column.as_deref().and_then(|c| c.parse::<usize>().ok());
                let element = column.unwrap_or(1).saturating_sub(1);
                let at = Location { column: None, ..at };
                Error::NotFinite {
                    at: at.column(format!("{name}[{element}]")),
                    value,
                }
            }
            Error::Empty { .. } => Error::Empty {
                at: Location::default().column(name),
            },
            other => other,
        })
    })
}
