//! The files that an ONNX file keeps its weights in, besides itself.
//!
//! A graph of more than 2 GiB, and any that PyTorch's exporter decides to split, has tensors whose
//! values lie in other files of the folder. The digest of an encoder covers them, so they are
//! looked for in the few fields of the format that name them (onnx.proto): `ModelProto.graph` = 7,
//! `GraphProto.initializer` = 5, `TensorProto.external_data` = 13, and of its entries key = 1 and
//! value = 2.

use std::path::{Path, PathBuf};

/// The other files, each once, in alphabetical order. What is no protocol buffer names none:
/// onnxruntime refuses it anyhow.
pub(crate) fn external(file: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut names = Vec::new();
    for graph in fields(bytes, 7) {
        for tensor in fields(graph, 5) {
            for entry in fields(tensor, 13) {
                if fields(entry, 1).next() == Some(b"location") {
                    names.extend(fields(entry, 2).map(String::from_utf8_lossy));
                }
            }
        }
    }
    names.sort();
    names.dedup();
    names.iter().map(|name| folder.join(&**name)).collect()
}

/// The values of a field of messages or bytes, of the message in `bytes`.
fn fields(mut bytes: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while let Some((key, rest)) = varint(bytes) {
            let (value, rest) = match key & 7 {
                0 => (None, varint(rest)?.1),
                1 => (None, rest.get(8..)?),
                2 => {
                    let (length, rest) = varint(rest)?;
                    let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                    (Some(value), rest)
                }
                5 => (None, rest.get(4..)?),
                _ => return None,
            };
            bytes = rest;
            if let Some(value) = value.filter(|_| key >> 3 == wanted) {
                return Some(value);
            }
        }
        None
    })
}

/// A number of seven bits a byte, the lowest first, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (i, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(i + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes.
    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2, value.len() as u8];
        bytes.extend(value);
        bytes
    }

    #[test]
    fn files_named_by_tensors_are_found_once() {
        let entry =
            |key: &[u8], value: &[u8]| field(13, &[field(1, key), field(2, value)].concat());
        let mut tensor = vec![8, 3, 13 << 3 | 5, 0, 0, 0, 0];
        tensor.extend(entry(b"location", b"b.data"));
        tensor.extend(entry(b"offset", b"0"));
        let other = entry(b"location", b"a.data");
        let graph: Vec<u8> = [&tensor, &tensor, &other]
            .into_iter()
            .flat_map(|t| field(5, t))
            .collect();
        let model = [vec![8, 9], field(7, &graph)].concat();
        let found = external(Path::new("folder/m.onnx"), &model);
        assert_eq!(found, ["folder/a.data", "folder/b.data"].map(PathBuf::from));
        // Cut anywhere, it names fewer or none, and nothing breaks.
        for length in 0..model.len() {
            assert!(external(Path::new("m"), &model[..length]).len() <= 2);
        }
    }
}
