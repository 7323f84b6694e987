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

use super::kernels::{BLOCK, Finish, Grid, Isa, Sweep, convolve, weight_gradient};
use super::{Buffer, Convolution, Map};
use crate::nn::simd::vectorised;

/// Places of a transformed tile.
const PLACES: usize = 16;
/// Bytes of transformed input and output that are made at a time, to stay in the second cache.
const BYTES: usize = 512 << 10;

type Lanes = [f32; BLOCK];

/// Buffers of a thread.
#[derive(Debug, Default)]
pub(in crate::nn) struct Transformed {
    input: Buffer,
    out: Buffer,
}

impl Transformed {
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

/// Tiles of some images, from one on.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    map: Map,
    first: usize,
    n: usize,
}

impl Tiles {
    /// All tiles of images whose output is `map`, some at a time.
    fn groups(map: Map, images: usize, convolution: Convolution) -> impl Iterator<Item = Self> {
        let total = images * Self::of_image(map);
        let bytes = 4 * PLACES * (convolution.n_in + convolution.n_out);
        let most = (BYTES / bytes / 8 * 8).clamp(64, 256);
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
    fn places(self) -> impl Iterator<Item = (usize, usize, usize, usize)> {
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
    /// Whether it is computed by these transforms.
    pub(in crate::nn) fn is_winograd(&self) -> bool {
        const LEAST: usize = 32;
        (self.kernel, self.stride, self.padding) == (3, 1, 1)
            && self.n_in.min(self.n_out) >= LEAST
            && (self.n_in % BLOCK, self.n_out % BLOCK) == (0, 0)
    }

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
        isa: Isa,
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
                convolve(isa, &sweep, input, weights, out, Finish::default());
            }
            transform_output(tiles, &work.out, map, out, finish);
        }
    }

    /// Adds to the transformed gradient by weights, `(place, in, out)`.
    pub(super) fn winograd_gradient(
        &self,
        isa: Isa,
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
                weight_gradient(isa, &sweep, input, out, sums);
            }
        }
    }

    /// Whether it takes less memory to keep the tiles of a whole batch than to sum up each
    /// chunk's gradients: many channels, few pixels.
    pub(in crate::nn) fn keeps_tiles(&self, images: usize, chunk: usize, map: Map) -> bool {
        let tiles = images * Tiles::of_image(map);
        let summed = images.div_ceil(chunk) * self.n_in * self.n_out;
        self.is_winograd() && tiles * (self.n_in + self.n_out) < summed
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

    /// Keeps the tiles of a chunk of images.
    pub(in crate::nn) fn keep_tiles(
        &self,
        images: usize,
        (input_map, input): (Map, &[f32]),
        (map, gradients): (Map, &[f32]),
        kept: &mut KeptChunk<'_>,
    ) {
        let tiles = Tiles {
            map,
            first: 0,
            n: images * Tiles::of_image(map),
        };
        transform_input(tiles, input_map, input, kept.input);
        transform_gradient(tiles, map, gradients, kept.out);
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
            back_to_weights(transformed, plane, first, &mut to);
        });
    }
}

#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn each<const N: usize>(f: impl Fn(usize) -> [f32; N]) -> [Lanes; N] {
    let mut to = [[0.0; BLOCK]; N];
    for lane in 0..BLOCK {
        let values = f(lane);
        for n in 0..N {
            to[n][lane] = values[n];
        }
    }
    to
}

/// `B^T d`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn by_input(d: [Lanes; 4]) -> [Lanes; 4] {
    each(
        #[inline(always)]
        |l| {
            [
                d[0][l] - d[2][l],
                d[1][l] + d[2][l],
                d[2][l] - d[1][l],
                d[1][l] - d[3][l],
            ]
        },
    )
}

/// `A e`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn by_gradient(e: [Lanes; 2]) -> [Lanes; 4] {
    each(
        #[inline(always)]
        |l| [e[0][l], e[0][l] + e[1][l], e[0][l] - e[1][l], -e[1][l]],
    )
}

/// `A^T m`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn by_output(m: [Lanes; 4]) -> [Lanes; 2] {
    each(
        #[inline(always)]
        |l| [m[0][l] + m[1][l] + m[2][l], m[1][l] - m[2][l] - m[3][l]],
    )
}

/// `G g`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn by_kernel(g: [Lanes; 3]) -> [Lanes; 4] {
    each(
        #[inline(always)]
        |l| {
            let ends = g[0][l] + g[2][l];
            [
                g[0][l],
                0.5 * (ends + g[1][l]),
                0.5 * (ends - g[1][l]),
                g[2][l],
            ]
        },
    )
}

/// `G^T u`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn by_kernel_turned(u: [Lanes; 4]) -> [Lanes; 3] {
    each(
        #[inline(always)]
        |l| {
            let half = 0.5 * (u[1][l] + u[2][l]);
            [u[0][l] + half, 0.5 * (u[1][l] - u[2][l]), half + u[3][l]]
        },
    )
}

/// A block of channels; zero past the end, where only what is discarded lies.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn load(values: &[f32], at: usize) -> Lanes {
    match values.get(at..at + BLOCK).and_then(|v| v.first_chunk()) {
        Some(block) => *block,
        None => [0.0; BLOCK],
    }
}

#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn store(values: &mut [f32], at: usize, block: Lanes) {
    values[at..at + BLOCK].copy_from_slice(&block);
}

