//! The header of a NumPy array, parsed without trust.
//!
//! It is a Python dictionary of three known keys; a general parser of Python literals
//! would be more to attack and no more to gain.

use std::io::Read;

use arrow_schema::DataType;

use qualm::Location;

use crate::error::{Error, Result, quoted};

/// What is said for the type of arrays with several fields.
const STRUCTURED: &str = "[...]";
/// The longest header read. NumPy itself refuses above 10,000 bytes.
const LONGEST: usize = 1 << 16;

/// What the header of a NumPy array says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The type of a value.
    pub item: Item,
    /// Whether the first index runs fastest.
    pub fortran: bool,
    /// Values along each dimension.
    pub shape: Vec<u64>,
    /// Bytes of magic and header, after which the values begin.
    pub length: u64,
}

/// The type of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// What kind of number, or text, and of how many bytes.
    pub number: Number,
    /// Whether the highest byte of a number comes first.
    pub big_endian: bool,
}

/// The numbers, or the text, that NumPy's letter and size name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the numbers say it")]
pub enum Number {
    Bool,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    /// So many characters, of four bytes each.
    Text(u32),
    /// So many bytes of text.
    Bytes(u32),
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let length = |kind| {
            let digits = text.strip_prefix(kind)?;
            digits.parse().ok().filter(|&n| n > 0)
        };
        if let Some(n) = length('U') {
            return Some(Self::Text(n));
        }
        if let Some(n) = length('S') {
            return Some(Self::Bytes(n));
        }
        Some(match text {
            "b1" => Self::Bool,
            "f2" => Self::F16,
            "f4" => Self::F32,
            "f8" => Self::F64,
            "i1" => Self::I8,
            "i2" => Self::I16,
            "i4" => Self::I32,
            "i8" => Self::I64,
            "u1" => Self::U8,
            "u2" => Self::U16,
            "u4" => Self::U32,
            "u8" => Self::U64,
            _ => return None,
        })
    }

    /// Bytes that one takes in the file.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::F16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::Text(n) => 4 * n as usize,
            Self::Bytes(n) => n as usize,
        }
    }

    /// Whether it is none.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text(_) | Self::Bytes(_))
    }
}

impl Item {
    /// The Arrow type that the values are given out as: the widest of their kind, except
    /// for float32, which is what the detectors take.
    pub(crate) fn data_type(self) -> DataType {
        match self.number {
            Number::Bool => DataType::Boolean,
            Number::F16 | Number::F32 => DataType::Float32,
            Number::F64 => DataType::Float64,
            Number::I8 | Number::I16 | Number::I32 | Number::I64 => DataType::Int64,
            Number::U8 | Number::U16 | Number::U32 | Number::U64 => DataType::UInt64,
            Number::Text(_) | Number::Bytes(_) => DataType::Utf8,
        }
    }

    /// Whether the bytes in the file are those of the float that Arrow holds.
    pub(crate) fn as_in_memory(self) -> bool {
        matches!(self.number, Number::F32 | Number::F64)
            && self.big_endian == cfg!(target_endian = "big")
    }

    fn parse(descr: &str) -> Option<Self> {
        let big_endian = match descr.chars().next()? {
            '>' => true,
            '<' | '|' | '=' => false,
            _ => return None,
        };
        let number = Number::parse(descr.get(1..)?)?;
        Some(Self { number, big_endian })
    }
}

impl Header {
    /// Bytes of values that the header promises; the most there can be on overflow.
    #[must_use]
    pub fn value_bytes(&self) -> u64 {
        let item = self.item.number.bytes() as u64;
        let product = |product: u64, &n: &u64| product.checked_mul(n);
        // A zero anywhere makes it zero, whatever the others would overflow to.
        if self.shape.contains(&0) {
            return 0;
        }
        self.shape
            .iter()
            .try_fold(item, product)
            .unwrap_or(u64::MAX)
    }

