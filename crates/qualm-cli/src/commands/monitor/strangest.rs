//! The rows with the highest scores.

use anyhow::Result;
use arrow_schema::Field;
use qualm::reports::{MonitorRow, MonitorShare};
use qualm::{Fitted, Matrix};
use qualm_data::Batch;
use serde_json::{Map, Value};

/// Rows that are shown.
const SHOWN: usize = 10;
/// Features that explain each score.
const EXPLAINED: usize = 3;

/// The rows with the highest scores so far, highest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Strangest(Vec<Strange>);

#[derive(Debug, Clone)]
struct Strange {
    score: f64,
    /// Its number in the input, from 1.
    row: u64,
    ids: Vec<String>,
    /// Its features.
    values: Vec<f32>,
}

impl Strangest {
    /// Takes a row of a batch; `row` is its number in the input, from 1.
    pub(super) fn take(&mut self, batch: &Batch, place: usize, row: u64, score: f64) {
        // Of equal scores the first stay.
        let at = self.0.partition_point(|other| other.score >= score);
        if at >= SHOWN {
            return;
        }
        let values = batch.rows.rows().slice(place..place + 1);
        let strange = Strange {
            score,
            row,
            ids: batch.ids_of(place),
            values: values
                .map(|row| row.as_slice().to_vec())
                .unwrap_or_default(),
        };
        self.0.insert(at, strange);
        self.0.truncate(SHOWN);
    }

    /// The rows with their ids, p-values and explanations.
    pub(super) fn rows(&self, fields: &[Field], fitted: &Fitted) -> Result<Vec<MonitorRow>> {
        let explanations = self.explain(fitted)?;
        let row = |(strange, explanation): (&Strange, Vec<MonitorShare>)| {
            let named = fields.iter().zip(&strange.ids);
            let id = named.map(|(field, id)| (field.name().clone(), Value::from(id.as_str())));
            MonitorRow {
                row: strange.row,
                id: id.collect::<Map<_, _>>(),
                score: strange.score,
                p_value: fitted.p_value(strange.score),
                explanation,
            }
        };
        Ok(self.0.iter().zip(explanations).map(row).collect())
    }

    fn explain(&self, fitted: &Fitted) -> Result<Vec<Vec<MonitorShare>>> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let n_cols = fitted.n_features();
        let values = self.0.iter().flat_map(|strange| &strange.values);
        let rows = Matrix::new(values.copied().collect(), n_cols)?;
        let rows = rows.with_rounding(fitted.rounding());
        let explained = fitted.explain(rows.rows(), EXPLAINED.min(n_cols))?;
        let shares = explained.into_iter().map(|parts| {
            let shares = parts.into_iter().map(|part| MonitorShare {
                feature: fitted.features().name(part.feature),
                share: part.share,
            });
            shares.filter(|part| part.share > 0.0).collect()
        });
        Ok(shares.collect())
    }
}
