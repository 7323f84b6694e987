//! An opened file, folder or stream: its features are known, its rows come in batches.

use std::path::Path;

use arrow_array::{ArrayRef, RecordBatchReader};
use arrow_buffer::ScalarBuffer;
use arrow_schema::Field;
use qualm::{Features, Location, Matrix, Rounding};

use crate::batch::Batch;
use crate::batches::{Batches, Beside, join};
use crate::column_watch::ColumnNotes;
use crate::error::{Error, Result};
use crate::labels::labels;
use crate::numbers::{self, Float};
use crate::open::{open_growing, open_table};
use crate::origin::Origin;
use crate::sample::ValueChunk;
use crate::select::{Inputs, Plan, Selection, plan, text_in_question};
use crate::stream::StreamTable;
use crate::table::{Chunk, Table};
use crate::text_vectors;
use crate::vector_column::{finite, first_width, missing, vector_values};

/// An opened input: a file, a folder of Parquet parts, or CSV or an Arrow stream on
/// standard input.
///
/// Rows are read in batches of some thousand, so that memory does not grow with the
/// file. (The exceptions: `.npz`, `.npy` in Fortran order, and Arrow files written as one
/// batch are held whole.)
#[derive(Debug)]
pub struct Source {
    table: Box<dyn Table>,
    plan: Plan,
    /// What the rows are: the features that the model expects, or those of this input.
    features: Features,
    /// The same features by the names that this input gives them, for messages.
    input_names: Features,
    /// What is known of the columns so far.
    notes: ColumnNotes,
    /// How to round, where a model has said so.
    rounding: Option<Rounding>,
    /// The first chunk, read ahead to learn the width of its vectors.
    first: Option<Chunk>,
}

