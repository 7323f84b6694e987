//! Parquet: tables of images as Hugging Face writes them, and lists of paths.
//!
//! A column of images is a column of structs `{bytes, path}`, or of plain bytes. Where `bytes` is
//! missing, `path` names a file beside the table.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;
use qualm::Location;
use qualm::error::Names;
use qualm_data::{guarded, open_parquet};

use crate::error::{Error, Result};

use super::column::{self, PATHS};
use super::entry::{Entry, Raw};
use super::list::{self, Row};
use super::{Input, ReadOptions, image_id};

/// About the most bytes of a batch of rows.
const CHUNK_BYTES: i64 = 32 << 20;
/// The most rows of one.
const CHUNK_ROWS: i64 = 1024;

/// One or more Parquet files with a column of images.
#[derive(Debug)]
pub(super) struct TableImages {
    parts: Vec<Part>,
    images: String,
    label: Option<String>,
    /// Whether the images are called by their paths, and not by their numbers.
    by_path: bool,
    /// Parts begun so far.
    n_opened: usize,
    current: Option<Current>,
    /// Rows given out so far.
    n_given: u64,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    n_rows: u64,
}

/// The part that is being read.
struct Current {
    part: PathBuf,
    reader: ParquetRecordBatchReader,
    /// Rows read and not yet given out: the batch, its next row, and that row in the part.
    batch: Option<RecordBatch>,
    next: usize,
    row: usize,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current")
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

type Builder = ParquetRecordBatchReaderBuilder<std::fs::File>;

/// Opens a Parquet file with the plain types of its columns: text is `Utf8`, bytes are `Binary`,
/// whatever in-memory types its writer had.
fn builder(path: &Path) -> Result<Builder> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    Ok(open_parquet(path, options)?)
}

/// Opens the parts of a table: of images, or of paths.
pub(super) fn open(path: &Path, parts: &[PathBuf], options: &ReadOptions) -> Result<Input> {
    let at = Location::file(path);
    let first = builder(parts.first().map_or(path, PathBuf::as_path))?;
    let schema = first.schema().clone();
    let label = column::label(&schema, options.label.as_deref(), &at)?;
    let images = image_column(&schema, label, options.column.as_deref(), &at)?;
    let name = |place: usize| schema.field(place).name().clone();
    let is_list = schema.field(images).data_type() == &DataType::Utf8;
    let (images, label) = (name(images), label.map(name));
    let mut table = TableImages {
        parts: Vec::new(),
        images,
        label,
        by_path: false,
        n_opened: 0,
        current: None,
        n_given: 0,
    };
    for part in parts {
        let builder = builder(part)?;
        table.places(&builder, part, &schema)?;
        let n_rows = builder.metadata().file_metadata().num_rows();
        table.parts.push(Part {
            path: part.clone(),
            n_rows: u64::try_from(n_rows).unwrap_or(0),
        });
    }
    if table.n_rows() == 0 {
        return Err(qualm::Error::Empty { at }.into());
    }
    if is_list {
        return table.into_list(path, options);
    }
    table.by_path = table.has_distinct_paths()?;
    Ok(Input::Table(Box::new(table)))
}

/// Whether a column can hold images.
fn is_images(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => fields
            .iter()
            .any(|f| f.name() == "bytes" && f.data_type() == &DataType::Binary),
        other => other == &DataType::Binary,
    }
}

