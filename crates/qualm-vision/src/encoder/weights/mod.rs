//! Weights from files, as tensors by name: nothing in a file is ever run.

mod names;
mod numbers;
mod pickle;
mod safetensors;
mod torch;

use std::collections::BTreeMap;
use std::path::Path;

use super::error::EncoderError;

pub(crate) use self::names::{Named, named, recognise};

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    /// Its values in order; the name of its type where that is not one of floating point.
    pub(crate) values: Result<Vec<f32>, &'static str>,
}

/// The tensors of a file by name, and what its metadata says of an encoder.
#[derive(Debug, Default)]
pub(crate) struct Weights {
    pub(crate) tensors: BTreeMap<String, Tensor>,
    pub(crate) metadata: Option<String>,
}

/// Whether these are the first bytes of a safetensors file: the length of its header, and JSON.
pub(crate) fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// Whether these are the first bytes of a zip archive, which PyTorch writes since 1.6.
pub(crate) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Whether these are the first bytes of a PyTorch file of before 1.6: a pickle of a magic number.
pub(crate) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x80\x02\x8a\x0a")
}

/// The tensors of a safetensors file.
///
/// # Errors
/// [`EncoderError::Corrupt`].
pub(crate) fn from_safetensors(file: &Path, bytes: &[u8]) -> Result<Weights, EncoderError> {
    safetensors::read(file, bytes)
}

/// The tensors of a PyTorch zip file.
///
/// # Errors
/// [`EncoderError::Corrupt`], [`EncoderError::Pickle`], [`EncoderError::TorchScript`].
pub(crate) fn from_torch(file: &Path, bytes: &[u8]) -> Result<Weights, EncoderError> {
    torch::read(file, bytes)
}

/// Something of a file that is not as it has to be.
pub(crate) fn corrupt(
    file: &Path,
    part: impl Into<String>,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> EncoderError {
    EncoderError::Corrupt {
        file: file.to_owned(),
        part: part.into(),
        found: found.into(),
        expected: expected.into(),
    }
}
