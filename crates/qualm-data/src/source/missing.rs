//! How many more values are missing, after the first.

use arrow_array::Array;
use qualm::Error::NotFinite;

use super::Source;
use crate::error::Error;
use crate::numbers;
use crate::select::Inputs;
use crate::table::Chunk;

impl Source {
    /// The error, with how many more values are missing, or NaN, in the chunk and after it, as far as
    /// that can be told.
    pub(super) fn counted(&mut self, first: Error, chunk: &Chunk) -> Error {
        let is_missing = match &first {
            Error::Missing { .. } => true,
            Error::Core(NotFinite { value, .. }) => value.is_nan(),
            _ => false,
        };
        // Of rows that come one by one the next may be hours away.
        if !is_missing || matches!(self.plan.inputs, Inputs::Vector(_)) {
            return first;
        }
        let mut count = self.missing_in(chunk);
        let mut complete = self.count;
        while complete {
            match self.next_chunk() {
                Ok(Some(chunk)) => {
                    for (n, more) in count.iter_mut().zip(self.missing_in(&chunk)) {
                        *n += more;
                    }
                }
                Ok(None) => break,
                Err(_) => complete = false,
            }
        }
        first.with_more(&count, complete)
    }

    /// How many values are missing, or NaN, in each column.
    fn missing_in(&self, chunk: &Chunk) -> Vec<u64> {
        let columns = self.plan.by_role(&chunk.columns).features;
        if let Some(preparer) = &self.preparer {
            return preparer.count_missing(columns, &chunk.origin);
        }
        let count = |array: &dyn Array| {
            let mut values = vec![0.0; array.len()];
            numbers::write(array, &mut values);
            let nulls = array.logical_nulls();
            let is_missing = |(row, value): (usize, &f64)| {
                value.is_nan() || nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
            };
            values.iter().enumerate().filter(|v| is_missing(*v)).count() as u64
        };
        columns.iter().map(|array| count(array)).collect()
    }
}
