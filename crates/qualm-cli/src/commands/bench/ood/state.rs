//! The rows of the bench: those that are there already, and the table that they become.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{Field, Schema};
use qualm::Location;
use qualm::reports::{OodBenchRow, OodGroup, OodNetworkKind};
use qualm_data::{Error, ScoreWriter};

use super::super::unfinished::Unfinished;
use crate::interrupt;
use crate::output;

/// What has been measured, kept from one set to the next.
pub(super) type State = Unfinished<OodBenchRow>;

/// The rows that there are, in words.
pub(super) fn done(state: &State) -> String {
    output::counted(state.rows().len() as u64, "row")
}

/// Whether a detector over a network has been measured on a set.
pub(super) fn has(
    state: &State,
    (kind, network): (OodNetworkKind, &str),
    detector: &str,
    out: &str,
) -> bool {
    let mut cells = state.rows().iter().map(|row| &row.cell);
    cells.any(|cell| {
        (cell.kind, cell.network.as_str()) == (kind, network)
            && cell.detector == detector
            && cell.out == out
    })
}

/// The accuracy of a classifier, where it has been measured.
pub(super) fn accuracy(state: &State, (kind, network): (OodNetworkKind, &str)) -> Option<f64> {
    let cells = state.rows().iter().map(|row| &row.cell);
    let mut own = cells.filter(|cell| (cell.kind, cell.network.as_str()) == (kind, network));
    own.find_map(|cell| cell.accuracy)
}

/// Writes rows as a table.
pub(super) fn write(rows: &[OodBenchRow], path: &Path) -> Result<()> {
    let text = |name: &str, of: fn(&OodBenchRow) -> &str| -> (Field, ArrayRef) {
        let values = StringArray::from_iter_values(rows.iter().map(of));
        column(name, Arc::new(values), false)
    };
    let count = |name: &str, of: fn(&OodBenchRow) -> Option<u64>| -> (Field, ArrayRef) {
        let values: UInt64Array = rows.iter().map(of).collect();
        column(name, Arc::new(values), true)
    };
    let number = |name: &str, of: fn(&OodBenchRow) -> f64| -> (Field, ArrayRef) {
        let values = Float64Array::from_iter_values(rows.iter().map(of));
        column(name, Arc::new(values), false)
    };
    let groups = rows.iter().map(|row| row.cell.group.map(OodGroup::name));
    let groups: StringArray = groups.collect();
    let accuracies: Float64Array = rows.iter().map(|row| row.cell.accuracy).collect();
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = [
        text("network", |row| &row.cell.network),
        text("kind", |row| row.cell.kind.name()),
        text("detector", |row| &row.cell.detector),
        text("out", |row| &row.cell.out),
        column("group", Arc::new(groups), true),
        column("accuracy", Arc::new(accuracies), true),
        count("n_fitted", |row| row.cell.n_fitted),
        count("n_in", |row| Some(row.cell.n_in)),
        count("n_out", |row| Some(row.cell.n_out)),
        number("auroc", |row| row.auroc),
        number("auroc_ci_low", |row| row.auroc_ci_low),
        number("auroc_ci_high", |row| row.auroc_ci_high),
        number("fpr95", |row| row.fpr95),
        number("fpr95_ci_low", |row| row.fpr95_ci_low),
        number("fpr95_ci_high", |row| row.fpr95_ci_high),
        number("aupr_in", |row| row.aupr_in),
        number("aupr_in_ci_low", |row| row.aupr_in_ci_low),
        number("aupr_in_ci_high", |row| row.aupr_in_ci_high),
        number("aupr_out", |row| row.aupr_out),
        number("aupr_out_ci_low", |row| row.aupr_out_ci_low),
        number("aupr_out_ci_high", |row| row.aupr_out_ci_high),
    ]
    .into_iter()
    .unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns).map_err(|source| Error::Arrow {
        at: Location::file(path),
        source,
    })?;
    let mut writer = ScoreWriter::create(path, schema)?;
    interrupt::remove_on_exit(writer.temporary());
    writer.write(&batch)?;
    Ok(writer.finish()?)
}

/// A column of its values' type.
fn column(name: &str, values: ArrayRef, nullable: bool) -> (Field, ArrayRef) {
    (
        Field::new(name, values.data_type().clone(), nullable),
        values,
    )
}
