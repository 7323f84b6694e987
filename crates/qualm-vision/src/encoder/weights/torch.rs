//! Tensors of PyTorch's zip files: `data.pkl` says which there are, `data/0`, `data/1` and so on
//! hold their values. PyTorch compresses nothing, so that no entry can be larger than the file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::pickle::{self, Object, Objects, Place, TensorOf};
use super::{Tensor, Weights, corrupt};
use crate::encoder::error::EncoderError;

/// Dictionaries in which training scripts put the weights.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// So many dictionaries in each other.
const DEPTH: usize = 4;

/// All tensors together may be so many times as large as the file: a few may share their values.
const SHARING: usize = 2;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

pub(super) fn read(file: &Path, bytes: &[u8]) -> Result<Weights, EncoderError> {
    let archive = ZipArchive::new(Cursor::new(bytes));
    let mut archive = archive.map_err(|error| {
        corrupt(
            file,
            "the archive",
            error.to_string(),
            "a complete zip file",
        )
    })?;
    let names: Vec<String> = archive
        .file_names()
        .flatten()
        .map(Cow::into_owned)
        .collect();
    let inside = |name: &str| names.iter().find(|n| n.ends_with(name)).cloned();
    if names.iter().any(|n| n.contains("/code/")) {
        return Err(EncoderError::TorchScript {
            file: file.to_owned(),
        });
    }
    let Some(pickle) = inside("/data.pkl").or(inside("data.pkl")) else {
        return Err(EncoderError::NotAnEncoder {
            file: file.to_owned(),
            found: "a zip archive without data.pkl",
        });
    };
    let folder = pickle.trim_end_matches("data.pkl").to_owned();
    if names.contains(&format!("{folder}byteorder")) {
        let order = entry(file, &mut archive, &format!("{folder}byteorder"))?;
        if order != b"little" {
            let found = String::from_utf8_lossy(&order)
                .chars()
                .take(20)
                .collect::<String>();
            return Err(corrupt(file, "its byte order", found, "little"));
        }
    }
    let refuse = |found: String| EncoderError::Pickle {
        file: file.to_owned(),
        found,
    };
    let pickle = entry(file, &mut archive, &pickle)?;
    let objects = pickle::read(&pickle).map_err(refuse)?;
    let mut reader = Reader {
        file,
        archive,
        folder,
        storages: HashMap::new(),
        room: bytes.len().saturating_mul(SHARING),
    };
    let mut tensors = BTreeMap::new();
    for (name, tensor) in state_dict(&objects).map_err(refuse)? {
        let tensor = reader.tensor(name, tensor)?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(Weights {
        tensors,
        metadata: None,
    })
}

/// The tensors of the state dict, by name.
fn state_dict(objects: &Objects) -> Result<Vec<(&str, &TensorOf)>, String> {
    let mut dict = objects.top;
    for _ in 0..DEPTH {
        let Object::Dict(entries) = objects.get(dict) else {
            return Err("no dictionary".to_owned());
        };
        let named = |(key, value): &(Place, Place)| Some((objects.text(*key)?, *value));
        let named: Vec<(&str, Place)> = entries.iter().filter_map(named).collect();
        let mut tensors = Vec::new();
        for (name, value) in &named {
            if let Object::Tensor(tensor) = objects.get(*value) {
                tensors.push((*name, tensor));
            }
        }
        let inner = WRAPPERS.iter().find_map(|wrapper| {
            let (_, place) = named.iter().find(|(name, _)| name == wrapper)?;
            matches!(objects.get(*place), Object::Dict(_)).then_some(*place)
        });
        match inner {
            Some(inner) => dict = inner,
            None if tensors.is_empty() => break,
            None if tensors.len() < entries.len() => {
                let other = named
                    .iter()
                    .find(|(name, _)| tensors.iter().all(|(t, _)| t != name));
                let other = other.map_or("a key that is no text", |(name, _)| name);
                return Err(format!("'{other}' among the tensors, which is none"));
            }
            None => return Ok(tensors),
        }
    }
    Err(format!(
        "no tensors, neither by itself nor under {}",
        WRAPPERS.join(", ")
    ))
}

/// The bytes of an entry.
fn entry(file: &Path, archive: &mut Archive<'_>, name: &str) -> Result<Vec<u8>, EncoderError> {
    let broken = |found: String| corrupt(file, name, found, "an entry as PyTorch writes it");
    let mut entry = archive.by_name(name).map_err(|e| broken(e.to_string()))?;
    if entry.compression() != CompressionMethod::Stored {
        return Err(broken("compressed".to_owned()));
    }
    let mut bytes = Vec::new();
    let read = entry.read_to_end(&mut bytes);
    read.map_err(|e| broken(e.to_string()))?;
    Ok(bytes)
}

/// Reads tensors of an archive, each storage once.
struct Reader<'a> {
    file: &'a Path,
    archive: Archive<'a>,
    folder: String,
    storages: HashMap<String, Vec<u8>>,
    /// Bytes that tensors may still take.
    room: usize,
}

