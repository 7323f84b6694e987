//! One input, opened: its features are known, its rows come in batches.

use std::path::Path;

use arrow_array::{Array, ArrayRef, RecordBatchReader};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field};

use super::labels::labels;
use super::numbers::{self, NotVectors};
use super::open::open_table;
use super::select::{Inputs, Plan, Selection, plan};
use super::stream::StreamTable;
use super::table::{Part, Table, Wanted};
use crate::error::{Error, Location, Result};
use crate::features::Features;
use crate::rows::{Matrix, first_not_finite};

/// An opened input: a file, a folder of Parquet parts, or CSV on standard input.
///
/// Rows are read in batches of some thousand, so that memory does not grow with the
/// file. (The exceptions: `.npz`, `.npy` in Fortran order, and Arrow files written as one
/// batch are held whole.)
#[derive(Debug)]
pub struct Source {
    table: Box<dyn Table>,
    at: Location,
    plan: Plan,
    features: Features,
    /// What they are called in this input, which messages name.
    found: Features,
    /// The first part, read ahead to learn the width of its vectors.
    first: Option<Part>,
    n_given: usize,
}

/// Some rows of an input.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The first of them, counted from 0 in the whole input.
    pub first_row: usize,
    /// The features, `(n, d)`.
    pub rows: Matrix,
    /// The id columns, `(n,)` each, as [`Source::id_fields`] names them.
    pub ids: Vec<ArrayRef>,
    /// Where a label was asked for, `(n,)`: true for an outlier.
    pub labels: Option<Vec<bool>>,
}

