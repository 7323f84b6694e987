//! 3x3 convolutions with stride 1 by fewer multiplications: Winograd's F(2x2, 3x3), as Lavin &
//! Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016, section 4.1).
//!
//! The output is cut into tiles of 2x2 pixels. With `d` the 4x4 input pixels under a tile, `g` a
//! kernel and `e` the gradient by a tile,
//!
//! ```text
//! output:               A^T [ (G g G^T) * (B^T d B) ] A
//! gradient by weights:  G^T [ (B^T d B) * (A e A^T) ] G, summed over tiles
//! ```
//!
//! with `*` place by place: 16 products where the definition has 36. Over channels and tiles each
//! of the 16 places is a matrix product, which the kernels of 1x1 convolutions compute. The
//! gradient by the input is the output for the turned kernel. The transforms are additions but
//! for halves in G; they cost rounding about twice the error of a direct sum.
//!
//! What is transformed lies as `(place, channels / 16, tile, 16)`.
use rayon::prelude::*;

use super::kernels::{Isa, convolve, weight_gradient};
use super::layer::Way;
use super::sweep::{BLOCK, Finish, Grid, Sweep};
use super::transforms::{
    PLACES, transform_gradient, transform_input, transform_kernels, transform_output,
    transform_sums,
};
use super::{Buffer, Convolution, Map};

/// Bytes of transformed input and output that are made at a time, to stay in the second cache.
const BYTES: usize = 256 << 10;

/// Buffers of a thread.
#[derive(Debug, Default)]
pub(in crate::nn) struct Transformed {
    input: Buffer,
    out: Buffer,
}

impl Transformed {
    /// Room for so many values.
    pub(super) fn input(&mut self, len: usize) -> &mut Buffer {
        self.input.resize(len);
        &mut self.input
    }

    fn resize(&mut self, convolution: &Convolution, tiles: usize) {
        self.input.resize(PLACES * tiles * convolution.n_in);
        self.out.resize(PLACES * tiles * convolution.n_out);
    }
}

/// What a layer's input and gradients are transformed to, for all images of a batch: chunks of
/// images, each `(place, channels / 16, tile, 16)`.
#[derive(Debug, Default)]
pub(in crate::nn) struct Kept {
    input: Buffer,
    out: Buffer,
}

/// One chunk of it.
#[derive(Debug)]
pub(in crate::nn) struct KeptChunk<'a> {
    input: &'a mut [f32],
    out: &'a mut [f32],
}

impl KeptChunk<'_> {
    /// Keeps the tiles of a chunk of images.
    pub(in crate::nn) fn fill(
        &mut self,
        images: usize,
        (input_map, input): (Map, &[f32]),
        (map, gradients): (Map, &[f32]),
    ) {
        let tiles = Tiles {
            map,
            first: 0,
            n: images * Tiles::of_image(map),
        };
        transform_input(tiles, input_map, input, self.input);
        transform_gradient(tiles, map, gradients, self.out);
    }
}

/// Tiles of some images, from one on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    map: Map,
    first: usize,
    pub(super) n: usize,
}

impl Tiles {
    /// All tiles of images whose output is `map`, some at a time.
    fn groups(map: Map, images: usize, convolution: Convolution) -> impl Iterator<Item = Self> {
        let total = images * Self::of_image(map);
        let bytes = 4 * PLACES * (convolution.n_in + convolution.n_out);
        let most = (BYTES / bytes / 8 * 8).clamp(32, 256);
        (0..total).step_by(most).map(move |first| Self {
            map,
            first,
            n: most.min(total - first),
        })
    }

    /// Tiles of an image.
    fn of_image(map: Map) -> usize {
        map.rows.div_ceil(2) * map.cols.div_ceil(2)
    }

