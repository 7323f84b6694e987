//! The native half of the Python package: it converts, releases the interpreter's lock and maps
//! errors. What users see, classes and docstrings, is in `python/qualm`.

mod asked;
mod batches;
mod columns;
mod corrupt;
mod errors;
mod files;
mod fitting;
mod images;
mod model;
mod monitor;
mod ood;
mod pages;
mod rows;
mod sampled;
mod threads;

use pyo3::prelude::*;
use qualm::Spec;

use crate::errors::{raised, to_json};

/// The hyper-parameters of a detector's preset, as JSON.
#[pyfunction]
fn preset(detector: &str, preset: &str) -> PyResult<String> {
    let spec = Spec::preset(detector, preset).map_err(raised)?;
    to_json(&spec)
}

/// All detectors, as JSON: name, summary, presets, and keys with their defaults.
#[pyfunction]
fn detectors() -> PyResult<String> {
    to_json(&qualm::detectors())
}

/// Panics, so that a test can see it arrive as an exception.
#[pyfunction]
fn _panic(py: Python<'_>) -> PyResult<()> {
    errors::guarded(py, || {
        #[expect(clippy::panic, reason = "it is what this function is for")]
        {
            panic!("asked to")
        }
    })
}

/// `qualm._core`.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<model::Model>()?;
    module.add_class::<monitor::Watch>()?;
    module.add_class::<ood::OodModel>()?;
    module.add_class::<rows::PyFeatures>()?;
    module.add_class::<rows::PyRows>()?;
    module.add_class::<images::Encoder>()?;
    module.add_class::<pages::PyBeside>()?;
    module.add_class::<pages::PyPage>()?;
    module.add_class::<sampled::ScoreCells>()?;
    module.add_function(wrap_pyfunction!(images::views, module)?)?;
    module.add_function(wrap_pyfunction!(model::adjusted_p_values, module)?)?;
    module.add_function(wrap_pyfunction!(images::image_id, module)?)?;
    module.add_function(wrap_pyfunction!(corrupt::corrupt, module)?)?;
    module.add_function(wrap_pyfunction!(corrupt::corruptions, module)?)?;
    module.add_function(wrap_pyfunction!(monitor::compare_scores, module)?)?;
    module.add_function(wrap_pyfunction!(monitor::corrected, module)?)?;
    module.add_function(wrap_pyfunction!(monitor::score_dependence, module)?)?;
    module.add_function(wrap_pyfunction!(monitor::score_digest, module)?)?;
    module.add_function(wrap_pyfunction!(fitting::fit, module)?)?;
    module.add_function(wrap_pyfunction!(pages::report_page, module)?)?;
    module.add_function(wrap_pyfunction!(pages::gallery_page, module)?)?;
    module.add_function(wrap_pyfunction!(ood::ood_fit, module)?)?;
    module.add_function(wrap_pyfunction!(ood::ood_score_logits, module)?)?;
    module.add_function(wrap_pyfunction!(ood::ood_detectors, module)?)?;
    module.add_function(wrap_pyfunction!(batches::score_batch, module)?)?;
    module.add_function(wrap_pyfunction!(files::score_files, module)?)?;
    module.add_function(wrap_pyfunction!(sampled::row_cells, module)?)?;
    module.add_function(wrap_pyfunction!(sampled::check_batch, module)?)?;
    module.add_function(wrap_pyfunction!(threads::available_threads, module)?)?;
    module.add_function(wrap_pyfunction!(detectors, module)?)?;
    module.add_function(wrap_pyfunction!(preset, module)?)?;
    module.add_function(wrap_pyfunction!(_panic, module)?)?;
    Ok(())
}
