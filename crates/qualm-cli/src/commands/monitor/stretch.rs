//! Some rows of a stream that follow each other: what an alarm says of them.

use anyhow::Result;
use arrow_schema::Field;
use qualm::Fitted;
use qualm::monitor::ColumnMoments;
use qualm::reports::{MonitorColumn, MonitorRow, MonitorStretch};
use qualm_data::{Batch, time_text};

use super::input::Reference;
use super::strangest::Strangest;

/// Columns that are shown.
const SHOWN: usize = 10;

/// Rows of a stream between two of them.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    /// The numbers of the first and the last row in the input, from 1.
    rows: Option<(u64, u64)>,
    n: u64,
    /// Their times.
    times: Option<(i64, i64)>,
    columns: ColumnMoments,
    strangest: Strangest,
}

/// What an alarm says of its rows.
#[derive(Debug, Default)]
pub(super) struct Details {
    pub(super) stretch: Option<MonitorStretch>,
    pub(super) columns: Vec<MonitorColumn>,
    pub(super) strangest: Vec<MonitorRow>,
}

/// A row of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Its place in the batch, from 0.
    pub(super) place: usize,
    /// Its number in the input, from 1.
    pub(super) number: u64,
    pub(super) score: f64,
    pub(super) time: Option<i64>,
}

impl Stretch {
    pub(super) fn new(n_cols: usize) -> Self {
        Self {
            rows: None,
            n: 0,
            times: None,
            columns: ColumnMoments::new(n_cols),
            strangest: Strangest::default(),
        }
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self, n_cols: usize) {
        if self.n > 0 {
            *self = Self::new(n_cols);
        }
    }

    pub(super) fn take(&mut self, batch: &Batch, row: Row) {
        let first = self.rows.map_or(row.number, |(first, _)| first);
        self.rows = Some((first, row.number));
        if let Some(time) = row.time {
            self.times = Some((self.times.map_or(time, |(first, _)| first), time));
        }
        self.n += 1;
        self.strangest.take(batch, row.place, row.number, row.score);
        if let Some(values) = batch.rows.rows().slice(row.place..row.place + 1) {
            self.columns.add(values);
        }
    }

    /// The numbers of the first and the last row.
    pub(super) fn rows(&self) -> (u64, u64) {
        self.rows.unwrap_or_default()
    }

    /// The columns of these rows that moved most, where the reference's are known, and the strangest rows.
    pub(super) fn details(
        &self,
        fields: &[Field],
        fitted: &Fitted,
        reference: &Reference,
    ) -> Result<Details> {
        let shifts = reference
            .columns
            .as_ref()
            .map(|columns| columns.shifts(&self.columns));
        let columns = shifts.into_iter().flatten().take(SHOWN);
        let columns = columns.map(|shift| MonitorColumn {
            column: fitted.features().name(shift.column),
            reference_mean: shift.reference_mean,
            mean: shift.mean,
            cohens_d: shift.cohens_d,
            p: shift.p,
        });
        let stretch = self.rows.map(|(first_row, last_row)| MonitorStretch {
            first_row,
            last_row,
            n: self.n,
            first_time: self.times.map(|(first, _)| time_text(first)),
            last_time: self.times.map(|(_, last)| time_text(last)),
        });
        Ok(Details {
            stretch,
            columns: columns.collect(),
            strangest: self.strangest.rows(fields, fitted)?,
        })
    }
}
