//! Scores of Python, watched.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use qualm::monitor::{
    Sequential, SequentialSpec, Update, WindowTest, benjamini_hochberg, dependence,
    digest_of_scores, holm,
};

use crate::errors::{guarded, raised, to_json};

/// What [`Watch::update`] gives.
type Updated = (u64, Option<u64>, Option<u64>, f64, f64);

/// A sequential test beside reference scores.
///
/// Several threads may use it at once; they take turns.
#[pyclass(frozen, module = "qualm._core")]
pub(crate) struct Watch {
    sequential: Mutex<Sequential>,
}

#[pymethods]
impl Watch {
    /// From reference scores `(n,)`, in their order, and settings as JSON.
    #[new]
    fn new(reference: &Bound<'_, PyArray1<f64>>, spec: &str) -> PyResult<Self> {
        let spec: SequentialSpec = serde_json::from_str(spec).map_err(|error| not_json(&error))?;
        let sequential = with_scores(reference, |scores| Sequential::new(scores, spec))?;
        Ok(Self::of(sequential.map_err(raised)?))
    }

    /// Takes the next scores, `(n,)`. Gives rows so far, the row of an alarm and that from which
    /// the evidence has risen, and the decimal logarithms of the evidence and of its highest.
    fn update(&self, scores: &Bound<'_, PyArray1<f64>>) -> PyResult<Updated> {
        let update = with_scores(scores, |scores| self.lock().update(scores))?;
        let Update {
            n_rows,
            alarm_at,
            changed_from,
            log10_evidence,
            log10_highest,
        } = update.map_err(raised)?;
        Ok((
            n_rows,
            alarm_at,
            changed_from,
            log10_evidence,
            log10_highest,
        ))
    }

    /// The settings as JSON.
    #[getter]
    fn spec(&self) -> PyResult<String> {
        to_json(self.lock().spec())
    }

    /// Scores of the reference that count.
    #[getter]
    fn n_reference(&self) -> u64 {
        self.lock().n_reference()
    }

    /// Rows of the stream so far.
    #[getter]
    fn n_rows(&self) -> u64 {
        self.lock().n_rows()
    }

    /// Alarms so far.
    #[getter]
    fn n_alarms(&self) -> u64 {
        self.lock().n_alarms()
    }

    /// The rows, from 1, of the latest alarms.
    #[getter]
    fn alarms(&self) -> Vec<u64> {
        self.lock().alarms().to_vec()
    }

    /// The decimal logarithm of the evidence.
    #[getter]
    fn log10_evidence(&self) -> f64 {
        self.lock().log10_evidence()
    }

    /// The state, with what its owner keeps with it, as JSON.
    fn to_bytes<'py>(&self, py: Python<'py>, context: &str) -> PyResult<Bound<'py, PyBytes>> {
        let context = serde_json::from_str(context).map_err(|error| not_json(&error))?;
        let bytes = guarded(py, || self.lock().to_bytes(&context))?.map_err(raised)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Reads a state, and what was kept with it.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<(Self, String)> {
        let read = || Sequential::from_bytes(Path::new("state"), bytes);
        let (sequential, context) = guarded(py, read)?.map_err(raised)?;
        Ok((Self::of(sequential), to_json(&context)?))
    }
}

impl Watch {
    fn of(sequential: Sequential) -> Self {
        Self {
            sequential: Mutex::new(sequential),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sequential> {
        // An update that panicked has lost no more than its own rows.
        self.sequential
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares scores `(m,)` with those of a reference `(n,)`. Gives the difference as JSON, and whether
/// it is an alarm.
#[pyfunction]
pub(crate) fn compare_scores(
    reference: &Bound<'_, PyArray1<f64>>,
    scores: &Bound<'_, PyArray1<f64>>,
    test: &str,
    alpha: f64,
    min_effect: f64,
) -> PyResult<(String, bool)> {
    let test = match test {
        "welch" => WindowTest::Welch,
        "mann_whitney" => WindowTest::MannWhitney,
        "ks" => WindowTest::KolmogorovSmirnov,
        _ => {
            return Err(PyValueError::new_err(format!(
                "test = '{test}': expected 'welch', 'mann_whitney' or 'ks'"
            )));
        }
    };
    let reference = reference.readonly();
    let reference = reference.as_slice()?;
    let difference = with_scores(scores, |scores| test.compare(reference, scores))?;
    let difference = difference.map_err(raised)?;
    let is_alarm = difference.is_alarm(difference.p, alpha, min_effect);
    Ok((to_json(&difference)?, is_alarm))
}

/// P-values of many tests, corrected for their number: `holm`, `bh` or `none`.
#[pyfunction]
pub(crate) fn corrected(p: Vec<f64>, correct: &str) -> PyResult<Vec<f64>> {
    match correct {
        "holm" => Ok(holm(&p)),
        "bh" => Ok(benjamini_hochberg(&p)),
        "none" => Ok(p),
        _ => Err(PyValueError::new_err(format!(
            "correct = '{correct}': expected 'holm', 'bh' or 'none'"
        ))),
    }
}

/// The autocorrelation of reference scores `(n,)`, where it is more than chance.
#[pyfunction]
pub(crate) fn score_dependence(scores: &Bound<'_, PyArray1<f64>>) -> PyResult<Option<f64>> {
    with_scores(scores, dependence)
}

/// What tells scores `(n,)` from others.
#[pyfunction]
pub(crate) fn score_digest(scores: &Bound<'_, PyArray1<f64>>) -> PyResult<String> {
    with_scores(scores, digest_of_scores)
}

/// Works on an array of scores without the interpreter's lock.
fn with_scores<T: Send>(
    scores: &Bound<'_, PyArray1<f64>>,
    work: impl FnOnce(&[f64]) -> T + Send,
) -> PyResult<T> {
    let py = scores.py();
    let scores: PyReadonlyArray1<'_, f64> = scores.readonly();
    let scores = scores.as_slice()?;
    guarded(py, || work(scores))
}

fn not_json(error: &serde_json::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}