impl Source {
    /// Opens an input and decides what its columns mean.
    ///
    /// The format goes by the extension; `-` is CSV on standard input. At score time
    /// `expected` is what the model was fitted on: columns are matched by name.
    ///
    /// # Errors
    /// All that can be known before the rows are read: a file that is missing, empty,
    /// truncated or of another format than its name says, columns that are missing,
    /// ambiguous, in two roles or of the wrong type, vectors of the wrong width.
    ///
    /// # Examples
    /// ```
    /// use qualm::data::{Selection, Source};
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
        Self::new(open_table(path)?, Location::file(path), selection, expected)
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
        let mut plan = plan(table.as_ref(), selection, expected, &at)?;
        if !selection.read_label {
            plan.label = None;
        }
        table.project(&plan.wanted())?;
        let first = next_filled(table.as_mut())?;
        let Some(part) = &first else {
            return Err(Error::Empty { at });
        };
        let found = match &plan.inputs {
            Inputs::Columns(places) => {
                let names = places.iter().filter_map(|&p| table.columns().get(p));
                Features::Columns(names.map(|c| c.name.clone()).collect())
            }
            Inputs::Vector(place) => {
                let name = table.columns().get(*place).map(|c| c.name.clone());
                Features::Vector {
                    width: first_width(part, name.as_deref().unwrap_or_default())?,
                    name: name.filter(|name| !name.is_empty()),
                }
            }
        };
        if found.width() == 0 {
            return Err(Error::Empty { at });
        }
        if let Some(expected) = expected
            && expected.width() != found.width()
        {
            return Err(Error::Width {
                at,
                found: found.width(),
                expected: expected.width(),
            });
        }
        Ok(Self {
            table,
            at,
            plan,
            features: expected.cloned().unwrap_or_else(|| found.clone()),
            found,
            first,
            n_given: 0,
        })
    }

    /// What the columns of [`Batch::rows`] are: what the model expects, or what was found.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// At fit time: the columns that got no role because they are not numeric, or because
    /// a vector column beside them is the input.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.plan.skipped
    }

    /// The number of rows, where the format declares it.
    #[must_use]
    pub fn n_rows_hint(&self) -> Option<u64> {
        self.table.n_rows()
    }

    /// Name and type of each id column, as [`Batch::ids`] holds them. CSV ids are text,
    /// as they stand in the file.
    #[must_use]
    pub fn id_fields(&self) -> Vec<Field> {
        let first = self.first.as_ref();
        let offset = self.plan.first_id();
        self.plan
            .ids
            .iter()
            .enumerate()
            .filter_map(|(i, &place)| {
                let column = self.table.columns().get(place)?;
                // A CSV column of numbers is still text when it is an id.
                let read = first.and_then(|part| part.columns.get(offset + i));
                let data_type = read.map_or(&column.data_type, |array| array.data_type());
                Some(Field::new(&column.name, data_type.clone(), true))
            })
            .collect()
    }

    /// The names of all columns, used or not.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        (self.table.columns().iter())
            .map(|c| c.name.as_str())
            .filter(|name| !name.is_empty())
    }

    /// Whether the input has a column of this name.
    #[must_use]
    pub fn has_column(&self, name: &str) -> bool {
        self.column_names().any(|column| column == name)
    }

    /// The next rows, or `None` at the end.
    ///
    /// # Errors
    /// The first value, in row order, that is missing, NaN, infinite or too large for
    /// float32, a vector of another width, text among numbers, a label that is not 0 or
    /// 1, a damaged file: all with file, row and column. In a folder, file and row are
    /// those of the part.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        let part = match self.first.take() {
            Some(first) => first,
            None => match next_filled(self.table.as_mut())? {
                Some(part) => part,
                None => return Ok(None),
            },
        };
        let rows = self.rows(&part)?;
        let labels = match (self.plan.label, part.columns.get(self.plan.n_inputs())) {
            (Some(place), Some(array)) => {
                let name = self.table.columns().get(place).map(|c| c.name.as_str());
                Some(labels(array, &part, name.unwrap_or_default())?)
            }
            _ => None,
        };
        let first_row = self.n_given;
        self.n_given += part.n_rows;
        Ok(Some(Batch {
            first_row,
            rows,
            ids: part
                .columns
                .into_iter()
                .skip(self.plan.first_id())
                .collect(),
            labels,
        }))
    }

    /// All rows at once.
    ///
    /// # Errors
    /// Those of [`Source::next_batch`].
    pub fn read_all(mut self) -> Result<Batch> {
        let mut values: Vec<f32> = Vec::new();
        let mut ids: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.plan.ids.len()];
        let mut labels: Option<Vec<bool>> = None;
        while let Some(batch) = self.next_batch()? {
            if values.is_empty() {
                values = batch.rows.into_vec();
            } else {
                values.extend_from_slice(batch.rows.rows().as_slice());
            }
            for (all, more) in ids.iter_mut().zip(batch.ids) {
                all.push(more);
            }
            if let Some(more) = batch.labels {
                labels.get_or_insert_default().extend(more);
            }
        }
        let ids = ids.iter().map(|parts| {
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            arrow_select::concat::concat(&parts)
        });
        let ids = ids
            .collect::<Result<_, _>>()
            .map_err(|source| Error::Arrow {
                at: self.at.clone(),
                source,
            })?;
        Ok(Batch {
            first_row: 0,
            rows: Matrix::new(values, self.features.width())?,
            ids,
            labels,
        })
    }

    /// The features of a part as a checked matrix.
    fn rows(&self, part: &Part) -> Result<Matrix> {
        let n_cols = self.features.width();
        match &self.plan.inputs {
            Inputs::Columns(_) => {
                let columns = part.columns.get(..n_cols).unwrap_or_default();
                let null = |(j, array): (usize, &ArrayRef)| Some((numbers::first_null(array)?, j));
                if let Some((row, j)) = columns.iter().enumerate().filter_map(null).min() {
                    return Err(self.missing(part, row, j));
                }
                let numbers: Vec<_> = columns.iter().map(|c| numbers::float32(c)).collect();
                let values = match &numbers[..] {
                    [only] => only.clone(),
                    several => numbers::interleave(several, part.n_rows).into(),
                };
                self.finish(part, values, |row, j| {
                    numbers::value_at(columns.get(j)?, row)
                })
            }
            Inputs::Vector(_) => {
                let array = self.vector(part)?;
                self.finish(part, numbers::float32(&array), |row, j| {
                    numbers::value_at(&array, row * n_cols + j)
                })
            }
        }
    }

    /// The vector column of a part as one run of values, without nulls.
    fn vector(&self, part: &Part) -> Result<ArrayRef> {
        let n_cols = self.features.width();
        let missing = |row| Error::Missing {
            at: part.at(row).column(self.vector_name()),
        };
        let array = part.columns.first().ok_or_else(|| missing(0))?;
        if let Some(row) = numbers::first_null(array) {
            return Err(missing(row));
        }
        match numbers::vectors(array, Some(n_cols)) {
            Ok(vectors) => match numbers::first_null(&vectors.values) {
                Some(i) => Err(self.missing(part, i / n_cols, i % n_cols)),
                None => Ok(vectors.values),
            },
            Err(NotVectors::Ragged {
                row,
                found,
                expected,
            }) => Err(Error::RaggedVector {
                at: part.at(row).column(self.vector_name()),
                found,
                expected,
            }),
            Err(NotVectors::NotAList) => Err(missing(0)),
        }
    }

    fn vector_name(&self) -> String {
        let name = match &self.plan.inputs {
            Inputs::Vector(place) => self.table.columns().get(*place).map(|c| c.name.clone()),
            Inputs::Columns(_) => None,
        };
        name.unwrap_or_default()
    }

    fn missing(&self, part: &Part, row: usize, j: usize) -> Error {
        Error::Missing {
            at: part.at(row).column(self.found.name(j)),
        }
    }

    /// Checks the values; `original` gives what the file holds at (row, column).
    fn finish(
        &self,
        part: &Part,
        values: ScalarBuffer<f32>,
        original: impl Fn(usize, usize) -> Option<f64>,
    ) -> Result<Matrix> {
        let n_cols = self.features.width();
        // The matrix would count rows from the start of the batch and knows no names, so
        // the first bad value is looked for here.
        let Some(i) = first_not_finite(&values) else {
            return Ok(Matrix::checked(values, n_cols));
        };
        let (row, j) = (i / n_cols, i % n_cols);
        let at = part.at(row).column(self.found.name(j));
        let value = original(row, j).unwrap_or(f64::NAN);
        Err(if value.is_finite() {
            Error::TooLarge { at, value }
        } else {
            Error::NotFinite { at, value }
        })
    }
}

