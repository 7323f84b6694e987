//! The interface of whatever gives rows in batches: files, streams, images, servers.

use arrow_array::{Array, ArrayRef};
use arrow_schema::Field;
use qualm::{Features, Location, Matrix};

use crate::batch::Batch;
use crate::column_watch::ColumnNotes;
use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::rejects::Rejects;

/// Rows that come in batches, so that memory does not grow with the input.
///
/// [`crate::Source`] reads files; anything else that gives rows implements this and feeds the
/// same pipeline.
///
/// ```
/// use arrow_schema::Field;
/// use qualm::{Features, Matrix};
/// use qualm_data::{Batch, Batches, Origin, Result};
///
/// /// Counts: one feature, two rows a batch.
/// struct Counter(u8, Features);
///
/// impl Batches for Counter {
///     fn features(&self) -> &Features {
///         &self.1
///     }
///     fn id_fields(&self) -> Vec<Field> {
///         Vec::new()
///     }
///     fn next_batch(&mut self) -> Result<Option<Batch>> {
///         if self.0 >= 6 {
///             return Ok(None);
///         }
///         let first = self.0;
///         self.0 += 2;
///         Ok(Some(Batch {
///             rows: Matrix::new(vec![f32::from(first), f32::from(first + 1)], 1)?,
///             ids: Vec::new(),
///             labels: None,
///             origin: Origin::memory(usize::from(first)),
///         }))
///     }
/// }
///
/// let counter = Counter(0, Features::Columns(vec!["count".to_owned()]));
/// let all = counter.read_all()?;
/// assert_eq!(all.rows.rows().as_slice(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
/// # Ok::<(), qualm_data::Error>(())
/// ```
pub trait Batches {
    /// What the columns of [`Batch::rows`] are.
    fn features(&self) -> &Features;

    /// Name and type of each id column, as [`Batch::ids`] holds them.
    fn id_fields(&self) -> Vec<Field>;

    /// The number of rows, where it is known before they are read.
    fn n_rows_hint(&self) -> Option<u64> {
        None
    }

    /// What a user should know of the columns: of the rows read so far, and, if it is kept, of
    /// all rows once they are read.
    fn notes(&self) -> ColumnNotes {
        ColumnNotes::default()
    }

    /// The rows that are left out because something is wrong with them, where that is asked for
    /// ([`crate::Selection::skip`]): those so far.
    fn rejects(&self) -> Rejects {
        Rejects::default()
    }

    /// The next rows, or `None` at the end.
    ///
    /// # Errors
    /// Whatever is wrong with the next rows, with their place in the input.
    fn next_batch(&mut self) -> Result<Option<Batch>>;

    /// All rows at once.
    ///
    /// # Errors
    /// Those of [`Batches::next_batch`]; [`qualm::Error::Empty`] when there is no row.
    fn read_all(self) -> Result<Batch>
    where
        Self: Sized,
    {
        join(self)
    }
}

/// All batches as one.
///
/// # Errors
/// As [`Batches::read_all`].
pub(crate) fn join(mut batches: impl Batches) -> Result<Batch> {
    let first = batches.next_batch()?.ok_or_else(|| qualm::Error::Empty {
        at: Location::default(),
    })?;
    let rounding = first.rows.rows().rounding().clone();
    let n_cols = first.rows.rows().n_cols();
    let mut beside = Beside::default();
    beside.append(
        first.rows.rows().n_rows(),
        first.ids,
        first.labels,
        first.origin,
    );
    let mut values = first.rows.into_vec();
    while let Some(batch) = batches.next_batch()? {
        values.extend_from_slice(batch.rows.rows().as_slice());
        let n_rows = batch.rows.rows().n_rows();
        beside.append(n_rows, batch.ids, batch.labels, batch.origin);
    }
    beside.with(Matrix::new(values, n_cols)?.with_rounding(&rounding))
}

/// What stands beside the features of several batches.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    n_rows: usize,
    ids: Vec<Vec<ArrayRef>>,
    labels: Option<Vec<bool>>,
    origin: Option<Origin>,
}

impl Beside {
    /// Takes what stands beside the next rows.
    pub(crate) fn append(
        &mut self,
        n_rows: usize,
        ids: Vec<ArrayRef>,
        labels: Option<Vec<bool>>,
        origin: Origin,
    ) {
        match &mut self.origin {
            Some(all) => all.append(self.n_rows, &origin),
            all => *all = Some(origin),
        }
        self.n_rows += n_rows;
        self.ids.resize_with(ids.len(), Vec::new);
        for (all, more) in self.ids.iter_mut().zip(ids) {
            all.push(more);
        }
        if let Some(more) = labels {
            self.labels.get_or_insert_default().extend(more);
        }
    }

    /// One batch, with the features of all of its rows.
    pub(crate) fn with(self, rows: Matrix) -> Result<Batch> {
        let (ids, labels, origin) = self.parts()?;
        Ok(Batch {
            rows,
            ids,
            labels,
            origin,
        })
    }

    /// The ids, the labels and the places of all rows.
    pub(crate) fn parts(self) -> Result<(Vec<ArrayRef>, Option<Vec<bool>>, Origin)> {
        let origin = self.origin.unwrap_or_else(|| Origin::memory(0));
        let ids = self.ids.iter().map(|chunks| {
            let chunks: Vec<&dyn Array> = chunks.iter().map(AsRef::as_ref).collect();
            arrow_select::concat::concat(&chunks)
        });
        let ids = ids
            .collect::<Result<_, _>>()
            .map_err(|source| Error::Arrow {
                at: Location {
                    row: None,
                    ..origin.at(0)
                },
                source,
            })?;
        Ok((ids, self.labels, origin))
    }
}
