//! Rows without their copies.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::data::Rows;

/// The distinct rows among rows, numbered in the order in which they first occur.
#[derive(Debug)]
pub(super) struct Distinct {
    /// `(m, d)`, with 0.0 for -0.0, which equals it.
    pub(super) rows: Vec<f32>,
    /// How many copies there are of each, `(m,)`.
    pub(super) counts: Vec<u32>,
    /// Which of them each of the rows is, `(n,)`.
    pub(super) of: Vec<u32>,
}

impl Distinct {
    /// # Shapes
    /// `rows`: `(n, d)`.
    pub(super) fn new(rows: Rows<'_>) -> Self {
        let d = rows.n_cols();
        // Adding zero turns -0.0 into 0.0, and changes nothing else.
        let mut values: Vec<f32> = rows.as_slice().iter().map(|x| x + 0.0).collect();
        let mut counts: Vec<u32> = Vec::new();
        let mut of = Vec::with_capacity(rows.n_rows());
        let mut firsts = Vec::new();
        let mut numbers: HashMap<&[u8], u32> = HashMap::with_capacity(rows.n_rows());
        for (i, row) in values.chunks_exact(d).enumerate() {
            match numbers.entry(bytemuck::cast_slice(row)) {
                Entry::Occupied(known) => {
                    counts[*known.get() as usize] += 1;
                    of.push(*known.get());
                }
                Entry::Vacant(new) => {
                    of.push(*new.insert(counts.len() as u32));
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
            of,
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
        assert_eq!(distinct.of, [0, 1, 0, 1, 2, 0]);
    }
}
