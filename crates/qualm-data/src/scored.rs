//! The table of scored rows: what the command line writes and what streams of batches become.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt8Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use qualm::calibrate::Calibration;
use qualm::ood::OodFitted;
use qualm::{Fitted, Location};

use crate::activations::ActivationBatch;
use crate::batch::Batch;
use crate::error::{Error, Result};

/// Its columns: the ids, the label if there is one, `score`, `p_value` and `outlier`, and twice
/// `explain` columns that explain the score.
///
/// # Errors
/// [`Error::OutputTwice`] when two would bear one name.
pub fn columns(ids: Vec<Field>, label: Option<&str>, explain: usize) -> Result<SchemaRef> {
    let mut fields = ids;
    fields.extend(label.map(|label| Field::new(label, DataType::UInt8, false)));
    fields.push(Field::new("score", DataType::Float64, false));
    fields.push(Field::new("p_value", DataType::Float64, false));
    fields.push(Field::new("outlier", DataType::UInt8, false));
    for k in 1..=explain {
        let (name, share) = (format!("explain_{k}"), format!("explain_{k}_share"));
        fields.push(Field::new(name, DataType::Utf8, false));
        fields.push(Field::new(share, DataType::Float64, false));
    }
    for (i, field) in fields.iter().enumerate() {
        if fields[..i].iter().any(|other| other.name() == field.name()) {
            return Err(Error::OutputTwice {
                column: field.name().clone(),
            });
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Rows of it.
#[derive(Debug)]
pub struct Scored {
    /// The table.
    pub rows: RecordBatch,
    /// How many of its rows lie above the model's threshold.
    pub n_outliers: usize,
}

/// Rows of the table of these [`columns`], from the scores of a batch.
///
/// `explain` is as for [`columns`].
///
/// # Shapes
/// `batch`: n rows; `scores`: `(n,)`.
///
/// # Errors
/// [`Error::Arrow`] when the batch is not of these columns, and as [`Fitted::explain`].
pub fn assemble(
    schema: &SchemaRef,
    fitted: &Fitted,
    batch: &Batch,
    scores: Vec<f64>,
    explain: usize,
) -> Result<Scored> {
    let beside = Beside {
        ids: &batch.ids,
        labels: batch.labels.as_deref(),
    };
    let (mut columns, n_outliers) =
        decided(fitted.calibration(), fitted.threshold()?, beside, scores);
    if explain > 0 {
        let explained = fitted.explain(batch.rows.rows(), explain);
        let explained = explained.map_err(|error| batch.origin.locate(error))?;
        for k in 0..explain {
            let parts = || explained.iter().filter_map(|row| row.get(k));
            let names = parts().map(|c| fitted.features().name(c.feature));
            let shares = parts().map(|c| c.share);
            columns.push(Arc::new(StringArray::from_iter_values(names)) as ArrayRef);
            columns.push(Arc::new(Float64Array::from_iter_values(shares)));
        }
    }
    table(schema, columns, n_outliers)
}

/// The same for a batch of a classifier's activations, without explanations.
///
/// # Shapes
/// `batch`: n items; `scores`: `(n,)`.
///
/// # Errors
/// [`Error::Arrow`] when the batch is not of these columns.
pub fn assemble_activations(
    schema: &SchemaRef,
    fitted: &OodFitted,
    batch: &ActivationBatch,
    scores: Vec<f64>,
) -> Result<Scored> {
    let beside = Beside {
        ids: &batch.ids,
        labels: batch.labels.as_deref(),
    };
    let (columns, n_outliers) = decided(fitted.calibration(), fitted.threshold()?, beside, scores);
    table(schema, columns, n_outliers)
}

/// What stands beside the scores.
#[derive(Clone, Copy)]
struct Beside<'a> {
    ids: &'a [ArrayRef],
    labels: Option<&'a [bool]>,
}

/// All columns but those that explain, and how many rows are above the threshold.
fn decided(
    calibration: &Calibration,
    threshold: f64,
    beside: Beside<'_>,
    scores: Vec<f64>,
) -> (Vec<ArrayRef>, usize) {
    let outliers: Vec<u8> = scores.iter().map(|s| u8::from(*s > threshold)).collect();
    let n_outliers = outliers.iter().copied().map(usize::from).sum();
    let mut columns = beside.ids.to_vec();
    if let Some(labels) = beside.labels {
        let labels = labels.iter().map(|l| Some(u8::from(*l)));
        columns.push(Arc::new(labels.collect::<UInt8Array>()));
    }
    let p_values = calibration.p_values(&scores);
    columns.push(Arc::new(Float64Array::from(scores)));
    columns.push(Arc::new(Float64Array::from(p_values)));
    columns.push(Arc::new(UInt8Array::from(outliers)));
    (columns, n_outliers)
}

fn table(schema: &SchemaRef, columns: Vec<ArrayRef>, n_outliers: usize) -> Result<Scored> {
    let rows = RecordBatch::try_new(schema.clone(), columns);
    let rows = rows.map_err(|source| Error::Arrow {
        at: Location::default(),
        source,
    })?;
    Ok(Scored { rows, n_outliers })
}
