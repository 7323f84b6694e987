//! Fitting, with progress and Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use qualm::calibrate::ThresholdRule;
use qualm::fit::{Signal, Step, Work};
use qualm::{Error, Progress, Spec, Views};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::errors::{guarded, panicked, raised};
use crate::model::Model;
use crate::rows::PyRows;
use crate::threads::Threads;

/// How often a running fit is checked for Ctrl-C and its progress reported.
const PATIENCE: Duration = Duration::from_millis(50);

/// Which detector to fit.
#[derive(Deserialize)]
struct Request {
    detector: String,
    preset: String,
    /// The hyper-parameters that differ from the preset.
    keys: Map<String, Value>,
}

/// Fits a detector to rows.
///
/// `request` is JSON: `detector`, `preset` and `keys`. `contamination` sets the threshold.
/// `report`, if any, is called now and then with what is being done, how much of it is done, how
/// much there is, and the loss or `None`; what it raises stops the fit. `items` numbers the item
/// that each row is a view of.
#[pyfunction]
#[pyo3(signature = (request, rows, seed, threads, contamination, report=None, items=None))]
#[expect(clippy::too_many_arguments, reason = "called from one Python function")]
pub(crate) fn fit(
    py: Python<'_>,
    request: &str,
    rows: &PyRows,
    seed: u64,
    threads: usize,
    contamination: f64,
    report: Option<&Bound<'_, PyAny>>,
    items: Option<PyReadonlyArray1<'_, i64>>,
) -> PyResult<Model> {
    let not_json = |error: serde_json::Error| PyRuntimeError::new_err(error.to_string());
    let request: Request = serde_json::from_str(request).map_err(not_json)?;
    let spec = Spec::preset(&request.detector, &request.preset)
        .and_then(|spec| spec.with(request.keys))
        .map_err(raised)?;
    let rule = ThresholdRule::Contamination(contamination);
    rule.validate().map_err(raised)?;
    let views = items.map(|items| Views::of(items.as_array().iter().copied()));
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    let fitted = rows.lend(py, |rows| {
        watched(py, report, |watch| {
            let sample = match &views {
                Some(views) => rows.with_views(views)?,
                None => rows.into(),
            };
            pool.install(|| spec.fit(sample, seed, &mut &*watch))
        })
    })?;
    let features = rows.features().clone();
    let mut fitted = fitted.with_features(features).map_err(raised)?;
    fitted.set_threshold_rule(rule).map_err(raised)?;
    Ok(Model::new(fitted))
}

/// State shared by the thread that fits and the thread that waits.
#[derive(Default)]
pub(crate) struct Watch {
    stop: AtomicBool,
    news: Mutex<Option<News>>,
}

/// How far a fit has come.
struct News {
    what: &'static str,
    done: u64,
    total: u64,
    loss: Option<f64>,
}

impl Watch {
    fn tell(&self, news: News) -> Signal {
        *self.news.lock().unwrap_or_else(PoisonError::into_inner) = Some(news);
        if self.stop.load(Ordering::Relaxed) {
            Signal::Stop
        } else {
            Signal::Continue
        }
    }
}

impl Progress for &Watch {
    fn step(&mut self, step: &Step) -> Signal {
        self.tell(News {
            what: "training",
            done: step.member as u64 * step.steps + step.step,
            total: step.members as u64 * step.steps,
            loss: Some(step.loss),
        })
    }

    fn work(&mut self, work: &Work) -> Signal {
        self.tell(News {
            what: work.what,
            done: work.done,
            total: work.total,
            loss: None,
        })
    }
}

/// Runs a fit on a thread of its own. The calling thread, to which Python delivers Ctrl-C,
/// checks for it and reports progress.
pub(crate) fn watched<T: Send>(
    py: Python<'_>,
    report: Option<&Bound<'_, PyAny>>,
    fit: impl FnOnce(&Watch) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let report = report.map(|report| report.clone().unbind());
    let (finish, finished) = channel::<()>();
    let watch = &Watch::default();
    guarded(py, move || {
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                // Dropped at the end, also by a panic, which wakes the waiting thread.
                let _finish = finish;
                fit(watch)
            });
            let mut stopped = None;
            loop {
                let waited = finished.recv_timeout(PATIENCE);
                if stopped.is_none() {
                    let seen = Python::attach(|py| look(py, watch, report.as_ref()));
                    stopped = seen.err();
                    watch.stop.store(stopped.is_some(), Ordering::Relaxed);
                }
                if waited != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            let outcome = worker.join().map_err(|panic| panicked(&*panic))?;
            match stopped {
                Some(error) => Err(error),
                None => outcome.map_err(raised),
            }
        })
    })?
}

/// Lets Python handle signals, and reports the latest progress.
fn look(py: Python<'_>, watch: &Watch, report: Option<&Py<PyAny>>) -> PyResult<()> {
    py.check_signals()?;
    let news = watch.news.lock();
    let news = news.unwrap_or_else(PoisonError::into_inner).take();
    if let (Some(report), Some(news)) = (report, news) {
        report.call1(py, (news.what, news.done, news.total, news.loss))?;
    }
    Ok(())
}
