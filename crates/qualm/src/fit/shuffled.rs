//! Batches of rows in an order that is drawn anew for every epoch.

use rand::seq::SliceRandom;

use crate::rng::{Purpose, stream};

/// Rows in an order that is drawn anew for every epoch, and handed out a batch a step. Rows
/// that do not fill a last batch wait for another epoch.
#[derive(Debug)]
pub struct Shuffled {
    batch_rows: usize,
    steps_per_epoch: u64,
    order: Vec<usize>,
    /// The epoch that `order` belongs to.
    epoch: Option<u64>,
}

impl Shuffled {
    /// Of so many rows, at least one batch.
    #[must_use]
    pub fn new(n_rows: usize, batch_rows: usize) -> Self {
        Self {
            batch_rows,
            steps_per_epoch: (n_rows / batch_rows) as u64,
            order: (0..n_rows).collect(),
            epoch: None,
        }
    }

    /// The row numbers of a step, counted from 0: a function of seed, member and step alone.
    pub fn batch(&mut self, seed: u64, member: usize, step: u64) -> &[usize] {
        let epoch = step / self.steps_per_epoch;
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            // From the same order each time: a training may be resumed at any step.
            let n_rows = self.order.len();
            self.order.clear();
            self.order.extend(0..n_rows);
            let mut rng = stream(seed, Purpose::BATCH, [member as u64, epoch]);
            self.order.shuffle(&mut rng);
        }
        let start = (step % self.steps_per_epoch) as usize * self.batch_rows;
        &self.order[start..start + self.batch_rows]
    }
}
