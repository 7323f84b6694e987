//! The container under `.qualm` files and checkpoints: safetensors with one JSON document
//! among its metadata. Nothing in it is executable.
//!
//! Reading trusts no byte: the header's length is checked before the rest is read, no more
//! is ever allocated than the file is long, and safetensors checks that the tensors' shapes
//! and extents cover the file without gap or overlap. A digest over the document and the
//! tensors tells damage from a model.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::atomic_file::{AtomicFile, write_error};
use crate::digest::sha256;
use crate::error::{Error, Result};

/// The metadata entry that holds our JSON. A single entry keeps the bytes reproducible:
/// safetensors writes its metadata in hash order.
const KEY: &str = "qualm";

/// The document's entry with the digest of everything else.
const SEAL: &str = "sha256";

/// Header bytes, at the most. A model's header is a few kilobytes plus column names.
const MAX_HEADER: u64 = 64 << 20;

/// Tensors and JSON on their way into a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Writer {
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

/// Tensors and JSON out of a file.
#[derive(Debug)]
pub struct Reader {
    file: PathBuf,
    json: String,
    /// The whole file.
    bytes: Vec<u8>,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Range<usize>)>,
}

/// Which kind of file, read before the rest so that a later version is told from damage.
#[derive(Debug, Deserialize)]
struct Kind {
    format: String,
    format_version: u64,
}

impl Writer {
    /// Adds a float32 tensor.
    pub fn f32(&mut self, name: impl Into<String>, shape: &[usize], data: &[f32]) {
        let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors
            .insert(name.into(), (Dtype::F32, shape.to_vec(), bytes));
    }

    /// Adds a float64 vector.
    pub fn f64(&mut self, name: impl Into<String>, data: &[f64]) {
        let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors
            .insert(name.into(), (Dtype::F64, vec![data.len()], bytes));
    }

    /// Adds a vector of counts or indices.
    pub fn u32(&mut self, name: impl Into<String>, data: &[u32]) {
        let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors
            .insert(name.into(), (Dtype::U32, vec![data.len()], bytes));
    }

    /// Adds all tensors of another writer, their names after `prefix`.
    pub fn extend(&mut self, prefix: &str, other: &Self) {
        let named = other.tensors.iter();
        let named = named.map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone()));
        self.tensors.extend(named);
    }

    /// The finished file, sealed with the digest of its document and its tensors.
    ///
    /// # Errors
    /// [`Error::SerialiseModel`], [`Error::SerialiseMetadata`].
    pub fn into_bytes(self, json: &impl Serialize) -> Result<Vec<u8>> {
        let json_error = |source| Error::SerialiseMetadata { source };
        let mut json = serde_json::to_value(json).map_err(json_error)?;
        let body = self.serialise(None)?;
        let seal = seal(&json, body_of(&body));
        if let Some(document) = json.as_object_mut() {
            document.insert(SEAL.to_owned(), seal.into());
        }
        self.serialise(Some(json.to_string()))
    }

    fn serialise(&self, json: Option<String>) -> Result<Vec<u8>> {
        let views = self
            .tensors
            .iter()
            .map(|(name, (dtype, shape, bytes))| {
                TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name, view))
            })
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|source| Error::SerialiseModel { source })?;
        let metadata = json.map(|json| HashMap::from([(KEY.to_owned(), json)]));
        safetensors::serialize(views, metadata).map_err(|source| Error::SerialiseModel { source })
    }
}

/// The tensors' bytes of a file in memory, after its header.
fn body_of(file: &[u8]) -> &[u8] {
    let header = file
        .first_chunk()
        .map_or(0, |prefix| u64::from_le_bytes(*prefix));
    usize::try_from(header)
        .ok()
        .and_then(|header| file.get(8usize.checked_add(header)?..))
        .unwrap_or_default()
}

/// SHA-256 of a document, but for its seal and with its keys in order, and of the tensors.
fn seal(json: &Value, body: &[u8]) -> String {
    let mut json = json.clone();
    if let Some(document) = json.as_object_mut() {
        document.remove(SEAL);
    }
    sha256([json.to_string().as_bytes(), body])
}

impl Reader {
    /// Reads a whole file.
    ///
    /// # Errors
    /// [`Error::ReadModel`], [`Error::NotAModel`], [`Error::CorruptModel`].
    pub fn open(path: &Path) -> Result<Self> {
        let read = |source| Error::ReadModel {
            file: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if metadata.is_dir() {
            return Err(read(ErrorKind::IsADirectory.into()));
        }
        Self::read(path, &mut file, metadata.len())
    }

    /// Reads from bytes in memory; `path` is what errors name.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        Self::read(path, &mut &*bytes, bytes.len() as u64)
    }

