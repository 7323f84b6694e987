//! Types of numbers in files, and what they become: float32.

use half::{bf16, f16};

/// The type of the values of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    /// A type that is not of floating point: its name and bytes.
    Other(&'static str, usize),
}

impl Kind {
    /// Bytes of a value.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other(_, bytes) => bytes,
        }
    }

    /// Little-endian values as float32, or the name of a type that is not of floating point.
    pub(crate) fn values(self, bytes: &[u8]) -> Result<Vec<f32>, &'static str> {
        Ok(match self {
            Self::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Self::Other(name, _) => return Err(name),
        })
    }
}

fn each<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<N>();
    values.iter().map(|b| convert(*b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_types_become_float32() {
        assert_eq!(Kind::F16.values(&[0x00, 0xbe, 9]).unwrap(), [-1.5]);
        assert_eq!(Kind::Bf16.values(&[0xc0, 0xbf]).unwrap(), [-1.5]);
        assert_eq!(Kind::F32.values(&(-1.5f32).to_le_bytes()).unwrap(), [-1.5]);
        assert_eq!(Kind::F64.values(&(-1.5f64).to_le_bytes()).unwrap(), [-1.5]);
        assert_eq!(Kind::Other("int64", 8).values(&[0; 8]), Err("int64"));
    }
}
