//! The Mahalanobis metric of a covariance, as a linear map.

use nalgebra::DMatrix;

use super::layout::WIDTH;

/// A whitening map W of a covariance S, with `W' W = S^-1`: the Mahalanobis distance `x' S^-1 x`
/// is the Euclidean `|W x|^2`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Whitening {
    /// `(rank, d)`
    weights: Vec<f64>,
    d: usize,
    /// Columns up to the last that is not 0, of each row of the map.
    widths: Vec<usize>,
}

impl Whitening {
    /// A metric from its map, `(rank, d)`.
    pub(crate) fn new(weights: Vec<f64>, d: usize) -> Self {
        let width = |row: &[f64]| row.iter().rposition(|w| *w != 0.0).map_or(0, |k| k + 1);
        let widths = weights.chunks_exact(d).map(width).collect();
        Self { weights, d, widths }
    }

    #[cfg(test)]
    pub(crate) fn identity(d: usize) -> Self {
        Self::new(DMatrix::<f64>::identity(d, d).as_slice().to_vec(), d)
    }

    /// The map, `(rank, d)`.
    pub(crate) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Number of directions that it measures.
    pub(crate) fn rank(&self) -> usize {
        self.widths.len()
    }

    /// The same metric for rows before their columns are multiplied by `scale`.
    pub(crate) fn rescaled(&self, scale: &[f64]) -> Self {
        let scales = scale.iter().cycle();
        let weights = self.weights.iter().zip(scales).map(|(w, s)| w * s);
        Self::new(weights.collect(), self.d)
    }

    /// The same metric for rows before they are mapped by `first`.
    pub(crate) fn after(&self, first: &Self) -> Self {
        let rank = first.rank();
        let ours = DMatrix::from_row_slice(self.rank(), rank, &self.weights);
        let theirs = DMatrix::from_row_slice(rank, first.d, &first.weights);
        // Its transpose, kept column after column, is the product row after row.
        Self::new((ours * theirs).transpose().as_slice().to_vec(), first.d)
    }

    /// The row of least norm that a map with orthogonal rows takes to `image`.
    ///
    /// # Shapes
    /// `image`: `(rank,)`; returns `(d,)`.
    pub(crate) fn source(&self, image: &[f64]) -> Vec<f64> {
        let mut source = vec![0.0; self.d];
        for (weights, image) in self.weights.chunks_exact(self.d).zip(image) {
            let norm: f64 = weights.iter().map(|w| w * w).sum();
            for (source, weight) in source.iter_mut().zip(weights) {
                *source += weight * image / norm;
            }
        }
        source
    }

    /// The images of the rows of a panel, `(rank, WIDTH)`.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(crate) fn map(&self, panel: &[f64]) -> Vec<f64> {
        let columns = panel.as_chunks::<WIDTH>().0;
        let image = |weights: &[f64]| {
            let mut image = [0.0; WIDTH];
            for (weight, column) in weights.iter().zip(columns) {
                for lane in 0..WIDTH {
                    image[lane] += weight * column[lane];
                }
            }
            image
        };
        self.weights.chunks_exact(self.d).flat_map(image).collect()
    }

    /// The metric of a covariance multiplied by a factor.
    pub(crate) fn inflated(mut self, factor: f64) -> Self {
        let root = factor.sqrt();
        for weight in &mut self.weights {
            *weight /= root;
        }
        self
    }

    /// Squared lengths of the rows of a panel.
    ///
    /// # Shapes
    /// `panel`: `(d, WIDTH)`, one column of the rows after another.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(crate) fn squared(&self, panel: &[f64]) -> [f64; WIDTH] {
        let columns = panel.as_chunks::<WIDTH>().0;
        let mut out = [0.0; WIDTH];
        let mut rows = self.weights.chunks_exact(2 * self.d);
        let mut widths = self.widths.chunks_exact(2);
        // Two rows of the map at a time: the columns are read once for both.
        for (weights, widths) in (&mut rows).zip(&mut widths) {
            let (first, second) = weights.split_at(self.d);
            let width = widths[0].max(widths[1]);
            let mut z = [[0.0; WIDTH]; 2];
            let weights = first.iter().zip(second).take(width);
            for ((a, b), column) in weights.zip(columns) {
                for lane in 0..WIDTH {
                    z[0][lane] += a * column[lane];
                    z[1][lane] += b * column[lane];
                }
            }
            for lane in 0..WIDTH {
                out[lane] += z[0][lane] * z[0][lane];
                out[lane] += z[1][lane] * z[1][lane];
            }
        }
        for (weights, width) in rows.remainder().chunks(self.d).zip(widths.remainder()) {
            let mut z = [0.0; WIDTH];
            for (a, column) in weights.iter().take(*width).zip(columns) {
                for lane in 0..WIDTH {
                    z[lane] += a * column[lane];
                }
            }
            for lane in 0..WIDTH {
                out[lane] += z[lane] * z[lane];
            }
        }
        out
    }
}
