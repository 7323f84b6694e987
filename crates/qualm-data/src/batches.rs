//! The interface of whatever gives rows in batches: files, streams, images, servers.

use arrow_array::{Array, ArrayRef};
use arrow_schema::Field;
use qualm::{Features, Location, Matrix};

use crate::batch::Batch;
use crate::error::{Error, Result};

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

    /// The next rows, or `None` at the end.
    ///
    /// # Errors
    /// Whatever is wrong with the next rows, with their place in the input.
    fn next_batch(&mut self) -> Result<Option<Batch>>;

    /// All rows at once.
    ///
    /// # Errors
    /// Those of [`Batches::next_batch`]; [`qualm::Error::Empty`] when there is no row.
    fn read_all(mut self) -> Result<Batch>
    where
        Self: Sized,
    {
        let empty = || qualm::Error::Empty {
            at: Location::default(),
        };
        let first = self.next_batch()?.ok_or_else(empty)?;
        let (n_cols, mut origin, mut labels) =
            (first.rows.rows().n_cols(), first.origin, first.labels);
        let mut values = first.rows.into_vec();
        let mut ids: Vec<Vec<ArrayRef>> = first.ids.into_iter().map(|ids| vec![ids]).collect();
        while let Some(batch) = self.next_batch()? {
            origin.append(values.len() / n_cols, &batch.origin);
            values.extend_from_slice(batch.rows.rows().as_slice());
            for (all, more) in ids.iter_mut().zip(batch.ids) {
                all.push(more);
            }
            if let (Some(all), Some(more)) = (&mut labels, batch.labels) {
                all.extend(more);
            }
        }
        let ids = ids.iter().map(|chunks| {
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
        Ok(Batch {
            rows: Matrix::new(values, n_cols)?,
            ids,
            labels,
            origin,
        })
    }
}
