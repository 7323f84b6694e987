//! A network in a file.

use super::mlp::Mlp;
use crate::container::{Reader, Writer};
use crate::error::Result;

impl Mlp {
    /// Writes each layer's weight, `(in, out)`, and bias, `(out,)`.
    pub(crate) fn save(&self, prefix: &str, writer: &mut Writer) {
        let mut params = self.params();
        for (l, pair) in self.sizes().windows(2).enumerate() {
            let (weight, rest) = params.split_at(pair[0] * pair[1]);
            let (bias, rest) = rest.split_at(pair[1]);
            writer.f32(format!("{prefix}.{l}.weight"), pair, weight);
            writer.f32(format!("{prefix}.{l}.bias"), &[pair[1]], bias);
            params = rest;
        }
    }

    /// Reads what [`Mlp::save`] wrote.
    ///
    /// # Shapes
    /// `sizes`: input, hidden ..., output.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`] when a layer is missing or of another shape.
    pub(crate) fn restore(sizes: &[usize], prefix: &str, reader: &mut Reader) -> Result<Self> {
        let mut params = Vec::new();
        for (l, pair) in sizes.windows(2).enumerate() {
            params.extend(reader.f32(&format!("{prefix}.{l}.weight"), pair)?);
            params.extend(reader.f32(&format!("{prefix}.{l}.bias"), &[pair[1]])?);
        }
        let n = params.len();
        Self::from_params(sizes, params).ok_or_else(|| {
            reader.corrupt(prefix, format!("{n} values"), format!("layers {sizes:?}"))
        })
    }
}
