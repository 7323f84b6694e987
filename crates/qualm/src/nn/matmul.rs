//! Matrix products, the one place with `unsafe`: a safe, shape-checked front to the
//! `gemm` crate, whose kernels are chosen at run time (AVX-512, AVX2, NEON).

use std::ops::Range;

use rayon::prelude::*;

use super::simd::vectorised;

/// Running sums of a reduction, and the edge of a tile: one AVX-512 register of float32.
const LANES: usize = 16;

/// Fewer values than this are moved by one thread: less work than handing it to another.
const SERIAL: usize = 1 << 14;

/// How many threads a product may use. The result has the same bits either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The calling thread: for callers that already run in parallel.
    One,
    /// Every thread of the current pool.
    All,
}

/// A borrowed `(rows, cols)` matrix: row-major, or columns of one, or the transpose of either.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    /// Values from one stored row to the next.
    stride: usize,
    transposed: bool,
}

impl<'a> Mat<'a> {
    /// Views `rows * cols` values, row after row.
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a matrix view covers its data");
        Self {
            data,
            rows,
            cols,
            stride: cols,
            transposed: false,
        }
    }

    /// Some columns of a matrix that is not transposed.
    pub(crate) fn columns(self, range: Range<usize>) -> Self {
        assert!(!self.transposed && self.rows > 0, "columns of stored rows");
        let end = (self.rows - 1) * self.stride + range.end;
        Self {
            data: &self.data[range.start..end],
            cols: range.len(),
            ..self
        }
    }

    /// Number of columns.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The transpose, without moving a value.
    pub(crate) fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            transposed: !self.transposed,
            ..self
        }
    }

    /// (row stride, column stride).
    fn strides(&self) -> (isize, isize) {
        let stride = self.stride.cast_signed();
        if self.transposed {
            (1, stride)
        } else {
            (stride, 1)
        }
    }
}

/// `out = a b`.
///
/// # Shapes
/// `a`: `(m, k)`; `b`: `(k, n)`; `out`: `(m, n)`, row-major.
///
/// The order in which a value's `k` terms are added depends on `k` alone once `m` or
/// `n` exceeds 64, and never on the number of threads. A single output column is
/// computed by [`matvec`] instead, because the library picks among kernels by `m` there.
///
/// Fast when `b` is not transposed; with `a` or `b` transposed the library reorders it
/// first, which for a large `b` costs as much again as half of the product.
#[expect(
    unsafe_code,
    reason = "the kernel takes raw pointers; shapes are checked above it"
)]
pub(crate) fn matmul(out: &mut [f32], a: Mat<'_>, b: Mat<'_>, threads: Threads) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(k, b.rows, "inner dimensions of a product agree");
    assert_eq!(out.len(), m * n, "the output of a product has its shape");
    if n == 1 && (b.stride == 1 || b.transposed) {
        return matvec(out, a, b.data);
    }
    let (a_row, a_col) = a.strides();
    let (b_row, b_col) = b.strides();
    let parallelism = match threads {
        Threads::One => gemm::Parallelism::None,
        Threads::All => gemm::Parallelism::Rayon(0),
    };
    // SAFETY: the assertions above, in `Mat::new` and in `Mat::columns` make every index
    // that the strides reach for (m, k, n) lie inside the three slices, and `out` is
    // borrowed uniquely.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n.cast_signed(),
            false,
            a.data.as_ptr(),
            a_col,
            a_row,
            b.data.as_ptr(),
            b_col,
            b_row,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// `out_i = sum_j a_ij b_j`, each value on its own and in one order.
fn matvec(out: &mut [f32], a: Mat<'_>, b: &[f32]) {
    vectorised(|| {
        if a.transposed {
            out.fill(0.0);
            for (row, b) in a.data.chunks(a.stride).zip(b) {
                for (out, v) in out.iter_mut().zip(row) {
                    *out += v * b;
                }
            }
        } else {
            for (out, row) in out.iter_mut().zip(a.data.chunks(a.stride)) {
                *out = dot(&row[..b.len()], b);
            }
        }
    });
}

/// A dot product over sixteen running sums, so that it vectorises in a fixed order.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a_body, a_tail) = a.as_chunks::<LANES>();
    let (b_body, b_tail) = b.as_chunks::<LANES>();
    for (x, y) in a_body.iter().zip(b_body) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + tail
}

/// A sum over sixteen running sums, in a fixed order.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn sum(a: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (body, tail) = a.as_chunks::<LANES>();
    for x in body {
        for lane in 0..LANES {
            sums[lane] += x[lane];
        }
    }
    sums.iter().sum::<f32>() + tail.iter().sum::<f32>()
}

