//! The fitted model behind a detector.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use qualm::Fitted;
use qualm::calibrate::{Conversion, ThresholdRule};
use qualm_data::{Origin, Result, score_into};

use crate::errors::{guarded, raised, to_json};
use crate::rows::{PyFeatures, PyRows};
use crate::sampled::ScoreCells;
use crate::threads::Threads;

/// Rows scored before the first check for Ctrl-C; their time sets the size of the next block.
const FIRST_BLOCK: usize = 8192;

/// Seconds that a block of rows may take.
const PATIENCE: f64 = 0.5;

/// P-values adjusted by Benjamini's and Hochberg's method, `(n,)`.
#[pyfunction]
pub(crate) fn adjusted_p_values<'py>(
    py: Python<'py>,
    p_values: &Bound<'py, PyArray1<f64>>,
) -> Bound<'py, PyArray1<f64>> {
    let p_values = p_values.readonly().as_array().to_vec();
    let adjusted = py.detach(|| qualm::monitor::benjamini_hochberg(&p_values));
    adjusted.into_pyarray(py)
}

/// A fitted detector with its calibration.
///
/// Several threads may use it at once: it is locked to change its threshold or its calibration,
/// never while it scores.
#[pyclass(frozen, module = "qualm._core")]
pub(crate) struct Model {
    fitted: RwLock<Fitted>,
}

#[pymethods]
impl Model {
    /// Scores rows: `(n,)` float64, higher = more anomalous.
    fn score<'py>(
        &self,
        py: Python<'py>,
        rows: &PyRows,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let scores = rows.lend(py, |rows| self.scores(py, rows, threads))?;
        Ok(scores.into_pyarray(py))
    }

    /// The `k` features that contribute most to each row's score, and their shares: `(n, k)`
    /// int64 and float64.
    #[expect(clippy::type_complexity, reason = "two arrays")]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        rows: &PyRows,
        k: usize,
        threads: usize,
    ) -> PyResult<(Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f64>>)> {
        let explained = rows.lend(py, |rows| {
            let mut all = Vec::with_capacity(rows.n_rows());
            in_blocks(py, rows, threads, |block, start| {
                let explained = self.read().explain(block, k);
                all.extend(explained.map_err(|error| Origin::memory(start).locate(error))?);
                Ok(())
            })?;
            Ok(all)
        })?;
        let shape = [explained.len(), k];
        let parts = || explained.iter().flatten();
        let features: Vec<i64> = parts().map(|c| c.feature.cast_signed() as i64).collect();
        let shares: Vec<f64> = parts().map(|c| c.share).collect();
        Ok((
            features.into_pyarray(py).reshape(shape)?,
            shares.into_pyarray(py).reshape(shape)?,
        ))
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

    /// The outlier probability of each score; `method` is `linear` or `unify`.
    fn probabilities<'py>(
        &self,
        scores: &Bound<'py, PyArray1<f64>>,
        method: &str,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let conversion = match method {
            "linear" => Conversion::Linear,
            "unify" => Conversion::Unify,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "method = '{method}': expected 'linear' or 'unify'"
                )));
            }
        };
        let (py, scores) = (scores.py(), scores.readonly());
        let slice = scores.as_slice()?;
        let work = || self.read().calibration().probabilities(slice, conversion);
        Ok(guarded(py, work)?.into_pyarray(py))
    }

    /// How sure the decision on each score is.
    fn confidences<'py>(
        &self,
        scores: &Bound<'py, PyArray1<f64>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (py, scores) = (scores.py(), scores.readonly());
        let slice = scores.as_slice()?;
        let work = || {
            let fitted = self.read();
            fitted
                .calibration()
                .confidences(slice, fitted.threshold_rule())
        };
        let confidences = guarded(py, work)?.map_err(raised)?;
        Ok(confidences.into_pyarray(py))
    }

    /// Calibrates on rows kept apart from fitting.
    fn calibrate(&self, py: Python<'_>, rows: &PyRows, threads: usize) -> PyResult<()> {
        let pool = Threads::take(py, threads)?;
        let pool = pool.pool()?;
        rows.lend(py, |rows| {
            let work = || pool.install(|| self.write().calibrate(rows));
            guarded(py, work)?.map_err(raised)
        })
    }

    /// Whether, of so many rows, those not fitted to are enough to calibrate on.
    fn calibrates_apart(&self, n_rows: u64) -> bool {
        self.read().calibrates_apart(n_rows)
    }

    /// Calibrates on the scores of the rows that were not sampled, of `n_rows` in all; without
    /// counts the fitted rows remain the reference.
    #[pyo3(signature = (n_rows, cells=None))]
    fn calibrate_on_counts(
        &self,
        py: Python<'_>,
        n_rows: u64,
        cells: Option<&ScoreCells>,
    ) -> PyResult<()> {
        let work = || {
            let cells = cells.map(ScoreCells::lock);
            self.write().calibrate_on_counts(n_rows, cells.as_deref())
        };
        guarded(py, work)?.map_err(raised)
    }

    /// Remembers which columns are ids.
    fn set_ids(&self, ids: Vec<String>) {
        self.write().set_ids(ids);
    }

    /// The id columns of the fitted input.
    #[getter]
    fn ids(&self) -> Vec<String> {
        self.read().roles().ids.clone()
    }

    /// Sets the threshold; `kind` is `fpr`, `contamination` or `threshold`.
    fn set_threshold(&self, py: Python<'_>, kind: &str, value: f64) -> PyResult<()> {
        let rule = rule(kind, value)?;
        guarded(py, || self.write().set_threshold_rule(rule))?.map_err(raised)
    }

    /// The rule behind the threshold: its kind, as in `set_threshold`, and its value.
    #[getter]
    fn threshold_rule(&self) -> (&'static str, f64) {
        match self.read().threshold_rule() {
            ThresholdRule::Fpr(value) => ("fpr", value),
            ThresholdRule::Contamination(value) => ("contamination", value),
            ThresholdRule::Score(value) => ("threshold", value),
        }
    }

    /// The score above which a row is an outlier.
    #[getter]
    fn threshold(&self) -> PyResult<f64> {
        self.read().threshold().map_err(raised)
    }

    /// The Spec as JSON.
    #[getter]
    fn spec(&self) -> PyResult<String> {
        to_json(self.read().spec())
    }

    /// Where the model came from, as JSON.
    #[getter]
    fn provenance(&self) -> PyResult<String> {
        to_json(self.read().provenance())
    }

    /// What the user should know about the fit.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        let fitted = self.read();
        let warnings = fitted.provenance().warnings.iter();
        warnings.map(ToString::to_string).collect()
    }

    /// Width of the rows it scores.
    #[getter]
    fn n_features(&self) -> usize {
        self.read().n_features()
    }

    /// The columns it was fitted on.
    #[getter(features)]
    fn py_features(&self) -> PyFeatures {
        let fitted = self.read();
        PyFeatures(fitted.features().clone(), fitted.rounding().clone())
    }

    /// Scores of the fitted rows, `(n,)`, in their order; `None` for a model from a file.
    fn fitted_scores<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f64>>> {
        let fitted = self.read();
        let scores = fitted.fitted_scores()?;
        Some(PyArray1::from_slice(py, scores))
    }

    /// The reference scores, `(n,)`, ascending.
    fn reference_scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, self.read().calibration().scores())
    }

    /// Whether its file is to keep the scores of the fitted rows.
    fn keep_fitted_scores(&self, keep: bool) {
        self.write().keep_fitted_scores(keep);
    }

    /// Writes the model file.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        guarded(py, || self.read().save(path))?.map_err(raised)
    }

    /// Reads a model file.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let fitted = guarded(py, || Fitted::load(path))?.map_err(raised)?;
        Ok(Self::new(fitted))
    }

    /// The bytes of the model file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = guarded(py, || self.read().to_bytes())?.map_err(raised)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Reads a model from the bytes of its file.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        let fitted = guarded(py, || Fitted::from_bytes(bytes))?.map_err(raised)?;
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

