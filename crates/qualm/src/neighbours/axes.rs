//! Principal axes of rows. In the rotated columns the boxes of a tree are tight, and sums of
//! squared differences exceed a limit after few columns, even if the given columns are
//! correlated.
//!
//! The mean c of a sample is subtracted from a row x, which is then reflected p times, at
//! vectors v of squared norm 2:
//!
//! ```text
//! x <- x - (v.x) v
//! ```
//!
//! Reflections change no distance, whatever the v are. Here they are those of Householder's QR
//! decomposition (G. H. Golub and C. F. Van Loan, *Matrix Computations*, 5.2) of the p leading
//! principal axes of the sample, so that the first p of the rotated columns are, but for signs,
//! the coordinates of a row along the axes, and the others the rest of it. The axes come from
//! orthogonal iteration (8.2.4 there), which starts with rows of the sample, multiplies by the
//! covariance and orthonormalises, [`ROUNDS`] times: they need not be exact, only better than
//! the given columns.
//!
//! **The slack.** With `u = 2^-24` and `w = 2^-53`, a reflection computed in float64, at a v
//! of d values normalised in float64, strays by at most `(4 d + 20) w |x - c|`: `2 d w` from
//! the product v.x, as much from the norm of v, the rest from single operations. Rounding to
//! float32 adds a part u of each value. With `e = u + p (4 d + 20) w`, a rotated row strays by
//! at most `e |x - c|`, and the distance D of two by `e (|x - c| + |y - c|)`, which is at most
//! `e (2 |x - c| + D)`: a part of D, and an amount that depends on the query row alone. The
//! slack is twice as much, with what underflows. In proportion to norms, not to squared
//! norms, it seldom matters; where it does (rows far out, columns of very different size),
//! the tree of the columns as they are is preferred.

use rayon::prelude::*;

use super::distance::dot;
use super::sample::{SAMPLE, mean};
use crate::nn::{Mat, Threads, matmul, vectorised};

/// Axes, at most: rotating a row to more of them takes longer than they save.
pub(super) const MAX_AXES: usize = 32;

/// Multiplications by the covariance.
const ROUNDS: usize = 3;

/// The share of a squared distance that bounds the cross terms of the slack.
const SHARE: f64 = 1.0 / 1024.0;

/// A rotation of rows about a centre.
#[derive(Debug)]
pub(super) struct Axes {
    /// `(d,)`
    centre: Vec<f64>,
    /// The v of each reflection, from its own column on: those before are zeros.
    vectors: Vec<Vec<f64>>,
}

impl Axes {
    /// The leading axes of a sample, or none where rows do not vary.
    ///
    /// # Shapes
    /// `rows`: `(m, d)`, m at least 1.
    pub(super) fn new(rows: &[f32], d: usize) -> Option<Self> {
        let step = (rows.len() / d).div_ceil(SAMPLE);
        let sample: Vec<&[f32]> = rows.chunks_exact(d).step_by(step).collect();
        let n = sample.len();
        let centre = mean(sample.iter().copied(), d);
        let moved = sample.iter().flat_map(|row| row.iter().zip(&centre));
        let moved: Vec<f64> = moved.map(|(x, mean)| f64::from(*x) - mean).collect();
        // So that no product overflows or underflows.
        let largest = moved.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        if largest == 0.0 {
            return None;
        }
        let moved: Vec<f32> = moved.iter().map(|x| (x / largest) as f32).collect();
        let by_rows = Mat::new(&moved, n, d);

        // The last column would only be reflected at itself.
        let p = MAX_AXES.min(d - 1).min(n);
        if p == 0 {
            return None;
        }
        let first = moved.chunks_exact(d).step_by(n / p).take(p);
        let mut axes = Self {
            centre,
            vectors: reflections(first.map(|row| row.iter().map(|x| f64::from(*x)).collect())),
        };
        let mut scores = vec![0.0; p * n];
        let mut next = vec![0.0; p * d];
        for _ in 0..ROUNDS {
            let leading: Vec<f32> = (0..p).flat_map(|axis| axes.axis(axis)).collect();
            let leading = Mat::new(&leading, p, d);
            matmul(&mut scores, leading, by_rows.t(), Threads::All);
            let scores = Mat::new(&scores, p, n);
            matmul(&mut next, scores, by_rows, Threads::All);
            let columns = next.chunks_exact(d);
            axes.vectors = reflections(columns.map(|y| y.iter().map(|x| f64::from(*x)).collect()));
        }
        Some(axes)
    }

    /// An axis, `(d,)`: the vector that the reflections map to one of the first columns.
    fn axis(&self, axis: usize) -> Vec<f32> {
        let mut values = vec![0.0; self.centre.len()];
        values[axis] = 1.0;
        vectorised(
            #[inline(always)]
            || {
                for (start, vector) in self.vectors.iter().enumerate().rev() {
                    reflect(&mut values[start..], vector);
                }
            },
        );
        values.into_iter().map(|x| x as f32).collect()
    }