/// `out = a^T`, in tiles that fit the innermost cache.
///
/// # Shapes
/// `a`: `(rows, cols)`, row-major; `out`: `(cols, rows)`, row-major.
pub(crate) fn transpose(out: &mut [f32], a: &[f32], cols: usize) {
    let rows = a.len() / cols;
    if out.len() < SERIAL {
        return transpose_columns(out, a, cols, 0..cols);
    }
    let share = cols
        .div_ceil(rayon::current_num_threads())
        .next_multiple_of(LANES);
    out.par_chunks_mut(share * rows)
        .enumerate()
        .for_each(|(i, out)| {
            let first = i * share;
            transpose_columns(out, a, cols, first..first + out.len() / rows);
        });
}

/// Some columns of `a`, `(rows, cols)`, as rows of `out`.
fn transpose_columns(out: &mut [f32], a: &[f32], cols: usize, range: Range<usize>) {
    let rows = a.len() / cols;
    let first = range.start;
    for i in (0..rows).step_by(LANES) {
        let i_end = rows.min(i + LANES);
        for j in range.clone().step_by(LANES) {
            for j in j..range.end.min(j + LANES) {
                let out = &mut out[(j - first) * rows + i..(j - first) * rows + i_end];
                for (i, out) in (i..i_end).zip(out) {
                    *out = a[i * cols + j];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand_distr::{Distribution, StandardNormal};

    fn normal(n: usize, index: u64) -> Vec<f32> {
        let mut rng = stream(7, Purpose::Init, [index, 0]);
        (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    fn naive(a: Mat<'_>, b: Mat<'_>) -> Vec<f64> {
        let at = |m: Mat<'_>, i: usize, j: usize| {
            let (row, col) = m.strides();
            f64::from(m.data[i * row as usize + j * col as usize])
        };
        (0..a.rows * b.cols)
            .map(|i| {
                let (row, col) = (i / b.cols, i % b.cols);
                (0..a.cols).map(|k| at(a, row, k) * at(b, k, col)).sum()
            })
            .collect()
    }

    #[test]
    fn columns_of_a_matrix_multiply_as_if_they_stood_alone() {
        let (n, d, out) = (40, 100, 70);
        for width in [1, out] {
            let a = normal(n * d, 4);
            let b = normal(n * width, 5);
            let columns: Vec<f32> = a.chunks(d).flat_map(|row| &row[13..90]).copied().collect();
            let product = |a: Mat<'_>| {
                let mut out = vec![f32::NAN; 77 * width];
                matmul(&mut out, a.t(), Mat::new(&b, n, width), Threads::One);
                out
            };
            let expected = product(Mat::new(&columns, n, 77));
            assert_eq!(product(Mat::new(&a, n, d).columns(13..90)), expected);
        }
    }

    #[test]
    fn a_transpose_swaps_rows_and_columns() {
        for (rows, cols) in [(1, 5), (17, 33), (200, 130)] {
            let a = normal(rows * cols, 6);
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
    fn products_agree_with_the_definition_in_every_layout() {
        for (m, k, n) in [(1, 1, 1), (3, 2, 5), (70, 33, 1), (1, 40, 9), (65, 129, 70)] {
            let a = normal(m * k, 0);
            let b = normal(k * n, 1);
            let layouts = [
                (Mat::new(&a, m, k), Mat::new(&b, k, n)),
                (Mat::new(&a, k, m).t(), Mat::new(&b, k, n)),
                (Mat::new(&a, m, k), Mat::new(&b, n, k).t()),
            ];
            for (a, b) in layouts {
                let mut out = vec![f32::NAN; m * n];
                matmul(&mut out, a, b, Threads::All);
                for (found, expected) in out.iter().zip(naive(a, b)) {
                    assert!((f64::from(*found) - expected).abs() < 1e-4, "{m} {k} {n}");
                }
            }
        }
    }

    #[test]
    fn the_bits_depend_neither_on_threads_nor_on_how_many_rows_there_are() {
        for (k, n) in [(31, 256), (700, 48), (1500, 3), (257, 1), (2, 90)] {
            let rows = 1030;
            let a = normal(rows * k, 2);
            let b = normal(k * n, 3);
            let product = |rows: usize, threads| {
                let mut out = vec![0.0; rows * n];
                let a = Mat::new(&a[..rows * k], rows, k);
                matmul(&mut out, a, Mat::new(&b, k, n), threads);
                out
            };
            let whole = product(rows, Threads::One);
            for pool in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(pool)
                    .build()
                    .unwrap();
                assert_eq!(whole, pool.install(|| product(rows, Threads::All)));
            }
            for fewer in [96, 200, 1024] {
                assert_eq!(whole[..fewer * n], product(fewer, Threads::One), "{k} {n}");
            }
        }
    }
}
