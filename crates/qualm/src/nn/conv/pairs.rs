//! 3x3 convolutions with stride 1 and few channels: Winograd's F(2, 3) along rows, as Lavin &
//! Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016, section 4.1).
//!
//! A row of the output is cut into pairs of pixels. With `d` the 4 input pixels under a pair and
//! `g` a row of the kernel, the pair is
//!
//! ```text
//! A^T [ (G g) * (B^T d) ], summed over the kernel's rows and the channels
//! ```
//!
//! with `*` place by place: 4 products where the definition has 6. With few channels the tiles
//! of `winograd.rs` cost more than the products that they save. Here a row of the input is
//! transformed once for the three rows of the output that need it, stays in the first cache, and
//! sums are transformed back in registers.
//!
//! A transformed row lies as `(channels / 16, pair, place, 16)`.

use super::kernels::{Isa, PAIRS, PairRow, convolve_pairs};
use super::sweep::Finish;
use super::transforms::{transform_kernel_rows, transform_row};
use super::{Buffer, Convolution, Map, Transformed};

/// Places of a transformed pair.
pub(super) const PLACES: usize = 4;
/// Rows of the kernel.
pub(super) const ROWS: usize = 3;

impl Convolution {
    /// `G g` of each row of the kernel: `(out / 16, row, in, place, 16)`.
    ///
    /// # Shapes
    /// `weights`: `(3, 3, in, out)`.
    pub(super) fn pack_pairs(&self, weights: &[f32], packed: &mut Buffer) {
        packed.resize(ROWS * PLACES * self.n_in * self.n_out);
        transform_kernel_rows(weights, [self.n_in, self.n_out], packed);
    }

    /// The output of all images that there are. The input's border is at least 1.
    pub(super) fn run_pairs(
        &self,
        isa: Isa,
        (input_map, input): (Map, &[f32]),
        packed: &[f32],
        (map, out): (Map, &mut [f32]),
        finish: Finish<'_>,
        work: &mut Transformed,
    ) {
        let row = PairRow {
            n_in: self.n_in,
            n_out: self.n_out,
            cols: map.cols,
        };
        let ring = work.input(ROWS * row.len());
        let inputs = input.chunks_exact(input_map.len());
        let outs = out.chunks_exact_mut(map.len());
        for (input, out) in inputs.zip(outs) {
            // From the border's row above the image to that below it.
            for y in 0..map.rows + 2 {
                let slot = y % ROWS * row.len();
                let to = &mut ring[slot..slot + row.len()];
                transform_row(&row, input_map, input, y, to);
                let Some(done) = y.checked_sub(ROWS - 1) else {
                    continue;
                };
                let rows = [done, done + 1, done + 2].map(|y| {
                    let slot = y % ROWS * row.len();
                    &ring[slot..slot + row.len()]
                });
                let to = &mut out[map.row_start(done)..][..map.row_values()];
                convolve_pairs(isa, &row, rows, packed, to, finish);
            }
        }
    }
}

impl PairRow {
    /// Pairs that there is room for in a transformed row: whole tiles.
    pub(super) fn n_pairs(&self) -> usize {
        self.cols.div_ceil(2).next_multiple_of(PAIRS)
    }

    /// Values of a transformed row.
    pub(super) fn len(&self) -> usize {
        self.n_pairs() * PLACES * self.n_in
    }
}
