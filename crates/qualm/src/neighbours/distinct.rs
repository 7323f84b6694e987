//! The distinct rows among rows.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher, Hash, Hasher};

use rayon::prelude::*;

use crate::rows::Rows;

/// A row with its hash, which is computed beforehand, in parallel.
#[derive(Debug, PartialEq, Eq)]
struct Key<'a> {
    hash: u64,
    bytes: &'a [u8],
}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The distinct rows among rows, numbered in the order in which they first occur.
#[derive(Debug)]
pub(super) struct Distinct {
    /// `(m, d)`, with 0.0 for -0.0, which equals it.
    pub(super) rows: Vec<f32>,
    /// How many copies there are of each, `(m,)`.
    pub(super) counts: Vec<u32>,
    /// Which of them each of the rows is, `(n,)`.
    pub(super) numbers: Vec<u32>,
}

impl Distinct {
    /// # Shapes
    /// `rows`: `(n, d)`.
    pub(super) fn new(rows: Rows<'_>) -> Self {
        let d = rows.n_cols();
        // Adding zero turns -0.0 into 0.0, and changes nothing else.
        let values = rows.as_slice().par_iter();
        let mut values: Vec<f32> = values.map(|x| x + 0.0).collect();
        let state = RandomState::new();
        let keys = values.par_chunks_exact(d).map(|row| {
            let bytes = bytemuck::cast_slice(row);
            let hash = state.hash_one::<&[u8]>(bytes);
            Key { hash, bytes }
        });
        let keys: Vec<Key<'_>> = keys.collect();
        let mut counts: Vec<u32> = Vec::new();
        let mut each = Vec::with_capacity(rows.n_rows());
        let mut firsts = Vec::new();
        let mut numbers: HashMap<Key<'_>, u32> = HashMap::with_capacity(rows.n_rows());
        for (i, key) in keys.into_iter().enumerate() {
            match numbers.entry(key) {
                Entry::Occupied(known) => {
                    counts[*known.get() as usize] += 1;
                    each.push(*known.get());
                }
                Entry::Vacant(new) => {
                    each.push(*new.insert(counts.len() as u32));
                    counts.push(1);
                    firsts.push(i);
                }
            }
        }
        drop(numbers);
        for (to, from) in firsts.iter().enumerate() {
            values.copy_within(from * d..(from + 1) * d, to * d);
        }
        values.truncate(firsts.len() * d);
        Self {
            rows: values,
            counts,
            numbers: each,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_in_the_order_of_the_first() {
        let data = [1.0, 2.0, 0.0, 5.0, 1.0, 2.0, -0.0, 5.0, 3.0, 3.0, 1.0, 2.0];
        let distinct = Distinct::new(Rows::new(&data, 2).unwrap());
        assert_eq!(distinct.rows, [1.0, 2.0, 0.0, 5.0, 3.0, 3.0]);
        assert_eq!(distinct.counts, [3, 2, 1]);
        assert_eq!(distinct.numbers, [0, 1, 0, 1, 2, 0]);
    }
}
