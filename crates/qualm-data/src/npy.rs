//! NumPy's `.npy`: a short Python literal, then the values.
//!
//! The header is checked against the length of the file before anything of the
//! declared size is allocated. Values in C order are streamed; values in Fortran order
//! are column after column, so all of them are read before the first row is whole.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array,
    StringArray, UInt64Array,
};
use arrow_schema::{DataType, Field};
use half::f16;

use qualm::Location;

use crate::error::{Error, Result};
use crate::npy_header::{Header, Item, Number};
use crate::origin::Origin;
use crate::table::{Chunk, Column, Projection, Table, chunk_rows};

/// One two-dimensional array: a table with one vector column.
pub(crate) struct NpyTable {
    file: Arc<Path>,
    columns: Vec<Column>,
    values: Values,
    /// Whether the array is asked for.
    projected: bool,
    n_given: usize,
}

impl std::fmt::Debug for NpyTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NpyTable")
            .field("file", &self.file)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl NpyTable {
    pub(crate) fn open(path: &Path, file: File) -> Result<Self> {
        let at = Location::file(path);
        let length = file
            .metadata()
            .map_err(|source| Error::Read {
                at: at.clone(),
                source,
            })?
            .len();
        let values = Values::open(at.clone(), Box::new(BufReader::new(file)), length)?;
        let [_, width] = values.header.shape[..] else {
            return Err(Error::NpyShape {
                at,
                shape: values.header.shape,
            });
        };
        if values.header.item.number.is_text() {
            let found = "text".to_owned();
            return Err(Error::NpyType { at, found });
        }
        if values.n_rows() == 0 {
            return Err(qualm::Error::Empty { at }.into());
        }
        if width == 0 {
            return Err(Error::NoValues { at });
        }
        Ok(Self {
            file: Arc::from(path),
            columns: vec![Column::new("", data_type(&values.header))],
            values,
            projected: false,
            n_given: 0,
        })
    }
}

impl Table for NpyTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn n_rows(&self) -> Option<u64> {
        Some(self.values.n_rows() as u64)
    }

    fn project(&mut self, projection: &[Projection]) -> Result<()> {
        self.projected = !projection.is_empty();
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let first_row = self.n_given;
        let n_rows = chunk_rows(self.values.row_bytes()).min(self.values.n_rows() - first_row);
        if n_rows == 0 {
            return Ok(None);
        }
        self.n_given += n_rows;
        let columns = if self.projected {
            vec![self.values.next_rows(n_rows)?]
        } else {
            Vec::new()
        };
        Ok(Some(Chunk {
            origin: Origin::file(Arc::clone(&self.file), first_row),
            n_rows,
            columns,
            rejects: Vec::new(),
        }))
    }
}

/// All values of an array of one or two dimensions: a column of numbers or text, or of lists of
/// them. `bytes` is a whole array file.
///
/// # Errors
/// For what is no such array.
pub fn npy_column(at: &Location, bytes: Vec<u8>) -> Result<ArrayRef> {
    let length = bytes.len() as u64;
    let mut values = Values::open(at.clone(), Box::new(Cursor::new(bytes)), length)?;
    values.next_rows(values.n_rows())
}

/// The values of an array of one or two dimensions, given out some rows at a time.
pub(crate) struct Values {
    pub(crate) header: Header,
    at: Location,
    source: ValueSource,
}

enum ValueSource {
    /// Row after row, straight from the file.
    Stream(Box<dyn Read + Send>),
    /// Column after column, all in memory, with the rows given out so far.
    Columns { bytes: Vec<u8>, done: usize },
}

impl Values {
    /// Reads the header and checks that the values it promises are there.
    ///
    /// `length` is the length of the whole array file, header included.
    pub(crate) fn open(at: Location, mut bytes: Box<dyn Read + Send>, length: u64) -> Result<Self> {
        let header = Header::read(&mut bytes, &at)?;
        if header.shape.len() > 2 || header.shape.is_empty() {
            return Err(Error::NpyShape {
                at,
                shape: header.shape,
            });
        }
        let found = length.saturating_sub(header.length);
        let expected = header.value_bytes();
        if expected > found {
            return Err(Error::Truncated {
                at,
                expected,
                found,
            });
        }
        // Arrow counts the values of a row in 31 bits.
        if header.shape.get(1).is_some_and(|&n| n > i32::MAX as u64) {
            return Err(Error::NpyShape {
                at,
                shape: header.shape,
            });
        }
        let source = if header.fortran && header.shape.len() == 2 {
            // Not more than the file holds: checked above.
            let mut all = vec![0; expected as usize];
            read_exact(&mut bytes, &mut all, &at)?;
            ValueSource::Columns {
                bytes: all,
                done: 0,
            }
        } else {
            ValueSource::Stream(bytes)
        };
        Ok(Self { header, at, source })
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.header.shape.first().map_or(0, |&n| n as usize)
    }

    /// Values a row.
    fn width(&self) -> usize {
        self.header.shape.get(1).map_or(1, |&n| n as usize)
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.width() * self.header.item.number.bytes()
    }

    pub(crate) fn at(&self) -> &Location {
        &self.at
    }

