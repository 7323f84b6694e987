//! Outliers by the false-discovery rate, which depends on all rows: they are held until the last.

use anyhow::{Result, bail};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, RecordBatch, UInt8Array};
use qualm::monitor::benjamini_hochberg;
use qualm_data::Error;
use std::sync::Arc;

/// Scored rows, until it is known which are outliers.
#[derive(Debug)]
pub(super) struct Discoveries {
    rate: f64,
    batches: Vec<RecordBatch>,
}

/// Scored rows with the decision.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) batches: Vec<RecordBatch>,
    pub(super) n_outliers: usize,
    /// Rows that score above it are outliers.
    pub(super) threshold: f64,
}

impl Discoveries {
    pub(super) fn new(rate: f64) -> Self {
        Self {
            rate,
            batches: Vec::new(),
        }
    }

    pub(super) fn hold(&mut self, rows: RecordBatch) {
        self.batches.push(rows);
    }

    /// Decides by Benjamini's and Hochberg's method: outliers are the rows whose adjusted p-value is at
    /// most the rate. Those are the ones with the highest scores, since p-values fall as scores rise.
    pub(super) fn decide(self) -> Result<Decided> {
        let mut p_values = Vec::new();
        let mut scores = Vec::new();
        for rows in &self.batches {
            p_values.extend_from_slice(column(rows, "p_value")?);
            scores.extend_from_slice(column(rows, "score")?);
        }
        let adjusted = benjamini_hochberg(&p_values);
        let is_outlier: Vec<u8> = adjusted.iter().map(|p| u8::from(*p <= self.rate)).collect();
        let others = scores
            .iter()
            .zip(&is_outlier)
            .filter(|(_, outlier)| **outlier == 0);
        let threshold = others.map(|(score, _)| *score).fold(f64::MIN, f64::max);
        let mut start = 0;
        let mut batches = Vec::with_capacity(self.batches.len());
        for rows in self.batches {
            let end = start + rows.num_rows();
            let decided = is_outlier.get(start..end).unwrap_or_default();
            start = end;
            batches.push(with_decision(&rows, decided)?);
        }
        Ok(Decided {
            batches,
            n_outliers: is_outlier.iter().map(|outlier| usize::from(*outlier)).sum(),
            threshold,
        })
    }
}

/// A column of numbers of the scored rows.
fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a [f64]> {
    let found = rows
        .column_by_name(name)
        .and_then(|c| c.as_primitive_opt::<Float64Type>());
    match found {
        Some(values) => Ok(values.values()),
        None => bail!("the scored rows have no column {name}"),
    }
}

/// The rows with another column `outlier`.
fn with_decision(rows: &RecordBatch, decided: &[u8]) -> Result<RecordBatch> {
    let schema = rows.schema();
    let fields = schema.fields().iter().zip(rows.columns());
    let columns = fields.map(|(field, column)| -> ArrayRef {
        if field.name() == "outlier" {
            Arc::new(UInt8Array::from(decided.to_vec()))
        } else {
            Arc::clone(column)
        }
    });
    let decided = RecordBatch::try_new(schema.clone(), columns.collect());
    Ok(decided.map_err(|source| Error::Arrow {
        at: qualm::Location::default(),
        source,
    })?)
}
