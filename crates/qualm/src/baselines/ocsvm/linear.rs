//! The linear one-class problem, in its primal form:
//!
//! ```text
//! min 1/2 |v|^2 - nu r + 1/n sum_i h(r - v' phi_i)        h(t) = max(0, t)
//! ```
//!
//! the problem of [`super`] with `w = n v`, `rho = n r` and `a_i = h'(..)`. The hinge h
//! is smoothed over a width e, `h(t) = (t + e)^2 / (4 e)` for `|t| < e`, and the problem
//! solved by Newton's method with a line search; then e shrinks, until it is a thousandth of
//! the standard deviation of the values `v' phi_i`. This continuation takes some thirty passes
//! over the features, whatever n.
//!
//! Features are float32; sums over rows are float64, over blocks of rows in their order, so that
//! they do not depend on the number of threads.

use nalgebra::{Cholesky, DMatrix, DVector};
use rayon::prelude::*;

use crate::error::Result;
use crate::fit::progress::Meter;
use crate::nn::{Mat, Threads, matmul};

/// Rows of a block.
const BLOCK: usize = 4096;

/// The last width of the hinge, in standard deviations of the values.
const LAST_WIDTH: f64 = 1e-3;

/// The factor by which the width shrinks.
const SHRINK: f64 = 0.25;

/// Newton steps at one width, and halvings of a step, at most.
const NEWTON: usize = 20;
const HALVINGS: usize = 30;

/// A width is done when a Newton step would gain less than this share of `nu e`.
const GAIN: f64 = 1e-4;

/// `v` and `r`.
#[derive(Debug)]
pub(super) struct Plane {
    /// `(m,)`
    pub(super) normal: Vec<f64>,
    pub(super) offset: f64,
}

/// The problem at one width of the hinge.
#[derive(Debug)]
struct Problem<'a> {
    /// `(n, m)`
    features: &'a [f32],
    m: usize,
    n: f64,
    nu: f64,
    width: f64,
}

/// A point, with the values of its plane.
#[derive(Debug, Clone)]
struct Point {
    normal: DVector<f64>,
    offset: f64,
    /// `v' phi_i`, `(n,)`
    values: Vec<f64>,
}

/// Solves the problem.
///
/// # Shapes
/// `features`: `(n, m)`.
///
/// # Errors
/// [`crate::Error::Stopped`].
pub(super) fn solve(features: &[f32], m: usize, nu: f64, meter: &mut Meter<'_>) -> Result<Plane> {
    let n = features.len() / m;
    let mut problem = Problem {
        features,
        m,
        n: n as f64,
        nu,
        width: 0.0,
    };
    let mut at = problem.start();
    problem.width = deviation(&at.values);
    let widths = (LAST_WIDTH.ln() / SHRINK.ln()).ceil() as u64 + 1;
    for stage in 0..widths {
        for _ in 0..NEWTON {
            meter.work("widths of the margin", stage, widths)?;
            let Some((along, gain)) = problem.newton(&at) else {
                break;
            };
            if gain < GAIN * nu * problem.width || !problem.descend(&mut at, &along, gain) {
                break;
            }
        }
        // Never wider than before, even if the values spread.
        problem.width = (SHRINK * problem.width).min(deviation(&at.values));
    }
    Ok(Plane {
        normal: at.normal.as_slice().to_vec(),
        offset: at.offset,
    })
}

/// Standard deviation; above 0.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (squares / n).sqrt().max(f64::MIN_POSITIVE.sqrt())
}