impl Source {
    /// Opens an input and decides what its columns mean.
    ///
    /// The format goes by the extension; `-` is CSV, or an Arrow stream, on standard input. At score time
    /// `expected` is what the model was fitted on: columns are matched by name.
    ///
    /// # Errors
    /// All that can be known before the rows are read: a file that is missing, empty,
    /// truncated or of another format than its name says, columns that are missing,
    /// ambiguous, in two roles or of the wrong type, vectors of the wrong width.
    ///
    /// # Examples
    /// ```
    /// use qualm_data::{Batches, Selection, Source};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("embeddings.csv");
    /// std::fs::write(&path, "name,x,y\nfirst,0.5,1\nsecond,0.25,2\n")?;
    ///
    /// let selection = Selection { ids: vec!["name".into()], ..Selection::default() };
    /// let mut source = Source::open(&path, &selection, None)?;
    /// assert_eq!(source.features().name(1), "y");
    /// while let Some(batch) = source.next_batch()? {
    ///     assert_eq!(batch.rows.rows().as_slice(), [0.5, 1.0, 0.25, 2.0]);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: &Path, selection: &Selection, expected: Option<&Features>) -> Result<Self> {
        let table = open_table(path, selection.no_header)?;
        Self::new(table, Location::file(path), selection, expected)
    }

    /// As [`Source::open`], for text that grows, or standard input: rows come in batches as they are written, those of
    /// half a second together, and the end comes when `stop` says so or standard input ends. A line of a file that has no
    /// end yet is not read. Waits for the first row.
    ///
    /// # Errors
    /// Those of [`Source::open`]; [`Error::CannotFollow`] for other formats. A batch is [`Error::Read`] where the file
    /// has become shorter.
    pub fn follow(
        path: &Path,
        selection: &Selection,
        expected: Option<&Features>,
        stop: fn() -> bool,
    ) -> Result<Self> {
        let table = open_growing(path, selection.no_header, stop)?;
        Self::new(table, Location::file(path), selection, expected)
    }

    /// As [`Source::open`], for record batches that are in memory or come from elsewhere.
    /// Messages speak of the `input`, and count its rows over all batches.
    ///
    /// # Errors
    /// Those of [`Source::open`] that are not about files.
    pub fn from_reader(
        reader: Box<dyn RecordBatchReader + Send>,
        selection: &Selection,
        expected: Option<&Features>,
    ) -> Result<Self> {
        let table = StreamTable::new(reader)?;
        Self::new(Box::new(table), Location::default(), selection, expected)
    }

    fn new(
        mut table: Box<dyn Table>,
        at: Location,
        selection: &Selection,
        expected: Option<&Features>,
    ) -> Result<Self> {
        let text = text_in_question(table.columns(), selection, expected);
        if !text.is_empty() {
            table.look_at(&text)?;
        }
        let mut plan = plan(table.as_ref(), selection, expected, &at)?;
        if !selection.read_label {
            plan.label = None;
        }
        table.project(&plan.projection())?;
        let first = next_chunk(table.as_mut(), &plan)?;
        let Some(chunk) = &first else {
            return Err(qualm::Error::Empty { at }.into());
        };
        let input_names = match &plan.inputs {
            Inputs::Columns(places) => {
                let names = places.iter().filter_map(|&p| table.columns().get(p));
                Features::Columns(names.map(|c| c.name.clone()).collect())
            }
            Inputs::Vector(place) => {
                let name = table.columns().get(*place).map(|c| c.name.clone());
                let vectors = plan.by_role(&chunk.columns).features.first();
                Features::Vector {
                    width: first_width(
                        vectors,
                        &chunk.origin,
                        name.as_deref().unwrap_or_default(),
                    )?,
                    name: name.filter(|name| !name.is_empty()),
                }
            }
        };
        let found = input_names.width();
        if found == 0 {
            return Err(Error::NoValues { at });
        }
        let is_fit = expected.is_none();
        let notes = ColumnNotes::before_rows(table.as_ref(), &plan.unused, &input_names);
        let features = expected.unwrap_or(&input_names).clone();
        let expected = features.width();
        if expected != found {
            let width = qualm::Error::Width {
                at,
                found,
                expected,
            };
            return Err(width.into());
        }
        Ok(Self {
            notes: if is_fit {
                notes.watching(&input_names, !selection.columns.is_empty())
            } else {
                notes
            },
            table,
            plan,
            features,
            input_names,
            rounding: None,
            first,
        })
    }

    /// What a user should know of the columns: of the rows read so far, and, if it is kept, of
    /// all rows once they are read.
    #[must_use]
    pub fn notes(&self) -> ColumnNotes {
        self.notes.clone()
    }

    /// Rounds the rows as those were that a model was fitted to
    /// ([`qualm::Fitted::rounding`]), so that the digits are kept that the model can see.
    #[must_use]
    pub fn with_rounding(self, rounding: &Rounding) -> Self {
        let rounding = Some(rounding.clone());
        Self { rounding, ..self }
    }

    /// The features of a chunk as checked values, row after row.
    fn values<F: Float>(
        &self,
        columns: &[ArrayRef],
        n_rows: usize,
        origin: &Origin,
    ) -> Result<ScalarBuffer<F>> {
        match &self.plan.inputs {
            Inputs::Columns(_) => {
                let null = |(j, array): (usize, &ArrayRef)| Some((numbers::first_null(array)?, j));
                if let Some((row, j)) = columns.iter().enumerate().filter_map(null).min() {
                    return Err(missing(origin, &self.input_names, row, j));
                }
                let numbers: Vec<_> = columns.iter().map(|c| numbers::floats(c)).collect();
                let values = match &numbers[..] {
                    [only] => only.clone(),
                    several => numbers::interleave(several, n_rows).into(),
                };
                finite(origin, &self.input_names, values, |row, j| {
                    numbers::value_at(columns.get(j)?, row)
                })
            }
            Inputs::Vector(_) => vector_values(columns.first(), &self.input_names, origin),
        }
    }

    /// The features of a chunk as a checked matrix.
    fn matrix(&self, columns: &[ArrayRef], n_rows: usize, origin: &Origin) -> Result<Matrix> {
        let n_cols = self.features.width();
        match &self.rounding {
            Some(rounding) if !rounding.is_plain() => {
                let values = self.values::<f64>(columns, n_rows, origin)?;
                Ok(Matrix::rounded([&values], n_cols, rounding))
            }
            _ => {
                let values = self.values(columns, n_rows, origin)?;
                Ok(Matrix::checked(values, n_cols))
            }
        }
    }

    /// Whether float32 holds every number of the features' types.
    pub(crate) fn fits_float32(&self) -> bool {
        let first = self.first.as_ref().map(|chunk| chunk.columns.as_slice());
        let features = self.plan.by_role(first.unwrap_or_default()).features;
        features
            .iter()
            .all(|array| numbers::fits_float32(array.data_type()))
    }

    /// The next rows as they were read, with the checks of [`Batches::next_batch`].
    pub(crate) fn next_values<F: Float>(&mut self) -> Result<Option<ValueChunk<F>>> {
        let Some(chunk) = self.next_chunk()? else {
            return Ok(None);
        };
        let features = self.plan.by_role(&chunk.columns).features;
        let values = self.values::<F>(features, chunk.n_rows, &chunk.origin)?;
        let (ids, labels) = self.beside(&chunk)?;
        Ok(Some(ValueChunk {
            n_rows: chunk.n_rows,
            ids,
            labels,
            origin: chunk.origin,
            values,
        }))
    }

    /// The next chunk that holds a row.
    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let chunk = match self.first.take() {
            Some(first) => Some(first),
            None => next_chunk(self.table.as_mut(), &self.plan)?,
        };
        if let Some(chunk) = &chunk {
            self.notes.see(self.plan.by_role(&chunk.columns).features);
        }
        Ok(chunk)
    }

    /// The ids and labels of a chunk.
    fn beside(&self, chunk: &Chunk) -> Result<(Vec<ArrayRef>, Option<Vec<bool>>)> {
        let columns = self.plan.by_role(&chunk.columns);
        let labels = match (self.plan.label, columns.label) {
            (Some(place), Some(array)) => {
                let name = self.table.columns().get(place).map(|c| c.name.as_str());
                Some(labels(array, &chunk.origin, name.unwrap_or_default())?)
            }
            _ => None,
        };
        Ok((columns.ids.to_vec(), labels))
    }
}

