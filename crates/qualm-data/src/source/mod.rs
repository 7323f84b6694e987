//! An opened file, folder or stream: its features are known, its rows come in batches.

mod missing;
mod read;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatchReader;
use qualm::{Features, Location, Rounding};

use crate::column_watch::ColumnNotes;
use crate::csv::TextOptions;
use crate::error::{Error, Result};
use crate::open::{open_growing, open_tables};
use crate::prepare::{Learned, Lesson, Preparer, learn};
use crate::rejects::Rejects;
use crate::select::{Inputs, Plan, Selection, plan, text_in_question};
use crate::stream::StreamTable;
use crate::table::{Chunk, Table};
use crate::vector_column::first_width;
use read::next_chunk;

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
    /// What makes features of columns that are more than numbers.
    preparer: Option<Preparer>,
    /// How to round, where a model has said so.
    rounding: Option<Rounding>,
    /// Chunks that were read ahead: the first, to learn the width of its vectors, or all of them, to
    /// learn how to prepare them.
    ahead: VecDeque<Chunk>,
    /// Whether rows with something wrong are left out, and which those were.
    skip: bool,
    rejects: Rejects,
    /// The name of a first id column that numbers the rows.
    row_numbers: Option<String>,
    /// The label that stands for an outlier, if it is no 1.
    positive: Option<String>,
    /// Whether the rest is read, after a missing value, to count how many more there are.
    count: bool,
}

/// Where the rows of a table come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// They are there as a whole.
    Whole,
    /// They come one after the other, and nobody knows when the last comes.
    Stream,
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
        Self::open_all(&[path.to_owned()], selection, expected)
    }

    /// As [`Source::open`], for several files, folders and patterns (`parts/*.csv`), which are read one
    /// after the other: the columns of the first are found in the others by name. Folders that are named
    /// `key=value` add a column.
    ///
    /// # Errors
    /// Those of [`Source::open`], for each of them; [`Error::NoMatch`] for a pattern that no file matches.
    pub fn open_all(
        paths: &[PathBuf],
        selection: &Selection,
        expected: Option<&Features>,
    ) -> Result<Self> {
        // Of a pipe that is scored nobody knows when it ends; a fit needs all of it.
        let is_pipe = paths.iter().any(|path| path.as_os_str() == "-");
        let kept = if is_pipe && expected.is_some() {
            Kept::Stream
        } else {
            Kept::Whole
        };
        let (table, at) = open_tables(paths, &text_options(selection, expected, kept))?;
        Self::new(table, at, selection, expected, kept)
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
        let text = text_options(selection, expected, Kept::Stream);
        let table = open_growing(path, &text, stop)?;
        Self::new(
            table,
            Location::file(path),
            selection,
            expected,
            Kept::Stream,
        )
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
        let at = Location::default();
        Self::new(Box::new(table), at, selection, expected, Kept::Stream)
    }

    fn new(
        mut table: Box<dyn Table>,
        at: Location,
        selection: &Selection,
        expected: Option<&Features>,
        kept: Kept,
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
        let Some(first) = next_chunk(table.as_mut(), &plan)? else {
            return Err(qualm::Error::Empty { at }.into());
        };
        let mut ahead = VecDeque::from([first]);
        let mut lesson_notes = Vec::new();
        let preparer = match (&plan.inputs, expected) {
            (Inputs::Prepared(_), None) => {
                while let Some(chunk) = next_chunk(table.as_mut(), &plan)? {
                    ahead.push_back(chunk);
                }
                let lesson = lesson(
                    table.as_ref(),
                    &plan,
                    ahead.make_contiguous(),
                    selection,
                    &at,
                )?;
                plan.unused.extend(lesson.unused);
                lesson_notes = lesson.notes;
                Some(Preparer::new(lesson.recipe, lesson.places))
            }
            (Inputs::Prepared(read), Some(Features::Prepared(recipe))) => {
                Some(Preparer::new(recipe.clone(), (0..read.len()).collect()))
            }
            _ => None,
        };
        let input_names = match &preparer {
            Some(preparer) => Features::Prepared(preparer.recipe().clone()),
            None => input_names(table.as_ref(), &plan, ahead.front())?,
        };
        let found = input_names.width();
        if found == 0 {
            return Err(Error::NoValues { at });
        }
        let features = expected.unwrap_or(&input_names).clone();
        if features.width() != found {
            let width = qualm::Error::Width {
                at,
                found,
                expected: features.width(),
            };
            return Err(width.into());
        }
        let notes = ColumnNotes::before_rows(table.as_ref(), &plan.unused, &input_names);
        notes.add(lesson_notes);
        let row_numbers = (selection.row_numbers && plan.n_ids == 0).then(|| {
            let taken = table.columns().iter().any(|c| c.name == ROW);
            if taken { "row_number" } else { ROW }.to_owned()
        });
        Ok(Self {
            notes: if expected.is_none() {
                notes.watching(
                    &watched(table.as_ref(), &plan),
                    !selection.columns.is_empty(),
                )
            } else {
                notes
            },
            table,
            plan,
            features,
            input_names,
            preparer,
            rounding: None,
            ahead,
            skip: selection.skip,
            rejects: Rejects::default(),
            row_numbers,
            positive: selection.positive.clone(),
            count: kept == Kept::Whole,
        })
    }

    /// Rounds the rows as those were that a model was fitted to
    /// ([`qualm::Fitted::rounding`]), so that the digits are kept that the model can see.
    #[must_use]
    pub fn with_rounding(self, rounding: &Rounding) -> Self {
        let rounding = Some(rounding.clone());
        Self { rounding, ..self }
    }
}

