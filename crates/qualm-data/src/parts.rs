//! Several files as one table: the columns of the first, found in the others by name.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray};
use arrow_schema::{DataType, Metadata};
use qualm::Location;
use qualm::error::Names;

use crate::csv::TextOptions;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::inputs::Part;
use crate::open::open_table;
use crate::table::{Chunk, Column, FirstText, Kind, Projection, Table, distinct};
use crate::text_vectors::is_text;
use crate::times::is_date;
use crate::type_words::TypeWords;

/// Several files as one table.
#[derive(Debug)]
pub(crate) struct PartsTable {
    parts: Vec<Part>,
    text: TextOptions,
    /// The first file, until it is read.
    first: Box<dyn Table>,
    /// Those of the first file, then those that the names of folders hold.
    columns: Vec<Column>,
    n_of_file: usize,
    projection: Vec<Projection>,
    current: Option<Current>,
    n_opened: usize,
}

#[derive(Debug)]
struct Current {
    table: Box<dyn Table>,
    part: usize,
    /// For each column that is read: that of the file, or the partition.
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    File,
    Partition(usize),
}

impl PartsTable {
    pub(crate) fn open(parts: Vec<Part>, text: &TextOptions) -> Result<Self> {
        let Some(first_part) = parts.first() else {
            return Err(qualm::Error::Empty {
                at: Location::default(),
            }
            .into());
        };
        let first = open_table(&first_part.path, text)?;
        let mut columns = first.columns().to_vec();
        let n_of_file = columns.len();
        for (i, (key, _)) in first_part.partitions.iter().enumerate() {
            let values = parts.iter().map(|part| {
                let found = part.partitions.get(i).filter(|(name, _)| name == key);
                let found = found.map(|(_, value)| value.as_str());
                found.ok_or_else(|| Error::MissingColumns {
                    at: Location::file(&part.path),
                    missing: Names(vec![key.clone()]),
                    known: Names(
                        part.partitions
                            .iter()
                            .map(|(name, _)| name.clone())
                            .collect(),
                    )
                    .into(),
                })
            });
            let values = values.collect::<Result<Vec<&str>>>()?;
            columns.push(partition(key, &values));
        }
        distinct(&columns, &Location::file(&first_part.path))?;
        Ok(Self {
            parts,
            text: text.clone(),
            first,
            columns,
            n_of_file,
            projection: Vec::new(),
            current: None,
            n_opened: 0,
        })
    }

