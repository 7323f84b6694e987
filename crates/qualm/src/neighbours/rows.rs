//! The nearest rows by their own numbers, with copies told apart, for those outside of this crate.

use super::index::Neighbours;
use super::metric::Norm;
use super::query::SelfMatch;
use crate::error::{Error, Location, Result};
use crate::rows::Rows;
use crate::space::LIMIT;

/// A row and how far it is from another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearRow {
    /// Its number among the rows that are searched, from 0.
    pub row: usize,
    /// The Euclidean distance.
    pub distance: f64,
}

/// Rows, ready to be searched for the nearest by Euclidean distance.
///
/// The search is exact: a k-d tree, or matrix products where a tree does not separate the rows. Of
/// equal distances the row that first occurs comes first. The number of threads changes no bit.
///
/// ```
/// use qualm::{Matrix, NearestRows};
///
/// let rows = Matrix::new(vec![0.0, 1.0, 5.0], 1)?;
/// let nearest = NearestRows::new(rows.rows()).of_each(1);
/// let of_5 = nearest[2][0];
/// assert_eq!((of_5.row, of_5.distance), (1, 4.0));
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug)]
pub struct NearestRows {
    index: Neighbours,
    /// Which distinct row each row is, `(n,)`.
    numbers: Vec<u32>,
    /// The rows that are one distinct row, ascending.
    copies: Vec<Vec<usize>>,
}

impl NearestRows {
    /// Indexes rows. Values beyond 1e15 in size are taken as 1e15, so that no square overflows.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`.
    #[must_use]
    pub fn new(rows: Rows<'_>) -> Self {
        let (index, numbers) = Neighbours::fit(
            Rows::checked(&clipped(rows), rows.n_cols()),
            Norm::Euclidean,
        );
        let mut copies = vec![Vec::new(); index.n_distinct()];
        for (row, number) in numbers.iter().enumerate() {
            copies[*number as usize].push(row);
        }
        Self {
            index,
            numbers,
            copies,
        }
    }

    /// The k nearest others of each of the rows themselves, the nearest first: `(n, k)`, or n - 1 of
    /// each where there are no more.
    #[must_use]
    pub fn of_each(&self, k: usize) -> Vec<Vec<NearRow>> {
        let n = self.copies.len() as u32;
        let distinct: Vec<f32> = (0..n).flat_map(|i| self.index.row(i)).copied().collect();
        let distinct = Rows::checked(&distinct, self.index.n_features());
        // With itself, which is left out again.
        let found = self.search(distinct, k + 1);
        let each = self.numbers.iter().enumerate().map(|(row, number)| {
            let near = found[*number as usize].iter().copied();
            near.filter(|near| near.row != row).take(k).collect()
        });
        each.collect()
    }

    /// The k nearest of the indexed rows for each of other rows, the nearest first: `(m, k)`, or all
    /// of them where there are no more.
    ///
    /// # Shapes
    /// `rows`: `(m, d)`.
    ///
    /// # Errors
    /// [`Error::Width`].
    pub fn of(&self, rows: Rows<'_>, k: usize) -> Result<Vec<Vec<NearRow>>> {
        let (found, expected) = (rows.n_cols(), self.index.n_features());
        if found != expected {
            return Err(Error::Width {
                at: Location::default(),
                found,
                expected,
            });
        }
        let values = clipped(rows);
        let mut found = self.search(Rows::checked(&values, expected), k);
        for near in &mut found {
            near.truncate(k);
        }
        Ok(found)
    }

    /// At least the k nearest of each row, copies of one another by their numbers.
    fn search(&self, rows: Rows<'_>, k: usize) -> Vec<Vec<NearRow>> {
        let k = k.min(self.numbers.len());
        self.index.for_rows(rows, k, SelfMatch::Keep, |_, found| {
            let copies = found.iter().flat_map(|near| {
                let copies = self.copies[near.row as usize].iter();
                let copies = copies.take(near.weight as usize);
                copies.map(|&row| NearRow {
                    row,
                    distance: near.distance,
                })
            });
            copies.collect()
        })
    }
}

/// The values within the limit below which squares do not overflow.
fn clipped(rows: Rows<'_>) -> Vec<f32> {
    let limit = LIMIT as f32;
    let values = rows.as_slice().iter();
    values.map(|value| value.clamp(-limit, limit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    fn numbers(found: &[Vec<NearRow>]) -> Vec<Vec<usize>> {
        let each = found.iter();
        each.map(|near| near.iter().map(|near| near.row).collect())
            .collect()
    }

    #[test]
    fn copies_are_neighbours_of_one_another_and_no_row_of_itself() {
        // Rows 0, 2 and 4 are equal.
        let rows = Matrix::new(vec![3.0, 4.0, 3.0, 9.0, 3.0], 1).unwrap();
        let index = NearestRows::new(rows.rows());
        assert_eq!(
            numbers(&index.of_each(2)),
            [vec![2, 4], vec![0, 2], vec![0, 4], vec![1, 0], vec![0, 2]]
        );
        // Never more than there are.
        assert_eq!(numbers(&index.of_each(9))[3], [1, 0, 2, 4]);
        let new = Matrix::new(vec![3.0, 100.0], 1).unwrap();
        let found = index.of(new.rows(), 2).unwrap();
        assert_eq!(numbers(&found), [vec![0, 2], vec![3, 1]]);
        assert_eq!(found[1][0].distance, 91.0);
        let wide = Matrix::new(vec![1.0, 2.0], 2).unwrap();
        assert!(index.of(wide.rows(), 1).is_err());
    }
}
