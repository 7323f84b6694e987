//! The Gaussian kernel, several rows at a time, and weighted sums of it.
//!
//! Rows are centred and multiplied by the root of gamma in float64, then rounded to float32:
//! the kernel of two such rows is `exp(-|y - y'|^2)`, with the distance summed over differences,
//! so that no digits are lost far from the origin. A value depends, to the bit, on its two rows
//! alone.

use rayon::prelude::*;

use crate::nn::{exp_of_negative, vectorised};
use crate::rows::Rows;

/// Rows side by side in a panel.
pub(super) const WIDTH: usize = 16;

/// Points whose kernel with a panel is computed at a time.
pub(super) const POINTS: usize = 4;

/// Panels of a task.
const TASK: usize = 16;

/// The largest scaled value: farther out the kernel is 0 anyway, and the difference of two such
/// values is still a finite float32.
const FAR: f64 = 1e18;

/// The scaling after which the kernel is `exp(-|y - y'|^2)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KernelScaler {
    /// `(d,)`
    pub(super) centre: Vec<f64>,
    /// The root of gamma.
    pub(super) root: f64,
}

impl KernelScaler {
    /// Scales one row.
    ///
    /// # Shapes
    /// `row`, `out`: `(d,)`.
    fn apply(&self, row: &[f32], out: &mut [f32]) {
        for ((out, x), centre) in out.iter_mut().zip(row).zip(&self.centre) {
            let y = (f64::from(*x) - centre) * self.root;
            *out = y.clamp(-FAR, FAR) as f32;
        }
    }

    /// The scaled rows, `(n, d)`.
    pub(super) fn vectors(&self, rows: Rows<'_>) -> Vec<f32> {
        let d = rows.n_cols();
        let mut vectors = vec![0.0; rows.as_slice().len()];
        vectors
            .par_chunks_exact_mut(d)
            .zip(rows.as_slice().par_chunks_exact(d))
            .with_min_len(1024)
            .for_each(|(out, row)| self.apply(row, out));
        vectors
    }
}

/// Vectors in panels of [`WIDTH`], each column after column; the last is filled with zeros.
#[derive(Debug, Clone)]
pub(super) struct Panels {
    data: Vec<f32>,
    n: usize,
    d: usize,
}

impl Panels {
    /// Lays out vectors.
    pub(super) fn new<'a>(vectors: impl ExactSizeIterator<Item = &'a [f32]>, d: usize) -> Self {
        let n = vectors.len();
        let mut data = vec![0.0; n.div_ceil(WIDTH) * WIDTH * d];
        for (i, vector) in vectors.enumerate() {
            let start = i / WIDTH * WIDTH * d + i % WIDTH;
            let column = data.iter_mut().skip(start).step_by(WIDTH);
            column.zip(vector).for_each(|(to, x)| *to = *x);
        }
        Self { data, n, d }
    }

    /// Number of vectors.
    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// The panels, each `(d, WIDTH)`.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[[f32; WIDTH]]> {
        let panels = self.data.chunks_exact(WIDTH * self.d);
        panels.map(|panel| panel.as_chunks().0)
    }

    /// The kernel of every vector with each of the points.
    ///
    /// # Shapes
    /// `points`: each `(d,)`; `out`: each `(n,)`.
    pub(super) fn kernels(&self, points: [&[f32]; POINTS], out: &mut [Vec<f32>; POINTS]) {
        vectorised(
            #[inline(always)]
            || {
                for (i, panel) in self.iter().enumerate() {
                    let values = kernels(panel, points);
                    for (out, values) in out.iter_mut().zip(values) {
                        let to = out.iter_mut().skip(i * WIDTH);
                        to.zip(values).for_each(|(to, v)| *to = v);
                    }
                }
            },
        );
    }

    /// The kernel of every vector with one point.
    ///
    /// # Shapes
    /// `point`: `(d,)`; returns `(n,)`.
    pub(super) fn kernel(&self, point: &[f32]) -> Vec<f32> {
        /// Values of the panels that are worth another thread.
        const LEAST: usize = 1 << 16;
        let mut out = vec![0.0; self.n];
        let task = (LEAST / self.d).max(64);
        let panels = self.data.par_chunks(WIDTH * self.d * task);
        let out_tasks = out.par_chunks_mut(WIDTH * task);
        panels.zip(out_tasks).for_each(|(panels, out)| {
            vectorised(
                #[inline(always)]
                || {
                    let panels = panels.chunks_exact(WIDTH * self.d);
                    for (panel, out) in panels.zip(out.chunks_mut(WIDTH)) {
                        let [values] = kernels(panel.as_chunks().0, [point]);
                        out.iter_mut().zip(values).for_each(|(to, v)| *to = v);
                    }
                },
            );
        });
        out
    }
}