    /// Number in the group, image, and the first row and column of each tile.
    pub(super) fn places(self) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        let (rows, cols) = (self.map.rows.div_ceil(2), self.map.cols.div_ceil(2));
        (0..self.n).map(move |t| {
            let tile = self.first + t;
            let within = tile % (rows * cols);
            (
                t,
                tile / (rows * cols),
                2 * (within / cols),
                2 * (within % cols),
            )
        })
    }

    /// The products of one place.
    fn sweep(self, n_in: usize, n_out: usize) -> Sweep {
        let grid = Grid {
            start: 0,
            image: 0,
            row: 0,
            pixel: BLOCK,
        };
        Sweep {
            images: 1,
            rows: 1,
            cols: self.n,
            taps: n_in / BLOCK,
            run: BLOCK,
            tap: self.n * BLOCK,
            n_out,
            block: self.n * BLOCK,
            input: grid,
            out: grid,
        }
    }
}

impl Convolution {
    /// Values of transformed weights, `(place, in, out)`.
    pub(super) fn n_transformed(&self) -> usize {
        PLACES * self.n_in * self.n_out
    }

    /// The convolution that carries gradients back.
    pub(super) fn turned(&self) -> Self {
        Self {
            n_in: self.n_out,
            n_out: self.n_in,
            ..*self
        }
    }

    /// Its weights, `(3, 3, in, out)`, from those of the layer, `(3, 3, out, in)`.
    pub(super) fn turn(&self, weights: &[f32], to: &mut Buffer) {
        to.resize(weights.len());
        let plane = self.n_in * self.n_out;
        let planes = weights.chunks_exact(plane).rev();
        for (from, to) in planes.zip(to.chunks_exact_mut(plane)) {
            // Blocks of rows, so that lines are written while they are in the cache.
            for (o, from) in from.chunks_exact(self.n_in * BLOCK).enumerate() {
                for (i, to) in to.chunks_exact_mut(self.n_out).enumerate() {
                    for (lane, to) in to[o * BLOCK..(o + 1) * BLOCK].iter_mut().enumerate() {
                        *to = from[lane * self.n_in + i];
                    }
                }
            }
        }
    }

    /// `G g G^T` of each pair of channels: `(place, out / 16, in, 16)`.
    ///
    /// # Shapes
    /// `weights`: `(3, 3, in, out)`.
    pub(super) fn transform_weights(&self, weights: &[f32], packed: &mut Buffer) {
        packed.resize(self.n_transformed());
        transform_kernels(weights, [self.n_in, self.n_out], packed);
    }

    /// As [`convolve`] with the sweep of [`Convolution::forward`].
    pub(super) fn winograd(
        &self,
        images: usize,
        (input_map, input): (Map, &[f32]),
        packed: &[f32],
        (map, out): (Map, &mut [f32]),
        finish: Finish<'_>,
        work: &mut Transformed,
    ) {
        for tiles in Tiles::groups(map, images, *self) {
            work.resize(self, tiles.n);
            transform_input(tiles, input_map, input, &mut work.input);
            let sweep = tiles.sweep(self.n_in, self.n_out);
            let inputs = work.input.chunks_exact(tiles.n * self.n_in);
            let outs = work.out.chunks_exact_mut(tiles.n * self.n_out);
            let weights = packed.chunks_exact(self.n_in * self.n_out);
            for ((input, out), weights) in inputs.zip(outs).zip(weights) {
                convolve(
                    Isa::detect(),
                    &sweep,
                    input,
                    weights,
                    out,
                    Finish::default(),
                );
            }
            transform_output(tiles, &work.out, map, out, finish);
        }
    }

    /// Adds to the transformed gradient by weights, `(place, in, out)`.
    pub(super) fn winograd_gradient(
        &self,
        images: usize,
        (input_map, input): (Map, &[f32]),
        (map, gradients): (Map, &[f32]),
        sums: &mut [f32],
        work: &mut Transformed,
    ) {
        for tiles in Tiles::groups(map, images, *self) {
            work.resize(self, tiles.n);
            transform_input(tiles, input_map, input, &mut work.input);
            transform_gradient(tiles, map, gradients, &mut work.out);
            let sweep = tiles.sweep(self.n_in, self.n_out);
            let inputs = work.input.chunks_exact(tiles.n * self.n_in);
            let outs = work.out.chunks_exact(tiles.n * self.n_out);
            let sums = sums.chunks_exact_mut(self.n_in * self.n_out);
            for ((input, out), sums) in inputs.zip(outs).zip(sums) {
                weight_gradient(Isa::detect(), &sweep, input, out, sums);
            }
        }
    }

