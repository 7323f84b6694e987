//! Files that were scored before: scores and labels, for the metrics.

use std::path::Path;

use super::labels::labels;
use super::numbers;
use super::open::open_table;
use super::select::{Selection, plan};
use super::source::next_filled;
use crate::error::{Error, Location, Result};

/// Reads a scored, labelled file: the scores as float64 and the labels, `(n,)` each.
///
/// # Errors
/// Those of [`super::Source::open`] and [`super::Source::next_batch`].
pub fn read_scores(path: &Path, score: &str, label: &str) -> Result<(Vec<f64>, Vec<bool>)> {
    let at = Location::file(path);
    let selection = Selection {
        columns: vec![score.to_owned()],
        label: Some(label.to_owned()),
        ..Selection::default()
    };
    let mut table = open_table(path)?;
    let plan = plan(table.as_ref(), &selection, None, &at).map_err(|error| match error {
        Error::NoSuchColumn { at, known, .. } if at.column.as_deref() == Some(score) => {
            let role = "the scores (--score)";
            Error::NoSuchColumn { at, role, known }
        }
        other => other,
    })?;
    table.project(&plan.wanted())?;
    let (mut scores, mut truths) = (Vec::new(), Vec::new());
    while let Some(part) = next_filled(table.as_mut())? {
        let [values, label_values] = &part.columns[..] else {
            continue;
        };
        if let Some(row) = numbers::first_null(values) {
            return Err(Error::Missing {
                at: part.at(row).column(score),
            });
        }
        let start = scores.len();
        scores.resize(start + part.n_rows, 0.0);
        let new = scores.get_mut(start..).unwrap_or_default();
        if !numbers::write(values, new) {
            return Err(Error::ColumnType {
                at: at.column(score),
                found: values.data_type().to_string(),
                expected: "numbers, one a row",
            });
        }
        if let Some((row, &value)) = new.iter().enumerate().find(|(_, v)| !f64::is_finite(**v)) {
            return Err(Error::NotFinite {
                at: part.at(row).column(score),
                value,
            });
        }
        truths.extend(labels(label_values, &part, label)?);
    }
    if scores.is_empty() {
        return Err(Error::Empty { at });
    }
    Ok((scores, truths))
}
