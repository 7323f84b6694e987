//! Scores of the rows of an input, with row numbers of the input in what goes wrong.

use qualm::ood::OodFitted;
use qualm::{Fitted, Rows};

use crate::activations::ActivationBatch;
use crate::batch::Batch;
use crate::error::Result;
use crate::origin::Origin;

/// Scores the rows of a batch, `(n,)`.
///
/// # Errors
/// Those of [`Fitted::score`]; a score that is not finite is named by file and row.
pub fn score(fitted: &Fitted, batch: &Batch) -> Result<Vec<f64>> {
    let rows = batch.rows.rows();
    let mut scores = vec![0.0; rows.n_rows()];
    score_into(fitted, rows, &batch.origin, &mut scores)?;
    Ok(scores)
}

/// Scores rows whose place in the input is known.
///
/// # Shapes
/// `rows`: `(n, d)`; `scores`: `(n,)`.
///
/// # Errors
/// As [`score`].
pub fn score_into(
    fitted: &Fitted,
    rows: Rows<'_>,
    origin: &Origin,
    scores: &mut [f64],
) -> Result<()> {
    let scored = fitted.score_into(rows, scores);
    Ok(scored.map_err(|error| origin.locate(error))?)
}

/// Scores the items of a batch by an out-of-distribution detector, `(n,)`.
///
/// # Errors
/// Those of [`OodFitted::score`]; a score that is not finite is named by file and row.
pub fn score_activations(fitted: &OodFitted, batch: &ActivationBatch) -> Result<Vec<f64>> {
    let scored = fitted.score(&batch.activations());
    Ok(scored.map_err(|error| batch.origin.locate(error))?)
}
