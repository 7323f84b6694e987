//! Files in, scored files out, in constant memory: what `qualm score` does, for Python.

#![expect(
    clippy::needless_pass_by_value,
    reason = "what Python gives is converted into values of our own"
)]

use std::path::PathBuf;
use std::time::Instant;

use pyo3::prelude::*;
use qualm::Missing;
use qualm::reports::ScoreReport;
use qualm_data::{Batches, Keep, Result, ScoreWriter, Selection, Source, score, scored};

use crate::errors::{guarded, raised, to_json};
use crate::model::Model;
use crate::threads::Threads;

/// What is read of files besides the features of the model.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Chosen {
    ids: Option<Vec<String>>,
    label: Option<String>,
    vector: Option<String>,
    keep: Option<Vec<String>>,
    keep_all: bool,
    explain: usize,
}

impl Chosen {
    fn selection(&self, model: &Model) -> Selection {
        let fitted = model.read();
        let recipe = fitted.features().recipe();
        let drops = recipe.is_some_and(|recipe| recipe.missing() == Missing::Drop);
        let keep = match &self.keep {
            _ if self.keep_all => Keep::All,
            Some(names) => Keep::Named(names.clone()),
            None => Keep::Ids,
        };
        Selection {
            ids_if_present: match &self.ids {
                Some(_) => Vec::new(),
                None => fitted.roles().ids.clone(),
            },
            ids: self.ids.clone().unwrap_or_default(),
            label: self.label.clone(),
            read_label: true,
            vector: self.vector.clone(),
            row_numbers: drops || keep != Keep::Ids,
            keep,
            ..Selection::default()
        }
    }
}

/// Scores the rows of files into a file. Gives the report as JSON, and what there is to say of the
/// columns.
///
/// `progress` is called after each batch, as that of a fit is.
#[pyfunction]
#[pyo3(signature = (model, inputs, output, chosen, threads, progress=None))]
pub(crate) fn score_files(
    model: &Bound<'_, Model>,
    inputs: Vec<PathBuf>,
    output: PathBuf,
    chosen: Chosen,
    threads: usize,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, Vec<String>)> {
    let py = model.py();
    let model = model.get();
    let selection = chosen.selection(model);
    let (features, rounding) = {
        let fitted = model.read();
        (fitted.features().clone(), fitted.rounding().clone())
    };
    let open = || -> Result<_> {
        let source = Source::open_all(&inputs, &selection, Some(&features))?;
        let source = source.with_rounding(&rounding);
        let label = chosen.label.as_deref();
        let schema = scored::columns(source.id_fields(), label, chosen.explain)?;
        let writer = ScoreWriter::create(&output, schema.clone())?;
        Ok((source, schema, writer))
    };
    let (mut source, schema, mut writer) = guarded(py, open)?.map_err(raised)?;
    let n_rows_hint = source.n_rows_hint().unwrap_or_default();
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    let started = Instant::now();
    let (mut n, mut n_outliers) = (0, 0);
    loop {
        let work = || -> Result<_> {
            let Some(batch) = source.next_batch()? else {
                return Ok(None);
            };
            let fitted = model.read();
            let scores = score(&fitted, &batch)?;
            let scored = scored::assemble(&schema, &fitted, &batch, scores, chosen.explain)?;
            writer.write(&scored.rows)?;
            Ok(Some((scored.rows.num_rows(), scored.n_outliers)))
        };
        let done = guarded(py, || pool.install(work))?.map_err(raised)?;
        let Some((rows, outliers)) = done else {
            break;
        };
        n += rows;
        n_outliers += outliers;
        py.check_signals()?;
        if let Some(progress) = progress {
            let total = n_rows_hint.max(n as u64);
            progress.call1(("scoring", n, total, None::<f64>))?;
        }
    }
    guarded(py, || writer.finish())?.map_err(raised)?;
    let seconds = started.elapsed().as_secs_f64();
    let report = ScoreReport::new(&model.read(), n, n_outliers, seconds);
    let report = ScoreReport {
        output: Some(output.display().to_string()),
        ..report.map_err(raised)?
    };
    let notes = source.notes().all();
    let notes = notes.iter().map(ToString::to_string).collect();
    Ok((to_json(&report)?, notes))
}