/// The kernel of the vectors of a panel with some points.
///
/// # Shapes
/// `panel`: `(d, WIDTH)`; `points`: each `(d,)`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn kernels<const N: usize>(
    panel: &[[f32; WIDTH]],
    points: [&[f32]; N],
) -> [[f32; WIDTH]; N] {
    let mut points = points;
    for point in &mut points {
        *point = &point[..panel.len()];
    }
    // Plain loops: what an iterator does not inline is compiled for the oldest processor.
    let mut values = [[0.0f32; WIDTH]; N];
    for (k, column) in panel.iter().enumerate() {
        for i in 0..N {
            let y = points[i][k];
            for lane in 0..WIDTH {
                let apart = column[lane] - y;
                values[i][lane] += apart * apart;
            }
        }
    }
    for lanes in &mut values {
        for value in lanes {
            *value = exp_of_negative(-*value);
        }
    }
    values
}

/// `sum_i c_i K(y_i, y)` over some points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expansion {
    /// `(m, d)`
    pub(super) points: Vec<f32>,
    /// `(m,)`
    pub(super) coefficients: Vec<f64>,
}

impl Expansion {
    /// The sums at some vectors.
    ///
    /// # Shapes
    /// `vectors`: `(n, d)`; `out`: `(n,)`.
    pub(super) fn sums(&self, vectors: &[f32], d: usize, out: &mut [f64]) {
        vectors
            .par_chunks(TASK * WIDTH * d)
            .zip(out.par_chunks_mut(TASK * WIDTH))
            .for_each(|(vectors, out)| {
                let panels = Panels::new(vectors.chunks_exact(d), d);
                vectorised(
                    #[inline(always)]
                    || {
                        for (panel, out) in panels.iter().zip(out.chunks_mut(WIDTH)) {
                            let sums = self.panel_sums(panel, d);
                            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum);
                        }
                    },
                );
            });
    }

    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn panel_sums(&self, panel: &[[f32; WIDTH]], d: usize) -> [f64; WIDTH] {
        let mut sums = [0.0; WIDTH];
        let mut add = |values: [f32; WIDTH], coefficient: f64| {
            for lane in 0..WIDTH {
                sums[lane] += coefficient * f64::from(values[lane]);
            }
        };
        let mut points = self.points.chunks_exact(POINTS * d);
        let (coefficients, rest) = self.coefficients.as_chunks::<POINTS>();
        for (points, coefficients) in (&mut points).zip(coefficients) {
            let at = |i: usize| &points[i * d..(i + 1) * d];
            let values = kernels(panel, [at(0), at(1), at(2), at(3)]);
            for (values, coefficient) in values.into_iter().zip(coefficients) {
                add(values, *coefficient);
            }
        }
        for (point, coefficient) in points.remainder().chunks_exact(d).zip(rest) {
            let [values] = kernels(panel, [point]);
            add(values, *coefficient);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn kernels_and_their_sums_agree_with_float64_far_from_the_origin() {
        for (n, d) in [(1, 1), (33, 3), (300, 20)] {
            let mut rng = stream(1, Purpose::LANDMARKS, [n as u64, d as u64]);
            let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
            let rows: Vec<f32> = (0..n * d).map(|_| 4096.0 + normal()).collect();
            let scaler = KernelScaler {
                centre: vec![4096.0; d],
                root: 0.4,
            };
            let vectors = scaler.vectors(Rows::new(&rows, d).unwrap());
            let kernel = |i: usize, j: usize| {
                let pairs = rows[i * d..][..d].iter().zip(&rows[j * d..][..d]);
                let square: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
                (-0.16 * square).exp()
            };
            let panels = Panels::new(vectors.chunks_exact(d), d);
            let first = panels.kernel(&vectors[..d]);
            for (j, value) in first.iter().enumerate() {
                assert!(
                    (f64::from(*value) - kernel(0, j)).abs() < 1e-6,
                    "{n} {d} {j}"
                );
            }
            let points = [&vectors[(n - 1) * d..], &vectors[..d]];
            let points = [points[0], points[0], points[1], points[1]];
            let mut four = std::array::from_fn(|_| vec![0.0; n]);
            panels.kernels(points, &mut four);
            assert_eq!(four[3], first);

            let coefficients: Vec<f64> = (0..n).map(|i| f64::from(i as u32 % 3)).collect();
            let mut sums = vec![0.0; n];
            let expansion = Expansion {
                points: vectors.clone(),
                coefficients: coefficients.clone(),
            };
            expansion.sums(&vectors, d, &mut sums);
            for (i, sum) in sums.iter().enumerate() {
                let expected: f64 = (0..n).map(|j| coefficients[j] * kernel(i, j)).sum();
                assert!(
                    (sum - expected).abs() < 1e-4,
                    "{n} {d} {i}: {sum} {expected}"
                );
            }
        }
    }

    #[test]
    fn vectors_beyond_float32_have_no_kernel_but_with_themselves() {
        let scaler = KernelScaler {
            centre: vec![0.0],
            root: 1e30,
        };
        let rows = [3e38, -3e38, 0.0];
        let vectors = scaler.vectors(Rows::new(&rows, 1).unwrap());
        let kernel = Panels::new(vectors.chunks_exact(1), 1).kernel(&vectors[..1]);
        assert_eq!(kernel, [1.0, 0.0, 0.0]);
    }
}
