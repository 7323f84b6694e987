//! The transforms of `winograd.rs` and `pairs.rs`: from images, gradients and kernels to places, and back.

#![expect(
    clippy::needless_range_loop,
    reason = "indices are the places of a tile and the lanes of a vector"
)]

use super::Map;
use super::kernels::PairRow;
use super::pairs;
use super::sweep::{BLOCK, Finish};
use super::winograd::Tiles;
use crate::nn::simd::vectorised;

/// Places of a transformed tile.
pub(super) const PLACES: usize = 16;

/// A block of channels.
type Lanes = [f32; BLOCK];

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

#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn add(values: &mut Lanes, others: Lanes) {
    for l in 0..BLOCK {
        values[l] += others[l];
    }
}

/// Replaces negative values by zero. NaN stays NaN.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn rectify(values: &mut Lanes) {
    for l in 0..BLOCK {
        values[l] = if values[l] < 0.0 { 0.0 } else { values[l] };
    }
}

/// Writes `B^T d B` of every tile.
pub(super) fn transform_input(tiles: Tiles, map: Map, input: &[f32], to: &mut [f32]) {
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
pub(super) fn transform_gradient(tiles: Tiles, map: Map, gradients: &[f32], to: &mut [f32]) {
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
pub(super) fn transform_output(
    tiles: Tiles,
    from: &[f32],
    map: Map,
    out: &mut [f32],
    finish: Finish<'_>,
) {
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
                                add(&mut v, bias);
                            }
                            if finish.accumulate {
                                add(&mut v, load(out, at));
                            }
                            if finish.relu {
                                rectify(&mut v);
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
pub(super) fn transform_kernels(weights: &[f32], [n_in, n_out]: [usize; 2], packed: &mut [f32]) {
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
pub(super) fn transform_sums(
    transformed: &[f32],
    plane: usize,
    first: usize,
    to: &mut [&mut [f32]],
) {
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

/// Writes `B^T d` of every pair of a row; row 0 is the one above the image.
pub(super) fn transform_row(row: &PairRow, map: Map, input: &[f32], y: usize, to: &mut [f32]) {
    let channels = map.channels;
    let start = (y + map.border - 1) * map.row() + (map.border - 1) * channels;
    let (pairs, n_pairs) = (row.cols.div_ceil(2), row.n_pairs());
    vectorised(
        #[inline(always)]
        || {
            for q in 0..pairs {
                for b in 0..channels / BLOCK {
                    let at = start + 2 * q * channels + b * BLOCK;
                    let places = by_input([
                        load(input, at),
                        load(input, at + channels),
                        load(input, at + 2 * channels),
                        load(input, at + 3 * channels),
                    ]);
                    for p in 0..pairs::PLACES {
                        let at = ((b * n_pairs + q) * pairs::PLACES + p) * BLOCK;
                        store(to, at, places[p]);
                    }
                }
            }
        },
    );
}

/// Writes `G g` of every row of the kernel and every pair of channels.
pub(super) fn transform_kernel_rows(
    weights: &[f32],
    [n_in, n_out]: [usize; 2],
    packed: &mut [f32],
) {
    let plane = n_in * n_out;
    vectorised(
        #[inline(always)]
        || {
            for row in 0..pairs::ROWS {
                for i in 0..n_in {
                    for b in 0..n_out / BLOCK {
                        let at =
                            |col: usize| (pairs::ROWS * row + col) * plane + i * n_out + b * BLOCK;
                        let places = by_kernel([
                            load(weights, at(0)),
                            load(weights, at(1)),
                            load(weights, at(2)),
                        ]);
                        for p in 0..pairs::PLACES {
                            let block = (b * pairs::ROWS + row) * n_in + i;
                            store(packed, (block * pairs::PLACES + p) * BLOCK, places[p]);
                        }
                    }
                }
            }
        },
    );
}
