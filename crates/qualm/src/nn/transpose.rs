//! Reordering a batch from row after row to feature after feature, and back, by tiles
//! that are read and written in whole cache lines.

use std::ops::Range;

use rayon::prelude::*;

use super::simd::{LANES, vectorised};

/// Fewer values than this are moved by one thread: less work than handing it to another.
const SERIAL: usize = 1 << 14;

/// `out = a^T`.
///
/// # Shapes
/// `a`: `(rows, cols)`, row-major; `out`: `(cols, rows)`, row-major.
pub(super) fn transpose(out: &mut [f32], a: &[f32], cols: usize) {
    let rows = a.len() / cols;
    if out.len() < SERIAL {
        return for_tiles(out, a, cols, 0, |out, a| *out = a);
    }
    let share = cols
        .div_ceil(rayon::current_num_threads())
        .next_multiple_of(LANES);
    out.par_chunks_mut(share * rows)
        .enumerate()
        .for_each(|(i, out)| for_tiles(out, a, cols, i * share, |out, a| *out = a));
}

/// Zeroes values of `out` where those of some columns of `a` are 0 or below.
///
/// # Shapes
/// `a`: `(rows, cols)`, row-major; `out`: `(any, rows)`, belonging to the columns from
/// `first` on.
pub(super) fn mask(out: &mut [f32], a: &[f32], cols: usize, first: usize) {
    for_tiles(out, a, cols, first, |out, a| {
        *out = if a <= 0.0 { 0.0 } else { *out };
    });
}

/// Calls `work` with each value of `out` and that of `a` which stands across from it: `out`
/// holds columns of `a` from `first` on.
fn for_tiles(
    out: &mut [f32],
    a: &[f32],
    cols: usize,
    first: usize,
    work: impl Fn(&mut f32, f32) + Copy,
) {
    let rows = a.len() / cols;
    vectorised(
        #[inline(always)]
        || {
            for row in (0..rows).step_by(LANES) {
                let height = LANES.min(rows - row);
                for (i, out) in out.chunks_mut(LANES * rows).enumerate() {
                    let left = first + i * LANES;
                    let width = out.len() / rows;
                    let mut tile = [[0.0; LANES]; LANES];
                    if height == LANES && width == LANES {
                        load(&mut tile, a, cols, row, left..left + LANES);
                        for (j, out) in out.chunks_exact_mut(rows).enumerate() {
                            let (out, _) = out[row..].as_chunks_mut::<LANES>();
                            for lane in 0..LANES {
                                work(&mut out[0][lane], tile[lane][j]);
                            }
                        }
                    } else {
                        load(&mut tile[..height], a, cols, row, left..left + width);
                        for (j, out) in out.chunks_exact_mut(rows).enumerate() {
                            for (out, tile) in out[row..row + height].iter_mut().zip(&tile) {
                                work(out, tile[j]);
                            }
                        }
                    }
                }
            }
        },
    );
}

/// Copies a tile of `a` whose first row is `row`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn load(tile: &mut [[f32; LANES]], a: &[f32], cols: usize, row: usize, range: Range<usize>) {
    for (i, tile) in tile.iter_mut().enumerate() {
        let from = &a[(row + i) * cols..][range.clone()];
        tile[..from.len()].copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transpose_swaps_rows_and_columns() {
        for (rows, cols) in [(1, 5), (17, 33), (48, 16), (200, 130)] {
            let a: Vec<f32> = (0..rows * cols).map(|v| v as f32).collect();
            let mut out = vec![f32::NAN; a.len()];
            transpose(&mut out, &a, cols);
            for i in 0..rows {
                for j in 0..cols {
                    assert_eq!(out[j * rows + i], a[i * cols + j]);
                }
            }
        }
    }

    #[test]
    fn the_mask_reads_across() {
        let (rows, cols, first, n) = (19, 40, 3, 35);
        let a: Vec<f32> = (0..rows * cols)
            .map(|v| [1.0, 0.0, f32::NAN, -2.0][v * 7 % 4])
            .collect();
        let mut out = vec![1.0; n * rows];
        mask(&mut out, &a, cols, first);
        for i in 0..rows {
            for j in 0..n {
                let closed = a[i * cols + first + j] <= 0.0;
                let expected = f32::from(!closed);
                assert_eq!(out[j * rows + i], expected);
            }
        }
    }
}
