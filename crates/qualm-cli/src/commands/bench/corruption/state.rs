//! The rows of the bench: those that are there already, and the table that they become.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt8Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use qualm::Location;
use qualm::reports::CorruptionRow;
use qualm_data::{Error, ScoreWriter};

use super::super::unfinished::Unfinished;
use crate::interrupt;
use crate::output;

/// What has been measured, kept from one corruption to the next.
pub(super) type State = Unfinished<CorruptionRow>;

/// Corruptions that have been measured, the clean images not among them, in words.
pub(super) fn done(state: &State) -> String {
    let rows = state.rows().iter();
    let mut names: Vec<&str> = rows.map(|row| row.corruption.as_str()).collect();
    names.dedup();
    output::counted(names.len().saturating_sub(1) as u64, "corruption")
}

/// Whether a corruption has been measured.
pub(super) fn has(state: &State, corruption: &str) -> bool {
    let mut rows = state.rows().iter();
    rows.any(|row| row.corruption == corruption)
}

/// Writes rows as a table.
pub(super) fn write(rows: &[CorruptionRow], path: &Path) -> Result<()> {
    let text = |of: fn(&CorruptionRow) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    };
    let count = |of: fn(&CorruptionRow) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(of)))
    };
    let number = |of: fn(&CorruptionRow) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float64Array>())
    };
    let severities: UInt8Array = rows.iter().map(|row| row.severity).collect();
    let columns: Vec<(&str, DataType, bool, ArrayRef)> = vec![
        ("corruption", DataType::Utf8, false, text(|r| &r.corruption)),
        ("severity", DataType::UInt8, true, Arc::new(severities)),
        ("detector", DataType::Utf8, false, text(|r| &r.detector)),
        (
            "n_reference",
            DataType::UInt64,
            false,
            count(|r| r.n_reference),
        ),
        ("n", DataType::UInt64, false, count(|r| r.n)),
        ("t", DataType::Float64, true, number(|r| r.t)),
        ("degrees", DataType::Float64, true, number(|r| r.degrees)),
        ("p", DataType::Float64, true, number(|r| r.p)),
        ("log10_p", DataType::Float64, true, number(|r| r.log10_p)),
        ("cohens_d", DataType::Float64, true, number(|r| r.cohens_d)),
        ("auroc", DataType::Float64, true, number(|r| Some(r.auroc))),
        (
            "auroc_ci_low",
            DataType::Float64,
            true,
            number(|r| Some(r.auroc_ci_low)),
        ),
        (
            "auroc_ci_high",
            DataType::Float64,
            true,
            number(|r| Some(r.auroc_ci_high)),
        ),
    ];
    let fields = columns.iter();
    let fields = fields.map(|(name, kind, null, _)| Field::new(*name, kind.clone(), *null));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(.., column)| column).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).map_err(|source| Error::Arrow {
        at: Location::file(path),
        source,
    })?;
    let mut writer = ScoreWriter::create(path, schema)?;
    interrupt::remove_on_exit(writer.temporary());
    writer.write(&batch)?;
    Ok(writer.finish()?)
}