    /// Reads tensors that were never in a file, such as those of a checkpoint in memory.
    #[must_use]
    pub fn of_tensors(tensors: Writer) -> Self {
        let mut bytes = Vec::new();
        let places = tensors
            .tensors
            .into_iter()
            .map(|(name, (dtype, shape, data))| {
                let start = bytes.len();
                bytes.extend(data);
                (name, (dtype, shape, start..bytes.len()))
            });
        let tensors = places.collect();
        Self {
            file: PathBuf::from("checkpoint"),
            json: String::new(),
            bytes,
            tensors,
        }
    }

    /// Whether there is a tensor of this name that was not taken yet.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Takes all tensors whose names begin with `prefix`, named without it.
    pub fn take_all(&mut self, prefix: &str) -> Writer {
        let mut taken = Writer::default();
        self.tensors.retain(|name, (dtype, shape, place)| {
            let Some(rest) = name.strip_prefix(prefix) else {
                return true;
            };
            let bytes = self.bytes.get(place.clone()).unwrap_or_default();
            let tensor = (*dtype, shape.clone(), bytes.to_vec());
            taken.tensors.insert(rest.to_owned(), tensor);
            false
        });
        taken
    }

    fn read(path: &Path, source: &mut dyn Read, len: u64) -> Result<Self> {
        let not_a_model = |source| Error::NotAModel {
            file: path.to_owned(),
            source,
        };
        let read = |source: std::io::Error| match source.kind() {
            ErrorKind::UnexpectedEof => not_a_model(SafeTensorError::HeaderTooSmall),
            _ => Error::ReadModel {
                file: path.to_owned(),
                source,
            },
        };
        let mut prefix = [0; 8];
        source.read_exact(&mut prefix).map_err(read)?;
        let header = u64::from_le_bytes(prefix);
        if header > MAX_HEADER {
            return Err(not_a_model(SafeTensorError::HeaderTooLarge));
        }
        if header > len.saturating_sub(8) {
            return Err(not_a_model(SafeTensorError::InvalidHeaderLength));
        }
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(usize::try_from(len).unwrap_or(usize::MAX))
            .map_err(|_| read(ErrorKind::OutOfMemory.into()))?;
        bytes.extend(prefix);
        source
            .take(len.saturating_sub(8))
            .read_to_end(&mut bytes)
            .map_err(read)?;
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(not_a_model)?;
        let json = metadata
            .metadata()
            .as_ref()
            .and_then(|m| m.get(KEY))
            .cloned();
        let Some(json) = json else {
            return Err(Error::CorruptModel {
                file: path.to_owned(),
                part: "metadata".to_owned(),
                found: "without a 'qualm' entry".to_owned(),
                expected: "a file written by qualm".to_owned(),
            });
        };
        let body = 8 + header;
        let tensors = metadata.tensors().into_iter().map(|(name, info)| {
            let (start, end) = info.data_offsets;
            (
                name,
                (info.dtype, info.shape.clone(), body + start..body + end),
            )
        });
        Ok(Self {
            file: path.to_owned(),
            json,
            tensors: tensors.collect(),
            bytes,
        })
    }

