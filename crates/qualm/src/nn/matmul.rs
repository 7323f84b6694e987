//! Matrix products, the one place with `unsafe`: a safe, shape-checked front to the
//! `gemm` crate, whose kernels are chosen at run time (AVX-512, AVX2, NEON).

use std::ops::Range;

use super::simd::{dot, vectorised};

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
    vectorised(
        #[inline(always)]
        || {
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
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand_distr::{Distribution, StandardNormal};

    fn normal(n: usize, index: u64) -> Vec<f32> {
        let mut rng = stream(7, Purpose::INIT, [index, 0]);
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
