//! Some rows of an input, checked, with their ids, their labels and their place in it.

use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_select::take::take;
use qualm::rng::{Purpose, sample, stream};
use qualm::{Matrix, Rounding, Views};

use crate::batches::Beside;
use crate::error::{Error, Result};
use crate::numbers::first_null;
use crate::origin::Origin;
use crate::text::{printer, text_at};
use crate::type_words::TypeWords;

/// Some rows of an input.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The features, `(n, d)`.
    pub rows: Matrix,
    /// The id columns, `(n,)` each, as [`crate::Batches::id_fields`] names them.
    pub ids: Vec<ArrayRef>,
    /// Where a label was asked for, `(n,)`: true for an outlier.
    pub labels: Option<Vec<bool>>,
    /// Where the rows are in the input.
    pub origin: Origin,
}

impl Batch {
    /// The items that the rows are views of, by the id column at a place among
    /// [`Batch::ids`]: rows with the same value there, as text, are views of one item.
    ///
    /// # Errors
    /// As [`Batch::texts`].
    pub fn views(&self, place: usize, name: &str) -> Result<Views> {
        Ok(Views::of(self.texts(place, name)?))
    }

    /// The id column at a place among [`Batch::ids`] as text, `(n,)`, with a value in each row.
    ///
    /// # Errors
    /// [`Error::Blank`] for a row without a value, or a column that is not there;
    /// [`Error::NotAnItem`] for values that have no text, such as lists.
    pub fn texts(&self, place: usize, name: &str) -> Result<Vec<String>> {
        texts(&self.ids, &self.origin, place, name)
    }

    /// The ids of a row as text; empty where one is missing or has no text, such as a list.
    #[must_use]
    pub fn ids_of(&self, row: usize) -> Vec<String> {
        self.ids.iter().map(|ids| text_at(ids, row)).collect()
    }

    /// Keeps `n_rows` rows, drawn at random without replacement, in the order they had;
    /// all rows where there are no more than that.
    ///
    /// # Errors
    /// [`qualm::Error::Empty`] for no rows; [`Error::Arrow`] for ids that cannot be picked from.
    ///
    /// # Seed
    /// Which rows depends on the seed and on how many there are, not on their values.
    pub fn sample(self, n_rows: usize, seed: u64) -> Result<Self> {
        let rows = self.rows.rows();
        let all = rows.n_rows();
        if n_rows >= all {
            return Ok(self);
        }
        let mut rng = stream(seed, Purpose::LIMIT, [0, 0]);
        self.pick(&sample(&mut rng, all, n_rows))
    }

    /// Some of the rows: `picked` are their places from 0, ascending.
    ///
    /// # Errors
    /// [`qualm::Error::Empty`] for no rows; [`Error::Arrow`] for ids that cannot be picked from.
    pub fn pick(&self, picked: &[usize]) -> Result<Self> {
        let labels = self.labels.as_deref();
        let (ids, labels, origin) = pick_beside(&self.ids, labels, &self.origin, picked)?;
        Ok(Self {
            rows: self.rows.rows().pick(picked)?,
            ids,
            labels,
            origin,
        })
    }

    /// Several batches of one input as one; nothing for none.
    ///
    /// # Errors
    /// [`Error::Arrow`] for ids of different types.
    pub fn join(mut batches: Vec<Self>) -> Result<Option<Self>> {
        if batches.len() <= 1 {
            return Ok(batches.pop());
        }
        let (mut rows, mut beside) = (Vec::new(), Beside::default());
        let first = batches.first().map(|batch| batch.rows.rows());
        let (n_cols, rounding) = first.map_or((0, Rounding::default()), |rows| {
            (rows.n_cols(), rows.rounding().clone())
        });
        for batch in batches {
            let n_rows = batch.rows.rows().n_rows();
            rows.extend_from_slice(batch.rows.rows().as_slice());
            beside.append(n_rows, batch.ids, batch.labels, batch.origin);
        }
        let rows = Matrix::new(rows, n_cols)?.with_rounding(&rounding);
        beside.with(rows).map(Some)
    }
}