/// The place of the images or paths: of the column asked for, of the only column of images, of
/// that named `image`, of the first named as paths are, or of the only column of text.
fn image_column(
    schema: &Schema,
    label: Option<usize>,
    asked_for: Option<&str>,
    at: &Location,
) -> Result<usize> {
    let fields = schema.fields();
    if let Some(name) = asked_for {
        let place = column::asked(&column::names(schema), name, at)?;
        let found = schema.field(place).data_type();
        if is_images(found) || found == &DataType::Utf8 {
            return Ok(place);
        }
        return Err(Error::ImageColumnType {
            at: at.clone().column(name),
            found: found.to_string(),
            expected: "images (structs with bytes, or bytes) or paths (text)",
        });
    }
    let places = |fits: &dyn Fn(&DataType) -> bool| -> Vec<usize> {
        let places = fields.iter().enumerate();
        let places = places.filter(|(i, f)| Some(*i) != label && fits(f.data_type()));
        places.map(|(i, _)| i).collect()
    };
    let named = |places: &[usize], name: &str| {
        let mut places = places.iter().copied();
        places.find(|&place| schema.field(place).name() == name)
    };
    let images = places(&is_images);
    let texts = places(&|data_type| data_type == &DataType::Utf8);
    let only = |places: &[usize]| match places {
        [only] => Some(*only),
        _ => None,
    };
    let found = only(&images)
        .or_else(|| named(&images, "image"))
        .or_else(|| PATHS.iter().find_map(|name| named(&texts, name)))
        .or_else(|| only(&texts));
    found.ok_or_else(|| Error::NoImageColumn {
        at: at.clone(),
        known: Names(column::names(schema)),
    })
}

/// A reader of the leaves of `mask`, some rows at a time.
fn reader(
    builder: Builder,
    mask: ProjectionMask,
    n_rows: usize,
    part: &Path,
) -> Result<ParquetRecordBatchReader> {
    let at = Location::file(part);
    let built = guarded(&at, || {
        builder
            .with_projection(mask)
            .with_batch_size(n_rows)
            .build()
    })?;
    Ok(built.map_err(|source| qualm_data::Error::Parquet { at, source })?)
}

fn next_batch(reader: &mut ParquetRecordBatchReader, part: &Path) -> Result<Option<RecordBatch>> {
    let at = Location::file(part);
    let batch = guarded(&at, || reader.next())?.transpose();
    Ok(batch.map_err(|source| qualm_data::Error::Arrow { at, source })?)
}

impl TableImages {
    pub(super) fn n_rows(&self) -> u64 {
        self.parts.iter().map(|part| part.n_rows).sum()
    }

