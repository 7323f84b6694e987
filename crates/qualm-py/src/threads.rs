//! Threads for a call: as many as it asks for, kept for the next call.
//!
//! Each call has a pool of its own while it lasts, so that calls from several Python threads
//! do not wait for each other, and so that `n_jobs` is what a call uses, not what the process
//! was started with.

use std::mem;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Pools that no call uses now.
static IDLE: Mutex<Idle> = Mutex::new(Idle {
    process: 0,
    pools: Vec::new(),
});

/// Pools kept at the most.
const KEPT: usize = 16;

struct Idle {
    /// The process that started their threads: a fork has the pools, but not the threads.
    process: u32,
    pools: Vec<ThreadPool>,
}

/// A pool of threads for the time of a call.
///
/// Made and dropped under the interpreter's lock, which a fork holds as well: no fork finds the
/// list of pools half changed.
pub(crate) struct Threads<'py> {
    /// `None` once it has been given back.
    pool: Option<ThreadPool>,
    _lock: Python<'py>,
}

impl<'py> Threads<'py> {
    /// A pool of this many threads.
    ///
    /// # Errors
    /// When no threads can be started.
    pub(crate) fn take(py: Python<'py>, threads: usize) -> PyResult<Self> {
        let kept = with_idle(|pools| {
            let place = pools
                .iter()
                .position(|p| p.current_num_threads() == threads)?;
            Some(pools.swap_remove(place))
        });
        let pool = match kept {
            Some(pool) => pool,
            None => ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|i| format!("qualm {i}"))
                .build()
                .map_err(|e| PyRuntimeError::new_err(format!("cannot start threads: {e}")))?,
        };
        Ok(Self {
            pool: Some(pool),
            _lock: py,
        })
    }

    /// Where to run the work of the call.
    pub(crate) fn pool(&self) -> PyResult<&ThreadPool> {
        let gone = || PyRuntimeError::new_err("no threads");
        self.pool.as_ref().ok_or_else(gone)
    }
}

impl Drop for Threads<'_> {
    fn drop(&mut self) {
        let pool = self.pool.take();
        with_idle(|pools| {
            pools.extend(pool);
            // The one unused for longest goes.
            (pools.len() > KEPT).then(|| pools.remove(0))
        });
    }
}

/// Works on the pools of this process.
fn with_idle<T>(work: impl FnOnce(&mut Vec<ThreadPool>) -> T) -> T {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if idle.process != process {
        // Not dropped: they would wait for threads that only the parent has.
        mem::forget(mem::take(&mut idle.pools));
        idle.process = process;
    }
    work(&mut idle.pools)
}

/// How many threads this process may run at once.
#[pyfunction]
pub(crate) fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
