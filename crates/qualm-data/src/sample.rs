//! A uniform sample of the rows of an input that may be larger than memory.
//!
//! Rows are in a random order that depends on their ids and a seed alone ([`RowKey`]); the sample
//! is the first of them. It is the same, rows and order, whether the input is one file or many
//! parts, and whoever reads which part first.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_buffer::ScalarBuffer;
use qualm::{Location, Matrix, Rounding, RowKey};

use crate::batch::{Batch, pick_beside, texts};
use crate::batches::{Batches, Beside};
use crate::error::Result;
use crate::numbers::Float;
use crate::origin::Origin;
use crate::source::Source;

/// Rows are gathered up to so many times the sample before all but the first are dropped.
const SLACK: usize = 2;
/// Fewer rows than this are not worth dropping.
const FEW: usize = 8192;

/// Where a row stands in the order: by its key, then by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowPlace {
    key: RowKey,
    id: String,
}

impl RowPlace {
    /// The place of a row with this id.
    #[must_use]
    pub fn new(seed: u64, id: String) -> Self {
        Self {
            key: RowKey::of(seed, &id),
            id,
        }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> RowKey {
        self.key
    }

    /// The id as text.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The first rows of an input, in their random order.
#[derive(Debug)]
pub struct RowSample {
    /// The rows, in the order of their places.
    pub batch: Batch,
    /// Rows of the input.
    pub n_rows: u64,
    /// The place of the last row of the sample: rows of the input with a later one are not in it.
    pub last: RowPlace,
}

/// Places of rows by their ids, `(n,)`.
///
/// The id is the text of the id column; of several, their texts with their lengths. `names` are
/// those of the columns, for messages. Without a column it is the number of the row in the input,
/// from 1; `numbers` counts them from 0.
///
/// # Shapes
/// Each of `ids`: `(n,)`; `numbers`: n of them.
///
/// # Errors
/// [`crate::Error::Blank`] for a row without an id, [`crate::Error::NotAnItem`] for ids that have no text.
pub fn row_places(
    ids: &[ArrayRef],
    origin: &Origin,
    names: &[String],
    numbers: Range<u64>,
    seed: u64,
) -> Result<Vec<RowPlace>> {
    let ids = row_ids(ids, origin, names, numbers)?;
    let place = |id| RowPlace::new(seed, id);
    Ok(ids.into_iter().map(place).collect())
}

/// What rows are known by.
fn row_ids(
    ids: &[ArrayRef],
    origin: &Origin,
    names: &[String],
    numbers: Range<u64>,
) -> Result<Vec<String>> {
    match names {
        [] => Ok(numbers.map(|row| (row + 1).to_string()).collect()),
        [name] => texts(ids, origin, 0, name),
        several => {
            let mut joined: Vec<String> = numbers.map(|_| String::new()).collect();
            for (place, name) in several.iter().enumerate() {
                for (id, text) in joined.iter_mut().zip(texts(ids, origin, place, name)?) {
                    *id = format!("{id}{}:{text}", text.len());
                }
            }
            Ok(joined)
        }
    }
}

impl Source {
    /// Reads all rows and keeps a uniform sample of `most` of them, or all where there are no more.
    ///
    /// Rows are known by the source's id columns, or without any by their number. Rows with one id
    /// are next to each other, in the order of their values. `tick` hears of the rows of each
    /// batch that was read.
    ///
    /// # Errors
    /// Those of [`crate::Batches::next_batch`] for any row, also for one that is not kept; those
    /// of [`row_places`].
    pub fn sample(self, most: usize, seed: u64, mut tick: impl FnMut(u64)) -> Result<RowSample> {
        if self.fits_float32() {
            let kept = Kept::<f32>::of(self, most, seed, &mut tick)?;
            kept.sample(|values, n_cols| Matrix::checked(values.into(), n_cols))
        } else {
            // Rounded by the rule that these rows choose.
            let kept = Kept::<f64>::of(self, most, seed, &mut tick)?;
            kept.sample(|values, n_cols| {
                let rounding = Rounding::choose(&[&values], n_cols);
                Matrix::rounded([values], n_cols, &rounding)
            })
        }
    }
}

/// The rows that may be in the sample, so far.
struct Kept<F: Float> {
    most: usize,
    n_cols: usize,
    n_rows: u64,
    /// A place that no row of the sample is behind, once that is known.
    last: Option<RowPlace>,
    places: Vec<RowPlace>,
    /// `(n, n_cols)`.
    values: Vec<F>,
    beside: Beside,
}

impl<F: Float> Kept<F> {
    fn of(mut source: Source, most: usize, seed: u64, tick: &mut impl FnMut(u64)) -> Result<Self> {
        let names: Vec<String> = source
            .id_fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let mut kept = Self {
            most: most.max(1),
            n_cols: source.features().width(),
            n_rows: 0,
            last: None,
            places: Vec::new(),
            values: Vec::new(),
            beside: Beside::default(),
        };
        while let Some(part) = source.next_values::<F>()? {
            let n_rows = part.n_rows as u64;
            let numbers = kept.n_rows..kept.n_rows + n_rows;
            let places = row_places(&part.ids, &part.origin, &names, numbers, seed)?;
            kept.take(&part, places)?;
            kept.n_rows += n_rows;
            tick(n_rows);
        }
        Ok(kept)
    }

    /// Takes the rows of a batch that may be in the sample.
    fn take(&mut self, part: &ValueChunk<F>, places: Vec<RowPlace>) -> Result<()> {
        let is_in = |place: &RowPlace| self.last.as_ref().is_none_or(|last| place <= last);
        let picked: Vec<usize> = (0..places.len())
            .filter(|&row| places.get(row).is_some_and(is_in))
            .collect();
        if picked.is_empty() {
            return Ok(());
        }
        let rows = part.values.chunks_exact(self.n_cols);
        for (row, values) in rows.enumerate() {
            if places.get(row).is_some_and(is_in) {
                self.values.extend_from_slice(values);
            }
        }
        let (ids, labels, origin) =
            pick_beside(&part.ids, part.labels.as_deref(), &part.origin, &picked)?;
        self.places.extend(places.into_iter().filter(is_in));
        self.beside.append(picked.len(), ids, labels, origin);
        if self.places.len() > FEW.max(SLACK * self.most) {
            self.drop_others()?;
        }
        Ok(())
    }

    /// Drops the rows that are not among the first, and puts those in order.
    fn drop_others(&mut self) -> Result<()> {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        let row = |i: usize| {
            let values = self.values.get(i * self.n_cols..(i + 1) * self.n_cols);
            values.unwrap_or_default()
        };
        let place = |i: usize| self.places.get(i);
        order.sort_unstable_by(|&a, &b| {
            // Rows with one id by their values, whichever came first.
            let by_place = place(a).cmp(&place(b));
            by_place.then_with(|| compare(row(a), row(b)))
        });
        order.truncate(self.most);
        let values = order.iter().flat_map(|&i| row(i)).copied().collect();
        let places: Vec<_> = order.iter().filter_map(|&i| place(i).cloned()).collect();
        let (ids, labels, origin) = std::mem::take(&mut self.beside).parts()?;
        let (ids, labels, origin) = pick_beside(&ids, labels.as_deref(), &origin, &order)?;
        self.beside.append(order.len(), ids, labels, origin);
        self.last = places.last().filter(|_| order.len() == self.most).cloned();
        (self.values, self.places) = (values, places);
        Ok(())
    }

    fn sample(mut self, matrix: impl FnOnce(Vec<F>, usize) -> Matrix) -> Result<RowSample> {
        self.drop_others()?;
        let last = self.places.pop().ok_or_else(|| qualm::Error::Empty {
            at: Location::default(),
        })?;
        let matrix = matrix(self.values, self.n_cols);
        Ok(RowSample {
            batch: self.beside.with(matrix)?,
            n_rows: self.n_rows,
            last,
        })
    }
}

/// Rows whose values are as they were read.
pub(crate) struct ValueChunk<F: Float> {
    pub(crate) n_rows: usize,
    pub(crate) ids: Vec<ArrayRef>,
    pub(crate) labels: Option<Vec<bool>>,
    pub(crate) origin: Origin,
    /// `(n_rows, n_cols)`, checked.
    pub(crate) values: ScalarBuffer<F>,
}

fn compare<F: Float>(a: &[F], b: &[F]) -> Ordering {
    let pairs = a.iter().zip(b).map(|(a, b)| a.order(*b));
    pairs.fold(Ordering::Equal, Ordering::then)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Float32Array, Float64Array, Int64Array, RecordBatch, RecordBatchIterator};

    use crate::select::Selection;

    /// Row i has the id i and the value `value(i)`.
    fn source(rows: &[i64], size: usize, value: impl Fn(i64) -> f64, single: bool) -> Source {
        let batches: Vec<_> = rows
            .chunks(size)
            .map(|rows| {
                let ids: Int64Array = rows.iter().copied().map(Some).collect();
                let values = rows.iter().map(|i| value(*i));
                let values: ArrayRef = if single {
                    Arc::new(values.map(|x| Some(x as f32)).collect::<Float32Array>())
                } else {
                    Arc::new(values.map(Some).collect::<Float64Array>())
                };
                let ids: ArrayRef = Arc::new(ids);
                RecordBatch::try_from_iter([("id", ids), ("x", values)]).unwrap()
            })
            .collect();
        let schema = batches[0].schema();
        let reader = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
        let selection = Selection {
            ids: vec!["id".to_owned()],
            ..Selection::default()
        };
        Source::from_reader(Box::new(reader), &selection, None).unwrap()
    }

    fn ids(sample: &RowSample) -> Vec<i64> {
        let ids = sample.batch.ids[0].as_primitive::<Int64Type>();
        ids.values().to_vec()
    }

    #[test]
    fn the_sample_does_not_depend_on_batches_or_their_order() {
        let rows: Vec<i64> = (0..30_000).collect();
        let whole = source(&rows, 30_000, |i| i as f64, true);
        let whole = whole.sample(500, 7, |_| ()).unwrap();
        let found = ids(&whole);
        assert_eq!((found.len(), whole.n_rows), (500, 30_000));
        let mut mixed = rows.clone();
        mixed.reverse();
        mixed.swap(3, 17_000);
        let mut n_read = 0;
        let other = source(&mixed, 1234, |i| i as f64, true);
        let other = other.sample(500, 7, |n| n_read += n).unwrap();
        assert_eq!((ids(&other), n_read), (found.clone(), 30_000));
        assert_eq!(other.batch.rows, whole.batch.rows);
        assert_eq!(other.last, whole.last);
        for (id, row) in found.iter().zip(whole.batch.rows.rows().iter()) {
            assert_eq!(row, [*id as f32]);
        }
        // The rows behind the last one, and only they, are not in it.
        let last = whole.last;
        let place = |id: i64| RowPlace::new(7, id.to_string());
        let behind = rows.iter().filter(|id| place(**id) > last).count();
        assert_eq!(behind, 29_500);
        // From everywhere: the mean is 15 000, give or take 387.
        let mean = found.iter().sum::<i64>() as f64 / 500.0;
        assert!((13_400.0..16_600.0).contains(&mean), "{mean}");
        let seed = source(&rows, 999, |i| i as f64, true);
        assert_ne!(ids(&seed.sample(500, 8, |_| ()).unwrap()), found);
    }

    #[test]
    fn few_rows_are_all_kept_in_the_same_order() {
        let few = source(&[5, 3, 9], 2, |i| i as f64, true).sample(3, 0, |_| ());
        let few = few.unwrap();
        assert_eq!(few.n_rows, 3);
        let place = |id: i64| RowPlace::new(0, id.to_string());
        assert_eq!(
            Some(few.last.clone()),
            [3, 5, 9].map(place).into_iter().max()
        );
        let again = source(&[9, 5, 3], 3, |i| i as f64, true).sample(99, 0, |_| ());
        assert_eq!(ids(&again.unwrap()), ids(&few));
    }

    #[test]
    fn float64_rows_are_rounded_by_the_rule_that_they_choose() {
        let rows: Vec<i64> = (0..20_000).collect();
        let sample = source(&rows, 4096, |i| 1.7e9 + i as f64, false);
        let sample = sample.sample(100, 1, |_| ()).unwrap();
        let matrix = sample.batch.rows.rows();
        let offset = matrix.rounding().offset(0);
        assert!(offset > 1.6e9, "{offset}");
        for (id, row) in ids(&sample).iter().zip(matrix.iter()) {
            assert_eq!(f64::from(row[0]) + offset, 1.7e9 + *id as f64);
        }
    }

    #[test]
    fn rows_with_one_id_are_in_the_order_of_their_values() {
        let mut n = 0.0;
        let values: Vec<f64> = (0..40).map(|i| f64::from((i * 7) % 40)).collect();
        let one = source(&[1; 40], 40, |_| 2.0, true).sample(10, 0, |_| ());
        assert_eq!(one.unwrap().batch.rows.rows().n_rows(), 10);
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1; 40]));
        let column: ArrayRef = Arc::new(Float64Array::from(values));
        let batch = RecordBatch::try_from_iter([("id", ids), ("x", column)]).unwrap();
        let schema = batch.schema();
        let reader = RecordBatchIterator::new([Ok(batch)], schema);
        let selection = Selection {
            ids: vec!["id".to_owned()],
            ..Selection::default()
        };
        let source = Source::from_reader(Box::new(reader), &selection, None).unwrap();
        let sample = source.sample(10, 0, |_| ()).unwrap();
        for row in &sample.batch.rows.rows() {
            assert_eq!(f64::from(row[0]), n);
            n += 1.0;
        }
    }
}