/// What a column of row numbers is called.
const ROW: &str = "row";

/// How text is read for a fit, or for a model.
fn text_options(selection: &Selection, expected: Option<&Features>, kept: Kept) -> TextOptions {
    let recipe = expected.and_then(Features::recipe);
    TextOptions {
        no_header: selection.no_header,
        format: selection.text.clone(),
        na: recipe.map_or_else(|| selection.treatment.na.clone(), |r| r.na().to_vec()),
        skip: selection.skip,
        count: kept == Kept::Whole,
    }
}

/// The features by the names that the input gives them, where no recipe makes them.
fn input_names(table: &dyn Table, plan: &Plan, first: Option<&Chunk>) -> Result<Features> {
    let name_at = |place: &usize| table.columns().get(*place).map(|c| c.name.clone());
    Ok(match &plan.inputs {
        Inputs::Columns(places) => Features::Columns(places.iter().filter_map(name_at).collect()),
        Inputs::Prepared(_) => Features::Columns(Vec::new()),
        Inputs::Vector(place) => {
            let name = name_at(place);
            let vectors = first.and_then(|chunk| plan.by_role(&chunk.columns).features.first());
            let origin = first.map(|chunk| chunk.origin.clone());
            let origin = origin.unwrap_or_else(|| crate::origin::Origin::memory(0));
            Features::Vector {
                width: first_width(vectors, &origin, name.as_deref().unwrap_or_default())?,
                name: name.filter(|name| !name.is_empty()),
            }
        }
    })
}

/// The names of the columns of numbers among the features, in the order in which they are read; an
/// empty one for any other.
fn watched(table: &dyn Table, plan: &Plan) -> Vec<String> {
    let name_at = |place: &usize| table.columns().get(*place).map(|c| c.name.clone());
    match &plan.inputs {
        Inputs::Columns(places) => places.iter().filter_map(name_at).collect(),
        Inputs::Prepared(read) => {
            let numbers = read.iter().filter(|(_, reading)| reading.is_number());
            numbers.filter_map(|(place, _)| name_at(place)).collect()
        }
        Inputs::Vector(_) => Vec::new(),
    }
}

/// Learns how to prepare the columns of a table, all of whose rows are there.
fn lesson(
    table: &dyn Table,
    plan: &Plan,
    chunks: &[Chunk],
    selection: &Selection,
    at: &Location,
) -> Result<Lesson> {
    let Inputs::Prepared(read) = &plan.inputs else {
        return Err(qualm::Error::Empty { at: at.clone() }.into());
    };
    let columns: Vec<Learned<'_>> = read
        .iter()
        .filter_map(|(place, reading)| {
            let name = table.columns().get(*place)?.name.as_str();
            Some(Learned {
                name,
                reading: *reading,
                chosen: !selection.columns.is_empty(),
            })
        })
        .collect();
    let lesson = learn(&columns, chunks, &selection.treatment, at)?;
    if lesson.places.is_empty() {
        return Err(Error::NoNumericColumn {
            at: at.clone(),
            unused: lesson.unused,
            set_aside: qualm::error::Names(Vec::new()).into(),
        });
    }
    Ok(lesson)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::batches::Batches;
    use crate::origin::Origin;
    use crate::table::{Column, Projection};
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float32Type;
    use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, ListArray};
    use arrow_schema::{DataType, Field};

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
                n_ids: 0,
                unused: Vec::new(),
            },
            features: features.clone(),
            input_names: features,
            notes: ColumnNotes::default(),
            preparer: None,
            rounding: None,
            ahead: VecDeque::from([Chunk {
                origin: Origin::memory(0),
                n_rows: columns[0].len(),
                columns,
                rejects: Vec::new(),
            }]),
            skip: false,
            rejects: Rejects::default(),
            row_numbers: None,
            positive: None,
            count: false,
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