/// The next chunk that holds a row, with vectors that are written as text taken apart.
fn next_chunk(table: &mut dyn Table, plan: &Plan) -> Result<Option<Chunk>> {
    let Some(mut chunk) = table.next_filled()? else {
        return Ok(None);
    };
    if let Inputs::Vector(place) = plan.inputs
        && let Some(vectors) = chunk.columns.first_mut()
    {
        let name = table.columns().get(place).map(|c| c.name.as_str());
        *vectors = text_vectors::read(vectors, &chunk.origin, name.unwrap_or_default())?;
    }
    Ok(Some(chunk))
}

impl Batches for Source {
    /// What the model expects, or what was found.
    fn features(&self) -> &Features {
        &self.features
    }

    /// CSV ids are text, as they stand in the file.
    fn id_fields(&self) -> Vec<Field> {
        let read = self.first.as_ref().map(|chunk| chunk.columns.as_slice());
        let read = self.plan.by_role(read.unwrap_or_default()).ids;
        let places = self.plan.ids.iter().enumerate();
        places
            .filter_map(|(i, &place)| {
                let column = self.table.columns().get(place)?;
                // A CSV column of numbers is still text when it is an id.
                let data_type = read.get(i).map_or(&column.data_type, |ids| ids.data_type());
                Some(Field::new(&column.name, data_type.clone(), true))
            })
            .collect()
    }