    /// The columns to read of a file, after a check of their types.
    fn find(&self, part: &Part, table: &dyn Table) -> Result<(Vec<Projection>, Vec<Place>)> {
        let at = Location::file(&part.path);
        let (mut of_file, mut places, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for asked in &self.projection {
            if asked.index >= self.n_of_file {
                places.push(Place::Partition(asked.index - self.n_of_file));
                continue;
            }
            let Some(column) = self.columns.get(asked.index) else {
                continue;
            };
            // Mostly the files are alike.
            let here = table.columns().get(asked.index);
            let index = match here.filter(|c| c.name == column.name) {
                Some(_) => Some(asked.index),
                None => table.columns().iter().position(|c| c.name == column.name),
            };
            let Some((index, found)) = index.and_then(|i| Some((i, table.columns().get(i)?)))
            else {
                missing.push(column.name.clone());
                continue;
            };
            if !self.fits(column, found, asked.verbatim, part) {
                return Err(Error::PartType {
                    at: at.column(&column.name),
                    found: TypeWords(&found.data_type).to_string().into(),
                    expected: TypeWords(&column.data_type).to_string().into(),
                });
            }
            of_file.push(Projection {
                index,
                verbatim: asked.verbatim,
            });
            places.push(Place::File);
        }
        if missing.is_empty() {
            return Ok((of_file, places));
        }
        Err(Error::MissingColumns {
            at,
            missing: Names(missing),
            known: Names(table.columns().iter().map(|c| c.name.clone()).collect()).into(),
        })
    }

    /// Whether a column goes with that of the first file.
    fn fits(&self, column: &Column, found: &Column, verbatim: bool, part: &Part) -> bool {
        let is_text_file = |part: &Part| {
            Format::of(&part.path)
                .is_ok_and(|f| matches!(f, Format::Csv | Format::Tsv | Format::Json))
        };
        if verbatim {
            // Fields of text stay text, whatever they look like.
            let both_text = is_text_file(part) && self.parts.first().is_some_and(is_text_file);
            return both_text || found.data_type == column.data_type;
        }
        found.kind == column.kind || is_text(&found.data_type) && is_text(&column.data_type)
    }

    /// Opens the next file, if there is one.
    fn advance(&mut self) -> Result<bool> {
        let Some(part) = self.parts.get(self.n_opened) else {
            return Ok(false);
        };
        let mut table = open_table(&part.path, &self.text)?;
        let (of_file, places) = self.find(part, table.as_ref())?;
        table.project(&of_file)?;
        self.current = Some(Current {
            table,
            part: self.n_opened,
            places,
        });
        self.n_opened += 1;
        Ok(true)
    }

    /// The columns of a chunk with those that the names of the folders hold.
    fn with_partitions(&self, chunk: Chunk, part: usize, places: &[Place]) -> Chunk {
        let mut of_file = chunk.columns.into_iter();
        let columns = places
            .iter()
            .zip(&self.projection)
            .filter_map(|(place, asked)| {
                let Place::Partition(i) = place else {
                    return of_file.next();
                };
                let value = self.parts.get(part)?.partitions.get(*i)?.1.as_str();
                let kind = self.columns.get(asked.index)?.kind;
                Some(constant(
                    value,
                    kind == Kind::Number && !asked.verbatim,
                    chunk.n_rows,
                ))
            });
        Chunk {
            columns: columns.collect(),
            ..Chunk {
                origin: chunk.origin,
                n_rows: chunk.n_rows,
                columns: Vec::new(),
                rejects: chunk.rejects,
            }
        }
    }
}

/// One value in each row.
fn constant(value: &str, is_number: bool, n_rows: usize) -> ArrayRef {
    if is_number {
        let value: Option<f64> = value.parse().ok();
        Arc::new(Float64Array::from(vec![value; n_rows]))
    } else {
        let value = (!value.is_empty()).then_some(value);
        Arc::new(StringArray::from(vec![value; n_rows]))
    }
}

/// The column of a partition.
fn partition(key: &str, values: &[&str]) -> Column {
    let filled = || values.iter().filter(|value| !value.is_empty());
    let is_number = filled().all(|value| value.parse::<f64>().is_ok());
    let data_type = if is_number {
        DataType::Float64
    } else {
        DataType::Utf8
    };
    let mut column = Column::new(key, data_type);
    if !is_number {
        column.not_a_number = filled()
            .next()
            .map(|value| FirstText::new(1, (*value).to_owned()));
        column.holds_dates = filled().all(|value| is_date(value));
    }
    column
}

impl Table for PartsTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn metadata(&self) -> Option<&Metadata> {
        self.first.metadata()
    }

    fn default_vector(&self) -> Option<usize> {
        self.first.default_vector()
    }

    fn has_numeric_header(&self) -> bool {
        self.first.has_numeric_header()
    }

    fn look_at(&mut self, places: &[usize]) -> Result<()> {
        let of_file: Vec<usize> = places
            .iter()
            .copied()
            .filter(|p| *p < self.n_of_file)
            .collect();
        if of_file.is_empty() {
            return Ok(());
        }
        self.first.look_at(&of_file)?;
        for (column, looked) in self.columns.iter_mut().zip(self.first.columns()) {
            *column = looked.clone();
        }
        Ok(())
    }

    /// Opens each file, so that one that lacks a column is refused before any work.
    fn project(&mut self, projection: &[Projection]) -> Result<()> {
        self.projection = projection.to_vec();
        for part in self.parts.iter().skip(1) {
            let table = open_table(&part.path, &self.text)?;
            self.find(part, table.as_ref())?;
        }
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        loop {
            if let Some(mut current) = self.current.take()
                && let Some(chunk) = current.table.next_chunk()?
            {
                let chunk = self.with_partitions(chunk, current.part, &current.places);
                self.current = Some(current);
                return Ok(Some(chunk));
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }
}

/// The name of an input of several files, for messages about all of them.
pub(crate) fn together(paths: &[impl AsRef<Path>]) -> Location {
    match paths {
        [only] => Location::file(only.as_ref()),
        [first, ..] => {
            let more = paths.len() - 1;
            Location::file(format!("{} and {more} more", first.as_ref().display()))
        }
        [] => Location::default(),
    }
}
