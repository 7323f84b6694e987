//! The rows with the highest scores.

use arrow_schema::Field;
use qualm::Fitted;
use qualm::reports::MonitorRow;
use qualm_data::Batch;
use serde_json::{Map, Value};

/// Rows that are shown.
const SHOWN: usize = 10;

/// The rows with the highest scores so far, highest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Strangest(Vec<(f64, u64, Vec<String>)>);

impl Strangest {
    /// Takes a row of a batch; `row` is its number in the input, from 1.
    pub(super) fn take(&mut self, batch: &Batch, place: usize, row: u64, score: f64) {
        // Of equal scores the first stay.
        let at = self.0.partition_point(|(other, ..)| *other >= score);
        if at >= SHOWN {
            return;
        }
        self.0.insert(at, (score, row, batch.ids_of(place)));
        self.0.truncate(SHOWN);
    }

    pub(super) fn rows(&self, fields: &[Field], fitted: &Fitted) -> Vec<MonitorRow> {
        let row = |(score, row, ids): &(f64, u64, Vec<String>)| {
            let named = fields.iter().zip(ids);
            let id = named.map(|(field, id)| (field.name().clone(), Value::from(id.as_str())));
            MonitorRow {
                row: *row,
                id: id.collect::<Map<_, _>>(),
                score: *score,
                p_value: fitted.p_value(*score),
            }
        };
        self.0.iter().map(row).collect()
    }
}