    fn n_rows_hint(&self) -> Option<u64> {
        self.table.n_rows()
    }

    /// # Errors
    /// The first value, in row order, that is missing, NaN, infinite or too large for
    /// float32, a vector of another width, text among numbers, a label that is not 0 or
    /// 1, a damaged file: all with file, row and column. In a folder, file and row are
    /// those of the part.
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let Some(chunk) = self.next_chunk()? else {
            return Ok(None);
        };
        let columns = self.plan.by_role(&chunk.columns);
        let rows = self.matrix(columns.features, chunk.n_rows, &chunk.origin)?;
        let (ids, labels) = self.beside(&chunk)?;
        Ok(Some(Batch {
            rows,
            ids,
            labels,
            origin: chunk.origin,
        }))
    }

    /// All rows at once. Where no rounding was asked for and float32 does not hold every number of
    /// the features' types, they are held as float64 until all are read, and rounded by the rule
    /// that is chosen for them.
    fn read_all(mut self) -> Result<Batch> {
        if self.rounding.is_some() || self.fits_float32() {
            return join(self);
        }
        let (mut parts, mut beside) = (Vec::new(), Beside::default());
        while let Some(chunk) = self.next_values::<f64>()? {
            parts.push(chunk.values);
            beside.append(chunk.n_rows, chunk.ids, chunk.labels, chunk.origin);
        }
        let n_cols = self.features.width();
        let rounding = Rounding::choose(&parts, n_cols);
        beside.with(Matrix::rounded(parts, n_cols, &rounding))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::table::{Column, Projection};
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float32Type;
    use arrow_array::{FixedSizeListArray, Float32Array, ListArray};
    use arrow_schema::DataType;

    /// A table that has given out all of its rows.
    #[derive(Debug)]
    struct Finished;

    impl Table for Finished {
        fn columns(&self) -> &[Column] {
            &[]
        }
        fn project(&mut self, _: &[Projection]) -> Result<()> {
            Ok(())
        }
        fn next_chunk(&mut self) -> Result<Option<Chunk>> {
            Ok(None)
        }
    }

    /// Where the values lie of a batch that is made of some columns.
    fn place(inputs: Inputs, columns: Vec<ArrayRef>, width: usize) -> *const f32 {
        let features = Features::Vector { name: None, width };
        let mut source = Source {
            table: Box::new(Finished),
            plan: Plan {
                inputs,
                label: None,
                ids: Vec::new(),
                unused: Vec::new(),
            },
            features: features.clone(),
            input_names: features,
            notes: ColumnNotes::default(),
            rounding: None,
            first: Some(Chunk {
                origin: Origin::memory(0),
                n_rows: columns[0].len(),
                columns,
            }),
        };
        let batch = source.next_batch().unwrap().unwrap();
        batch.rows.rows().as_slice().as_ptr()
    }

    #[test]
    fn float32_vectors_are_scored_where_arrow_holds_them() {
        let values = Float32Array::from_iter_values((0..12u8).map(f32::from));
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let fixed = FixedSizeListArray::new(item, 3, Arc::new(values.clone()), None);
        // From the second row on, as the later parts of a large batch are.
        let rest = Arc::new(fixed.slice(1, 3));
        let expected = values.values()[3..].as_ptr();
        assert_eq!(place(Inputs::Vector(0), vec![rest], 3), expected);

        let rows = (0..4).map(|i| Some(vec![Some(i as f32), Some(0.5)]));
        let list = ListArray::from_iter_primitive::<Float32Type, _, _>(rows);
        let expected = list
            .values()
            .as_primitive::<Float32Type>()
            .values()
            .as_ptr();
        assert_eq!(place(Inputs::Vector(0), vec![Arc::new(list)], 2), expected);

        let expected = values.values().as_ptr();
        let only = Arc::new(values);
        assert_eq!(place(Inputs::Columns(vec![0]), vec![only], 1), expected);
    }
}