    /// The next `n` rows. The caller asks for no more than there are.
    pub(crate) fn next_rows(&mut self, n: usize) -> Result<ArrayRef> {
        let item = self.header.item;
        let n_rows = self.n_rows();
        let width = self.width();
        let values = if let ValueSource::Stream(bytes) = &mut self.source
            && item.as_in_memory()
        {
            read_in_place(bytes, item, n * width, &self.at)?
        } else {
            let mut rows = vec![0; n * width * item.number.bytes()];
            match &mut self.source {
                ValueSource::Stream(bytes) => read_exact(bytes, &mut rows, &self.at)?,
                ValueSource::Columns { bytes, done } => {
                    let columns = bytes.chunks_exact((n_rows * item.number.bytes()).max(1));
                    for (j, column) in columns.enumerate() {
                        let values = column.chunks_exact(item.number.bytes()).skip(*done);
                        let cells = rows
                            .chunks_exact_mut(item.number.bytes())
                            .skip(j)
                            .step_by(width);
                        for (cell, value) in cells.zip(values) {
                            cell.copy_from_slice(value);
                        }
                    }
                    *done += n;
                }
            }
            decode(item, &rows)
        };
        Ok(match data_type(&self.header) {
            DataType::FixedSizeList(field, size) => {
                Arc::new(FixedSizeListArray::new(field, size, values, None))
            }
            _ => values,
        })
    }
}

/// A list for two dimensions, a number for one.
pub(crate) fn data_type(header: &Header) -> DataType {
    let item = header.item.data_type();
    match header.shape.get(1) {
        Some(&width) => DataType::FixedSizeList(
            Arc::new(Field::new("item", item, false)),
            i32::try_from(width).unwrap_or(i32::MAX),
        ),
        None => item,
    }
}

fn read_exact(bytes: &mut dyn Read, out: &mut [u8], at: &Location) -> Result<()> {
    bytes.read_exact(out).map_err(|source| Error::Read {
        at: at.clone(),
        source,
    })
}

/// Reads floats that stand in the file as they do in memory to where they stay.
fn read_in_place(bytes: &mut dyn Read, item: Item, n: usize, at: &Location) -> Result<ArrayRef> {
    Ok(if item.number == Number::F32 {
        let mut values = vec![0f32; n];
        read_exact(bytes, bytemuck::cast_slice_mut(&mut values), at)?;
        Arc::new(Float32Array::from(values))
    } else {
        let mut values = vec![0f64; n];
        read_exact(bytes, bytemuck::cast_slice_mut(&mut values), at)?;
        Arc::new(Float64Array::from(values))
    })
}

/// Raw values to an Arrow array of the type that [`Item::data_type`] names.
fn decode(item: Item, bytes: &[u8]) -> ArrayRef {
    macro_rules! numbers {
        ($ty:ty, $array:ty, $as:ty) => {{
            let chunks = bytes.chunks_exact(size_of::<$ty>());
            let value = |chunk: &[u8]| {
                let mut raw = [0; size_of::<$ty>()];
                raw.copy_from_slice(chunk);
                if item.big_endian {
                    <$ty>::from_be_bytes(raw)
                } else {
                    <$ty>::from_le_bytes(raw)
                }
            };
            Arc::new(<$array>::from_iter_values(
                chunks.map(|c| <$as>::from(value(c))),
            )) as ArrayRef
        }};
    }
    match item.number {
        Number::F16 => numbers!(f16, Float32Array, f32),
        Number::F32 => numbers!(f32, Float32Array, f32),
        Number::F64 => numbers!(f64, Float64Array, f64),
        Number::I8 => numbers!(i8, Int64Array, i64),
        Number::I16 => numbers!(i16, Int64Array, i64),
        Number::I32 => numbers!(i32, Int64Array, i64),
        Number::I64 => numbers!(i64, Int64Array, i64),
        Number::U8 => numbers!(u8, UInt64Array, u64),
        Number::U16 => numbers!(u16, UInt64Array, u64),
        Number::U32 => numbers!(u32, UInt64Array, u64),
        Number::U64 => numbers!(u64, UInt64Array, u64),
        Number::Text(n) => {
            let text = |item_bytes: &[u8]| {
                let characters = item_bytes.chunks_exact(4).map(|bytes| {
                    let mut raw = [0; 4];
                    raw.copy_from_slice(bytes);
                    let code = if item.big_endian {
                        u32::from_be_bytes(raw)
                    } else {
                        u32::from_le_bytes(raw)
                    };
                    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                });
                let text: String = characters.collect();
                // Shorter text is padded.
                text.trim_end_matches('\0').to_owned()
            };
            let texts = bytes.chunks_exact(4 * n as usize).map(text);
            Arc::new(StringArray::from_iter_values(texts))
        }
        Number::Bytes(n) => {
            let texts = bytes.chunks_exact(n as usize).map(String::from_utf8_lossy);
            let texts = texts.map(|text| text.trim_end_matches('\0').to_owned());
            Arc::new(StringArray::from_iter_values(texts))
        }
        Number::Bool => {
            let values: Vec<bool> = bytes.iter().map(|&b| b != 0).collect();
            Arc::new(BooleanArray::from(values))
        }
    }
}
