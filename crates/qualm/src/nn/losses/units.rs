//! Rows scaled to unit length, and the way back for a gradient.

use rayon::prelude::*;

use crate::nn::simd::{dot, vectorised};

/// The least length that a row is divided by, as in PyTorch's `normalize`.
const LEAST: f32 = 1e-12;

/// Rows a task.
const BLOCK: usize = 64;

/// Rows of unit length; buffers that are reused from step to step.
#[derive(Debug, Clone, Default)]
pub(super) struct Units {
    /// `(n, width)`.
    pub(super) rows: Vec<f32>,
    /// The rows' own lengths, `(n,)`.
    lengths: Vec<f32>,
}

impl Units {
    /// Scales rows: `u = z / |z|`.
    ///
    /// # Shapes
    /// `rows`: `(n, width)`.
    pub(super) fn fill(&mut self, rows: &[f32], width: usize) {
        self.rows.clear();
        self.rows.extend_from_slice(rows);
        self.lengths.resize(rows.len() / width, 0.0);
        (self.rows.par_chunks_mut(BLOCK * width))
            .zip(self.lengths.par_chunks_mut(BLOCK))
            .for_each(|(rows, lengths)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (row, length) in rows.chunks_exact_mut(width).zip(lengths) {
                            // A sum of squares over the range of float32 would not be finite.
                            let largest = row.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                            let scale = largest.max(LEAST);
                            for v in row.iter_mut() {
                                *v /= scale;
                            }
                            let scaled = dot(row, row).sqrt();
                            *length = (scaled * scale).max(LEAST);
                            let divisor = *length / scale;
                            for v in row.iter_mut() {
                                *v /= divisor;
                            }
                        }
                    },
                );
            });
    }

    /// Takes a gradient by the unit rows to one by the rows that were scaled, in place:
    /// `dz = scale (du - u (u . du)) / |z|`.
    ///
    /// # Shapes
    /// `gradient`: `(n, width)`.
    pub(super) fn backward(&self, gradient: &mut [f32], width: usize, scale: f32) {
        (gradient.par_chunks_mut(BLOCK * width))
            .zip(self.rows.par_chunks(BLOCK * width))
            .zip(self.lengths.par_chunks(BLOCK))
            .for_each(|((gradient, units), lengths)| {
                vectorised(
                    #[inline(always)]
                    || {
                        let rows = gradient.chunks_exact_mut(width);
                        for ((d, u), length) in rows.zip(units.chunks_exact(width)).zip(lengths) {
                            let along = dot(d, u);
                            let scale = scale / length;
                            for (d, u) in d.iter_mut().zip(u) {
                                *d = scale * (*d - along * u);
                            }
                        }
                    },
                );
            });
    }
}
