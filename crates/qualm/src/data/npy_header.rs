//! The header of a NumPy array, parsed without trust.
//!
//! It is a Python dictionary of three known keys; a general parser of Python literals
//! would be more to attack and no more to gain.

use std::io::Read;

use arrow_schema::DataType;

use crate::error::{Error, Location, Result};

/// The longest header read. NumPy itself refuses above 10,000 bytes.
const LONGEST: usize = 1 << 16;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) item: Item,
    pub(super) fortran: bool,
    pub(super) shape: Vec<u64>,
    /// Bytes of magic and header, after which the values begin.
    pub(super) length: u64,
}

/// The type of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    /// NumPy's letter: `f`, `i`, `u` or `b`.
    pub(super) kind: u8,
    pub(super) bytes: usize,
    pub(super) big_endian: bool,
}

impl Item {
    /// The Arrow type that the values are given out as: the widest of their kind, except
    /// for float32, which is what the detectors take.
    pub(super) fn data_type(self) -> DataType {
        match (self.kind, self.bytes) {
            (b'f', 2 | 4) => DataType::Float32,
            (b'f', _) => DataType::Float64,
            (b'i', _) => DataType::Int64,
            (b'u', _) => DataType::UInt64,
            _ => DataType::Boolean,
        }
    }

    /// Whether the bytes in the file are those of the float that Arrow holds.
    pub(super) fn as_in_memory(self) -> bool {
        self.kind == b'f' && self.bytes >= 4 && self.big_endian == cfg!(target_endian = "big")
    }

    fn parse(descr: &str) -> Option<Self> {
        let mut bytes = descr.bytes();
        let big_endian = match bytes.next()? {
            b'>' => true,
            b'<' | b'|' | b'=' => false,
            _ => return None,
        };
        let kind = bytes.next()?;
        let bytes = descr.get(2..)?.parse().ok()?;
        let known = match kind {
            b'f' => matches!(bytes, 2 | 4 | 8),
            b'i' | b'u' => matches!(bytes, 1 | 2 | 4 | 8),
            b'b' => bytes == 1,
            _ => false,
        };
        known.then_some(Self {
            kind,
            bytes,
            big_endian,
        })
    }
}

impl Header {
    /// Bytes of values that the header promises; the most there can be on overflow.
    pub(super) fn value_bytes(&self) -> u64 {
        let item = self.item.bytes as u64;
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
    pub(super) fn total_bytes(&self) -> u64 {
        self.length.saturating_add(self.value_bytes())
    }

    /// Reads magic, version and dictionary, leaving `bytes` at the first value.
    pub(super) fn read(bytes: &mut dyn Read, at: &Location) -> Result<Self> {
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
            return Err(Error::NpyType {
                at: at.clone(),
                found: super::csv::quoted(unquoted(descr).unwrap_or(descr)),
            });
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
    use crate::data::test_files::npy_bytes;

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
            ("<U5", "(3, 4)"),
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