impl Model {
    pub(crate) fn new(fitted: Fitted) -> Self {
        Self {
            fitted: RwLock::new(fitted),
        }
    }

    /// For a short look or, without the interpreter's lock, for work.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Fitted> {
        self.fitted.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Fitted> {
        self.fitted.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Scores rows, `(n,)`.
    pub(crate) fn scores(
        &self,
        py: Python<'_>,
        rows: qualm::Rows<'_>,
        threads: usize,
    ) -> PyResult<Vec<f64>> {
        let mut scores = vec![0.0; rows.n_rows()];
        in_blocks(py, rows, threads, |block, start| {
            let out = scores.get_mut(start..start + block.n_rows());
            let origin = Origin::memory(start);
            score_into(&self.read(), block, &origin, out.unwrap_or_default())
        })?;
        Ok(scores)
    }
}

/// A threshold rule by its kind: `fpr`, `contamination` or `threshold`.
pub(crate) fn rule(kind: &str, value: f64) -> PyResult<ThresholdRule> {
    match kind {
        "fpr" => Ok(ThresholdRule::Fpr(value)),
        "contamination" => Ok(ThresholdRule::Contamination(value)),
        "threshold" => Ok(ThresholdRule::Score(value)),
        _ => Err(PyValueError::new_err(format!("no threshold rule '{kind}'"))),
    }
}

/// Works on rows block by block, without the interpreter's lock; checks for Ctrl-C after each.
fn in_blocks(
    py: Python<'_>,
    rows: qualm::Rows<'_>,
    threads: usize,
    mut work: impl FnMut(qualm::Rows<'_>, usize) -> Result<()> + Send,
) -> PyResult<()> {
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    let (mut start, mut size) = (0, FIRST_BLOCK);
    while let Some(block) = rows.slice(start..rows.n_rows().min(start + size)) {
        let begun = Instant::now();
        let done = guarded(py, || pool.install(|| work(block, start)))?;
        done.map_err(raised)?;
        py.check_signals()?;
        start += block.n_rows();
        // Between two blocks threads wait for each other: as few of them as patience allows.
        let rows_per_second = block.n_rows() as f64 / begun.elapsed().as_secs_f64().max(1e-6);
        size = ((rows_per_second * PATIENCE) as usize).max(1);
    }
    Ok(())
}