impl Reader<'_> {
    fn tensor(&mut self, name: &str, of: &TensorOf) -> Result<Tensor, EncoderError> {
        let (file, storage) = (self.file, &of.storage);
        let part = || format!("tensor {name}");
        let size = storage.kind.bytes();
        let values = of.shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        let bytes = values.and_then(|n| n.checked_mul(size));
        let room = bytes.and_then(|bytes| self.room.checked_sub(bytes));
        let Some(room) = room else {
            let found = format!("of shape {:?}", of.shape);
            return Err(corrupt(file, part(), found, "no larger than the file"));
        };
        self.room = room;
        let last = last_place(of);
        if last.is_none_or(|last| last >= storage.values) && values != Some(0) {
            let found = format!(
                "shape {:?}, strides {:?}, offset {}",
                of.shape, of.strides, of.offset
            );
            let expected = format!("within its {} values", storage.values);
            return Err(corrupt(file, part(), found, expected));
        }
        if !self.storages.contains_key(&storage.key) {
            let name = format!("{}data/{}", self.folder, storage.key);
            let bytes = entry(file, &mut self.archive, &name)?;
            self.storages.insert(storage.key.clone(), bytes);
        }
        let all = self
            .storages
            .get(&storage.key)
            .map_or(&[][..], Vec::as_slice);
        if Some(all.len()) != storage.values.checked_mul(size) {
            let found = format!("{} bytes", all.len());
            let expected = format!("{} values of {size} bytes", storage.values);
            return Err(corrupt(
                file,
                format!("data/{}", storage.key),
                found,
                expected,
            ));
        }
        let mut picked = Vec::with_capacity(bytes.unwrap_or(0));
        for place in places(of) {
            let start = place * size;
            picked.extend_from_slice(all.get(start..start + size).unwrap_or_default());
        }
        Ok(Tensor {
            shape: of.shape.clone(),
            values: storage.kind.values(&picked),
        })
    }
}

/// The last place of a tensor in its storage; nothing if it is beyond all numbers.
fn last_place(of: &TensorOf) -> Option<usize> {
    let sides = of.shape.iter().zip(&of.strides);
    sides
        .into_iter()
        .try_fold(of.offset, |last, (side, stride)| {
            last.checked_add(side.saturating_sub(1).checked_mul(*stride)?)
        })
}

/// The places of its values in its storage, in row-major order.
fn places(of: &TensorOf) -> impl Iterator<Item = usize> {
    let values: usize = of.shape.iter().product();
    (0..values).map(|value| {
        let sides = of.shape.iter().zip(&of.strides).rev();
        let (place, _) = sides.fold((of.offset, value), |(place, rest), (side, stride)| {
            (place + rest % side * stride, rest / side)
        });
        place
    })
}
