//! The table of scored rows that `score` and `fit --scores` write.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt8Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use qualm::Fitted;
use qualm::data::Batch;

/// Its columns: the ids, the label if there is one, the scores, the explanations.
pub(super) fn columns(ids: Vec<Field>, label: Option<&str>, explain: usize) -> Result<SchemaRef> {
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
            bail!(
                "column '{}' would stand twice in the output; rename it in the input or leave it out of --id and --label",
                field.name()
            );
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Rows of it.
#[derive(Debug)]
pub(super) struct Scored {
    pub(super) rows: RecordBatch,
    pub(super) n_outliers: usize,
}

/// Rows of the table of these [`columns`], from the scores of a batch.
///
/// `explain` is how many of the columns explain each score.
pub(super) fn assemble(
    schema: &SchemaRef,
    fitted: &Fitted,
    batch: &Batch,
    scores: Vec<f64>,
    explain: usize,
) -> Result<Scored> {
    let threshold = fitted.threshold()?;
    let outliers: Vec<u8> = scores.iter().map(|s| u8::from(*s > threshold)).collect();
    let n_outliers = outliers.iter().copied().map(usize::from).sum();
    let mut columns = batch.ids.clone();
    if let Some(labels) = &batch.labels {
        let labels = labels.iter().map(|l| Some(u8::from(*l)));
        columns.push(Arc::new(labels.collect::<UInt8Array>()));
    }
    let p_values = fitted.calibration().p_values(&scores);
    columns.push(Arc::new(Float64Array::from(scores)));
    columns.push(Arc::new(Float64Array::from(p_values)));
    columns.push(Arc::new(UInt8Array::from(outliers)));
    if explain > 0 {
        let explained = fitted.explain(batch.rows.rows(), explain)?;
        for k in 0..explain {
            let parts = || explained.iter().filter_map(|row| row.get(k));
            let names = parts().map(|c| fitted.features().name(c.feature));
            let shares = parts().map(|c| c.share);
            columns.push(Arc::new(StringArray::from_iter_values(names)) as ArrayRef);
            columns.push(Arc::new(Float64Array::from_iter_values(shares)));
        }
    }
    let rows =
        RecordBatch::try_new(schema.clone(), columns).context("cannot assemble the scores")?;
    Ok(Scored { rows, n_outliers })
}