    /// A row rotated to the axes, `(d,)`.
    pub(super) fn rotate(&self, row: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; row.len()];
        self.rotate_into(row, &mut out, &mut Vec::new());
        out
    }

    /// Rows rotated to the axes.
    ///
    /// # Shapes
    /// `rows` and returned: `(m, d)`.
    pub(super) fn rotate_all(&self, rows: &[f32]) -> Vec<f32> {
        let d = self.centre.len();
        let mut out = vec![0.0; rows.len()];
        let pairs = rows.par_chunks_exact(d).zip(out.par_chunks_exact_mut(d));
        pairs.for_each_init(Vec::new, |values, (row, out)| {
            self.rotate_into(row, out, values);
        });
        out
    }

    fn rotate_into(&self, row: &[f32], out: &mut [f32], values: &mut Vec<f64>) {
        values.clear();
        vectorised(
            #[inline(always)]
            || {
                let moved = row.iter().zip(&self.centre);
                values.extend(moved.map(|(x, mean)| f64::from(*x) - mean));
                for (start, vector) in self.vectors.iter().enumerate() {
                    reflect(&mut values[start..], vector);
                }
                for (out, x) in out.iter_mut().zip(values) {
                    *out = *x as f32;
                }
            },
        );
    }

    /// How much the squared distance of a rotated row to another may differ from that of the
    /// rows themselves: a factor, and an amount added.
    ///
    /// # Shapes
    /// `rotated`: `(d,)`.
    pub(super) fn slack(&self, rotated: &[f32]) -> [f64; 2] {
        let d = rotated.len() as f64;
        let reflections = self.vectors.len() as f64 * (d + 5.0) * 2f64.powi(-50);
        let part = 2f64.powi(-23) + reflections;
        let squares = rotated.iter().map(|x| f64::from(*x).powi(2));
        let norm = squares.sum::<f64>().sqrt();
        let amount = 2.0 * part * norm + d * 2f64.powi(-148);
        [
            (1.0 + part).powi(2) * (1.0 + SHARE),
            amount.powi(2) * (1.0 + 1.0 / SHARE),
        ]
    }
}

/// The vectors at which Householder's decomposition reflects these columns.
fn reflections(columns: impl Iterator<Item = Vec<f64>>) -> Vec<Vec<f64>> {
    let mut vectors: Vec<Vec<f64>> = Vec::new();
    vectorised(
        #[inline(always)]
        || {
            for mut column in columns {
                for (start, vector) in vectors.iter().enumerate() {
                    reflect(&mut column[start..], vector);
                }
                let mut vector = column.split_off(vectors.len());
                let norm = dot(&vector, &vector).sqrt();
                if let Some(first) = vector.first_mut() {
                    *first += norm.copysign(*first);
                }
                let norm = (dot(&vector, &vector) / 2.0).sqrt();
                // A column that depends on those before it is left as it is.
                let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
                for x in &mut vector {
                    *x *= scale;
                }
                vectors.push(vector);
            }
        },
    );
    vectors
}

#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn reflect(values: &mut [f64], vector: &[f64]) {
    let along = dot(values, vector);
    for (x, v) in values.iter_mut().zip(vector) {
        *x -= along * v;
    }
}

#[cfg(test)]
mod tests {
    use super::super::distance::squared_distance;
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand_distr::{Distribution, StandardNormal};

    /// Rows with most of their variance along `(1, 2, 2) / 3` in their first columns.
    fn rows(n: usize, d: usize) -> Vec<f32> {
        let mut rng = stream(1, Purpose::SAMPLE, [1, 0]);
        let mut rows = Vec::new();
        for _ in 0..n {
            let most: f32 = StandardNormal.sample(&mut rng);
            rows.extend((0..d).map(|j| {
                let x: f32 = StandardNormal.sample(&mut rng);
                x + [20.0, 40.0, 40.0].get(j).map_or(0.0, |times| most * times) + 1000.0
            }));
        }
        rows
    }

    #[test]
    fn the_first_axis_is_the_one_of_most_variance() {
        let axes = Axes::new(&rows(500, 5), 5).unwrap();
        let expected = [1.0, 2.0, 2.0, 0.0, 0.0].map(|x| x / 3.0f32);
        let along: f32 = axes.axis(0).iter().zip(expected).map(|(a, b)| a * b).sum();
        assert!(along.abs() > 0.9999, "{along}");
    }

    #[test]
    fn distances_stay_within_the_slack() {
        for d in [2, 3, 31, 32, 33, 100] {
            let rows = rows(60, d);
            let Some(axes) = Axes::new(&rows, d) else {
                panic!("rows vary");
            };
            let rotated = axes.rotate_all(&rows);
            let both = || rows.chunks_exact(d).zip(rotated.chunks_exact(d));
            for (x, rotated_x) in both() {
                assert_eq!(axes.rotate(x), rotated_x);
                let [times, more] = axes.slack(rotated_x);
                for (y, rotated_y) in both() {
                    let before = squared_distance(x, y);
                    let after = squared_distance(rotated_x, rotated_y);
                    assert!(after <= before * times + more, "{d}: {before} {after}");
                    assert!(before <= after * times + more, "{d}: {before} {after}");
                }
            }
        }
    }

    #[test]
    fn equal_rows_have_no_axes() {
        assert!(Axes::new(&[2.5; 40], 4).is_none());
    }
}