impl Problem<'_> {
    /// The smoothed hinge.
    fn hinge(&self, t: f64) -> f64 {
        let e = self.width;
        if t <= -e {
            0.0
        } else if t >= e {
            t
        } else {
            (t + e) * (t + e) / (4.0 * e)
        }
    }

    /// Its slope: the coefficient of a row.
    fn slope(&self, t: f64) -> f64 {
        ((t + self.width) / (2.0 * self.width)).clamp(0.0, 1.0)
    }

    /// All coefficients equal, with the offset that leaves a share nu of the rows outside.
    fn start(&self) -> Point {
        let equal = vec![self.nu; self.n as usize];
        let normal = DVector::from_vec(self.weighted(&equal));
        let values = self.values(&normal);
        let mut sorted = values.clone();
        let at = (self.nu * self.n) as usize;
        let at = at.min(sorted.len() - 1);
        let offset = *sorted.select_nth_unstable_by(at, f64::total_cmp).1;
        Point {
            normal,
            offset,
            values,
        }
    }

    /// `v' phi_i`, `(n,)`.
    fn values(&self, normal: &DVector<f64>) -> Vec<f64> {
        let normal: Vec<f32> = normal.iter().map(|v| *v as f32).collect();
        let blocks = self.features.par_chunks(BLOCK * self.m);
        let values = blocks.flat_map_iter(|block| {
            let rows = block.len() / self.m;
            let mut values = vec![0.0; rows];
            let block = Mat::new(block, rows, self.m);
            matmul(
                &mut values,
                block,
                Mat::new(&normal, self.m, 1),
                Threads::One,
            );
            values.into_iter().map(f64::from)
        });
        values.collect()
    }

    /// `1/n sum_i c_i phi_i`, `(m,)`.
    fn weighted(&self, coefficients: &[f64]) -> Vec<f64> {
        let blocks = self.features.par_chunks(BLOCK * self.m);
        let sums = blocks.zip(coefficients.par_chunks(BLOCK));
        let sums = sums.map(|(block, coefficients)| {
            let rows = coefficients.len();
            let weights: Vec<f32> = coefficients.iter().map(|c| *c as f32).collect();
            let mut sums = vec![0.0; self.m];
            let block = Mat::new(block, rows, self.m);
            matmul(
                &mut sums,
                block.t(),
                Mat::new(&weights, rows, 1),
                Threads::One,
            );
            sums
        });
        let mut total = vec![0.0; self.m];
        for sums in sums.collect::<Vec<_>>() {
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += f64::from(sum);
            }
        }
        for total in &mut total {
            *total /= self.n;
        }
        total
    }

    /// The sums `1/n sum_i phi_i phi_i'`, `(m, m)`, and `1/n sum_i phi_i` over some rows.
    fn products(&self, rows: &[usize]) -> (DMatrix<f64>, Vec<f64>) {
        let m = self.m;
        let mut total = vec![0.0; m * m];
        let mut sums = vec![0.0; m];
        let mut product = vec![0.0; m * m];
        for rows in rows.chunks(BLOCK) {
            let picked = rows.iter().flat_map(|i| &self.features[i * m..(i + 1) * m]);
            let picked: Vec<f32> = picked.copied().collect();
            let picked = Mat::new(&picked, rows.len(), m);
            matmul(&mut product, picked.t(), picked, Threads::All);
            for (total, product) in total.iter_mut().zip(&product) {
                *total += f64::from(*product) / self.n;
            }
            for row in rows {
                let features = &self.features[row * m..(row + 1) * m];
                for (sum, feature) in sums.iter_mut().zip(features) {
                    *sum += f64::from(*feature) / self.n;
                }
            }
        }
        (DMatrix::from_vec(m, m, total), sums)
    }

    /// The Newton step, `(m + 1,)` with the offset last, and half of what it would gain.
    fn newton(&self, at: &Point) -> Option<(DVector<f64>, f64)> {
        let m = self.m;
        let slack = |value: &f64| at.offset - value;
        let slopes: Vec<f64> = at.values.iter().map(|v| self.slope(slack(v))).collect();
        let mut gradient = DVector::zeros(m + 1);
        for (k, pull) in self.weighted(&slopes).into_iter().enumerate() {
            gradient[k] = at.normal[k] - pull;
        }
        gradient[m] = slopes.iter().sum::<f64>() / self.n - self.nu;

        let near = at.values.iter().enumerate();
        let near = near.filter(|(_, v)| slack(v).abs() < self.width);
        let near: Vec<usize> = near.map(|(i, _)| i).collect();
        let curvature = 1.0 / (2.0 * self.width);
        let (products, sums) = self.products(&near);
        let mut hessian = DMatrix::identity(m + 1, m + 1);
        for k in 0..m {
            for l in 0..m {
                hessian[(k, l)] += curvature * products[(k, l)];
            }
            hessian[(k, m)] = -curvature * sums[k];
            hessian[(m, k)] = -curvature * sums[k];
        }
        // A little more than it is, so that there is a step where no row is near.
        hessian[(m, m)] = curvature * (near.len() as f64 + 1e-6 * self.n) / self.n;
        let step = -Cholesky::new(hessian)?.solve(&gradient);
        let gain = -gradient.dot(&step) / 2.0;
        (gain.is_finite() && gain > 0.0).then_some((step, gain))
    }

    /// The objective.
    fn objective(&self, squares: f64, offset: f64, values: impl Iterator<Item = f64>) -> f64 {
        let hinges: f64 = values.map(|value| self.hinge(offset - value)).sum();
        squares / 2.0 - self.nu * offset + hinges / self.n
    }

    /// Goes along a step as far as the objective falls enough; `false` if it does not.
    fn descend(&self, at: &mut Point, step: &DVector<f64>, gain: f64) -> bool {
        let along = step.rows(0, self.m).into_owned();
        let turn = step[self.m];
        let moved = self.values(&along);
        let squares = at.normal.norm_squared();
        let before = self.objective(squares, at.offset, at.values.iter().copied());
        let mut far = 1.0;
        for _ in 0..HALVINGS {
            let normal = &at.normal + &along * far;
            let offset = at.offset + far * turn;
            let values = at.values.iter().zip(&moved).map(|(v, m)| v + far * m);
            let after = self.objective(normal.norm_squared(), offset, values);
            if after <= before - 1e-4 * far * gain {
                for (value, moved) in at.values.iter_mut().zip(&moved) {
                    *value += far * moved;
                }
                at.normal = normal;
                at.offset = offset;
                return true;
            }
            far /= 2.0;
        }
        false
    }
}
