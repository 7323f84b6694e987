//! Reads files that were scored before: scores and labels, for the metrics.

use std::path::Path;

use qualm::Location;

use crate::csv::TextOptions;
use crate::error::{Error, Result};
use crate::labels::labels;
use crate::numbers;
use crate::open::open_tables;
use crate::role::Role;
use crate::select::{Selection, plan};
use crate::type_words::TypeWords;

/// Reads a scored, labelled file: the scores as float64 and the labels, `(n,)` each. `positive` is the
/// label of outliers, if it is no 1.
///
/// # Errors
/// Those of [`crate::Source::open`], and of its [`crate::Batches::next_batch`].
pub fn read_scores(
    path: &Path,
    score: &str,
    label: &str,
    positive: Option<&str>,
) -> Result<(Vec<f64>, Vec<bool>)> {
    let at = Location::file(path);
    let selection = Selection {
        columns: vec![score.to_owned()],
        label: Some(label.to_owned()),
        ..Selection::default()
    };
    let mut table = open_tables(&[path.to_owned()], &TextOptions::default())?.0;
    let plan = plan(table.as_ref(), &selection, None, &at).map_err(|error| match error {
        Error::NoSuchColumn { at, known, .. } if at.column.as_deref() == Some(score) => {
            let role = Role::Scores;
            Error::NoSuchColumn { at, role, known }
        }
        other => other,
    })?;
    table.project(&plan.projection())?;
    let (mut scores, mut truths) = (Vec::new(), Vec::new());
    while let Some(chunk) = table.next_filled()? {
        let by_role = plan.by_role(&chunk.columns);
        let ([values], Some(label_values)) = (by_role.features, by_role.label) else {
            continue;
        };
        if let Some(row) = numbers::first_null(values) {
            return Err(Error::Missing {
                at: chunk.origin.at(row).column(score),
            });
        }
        let start = scores.len();
        scores.resize(start + chunk.n_rows, 0.0);
        let new = scores.get_mut(start..).unwrap_or_default();
        if !numbers::write(values, new) {
            return Err(Error::ColumnType {
                at: at.column(score),
                role: Role::Scores,
                found: TypeWords(values.data_type()).to_string().into(),
                expected: "numbers, one a row",
            });
        }
        if let Some((row, &value)) = new.iter().enumerate().find(|(_, v)| !f64::is_finite(**v)) {
            return Err(qualm::Error::NotFinite {
                at: chunk.origin.at(row).column(score),
                value,
            }
            .into());
        }
        truths.extend(labels(label_values, &chunk.origin, label, positive)?);
    }
    if scores.is_empty() {
        return Err(qualm::Error::Empty { at }.into());
    }
    Ok((scores, truths))
}
