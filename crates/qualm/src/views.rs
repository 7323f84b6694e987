//! Rows that are views of the same items, such as random crops of an image.

use std::collections::HashMap;
use std::hash::Hash;

use rand::{Rng, RngExt};

use crate::error::{Error, Result};
use crate::rows::Rows;

/// Which rows are views of one item.
///
/// The Deep Uncertainty Model draws each row of a bag as a random view of its item (section 4 of
/// the paper); it does not compare views of one item with each other.
///
/// ```
/// use qualm::Views;
///
/// let views = Views::of(["cat.png", "dog.png", "cat.png"]);
/// assert_eq!((views.n_rows(), views.n_items()), (3, 2));
/// assert_eq!(views.rows(0), [0, 2]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Views {
    /// The item of each row, `(n,)`, numbered in the order of their first rows.
    items: Vec<usize>,
    /// The rows of all items, one item after the other, `(n,)`.
    rows: Vec<usize>,
    /// Where the rows of each item begin, and the end, `(items + 1,)`.
    starts: Vec<usize>,
}

impl Views {
    /// From the item of each row, in the order of the rows.
    #[must_use]
    pub fn of<K: Eq + Hash>(items: impl IntoIterator<Item = K>) -> Self {
        let mut numbers = HashMap::new();
        let number = |item| {
            let next = numbers.len();
            *numbers.entry(item).or_insert(next)
        };
        let items: Vec<usize> = items.into_iter().map(number).collect();
        let mut starts = vec![0; numbers.len() + 1];
        for item in &items {
            starts[item + 1] += 1;
        }
        for i in 0..numbers.len() {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; items.len()];
        for (row, item) in items.iter().enumerate() {
            rows[next[*item]] = row;
            next[*item] += 1;
        }
        Self {
            items,
            rows,
            starts,
        }
    }

    /// Rows in all.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.items.len()
    }

    /// Items in all.
    #[must_use]
    pub fn n_items(&self) -> usize {
        self.starts.len() - 1
    }

    /// The item of each row, `(n,)`, numbered from 0 in the order of their first rows.
    #[must_use]
    pub fn items(&self) -> &[usize] {
        &self.items
    }

    /// The rows of an item, ascending; none past the last item.
    #[must_use]
    pub fn rows(&self, item: usize) -> &[usize] {
        match (self.starts.get(item), self.starts.get(item + 1)) {
            (Some(start), Some(end)) => &self.rows[*start..*end],
            _ => &[],
        }
    }

    /// A random view of an item.
    pub(crate) fn draw(&self, item: usize, rng: &mut impl Rng) -> usize {
        let rows = self.rows(item);
        rows[rng.random_range(0..rows.len())]
    }
}

/// Rows to fit to. Plain [`Rows`] are items of their own; [`Rows::with_views`] says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    pub(crate) rows: Rows<'a>,
    pub(crate) views: Option<&'a Views>,
}

impl<'a> From<Rows<'a>> for Sample<'a> {
    fn from(rows: Rows<'a>) -> Self {
        Self { rows, views: None }
    }
}

impl<'a> Rows<'a> {
    /// These rows, with what is known of the items that they are views of.
    ///
    /// ```
    /// use qualm::{Matrix, Spec, Views};
    ///
    /// // Fifty items, each seen twice.
    /// let rows = Matrix::new((0..200).map(|i| ((i * i) % 37) as f32).collect(), 2)?;
    /// let views = Views::of((0..100).map(|row| row / 2));
    /// let sample = rows.rows().with_views(&views)?;
    /// let fitted = Spec::preset("dum", "default")?.fit(sample, 0, &mut ())?;
    /// assert_eq!(fitted.provenance().n_items, Some(50));
    /// # Ok::<(), qualm::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ViewCount`] when there are not as many rows.
    pub fn with_views(self, views: &'a Views) -> Result<Sample<'a>> {
        if views.n_rows() != self.n_rows() {
            return Err(Error::ViewCount {
                found: views.n_rows(),
                expected: self.n_rows(),
            });
        }
        Ok(Sample {
            rows: self,
            views: Some(views),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_numbered_by_their_first_rows() {
        let views = Views::of([7, 3, 7, 7, 1, 3]);
        assert_eq!(views.items(), [0, 1, 0, 0, 2, 1]);
        let rows: Vec<&[usize]> = (0..4).map(|item| views.rows(item)).collect();
        assert_eq!(rows, [&[0, 2, 3][..], &[1, 5], &[4], &[]]);
    }

    #[test]
    fn views_of_another_number_of_rows_are_refused() {
        let rows = Rows::new(&[1.0, 2.0], 1).unwrap();
        let refused = rows.with_views(&Views::of([0])).map(|_| ());
        assert!(matches!(
            refused,
            Err(Error::ViewCount {
                found: 1,
                expected: 2
            })
        ));
    }
}
