//! Columns of the kernel matrix over the solver's active rows: a cache of the most recently used.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::kernel::{POINTS, Panels};

/// Values that are kept, at most: 1 GiB.
pub(super) const BUDGET: usize = 1 << 28;

/// A kept column.
#[derive(Debug)]
struct Column {
    values: Vec<f32>,
    /// How many cuts had been made when it was computed or last used.
    generation: usize,
    /// When it was last used.
    used: u64,
}

/// The columns, by the row that they belong to.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    /// All vectors, `(n, d)`.
    vectors: &'a [f32],
    d: usize,
    /// The vectors of the active rows.
    active: Panels,
    kept: Vec<Option<Column>>,
    /// The rows by the time of their last use; the first is dropped next.
    order: BTreeMap<u64, usize>,
    clock: u64,
    values: usize,
    budget: usize,
    /// The places that were left by each cut.
    cuts: Vec<Vec<u32>>,
}

impl<'a> Columns<'a> {
    /// Columns over all rows.
    pub(super) fn new(vectors: &'a [f32], d: usize) -> Self {
        let active = Panels::new(vectors.chunks_exact(d), d);
        let n = active.len();
        Self {
            vectors,
            d,
            active,
            kept: (0..n).map(|_| None).collect(),
            order: BTreeMap::new(),
            clock: 0,
            values: 0,
            budget: BUDGET,
            cuts: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn with_budget(mut self, values: usize) -> Self {
        self.budget = values;
        self
    }

    /// The vector of a row.
    pub(super) fn vector(&self, row: usize) -> &'a [f32] {
        &self.vectors[row * self.d..(row + 1) * self.d]
    }

    /// Number of rows, active or not.
    pub(super) fn n_rows(&self) -> usize {
        self.kept.len()
    }

    /// Width of the vectors.
    pub(super) fn n_features(&self) -> usize {
        self.d
    }

    /// The columns of two rows.
    pub(super) fn pair(&mut self, i: usize, j: usize) -> (&[f32], &[f32]) {
        self.fetch(i);
        self.fetch(j);
        (self.column(i), self.column(j))
    }

    /// The column of a row.
    pub(super) fn one(&mut self, i: usize) -> &[f32] {
        self.fetch(i);
        self.column(i)
    }

    fn column(&self, row: usize) -> &[f32] {
        let column = self.kept.get(row).and_then(Option::as_ref);
        column.map_or(&[], |column| column.values.as_slice())
    }

    /// Computes a column, or brings the one that is kept up to date.
    fn fetch(&mut self, row: usize) {
        let Some(mut column) = self.take(row) else {
            let values = self.active.kernel(self.vector(row));
            self.keep(row, values);
            return;
        };
        for cut in self.cuts.iter().skip(column.generation) {
            // In place: a value only ever moves to the front.
            for (to, from) in cut.iter().enumerate() {
                column.values[to] = column.values[*from as usize];
            }
            column.values.truncate(cut.len());
        }
        if column.generation < self.cuts.len() {
            column.values.shrink_to_fit();
        }
        self.keep(row, column.values);
    }

    fn take(&mut self, row: usize) -> Option<Column> {
        let column = self.kept.get_mut(row).and_then(Option::take)?;
        self.order.remove(&column.used);
        self.values -= column.values.len();
        Some(column)
    }

    /// Keeps a column, and drops the least recently used while there are too many values, but
    /// never the last two.
    fn keep(&mut self, row: usize, values: Vec<f32>) {
        self.clock += 1;
        self.values += values.len();
        self.order.insert(self.clock, row);
        self.kept[row] = Some(Column {
            values,
            generation: self.cuts.len(),
            used: self.clock,
        });
        while self.values > self.budget && self.order.len() > 2 {
            let Some((_, oldest)) = self.order.first_key_value() else {
                return;
            };
            self.take(*oldest);
        }
    }

    /// The columns of some rows, in the order given, kept as they are computed.
    pub(super) fn many(&mut self, rows: &[usize]) -> Vec<&[f32]> {
        let n = self.active.len();
        let columns = rows.par_chunks(POINTS).flat_map_iter(|rows| {
            // The last is repeated where there are fewer, and not used.
            let at = |i: usize| self.vector(rows[i.min(rows.len() - 1)]);
            let mut out = std::array::from_fn(|_| vec![0.0; n]);
            self.active.kernels(std::array::from_fn(at), &mut out);
            out.into_iter().take(rows.len())
        });
        let columns: Vec<_> = columns.collect();
        for (row, values) in rows.iter().zip(columns) {
            self.take(*row);
            self.keep(*row, values);
        }
        rows.iter().map(|row| self.column(*row)).collect()
    }

    /// How many columns of the present length can be kept.
    pub(super) fn room(&self) -> usize {
        (self.budget / self.active.len().max(1)).max(2)
    }

    /// Keeps some of the active rows.
    ///
    /// # Shapes
    /// `left`: places among the active rows so far, ascending; `rows`: the rows there.
    pub(super) fn cut(&mut self, left: Vec<u32>, rows: &[u32]) {
        self.cuts.push(left);
        self.active = self.panels(rows);
    }

    /// Makes all rows active again.
    pub(super) fn restore(&mut self) {
        let stale = |column: &Column| column.generation > 0;
        for row in 0..self.n_rows() {
            let kept = self.kept.get(row).and_then(Option::as_ref);
            if kept.is_some_and(stale) {
                self.take(row);
            }
        }
        self.cuts.clear();
        self.active = Panels::new(self.vectors.chunks_exact(self.d), self.d);
    }

    /// Some vectors, laid out.
    fn panels(&self, rows: &[u32]) -> Panels {
        Panels::new(rows.iter().map(|row| self.vector(*row as usize)), self.d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_same_computed_kept_cut_and_restored() {
        let n = 50;
        let vectors: Vec<f32> = (0..2 * n).map(|i| (i * i % 17) as f32 / 9.0).collect();
        let plain = |row: usize| {
            let panels = Panels::new(vectors.chunks_exact(2), 2);
            panels.kernel(&vectors[2 * row..2 * row + 2])
        };
        // Room for three columns.
        let mut columns = Columns::new(&vectors, 2).with_budget(3 * n);
        for row in [1, 2, 3, 4, 1, 3, 2, 2] {
            assert_eq!(columns.one(row), plain(row));
            assert!(columns.values <= 3 * n);
        }
        let (a, b) = columns.pair(7, 8);
        assert_eq!((a, b), (&plain(7)[..], &plain(8)[..]));
        assert_eq!(columns.many(&[9, 2]), [&plain(9)[..], &plain(2)[..]]);

        let even: Vec<u32> = (0..n as u32).step_by(2).collect();
        columns.cut(even.clone(), &even);
        let fourth: Vec<u32> = (0..even.len() as u32).step_by(2).collect();
        let rows: Vec<u32> = (0..n as u32).step_by(4).collect();
        columns.cut(fourth, &rows);
        for row in [2, 9, 30] {
            let expected: Vec<f32> = plain(row).into_iter().step_by(4).collect();
            assert_eq!(columns.one(row), expected, "{row}");
        }
        columns.restore();
        for row in [2, 9, 30, 8] {
            assert_eq!(columns.one(row), plain(row), "{row}");
        }
    }
}