/// What stands beside some of the rows: ids, labels and origin.
///
/// # Errors
/// [`Error::Arrow`] for ids that cannot be picked from.
pub(crate) fn pick_beside(
    ids: &[ArrayRef],
    labels: Option<&[bool]>,
    origin: &Origin,
    picked: &[usize],
) -> Result<(Vec<ArrayRef>, Option<Vec<bool>>, Origin)> {
    let places: UInt64Array = picked.iter().map(|&i| Some(i as u64)).collect();
    let ids = ids.iter().map(|ids| take(ids, &places, None));
    let ids = ids
        .collect::<Result<_, _>>()
        .map_err(|source| Error::Arrow {
            at: origin.at(0),
            source,
        })?;
    let labels = labels.map(|labels| {
        let picked = picked.iter().filter_map(|&i| labels.get(i));
        picked.copied().collect()
    });
    Ok((ids, labels, origin.pick(picked)))
}

/// The id column at a place among some as text, as [`Batch::texts`] gives it.
pub(crate) fn texts(
    ids: &[ArrayRef],
    origin: &Origin,
    place: usize,
    name: &str,
) -> Result<Vec<String>> {
    let missing = |row| Error::Blank {
        at: origin.at(row).column(name),
    };
    let items = ids.get(place).ok_or_else(|| missing(0))?;
    if let Some(row) = first_null(items) {
        return Err(missing(row));
    }
    let print = printer(items).ok_or_else(|| Error::NotAnItem {
        at: origin.at(0).column(name),
        found: TypeWords(items.data_type()).to_string(),
    })?;
    let mut named = Vec::with_capacity(items.len());
    for row in 0..items.len() {
        let mut text = String::new();
        print(row, &mut text);
        // The empty field of a CSV.
        if text.is_empty() {
            return Err(missing(row));
        }
        named.push(text);
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use qualm::Location;
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};

    /// Row i holds i twice; every third is an outlier.
    fn numbered(n: usize) -> Batch {
        let ids: Int64Array = (0..).take(n).map(Some).collect();
        let values = (0..n).flat_map(|i| [i as f32; 2]).collect();
        Batch {
            rows: Matrix::new(values, 2).unwrap(),
            ids: vec![Arc::new(ids) as ArrayRef],
            labels: Some((0..n).map(|i| i % 3 == 0).collect()),
            origin: Origin::memory(0),
        }
    }

    #[test]
    fn rows_ids_and_labels_stay_together_and_in_order() {
        let batch = numbered(1000).sample(100, 0).unwrap();
        let ids = batch.ids[0].as_primitive::<Int64Type>().values();
        assert_eq!(batch.rows.rows().n_rows(), 100);
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        for (i, (id, row)) in ids.iter().zip(batch.rows.rows().iter()).enumerate() {
            assert_eq!(row, [*id as f32; 2]);
            assert_eq!(batch.labels.as_ref().unwrap()[i], id % 3 == 0);
            let row = usize::try_from(*id).unwrap() + 1;
            assert_eq!(batch.origin.at(i), Location::row(row));
            assert_eq!(batch.ids_of(i), [id.to_string()]);
        }
        assert_eq!(batch.ids_of(100), [""]);
        // From everywhere, not from the beginning: the mean is 499.5 ± 29.
        let mean = ids.iter().sum::<i64>() as f64 / 100.0;
        assert!((400.0..600.0).contains(&mean), "{mean}");
    }

    #[test]
    fn the_seed_decides_and_few_rows_are_kept_whole() {
        let values = |n, seed| {
            let batch = numbered(50).sample(n, seed).unwrap();
            batch.rows.rows().as_slice().to_vec()
        };
        assert_eq!(values(10, 1), values(10, 1));
        assert_ne!(values(10, 1), values(10, 2));
        assert_eq!(values(50, 1), numbered(50).rows.rows().as_slice());
        assert_eq!(values(99, 1), values(50, 2));
        let none = numbered(5).sample(0, 0);
        assert!(matches!(none, Err(Error::Core(qualm::Error::Empty { .. }))));
    }
}
