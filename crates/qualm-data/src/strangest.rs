//! The strangest rows of an input, whatever its length, in the memory of a few.

use arrow_array::{RecordBatch, UInt64Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;
use qualm::{Fitted, Location};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::scored;

/// The rows with the highest scores so far; of equal ones the first.
#[derive(Debug)]
pub struct Strangest {
    n: usize,
    /// In the order of the input.
    batch: Option<Batch>,
    scores: Vec<f64>,
}

impl Strangest {
    /// That of so many rows.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self {
            n,
            batch: None,
            scores: Vec::new(),
        }
    }

    /// Looks at the next rows.
    ///
    /// # Shapes
    /// `batch`: n rows; `scores`: `(n,)`.
    ///
    /// # Errors
    /// [`Error::Arrow`] for ids that cannot be picked from.
    pub fn add(&mut self, batch: &Batch, scores: &[f64]) -> Result<()> {
        let least = self.scores.iter().copied().fold(f64::INFINITY, f64::min);
        let is_full = self.scores.len() >= self.n;
        let picked = scores.iter().enumerate();
        let picked = picked.filter(|(_, score)| !is_full || **score > least);
        let picked: Vec<usize> = best(picked.map(|(i, s)| (i, *s)).collect(), self.n);
        if picked.is_empty() {
            return Ok(());
        }
        let new = batch.pick(&picked)?;
        self.scores
            .extend(picked.iter().filter_map(|&i| scores.get(i)));
        let all = match self.batch.take() {
            Some(before) => Batch::join(vec![before, new])?,
            None => Some(new),
        };
        let scored = self.scores.iter().copied().enumerate().collect();
        let kept = best(scored, self.n);
        self.scores = kept
            .iter()
            .filter_map(|&i| self.scores.get(i))
            .copied()
            .collect();
        self.batch = all.map(|all| all.pick(&kept)).transpose()?;
        Ok(())
    }

    /// Their table ([`scored::columns`]), the strangest first; nothing where there was no row.
    ///
    /// # Errors
    /// As [`scored::assemble`].
    pub fn table(
        self,
        schema: &SchemaRef,
        fitted: &Fitted,
        explain: usize,
    ) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.batch else {
            return Ok(None);
        };
        let mut order: Vec<usize> = (0..self.scores.len()).collect();
        let score = |i: &usize| self.scores.get(*i).copied().unwrap_or(f64::NEG_INFINITY);
        order.sort_by(|a, b| score(b).total_cmp(&score(a)));
        let order: UInt64Array = order.into_iter().map(|i| Some(i as u64)).collect();
        let table = scored::assemble(schema, fitted, &batch, self.scores, explain)?;
        let sorted = take_record_batch(&table.rows, &order).map_err(|source| Error::Arrow {
            at: Location::default(),
            source,
        })?;
        Ok(Some(sorted))
    }
}

/// The places of the `n` highest scores, ascending; of equal ones the first.
fn best(mut scored: Vec<(usize, f64)>, n: usize) -> Vec<usize> {
    if scored.len() > n {
        scored.sort_by(|(i, a), (j, b)| b.total_cmp(a).then(i.cmp(j)));
        scored.truncate(n);
    }
    let mut places: Vec<usize> = scored.into_iter().map(|(i, _)| i).collect();
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use qualm::{Matrix, Spec};

    use crate::origin::Origin;

    #[test]
    fn the_highest_scores_are_kept_in_any_cut_of_the_input() {
        let score = |i: usize| ((i * 7919) % 101) as f64;
        let rows = |from: usize, to: usize| Batch {
            rows: Matrix::new((from..to).map(|i| score(i) as f32).collect(), 1).unwrap(),
            ids: Vec::new(),
            labels: None,
            origin: Origin::memory(from),
        };
        let mut expected: Vec<usize> = (0..200).collect();
        expected.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
        expected.truncate(7);
        let spec = Spec::preset("knn", "default").unwrap();
        let fitted = spec.fit(rows(0, 200).rows.rows(), 0, &mut ()).unwrap();
        let schema = scored::columns(Vec::new(), None, 0).unwrap();
        for step in [1, 3, 50, 200] {
            let mut strangest = Strangest::new(7);
            for from in (0..200).step_by(step) {
                let to = (from + step).min(200);
                let scores: Vec<f64> = (from..to).map(score).collect();
                strangest.add(&rows(from, to), &scores).unwrap();
            }
            let batch = strangest.batch.as_ref().unwrap();
            let mut found: Vec<usize> = (0..7)
                .map(|i| batch.origin.at(i).row.unwrap() - 1)
                .collect();
            found.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
            assert_eq!(found, expected);
            let table = strangest.table(&schema, &fitted, 0).unwrap().unwrap();
            let scores = table.column_by_name("score").unwrap();
            let scores =
                arrow_array::cast::as_primitive_array::<arrow_array::types::Float64Type>(scores);
            let scores: Vec<f64> = scores.values().to_vec();
            assert_eq!(
                scores,
                expected.iter().map(|i| score(*i)).collect::<Vec<_>>()
            );
        }
    }
}