    /// Whether it takes less memory to keep the tiles of a whole batch than to sum up each
    /// chunk's gradients: many channels, few pixels.
    pub(in crate::nn) fn keeps_tiles(&self, images: usize, chunk: usize, map: Map) -> bool {
        let tiles = images * Tiles::of_image(map);
        let summed = images.div_ceil(chunk) * self.n_in * self.n_out;
        self.way() == Way::Tiles && tiles * (self.n_in + self.n_out) < summed
    }

    /// Room for the tiles of a batch, chunk by chunk.
    pub(in crate::nn) fn keep<'k>(
        &self,
        images: usize,
        chunk: usize,
        map: Map,
        kept: &'k mut Kept,
    ) -> impl Iterator<Item = KeptChunk<'k>> {
        let tiles = Tiles::of_image(map) * PLACES;
        kept.input.resize(images * tiles * self.n_in);
        kept.out.resize(images * tiles * self.n_out);
        let inputs = kept.input.chunks_mut(chunk * tiles * self.n_in);
        let outs = kept.out.chunks_mut(chunk * tiles * self.n_out);
        inputs
            .zip(outs)
            .map(|(input, out)| KeptChunk { input, out })
    }

    /// The gradient by the weights, `(3, 3, in, out)`, from the tiles of a batch; `sums` is
    /// overwritten.
    pub(in crate::nn) fn gradient_of_kept(
        &self,
        images: usize,
        chunk: usize,
        map: Map,
        kept: &Kept,
        sums: &mut Buffer,
        to: &mut [f32],
    ) {
        let tiles = Tiles::of_image(map);
        // Whole chunks, then what is left.
        let chunks = [(images / chunk, chunk), (1, images % chunk)];
        sums.resize(self.n_transformed());
        let places = sums.par_chunks_mut(self.n_in * self.n_out).enumerate();
        places.for_each(|(place, sums)| {
            sums.fill(0.0);
            let mut first = 0;
            for (n_chunks, images) in chunks {
                let n = images * tiles;
                let tiles = Tiles { map, first: 0, n };
                let mut sweep = tiles.sweep(self.n_in, self.n_out);
                sweep.images = n_chunks;
                sweep.input.image = PLACES * n * self.n_in;
                sweep.out.image = PLACES * n * self.n_out;
                sweep.input.start = (PLACES * first + place * n) * self.n_in;
                sweep.out.start = (PLACES * first + place * n) * self.n_out;
                weight_gradient(Isa::detect(), &sweep, &kept.input, &kept.out, sums);
                first += n_chunks * n;
            }
        });
        self.winograd_weights(sums, to);
    }

    /// `G^T u G`: the gradient by the weights, `(3, 3, in, out)`, from `(place, in, out)`.
    pub(super) fn winograd_weights(&self, transformed: &[f32], to: &mut [f32]) {
        let plane = self.n_in * self.n_out;
        let share = (plane / rayon::current_num_threads() / BLOCK).max(1) * BLOCK;
        let mut planes: Vec<_> = to
            .chunks_exact_mut(plane)
            .map(|to| to.chunks_mut(share))
            .collect();
        let shares: Vec<(usize, Vec<&mut [f32]>)> = (0..plane.div_ceil(share))
            .map(|i| {
                (
                    i * share,
                    planes.iter_mut().filter_map(Iterator::next).collect(),
                )
            })
            .collect();
        shares.into_par_iter().for_each(|(first, mut to)| {
            transform_sums(transformed, plane, first, &mut to);
        });
    }
}