    /// The JSON document.
    ///
    /// # Errors
    /// [`Error::CorruptModel`] when it is not such a document.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.json).map_err(|source| {
            self.corrupt(
                "metadata",
                source.to_string(),
                "the metadata of a qualm file",
            )
        })
    }

    /// Takes a float32 tensor of a known shape; its values must be finite.
    ///
    /// # Errors
    /// [`Error::CorruptModel`] when it is missing, of another type or shape, or not
    /// finite.
    pub fn f32(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let bytes = self.take(name, Dtype::F32, Some(shape))?;
        let values = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
        let values: Vec<f32> = values.collect();
        self.finite(name, values.iter().all(|v| v.is_finite()))?;
        Ok(values)
    }

    /// Takes a float64 vector of any length; its values must be finite.
    ///
    /// # Errors
    /// [`Error::CorruptModel`] when it is missing, of another type or shape, or not
    /// finite.
    pub fn f64(&mut self, name: &str) -> Result<Vec<f64>> {
        let bytes = self.take(name, Dtype::F64, None)?;
        let values = bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b));
        let values: Vec<f64> = values.collect();
        self.finite(name, values.iter().all(|v| v.is_finite()))?;
        Ok(values)
    }

    /// Takes a float32 matrix with any number of rows but 0; its values must be finite.
    ///
    /// # Shapes
    /// Returns `(n, n_cols)`, row after row.
    ///
    /// # Errors
    /// As [`Reader::f32`].
    pub fn f32_rows(&mut self, name: &str, n_cols: usize) -> Result<Vec<f32>> {
        let tensor = self.tensors.get(name);
        let n_rows = tensor.and_then(|(_, shape, _)| shape.first().copied());
        // A file without the tensor is refused for that.
        self.f32(name, &[n_rows.unwrap_or(1).max(1), n_cols])
    }

    /// Takes a vector of counts or indices of any length.
    ///
    /// # Errors
    /// [`Error::CorruptModel`] when it is missing, of another type or shape.
    pub fn u32(&mut self, name: &str) -> Result<Vec<u32>> {
        let bytes = self.take(name, Dtype::U32, None)?;
        let values = bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b));
        Ok(values.collect())
    }

    /// Takes a float64 vector of a known length; its values must be finite.
    ///
    /// # Errors
    /// As [`Reader::f64`], and for another length.
    pub fn f64_of(&mut self, name: &str, len: usize) -> Result<Vec<f64>> {
        let values = self.f64(name)?;
        if values.len() == len {
            return Ok(values);
        }
        let found = format!("of {} values", values.len());
        Err(self.corrupt(name, found, format!("{len} values")))
    }

    fn finite(&self, name: &str, holds: bool) -> Result<()> {
        if holds {
            return Ok(());
        }
        Err(self.corrupt(name, "with values that are not finite", "finite numbers"))
    }

    /// The bytes of a tensor, which can be taken once.
    fn take(&mut self, name: &str, dtype: Dtype, shape: Option<&[usize]>) -> Result<&[u8]> {
        let expected = match shape {
            Some(shape) => format!("{dtype:?} of shape {shape:?}"),
            None => format!("a vector of {dtype:?}"),
        };
        let Some((found, found_shape, range)) = self.tensors.remove(name) else {
            return Err(self.corrupt(name, "missing", expected));
        };
        let fits = shape.map_or(found_shape.len() == 1, |shape| shape == found_shape);
        match self.bytes.get(range) {
            Some(bytes) if fits && found == dtype => Ok(bytes),
            _ => Err(self.corrupt(
                name,
                format!("{found:?} of shape {found_shape:?}"),
                expected,
            )),
        }
    }

    /// Refuses a file whose document or tensors are not those that were written.
    ///
    /// # Errors
    /// [`Error::CorruptModel`].
    pub fn check_seal(&self) -> Result<()> {
        let json: Value = self.json()?;
        let expected = seal(&json, body_of(&self.bytes));
        let found = json.get(SEAL).and_then(Value::as_str).unwrap_or("missing");
        if found == expected {
            return Ok(());
        }
        Err(self.corrupt(
            SEAL,
            found,
            format!("{expected}, the digest of the content"),
        ))
    }

    /// An error about one part of this file.
    pub fn corrupt(
        &self,
        part: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        Error::CorruptModel {
            file: self.file.clone(),
            part: part.into(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// An error about a part whose content was refused.
    #[must_use]
    pub fn refused(&self, part: &str, error: &Error) -> Error {
        self.corrupt(part, format!("refused ({error})"), "what qualm writes")
    }

    /// The file's name, for errors.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Checks the kind and version of a file, then that it is undamaged.
    ///
    /// # Errors
    /// [`Error::CorruptModel`] for another kind of file or damage, [`Error::NewerModel`] for a
    /// later version.
    pub fn check_format(&self, format: &str, version: u64) -> Result<()> {
        let kind: Kind = self.json()?;
        if kind.format != format {
            return Err(self.corrupt(
                "format",
                format!("'{}'", kind.format),
                format!("'{format}'"),
            ));
        }
        if kind.format_version > version {
            return Err(Error::NewerModel {
                file: self.file().to_owned(),
                found: kind.format_version,
                supported: version,
            });
        }
        if kind.format_version == 0 {
            return Err(self.corrupt("format_version", "0", format!("1 to {version}")));
        }
        self.check_seal()
    }
}

/// Puts finished bytes into a file.
///
/// # Errors
/// Those of [`AtomicFile::commit`].
pub fn write(bytes: &[u8], mut file: AtomicFile) -> Result<()> {
    file.write_all(bytes)
        .map_err(|source| write_error(file.path(), source))?;
    file.commit()
}
