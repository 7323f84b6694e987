//! Square blocks of float64 matrices: what the factorisations are made of.
//!
//! A matrix is kept in panels of [`WIDTH`] rows, each column after column. The product of two
//! panels is a tile, summed in the order of the columns and without contraction, so that each
//! value has the bits of the plain loop, whatever the instruction set and the number of threads.

use super::layout::WIDTH;

/// A block of a matrix: `tile[j][i]` is row i of column j, as in a panel.
pub(super) type Tile = [[f64; WIDTH]; WIDTH];

/// Values of a tile.
pub(super) const AREA: usize = WIDTH * WIDTH;

pub(super) const ZERO: Tile = [[0.0; WIDTH]; WIDTH];

/// Columns whose products are summed at a time: so much of two panels stays in the first cache.
const DEPTH: usize = 64;

/// Edges of the part of a tile that is summed in registers.
const ROWS: usize = 8;
const COLUMNS: usize = 4;

/// The tile that begins at the first value of some.
pub(super) fn tile(values: &[f64]) -> Tile {
    let mut tile = ZERO;
    tile.as_flattened_mut().copy_from_slice(&values[..AREA]);
    tile
}

/// Rows for columns.
pub(super) fn transposed(tile: &Tile) -> Tile {
    let mut out = ZERO;
    for (i, out) in out.iter_mut().enumerate() {
        for (out, column) in out.iter_mut().zip(tile) {
            *out = column[i];
        }
    }
    out
}

/// The negative of a tile.
pub(super) fn negative(tile: &Tile) -> Tile {
    tile.map(|column| column.map(|x| -x))
}

/// `tile[j][i] -= sum over k of a[k][i] b[k][j]`, in the order of k.
///
/// # Shapes
/// `a`, `b`: `(k, WIDTH)`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn subtract_products(tile: &mut Tile, a: &[f64], b: &[f64]) {
    let (a, b) = (a.as_chunks::<WIDTH>().0, b.as_chunks::<WIDTH>().0);
    for (a, b) in a.chunks(DEPTH).zip(b.chunks(DEPTH)) {
        for j in (0..WIDTH).step_by(COLUMNS) {
            for i in (0..WIDTH).step_by(ROWS) {
                part(tile, a, b, i, j);
            }
        }
    }
}

/// The part of a tile from row i of column j.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn part(tile: &mut Tile, a: &[[f64; WIDTH]], b: &[[f64; WIDTH]], i: usize, j: usize) {
    let mut sums = [[0.0; ROWS]; COLUMNS];
    for (sums, column) in sums.iter_mut().zip(&tile[j..j + COLUMNS]) {
        sums.copy_from_slice(&column[i..i + ROWS]);
    }
    for (a, b) in a.iter().zip(b) {
        let a = &a[i..i + ROWS];
        let b = &b[j..j + COLUMNS];
        for column in 0..COLUMNS {
            for row in 0..ROWS {
                sums[column][row] -= a[row] * b[column];
            }
        }
    }
    for (sums, column) in sums.iter().zip(&mut tile[j..j + COLUMNS]) {
        column[i..i + ROWS].copy_from_slice(sums);
    }
}

/// Replaces the lower half of a tile by its Cholesky factor; says whether there is one.
#[must_use]
pub(super) fn factor(tile: &mut Tile, width: usize) -> bool {
    for j in 0..width {
        let (before, rest) = tile.split_at_mut(j);
        let column = &mut rest[0];
        for before in &*before {
            for i in j..WIDTH {
                column[i] -= before[j] * before[i];
            }
        }
        let square = column[j];
        if square.is_nan() || square <= 0.0 {
            return false;
        }
        let root = square.sqrt();
        column[j] = root;
        for x in &mut column[j + 1..] {
            *x /= root;
        }
    }
    true
}

/// Solves `L x = y` for each lane of `values`, `values[k][lane]`, of which the first `width` k
/// are in the triangle.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn solve(lower: &Tile, values: &mut Tile, width: usize) {
    for j in 0..width {
        let (before, rest) = values.split_at_mut(j);
        for (known, column) in before.iter().zip(lower) {
            for lane in 0..WIDTH {
                rest[0][lane] -= known[lane] * column[j];
            }
        }
        for x in &mut rest[0] {
            *x /= lower[j][j];
        }
    }
}

/// Solves `L' x = y` likewise.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn solve_transposed(lower: &Tile, values: &mut Tile, width: usize) {
    for j in (0..width).rev() {
        let (head, after) = values.split_at_mut(j + 1);
        for (known, factor) in after.iter().zip(&lower[j][j + 1..width]) {
            for lane in 0..WIDTH {
                head[j][lane] -= known[lane] * factor;
            }
        }
        for x in &mut head[j] {
            *x /= lower[j][j];
        }
    }
}
