//! Weights in the order in which the kernels read them.
//!
//! A layer's weights are kept as `(kernel row, kernel column, input, output)`: then their
//! gradient is what the kernel sums up, and packing copies whole blocks.

use super::{BLOCK, Buffer, Convolution, Phase};

impl Convolution {
    /// Weights for [`Convolution::forward`]: `(out / 16, kernel * kernel * in, 16)`.
    ///
    /// # Shapes
    /// `weights`: `(kernel, kernel, in, out)`.
    pub(super) fn pack_forward(&self, weights: &[f32], packed: &mut Buffer) {
        packed.resize(weights.len());
        let terms = weights.len() / self.n_out;
        for (first, packed) in packed.chunks_exact_mut(terms * BLOCK).enumerate() {
            let (packed, _) = packed.as_chunks_mut::<BLOCK>();
            for (to, row) in packed.iter_mut().zip(weights.chunks_exact(self.n_out)) {
                to.copy_from_slice(&row[first * BLOCK..][..BLOCK]);
            }
        }
    }

    /// Weights for the passes of [`Convolution::backward`]: for each
    /// `(in / 16, places * out, 16)`, the places in the order of the output pixels they meet.
    ///
    /// # Shapes
    /// `weights`: `(kernel, kernel, in, out)`.
    pub(super) fn pack_backward(&self, weights: &[f32], packed: &mut Buffer) {
        let n_out = self.n_out;
        packed.resize(weights.len());
        let (mut rest, _) = packed.as_chunks_mut::<BLOCK>();
        for (y, x) in self.phases() {
            for first in (0..self.n_in).step_by(BLOCK) {
                for row in y.places(self.stride) {
                    for col in x.places(self.stride) {
                        let place = ((row * self.kernel + col) * self.n_in + first) * n_out;
                        let block = &weights[place..place + BLOCK * n_out];
                        // (16, out) to (out, 16).
                        let Some(to) = rest.split_off_mut(..n_out) else {
                            return;
                        };
                        for (lane, values) in block.chunks_exact(n_out).enumerate() {
                            for (to, value) in to.iter_mut().zip(values) {
                                to[lane] = *value;
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Phase {
    /// The places, from the one that meets the first output pixel.
    fn places(self, stride: usize) -> impl Iterator<Item = usize> {
        (0..self.n).rev().map(move |m| self.first + m * stride)
    }
}
