//! Tensors of safetensors files.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::numbers::Kind;
use super::{Tensor, Weights, corrupt};
use crate::encoder::error::EncoderError;
use crate::encoder::onnx::METADATA;

pub(super) fn read(file: &Path, bytes: &[u8]) -> Result<Weights, EncoderError> {
    let broken = |error: safetensors::SafeTensorError| {
        corrupt(
            file,
            "the file",
            error.to_string(),
            "a complete safetensors file",
        )
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let metadata = header.metadata().as_ref();
    let metadata = metadata.and_then(|entries| entries.get(METADATA)).cloned();
    let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
    let tensors = tensors.iter().map(|(name, view)| {
        let tensor = Tensor {
            shape: view.shape().to_vec(),
            values: kind(view.dtype()).values(view.data()),
        };
        (name.to_owned(), tensor)
    });
    Ok(Weights {
        tensors: tensors.collect(),
        metadata,
    })
}

fn kind(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::Bf16,
        Dtype::F32 => Kind::F32,
        Dtype::F64 => Kind::F64,
        Dtype::I64 => Kind::Other("int64", 8),
        Dtype::I32 => Kind::Other("int32", 4),
        Dtype::I8 => Kind::Other("int8", 1),
        Dtype::U8 => Kind::Other("uint8", 1),
        Dtype::BOOL => Kind::Other("bool", 1),
        _ => Kind::Other("of a type that is not read here", 1),
    }
}