/// Writes `B^T d B` of every tile.
fn transform_input(tiles: Tiles, map: Map, input: &[f32], to: &mut [f32]) {
    let (channels, row) = (map.channels, map.row());
    let place = tiles.n * channels;
    vectorised(
        #[inline(always)]
        || {
            for (t, image, y, x) in tiles.places() {
                let corner = image * map.len() + map.row_start(y) + x * channels - row - channels;
                for b in 0..channels / BLOCK {
                    let mut down = [[[0.0; BLOCK]; 4]; 4];
                    for c in 0..4 {
                        let at = corner + c * channels + b * BLOCK;
                        let column = by_input([
                            load(input, at),
                            load(input, at + row),
                            load(input, at + 2 * row),
                            load(input, at + 3 * row),
                        ]);
                        for r in 0..4 {
                            down[r][c] = column[r];
                        }
                    }
                    for r in 0..4 {
                        let across = by_input(down[r]);
                        for c in 0..4 {
                            let at = (4 * r + c) * place + (b * tiles.n + t) * BLOCK;
                            store(to, at, across[c]);
                        }
                    }
                }
            }
        },
    );
}

/// Writes `A e A^T` of every tile.
fn transform_gradient(tiles: Tiles, map: Map, gradients: &[f32], to: &mut [f32]) {
    let (channels, row) = (map.channels, map.row());
    let place = tiles.n * channels;
    vectorised(
        #[inline(always)]
        || {
            for (t, image, y, x) in tiles.places() {
                let corner = image * map.len() + map.row_start(y) + x * channels;
                for b in 0..channels / BLOCK {
                    let at = corner + b * BLOCK;
                    let left = by_gradient([load(gradients, at), load(gradients, at + row)]);
                    let at = at + channels;
                    let right = by_gradient([load(gradients, at), load(gradients, at + row)]);
                    for r in 0..4 {
                        let across = by_gradient([left[r], right[r]]);
                        for c in 0..4 {
                            let at = (4 * r + c) * place + (b * tiles.n + t) * BLOCK;
                            store(to, at, across[c]);
                        }
                    }
                }
            }
        },
    );
}

/// Writes `A^T m A` of every tile, finished as asked, to the pixels that there are.
fn transform_output(tiles: Tiles, from: &[f32], map: Map, out: &mut [f32], finish: Finish<'_>) {
    let channels = map.channels;
    let place = tiles.n * channels;
    vectorised(
        #[inline(always)]
        || {
            for (t, image, y, x) in tiles.places() {
                let corner = image * map.len() + map.row_start(y) + x * channels;
                for b in 0..channels / BLOCK {
                    let at = |p: usize| p * place + (b * tiles.n + t) * BLOCK;
                    let mut down = [[[0.0; BLOCK]; 4]; 2];
                    for c in 0..4 {
                        let [top, bottom] = by_output([
                            load(from, at(c)),
                            load(from, at(4 + c)),
                            load(from, at(8 + c)),
                            load(from, at(12 + c)),
                        ]);
                        (down[0][c], down[1][c]) = (top, bottom);
                    }
                    let bias = finish.bias.map(|bias| load(bias, b * BLOCK));
                    for r in 0..2 {
                        let across = by_output(down[r]);
                        for c in 0..2 {
                            if y + r >= map.rows || x + c >= map.cols {
                                continue;
                            }
                            let at = corner + r * map.row() + c * channels + b * BLOCK;
                            let mut v = across[c];
                            if let Some(bias) = bias {
                                v = std::array::from_fn(|l| v[l] + bias[l]);
                            }
                            if finish.accumulate {
                                let before = load(out, at);
                                v = std::array::from_fn(|l| v[l] + before[l]);
                            }
                            if finish.relu {
                                v = v.map(|v| if v < 0.0 { 0.0 } else { v });
                            }
                            store(out, at, v);
                        }
                    }
                }
            }
        },
    );
}

/// Writes `G g G^T` of every pair of channels.
fn transform_kernels(weights: &[f32], [n_in, n_out]: [usize; 2], packed: &mut [f32]) {
    let plane = n_in * n_out;
    vectorised(
        #[inline(always)]
        || {
            for i in 0..n_in {
                for b in 0..n_out / BLOCK {
                    let at = |p: usize| p * plane + i * n_out + b * BLOCK;
                    let mut down = [[[0.0; BLOCK]; 3]; 4];
                    for c in 0..3 {
                        let column = by_kernel([
                            load(weights, at(c)),
                            load(weights, at(3 + c)),
                            load(weights, at(6 + c)),
                        ]);
                        for r in 0..4 {
                            down[r][c] = column[r];
                        }
                    }
                    for r in 0..4 {
                        let across = by_kernel(down[r]);
                        for c in 0..4 {
                            let at = (4 * r + c) * plane + (b * n_in + i) * BLOCK;
                            store(packed, at, across[c]);
                        }
                    }
                }
            }
        },
    );
}

/// Writes `G^T u G` for some pairs of channels, from one on: a slice for each of the 9 places.
fn back_to_weights(transformed: &[f32], plane: usize, first: usize, to: &mut [&mut [f32]]) {
    let n = to.first().map_or(0, |to| to.len());
    vectorised(
        #[inline(always)]
        || {
            for at in (0..n).step_by(BLOCK) {
                let mut down = [[[0.0; BLOCK]; 4]; 3];
                for c in 0..4 {
                    let place = |r: usize| (4 * r + c) * plane + first + at;
                    let column = by_kernel_turned([
                        load(transformed, place(0)),
                        load(transformed, place(1)),
                        load(transformed, place(2)),
                        load(transformed, place(3)),
                    ]);
                    for r in 0..3 {
                        down[r][c] = column[r];
                    }
                }
                for r in 0..3 {
                    let across = by_kernel_turned(down[r]);
                    for c in 0..3 {
                        store(to[3 * r + c], at, across[c]);
                    }
                }
            }
        },
    );
}