    pub(super) fn id_name(&self) -> &'static str {
        if self.by_path { "path" } else { "id" }
    }

    pub(super) fn label_name(&self) -> Option<&str> {
        self.label.as_deref()
    }

    pub(super) fn rewind(&mut self) {
        self.n_opened = 0;
        self.current = None;
        self.n_given = 0;
    }

    /// The places of the columns to read in one of the parts, which must have those of the first.
    fn places(&self, builder: &Builder, part: &Path, first: &Schema) -> Result<Vec<usize>> {
        let schema = builder.schema();
        let at = Location::file(part);
        let names = column::names(schema);
        let mut places = Vec::new();
        for name in std::iter::once(&self.images).chain(&self.label) {
            let place = column::asked(&names, name, &at)?;
            let found = schema.field(place).data_type();
            if let Ok(expected) = first.field_with_name(name)
                && expected.data_type() != found
            {
                return Err(qualm_data::Error::PartType {
                    at: at.column(name),
                    found: found.to_string().into(),
                    expected: expected.data_type().to_string().into(),
                }
                .into());
            }
            places.push(place);
        }
        Ok(places)
    }

    /// Opens the next part, if there is one.
    fn advance(&mut self) -> Result<bool> {
        let Some(part) = self.parts.get(self.n_opened) else {
            return Ok(false);
        };
        self.n_opened += 1;
        let builder = builder(&part.path)?;
        let schema = builder.schema().clone();
        let roots = self.places(&builder, &part.path, &schema)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let bytes = builder.metadata().row_groups().iter();
        let bytes: i64 = bytes.map(RowGroupMetaData::total_byte_size).sum();
        let n_rows = builder.metadata().file_metadata().num_rows().max(1);
        let chunk = (CHUNK_BYTES / (bytes / n_rows).max(1)).clamp(1, CHUNK_ROWS);
        self.current = Some(Current {
            reader: reader(builder, mask, chunk as usize, &part.path)?,
            part: part.path.clone(),
            batch: None,
            next: 0,
            row: 0,
        });
        Ok(true)
    }

    /// The next rows, at most `n`; none at the end.
    pub(super) fn next(&mut self, n: usize) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while entries.len() < n {
            let Some(current) = &mut self.current else {
                if self.advance()? {
                    continue;
                }
                break;
            };
            let Some(batch) = &current.batch else {
                current.batch = next_batch(&mut current.reader, &current.part)?;
                current.next = 0;
                if current.batch.is_none() {
                    self.current = None;
                }
                continue;
            };
            if current.next == batch.num_rows() {
                current.batch = None;
                continue;
            }
            let row = current.next;
            current.next += 1;
            current.row += 1;
            let at = Location::file(&current.part).at_row(current.row);
            let images = batch.column_by_name(&self.images);
            let folder = current.part.parent().unwrap_or(Path::new(""));
            let (raw, path) = images.map_or((Raw::Missing, None), |i| raw(i, row, folder));
            let label = self.label.as_ref().and_then(|n| batch.column_by_name(n));
            entries.push(Entry {
                id: (path.filter(|_| self.by_path)).unwrap_or_else(|| self.n_given.to_string()),
                label: label.and_then(|values| column::text(values, row)),
                at,
                raw,
            });
            self.n_given += 1;
        }
        Ok(entries)
    }

    /// Whether each image has a path that no other has. Only the paths are read for it.
    fn has_distinct_paths(&self) -> Result<bool> {
        let mut seen = HashSet::new();
        for part in &self.parts {
            let builder = builder(&part.path)?;
            let wanted = [self.images.as_str(), "path"];
            let columns = builder.parquet_schema().columns().iter();
            let leaf = columns.into_iter().position(|c| c.path().parts() == wanted);
            let Some(leaf) = leaf else {
                return Ok(false);
            };
            let mask = ProjectionMask::leaves(builder.parquet_schema(), [leaf]);
            let mut reader = reader(builder, mask, CHUNK_ROWS as usize, &part.path)?;
            while let Some(batch) = next_batch(&mut reader, &part.path)? {
                let Some(paths) = batch.column(0).as_struct_opt().map(|s| s.column(0)) else {
                    return Ok(false);
                };
                for row in 0..batch.num_rows() {
                    let path = column::text(paths, row).filter(|path| !path.is_empty());
                    if !path.is_some_and(|path| seen.insert(image_id(&path))) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// The files that a table of paths names.
    fn into_list(mut self, path: &Path, options: &ReadOptions) -> Result<Input> {
        let mut rows = Vec::new();
        while self.current.is_some() || self.advance()? {
            let Some(current) = &mut self.current else {
                break;
            };
            let Some(batch) = next_batch(&mut current.reader, &current.part)? else {
                self.current = None;
                continue;
            };
            let label = self.label.as_ref().and_then(|n| batch.column_by_name(n));
            let paths = batch.column_by_name(&self.images);
            for row in 0..batch.num_rows() {
                current.row += 1;
                let path = paths.and_then(|paths| column::text(paths, row));
                rows.push(Row {
                    at: Location::file(&current.part).at_row(current.row),
                    path: path.filter(|path| !path.is_empty()),
                    label: label.and_then(|values| column::text(values, row)),
                });
            }
        }
        let folder = if path.is_dir() {
            path
        } else {
            path.parent().unwrap_or(Path::new(""))
        };
        let at = Location::file(path);
        list::files(at, folder, rows.into_iter(), self.label, options.on_error)
    }
}

/// What a cell of a column of images holds, and its path.
fn raw(images: &ArrayRef, row: usize, folder: &Path) -> (Raw, Option<String>) {
    let bytes_of = |values: &ArrayRef| {
        let bytes = values.as_binary_opt::<i32>().filter(|b| !b.is_null(row));
        bytes.map(|bytes| Raw::Bytes(bytes.value(row).to_vec()))
    };
    let Some(parts) = images.as_struct_opt() else {
        return (bytes_of(images).unwrap_or(Raw::Missing), None);
    };
    if parts.is_null(row) {
        return (Raw::Missing, None);
    }
    let path = parts.column_by_name("path");
    let path = path.and_then(|values| column::text(values, row));
    let bytes = parts.column_by_name("bytes").and_then(bytes_of);
    let raw = bytes.or_else(|| Some(Raw::File(folder.join(path.as_ref()?))));
    (raw.unwrap_or(Raw::Missing), path)
}