impl Plan {
    /// The columns to read: features, then label, then ids.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let feature = |&index: &usize| Wanted {
            index,
            as_it_stands: false,
        };
        let other = |&index: &usize| Wanted {
            index,
            as_it_stands: true,
        };
        let mut wanted: Vec<Wanted> = match &self.inputs {
            Inputs::Columns(places) => places.iter().map(feature).collect(),
            Inputs::Vector(place) => vec![feature(place)],
        };
        wanted.extend(self.label.iter().map(other));
        wanted.extend(self.ids.iter().map(other));
        wanted
    }

    fn n_inputs(&self) -> usize {
        match &self.inputs {
            Inputs::Columns(places) => places.len(),
            Inputs::Vector(_) => 1,
        }
    }

    fn first_id(&self) -> usize {
        self.n_inputs() + usize::from(self.label.is_some())
    }
}

/// The width of the first vector.
fn first_width(part: &Part, name: &str) -> Result<usize> {
    let missing = || Error::Missing {
        at: part.at(0).column(name),
    };
    let array = part.columns.first().ok_or_else(missing)?;
    if let DataType::FixedSizeList(_, size) = array.data_type() {
        return Ok(usize::try_from(*size).unwrap_or(0));
    }
    if array.is_null(0) {
        return Err(missing());
    }
    let vectors = numbers::vectors(&array.slice(0, 1), None).map_err(|_| missing())?;
    Ok(vectors.width)
}

/// The next part that holds a row.
pub(super) fn next_filled(table: &mut dyn Table) -> Result<Option<Part>> {
    while let Some(part) = table.next_part()? {
        if part.n_rows > 0 {
            return Ok(Some(part));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::data::table::Column;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float32Type;
    use arrow_array::{FixedSizeListArray, Float32Array, ListArray};

    /// A table that has given out all of its rows.
    #[derive(Debug)]
    struct Finished;

    impl Table for Finished {
        fn columns(&self) -> &[Column] {
            &[]
        }
        fn project(&mut self, _: &[Wanted]) -> Result<()> {
            Ok(())
        }
        fn next_part(&mut self) -> Result<Option<Part>> {
            Ok(None)
        }
    }

    /// Where the values lie of a batch that is made of some columns.
    fn place(inputs: Inputs, columns: Vec<ArrayRef>, width: usize) -> *const f32 {
        let features = Features::Vector { name: None, width };
        let mut source = Source {
            table: Box::new(Finished),
            at: Location::default(),
            plan: Plan {
                inputs,
                label: None,
                ids: Vec::new(),
                skipped: Vec::new(),
            },
            features: features.clone(),
            found: features,
            first: Some(Part {
                file: None,
                first_row: 0,
                n_rows: columns[0].len(),
                columns,
            }),
            n_given: 0,
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