    /// Bytes of the whole array file that the header promises.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.length.saturating_add(self.value_bytes())
    }

    /// Reads magic, version and dictionary, leaving `bytes` at the first value.
    ///
    /// # Errors
    /// [`Error::NpyHeader`] for what is no header, [`Error::NpyType`] for values that are neither
    /// numbers nor text.
    pub fn read(bytes: &mut dyn Read, at: &Location) -> Result<Self> {
        let damaged = |expected| Error::NpyHeader {
            at: at.clone(),
            expected,
        };
        let mut start = [0; 8];
        bytes
            .read_exact(&mut start)
            .map_err(|_| damaged("magic bytes"))?;
        let [magic @ .., major, _minor] = start;
        if &magic != b"\x93NUMPY" {
            return Err(damaged("magic bytes"));
        }
        let n_size = match major {
            1 => 2,
            2 | 3 => 4,
            _ => return Err(damaged("version (1, 2 or 3)")),
        };
        let mut size = [0; 4];
        bytes
            .read_exact(&mut size[..n_size])
            .map_err(|_| damaged("header length"))?;
        let size = u32::from_le_bytes(size) as usize;
        if size > LONGEST {
            return Err(damaged("header length"));
        }
        let mut text = vec![0; size];
        bytes
            .read_exact(&mut text)
            .map_err(|_| damaged("header: it is cut short"))?;
        let text = str::from_utf8(&text).map_err(|_| damaged("header text"))?;
        let descr = value_of(text, "descr").ok_or_else(|| damaged("'descr'"))?;
        let Some(item) = unquoted(descr).and_then(Item::parse) else {
            let found = match unquoted(descr) {
                Some(descr) => quoted(descr),
                // A list of fields, after which the rest of the header follows.
                None => STRUCTURED.to_owned(),
            };
            let at = at.clone();
            return Err(Error::NpyType { at, found });
        };
        let fortran = match value_of(text, "fortran_order") {
            Some(value) if value.starts_with("True") => true,
            Some(value) if value.starts_with("False") => false,
            _ => return Err(damaged("'fortran_order'")),
        };
        let shape = value_of(text, "shape")
            .and_then(parse_shape)
            .ok_or_else(|| damaged("'shape'"))?;
        Ok(Self {
            item,
            fortran,
            shape,
            length: (8 + n_size + size) as u64,
        })
    }
}

/// The text after `'key':`.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text
        .split_once(&format!("'{key}'"))
        .or_else(|| text.split_once(&format!("\"{key}\"")))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// The inside of a leading string literal.
fn unquoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text.get(1..)?.split(quote).next()
}

/// What NumPy's name of a type means, where it is no number and no text.
pub(crate) fn in_words(descr: &str) -> &'static str {
    match descr
        .trim_start_matches(['<', '>', '|', '='])
        .chars()
        .next()
    {
        Some('O') => "Python objects",
        Some('c') => "complex numbers",
        Some('M') => "dates and times",
        Some('m') => "time spans",
        Some('V' | '[') => "records of several fields",
        Some('f' | 'g') => "floats of an unusual size",
        _ => "an unknown type",
    }
}

/// A tuple of lengths: `()`, `(3,)`, `(3, 4)`.
fn parse_shape(text: &str) -> Option<Vec<u64>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    let mut parts: Vec<&str> = inside.split(',').map(str::trim).collect();
    if parts.last() == Some(&"") {
        parts.pop();
    }
    // Python 2 wrote long integers with an L.
    parts
        .iter()
        .map(|part| part.trim_end_matches('L').parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_files::npy_bytes;

    fn read(mut bytes: &[u8]) -> Result<Header> {
        Header::read(&mut bytes, &Location::file("x.npy"))
    }

    #[test]
    fn headers_of_all_kinds_are_read() {
        let header = read(&npy_bytes("<f4", true, "(3, 4)", &[])).unwrap();
        assert_eq!((header.fortran, header.shape), (true, vec![3, 4]));
        assert_eq!(
            read(&npy_bytes("|b1", false, "(3,)", &[])).unwrap().shape,
            [3]
        );
        assert!(
            read(&npy_bytes(">i8", false, "()", &[]))
                .unwrap()
                .shape
                .is_empty()
        );
        assert!(
            read(&npy_bytes(">i8", false, "(1,)", &[]))
                .unwrap()
                .item
                .big_endian
        );
    }

    #[test]
    fn damaged_headers_are_refused() {
        let fine = npy_bytes("<f4", false, "(3, 4)", &[]);
        for end in 0..fine.len() {
            assert!(read(&fine[..end]).is_err(), "cut at {end}");
        }
        for (descr, shape) in [
            ("<f4", "(-1, 3)"),
            ("<f4", "(99999999999999999999, 3)"),
            ("<f4", "(a, 3)"),
            ("<f4", "3"),
            ("<c8", "(3, 4)"),
            ("|O", "(3, 4)"),
            ("<U0", "(3, 4)"),
            ("<U99999999999", "(3, 4)"),
            ("é", "(3, 4)"),
            ("", "(3, 4)"),
        ] {
            assert!(
                read(&npy_bytes(descr, false, shape, &[])).is_err(),
                "{descr} {shape}"
            );
        }
        let mut long = fine.clone();
        long[6] = 2;
        long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(read(&long), Err(Error::NpyHeader { .. })));
    }
}
