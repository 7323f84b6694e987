//! The exact solver: sequential minimal optimisation with second-order working sets (R.-E.
//! Fan, P.-H. Chen and C.-J. Lin, *Working set selection using second order information for
//! training support vector machines*, JMLR 6, 2005) and shrinking, as in LIBSVM.
//!
//! ```text
//! min 1/2 a' K a    0 <= a_i <= 1    sum_i a_i = nu n
//! ```
//!
//! A step changes two coefficients. With the gradient G = K a, i has the least G among the
//! coefficients below 1; j, among those above 0, lowers the objective most, by
//! `(G_j - G_i)^2 / (2 (2 - 2 K_ij))`. The solver ends when no such pair differs by more than the
//! tolerance. From time to time rows at a bound that cannot be part of a pair are made inactive
//! (shrinking); before the end their gradient is computed again, and the steps go on over all
//! rows until the tolerance holds for all of them.
//!
//! The gradient is float64, the kernel float32. One thread takes the steps; all threads
//! compute the kernel.

use rayon::prelude::*;

use super::columns::Columns;
use super::kernel::Expansion;
use crate::error::Result;
use crate::fit::progress::Meter;
use crate::nn::vectorised;

/// The least curvature of a pair: equal rows have none.
const FLAT: f64 = 1e-12;

/// Steps between two attempts to shrink, at most.
const SHRINK: usize = 1000;

/// Rows are made inactive only if at most this share of them is left, so that it is worth copying
/// the columns of the kernel.
const LEFT: f64 = 0.8;

/// Columns of the first gradient that are computed at a time.
const STARTING: usize = 64;

/// Values in a step of the loops over all rows.
const LANES: usize = 8;

/// What the solver found.
#[derive(Debug)]
pub(super) struct Solution {
    /// `(n,)`, from 0 to 1.
    pub(super) alpha: Vec<f64>,
    pub(super) rho: f64,
    pub(super) steps: u64,
    pub(super) converged: bool,
}

/// The solver's state.
#[derive(Debug)]
struct Solver<'a> {
    columns: Columns<'a>,
    /// Coefficients of all rows; of the active ones they are in `alpha`.
    all: Vec<f64>,
    /// The active rows, ascending.
    active: Vec<u32>,
    /// Coefficients and gradient of the active rows.
    alpha: Vec<f64>,
    gradient: Vec<f64>,
}

/// The least gradient of the coefficients below 1, and the greatest of those above 0.
#[derive(Debug, Clone, Copy)]
struct Extremes {
    least: f64,
    greatest: f64,
}

impl Extremes {
    /// How much the worst pair violates the optimality conditions; 0 or less at the optimum.
    fn gap(self) -> f64 {
        self.greatest - self.least
    }
}

/// Solves to a tolerance.
///
/// # Errors
/// [`crate::Error::Stopped`].
pub(super) fn solve(
    columns: Columns<'_>,
    nu: f64,
    tolerance: f64,
    meter: &mut Meter<'_>,
) -> Result<Solution> {
    let n = columns.n_rows();
    let most = 10_000_000.max(100 * n as u64);
    let mut solver = Solver::start(columns, nu, meter)?;
    let every = n.clamp(1, SHRINK);
    let (mut steps, mut next, mut restored) = (0, every, false);
    let mut extremes = solver.extremes();
    let converged = loop {
        if extremes.gap() < tolerance {
            if solver.active.len() == n {
                break true;
            }
            solver.restore();
            extremes = solver.extremes();
            // Shrink soon if there is more to do.
            next = 1;
            continue;
        }
        if steps >= most {
            solver.restore();
            break false;
        }
        next -= 1;
        if next == 0 {
            meter.work("support vectors", steps, (2 * n as u64).max(steps))?;
            next = every;
            if !restored && extremes.gap() < 10.0 * tolerance {
                restored = true;
                solver.restore();
                extremes = solver.extremes();
            }
            solver.shrink(extremes);
        }
        let Some(after) = solver.step(extremes) else {
            solver.restore();
            break false;
        };
        extremes = after;
        steps += 1;
    };
    Ok(solver.finish(steps, converged))
}

impl<'a> Solver<'a> {
    /// Starts with the first nu n rows at the upper bound.
    fn start(mut columns: Columns<'a>, nu: f64, meter: &mut Meter<'_>) -> Result<Self> {
        let n = columns.n_rows();
        let sum = nu * n as f64;
        let alpha: Vec<f64> = (0..n).map(|i| (sum - i as f64).clamp(0.0, 1.0)).collect();
        let rows: Vec<usize> = (0..n).filter(|i| alpha[*i] > 0.0).collect();
        let mut gradient = vec![0.0; n];
        let block = STARTING.min(columns.room());
        for (done, rows) in rows.chunks(block).enumerate() {
            meter.work("kernel", (done * block) as u64, n as u64)?;
            let found = columns.many(rows);
            let add = |(block, gradient): (usize, &mut [f64])| {
                for (row, column) in rows.iter().zip(&found) {
                    let values = column.iter().skip(block * 1024);
                    for (gradient, value) in gradient.iter_mut().zip(values) {
                        *gradient += alpha[*row] * f64::from(*value);
                    }
                }
            };
            gradient.par_chunks_mut(1024).enumerate().for_each(add);
        }
        Ok(Self {
            columns,
            all: vec![0.0; n],
            active: (0..n as u32).collect(),
            alpha,
            gradient,
        })
    }

    /// The extremes of the present gradient.
    fn extremes(&mut self) -> Extremes {
        let none = vec![0.0; self.active.len()];
        vectorised(
            #[inline(always)]
            || move_gradient(&mut self.gradient, &self.alpha, &none, &none, 0.0),
        )
    }

    /// Changes one pair; `None` where there is none.
    fn step(&mut self, extremes: Extremes) -> Option<Extremes> {
        let (alpha, gradient) = (&self.alpha, &self.gradient);
        let least = extremes.least;
        let i = first(alpha, gradient, |a, g| a < 1.0 && g <= least)?;
        let of_i = self.columns.one(self.active[i] as usize);
        let j = vectorised(
            #[inline(always)]
            || best_partner(alpha, gradient, of_i, least),
        )?;
        let rows = (self.active[i] as usize, self.active[j] as usize);
        let (of_i, of_j) = self.columns.pair(rows.0, rows.1);
        let curvature = (2.0 - 2.0 * f64::from(of_i[j])).max(FLAT);
        let wanted = (gradient[j] - gradient[i]) / curvature;
        // A bound is reached exactly, so that comparisons with it hold.
        let most = (1.0 - alpha[i]).min(alpha[j]);
        let moved = wanted.min(most);
        let (to_i, to_j) = (alpha[i] + moved, alpha[j] - moved);
        self.alpha[i] = if moved < 1.0 - alpha[i] { to_i } else { 1.0 };
        self.alpha[j] = if moved < self.alpha[j] { to_j } else { 0.0 };
        Some(vectorised(
            #[inline(always)]
            || move_gradient(&mut self.gradient, &self.alpha, of_i, of_j, moved),
        ))
    }

    /// Makes rows inactive that are at a bound and cannot be part of a pair.
    fn shrink(&mut self, extremes: Extremes) {
        let stays = |(alpha, gradient): (&f64, &f64)| {
            if *alpha >= 1.0 {
                *gradient >= extremes.least
            } else if *alpha <= 0.0 {
                *gradient <= extremes.greatest
            } else {
                true
            }
        };
        let states = self.alpha.iter().zip(&self.gradient);
        let places = states.enumerate().filter(|(_, state)| stays(*state));
        let left: Vec<u32> = places.map(|(place, _)| place as u32).collect();
        if left.len() as f64 > LEFT * self.active.len() as f64 {
            return;
        }
        self.put_back();
        let pick = |from: &[f64]| left.iter().map(|place| from[*place as usize]).collect();
        self.gradient = pick(&self.gradient);
        self.alpha = pick(&self.alpha);
        self.active = left.iter().map(|p| self.active[*p as usize]).collect();
        self.columns.cut(left, &self.active);
    }

    /// Writes the coefficients of the active rows into those of all rows.
    fn put_back(&mut self) {
        for (row, alpha) in self.active.iter().zip(&self.alpha) {
            self.all[*row as usize] = *alpha;
        }
    }

    /// Makes all rows active again, and computes the gradient of those that were not.
    fn restore(&mut self) {
        let (n, d) = (self.columns.n_rows(), self.columns.n_features());
        if self.active.len() == n {
            return;
        }
        self.put_back();
        let mut aside = vec![true; n];
        let mut gradient = vec![0.0; n];
        for (row, g) in self.active.iter().zip(&self.gradient) {
            aside[*row as usize] = false;
            gradient[*row as usize] = *g;
        }
        let rows: Vec<usize> = (0..n).filter(|row| aside[*row]).collect();
        let vectors = rows.iter().flat_map(|row| self.columns.vector(*row));
        let vectors: Vec<f32> = vectors.copied().collect();
        let mut sums = vec![0.0; rows.len()];
        let expansion = self.expansion();
        expansion.sums(&vectors, d, &mut sums);
        for (row, sum) in rows.iter().zip(sums) {
            gradient[*row] = sum;
        }
        self.gradient = gradient;
        self.alpha.clone_from(&self.all);
        self.active = (0..n as u32).collect();
        self.columns.restore();
    }

    /// The rows with a coefficient above 0.
    fn expansion(&self) -> Expansion {
        let rows = self.all.iter().enumerate().filter(|(_, a)| **a > 0.0);
        let (rows, coefficients): (Vec<usize>, Vec<f64>) = rows.unzip();
        let points = rows.iter().flat_map(|row| self.columns.vector(*row));
        Expansion {
            points: points.copied().collect(),
            coefficients,
        }
    }

    /// The solution, with rho: the mean gradient of the coefficients strictly between the bounds,
    /// or the middle of its possible range where there are none.
    fn finish(self, steps: u64, converged: bool) -> Solution {
        let (mut sum, mut free) = (0.0, 0u64);
        let (mut above, mut below) = (f64::INFINITY, f64::NEG_INFINITY);
        for (alpha, gradient) in self.alpha.iter().zip(&self.gradient) {
            if *alpha >= 1.0 {
                below = below.max(*gradient);
            } else if *alpha <= 0.0 {
                above = above.min(*gradient);
            } else {
                free += 1;
                sum += gradient;
            }
        }
        let rho = match free {
            0 if above.is_infinite() => below,
            0 if below.is_infinite() => above,
            0 => f64::midpoint(above, below),
            free => sum / free as f64,
        };
        Solution {
            alpha: self.alpha,
            rho,
            steps,
            converged,
        }
    }
}

/// `G += moved (K_i - K_j)`, and the extremes of the new G.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn move_gradient(
    gradient: &mut [f64],
    alpha: &[f64],
    of_i: &[f32],
    of_j: &[f32],
    moved: f64,
) -> Extremes {
    let mut least = [f64::INFINITY; LANES];
    let mut greatest = [f64::NEG_INFINITY; LANES];
    let mut one = |lane: usize, gradient: &mut f64, alpha: f64, i: f32, j: f32| {
        *gradient += moved * (f64::from(i) - f64::from(j));
        let up = if alpha < 1.0 {
            *gradient
        } else {
            f64::INFINITY
        };
        let down = if alpha > 0.0 {
            *gradient
        } else {
            f64::NEG_INFINITY
        };
        least[lane] = if up < least[lane] { up } else { least[lane] };
        greatest[lane] = if down > greatest[lane] {
            down
        } else {
            greatest[lane]
        };
    };
    let (alphas, alpha_tail) = alpha.as_chunks::<LANES>();
    let (is, i_tail) = of_i.as_chunks::<LANES>();
    let (js, j_tail) = of_j.as_chunks::<LANES>();
    let (gradients, tail) = gradient.as_chunks_mut::<LANES>();
    for (((gradient, alpha), i), j) in gradients.iter_mut().zip(alphas).zip(is).zip(js) {
        for lane in 0..LANES {
            one(lane, &mut gradient[lane], alpha[lane], i[lane], j[lane]);
        }
    }
    for (((gradient, alpha), i), j) in tail.iter_mut().zip(alpha_tail).zip(i_tail).zip(j_tail) {
        one(0, gradient, *alpha, *i, *j);
    }
    Extremes {
        least: least.into_iter().fold(f64::INFINITY, f64::min),
        greatest: greatest.into_iter().fold(f64::NEG_INFINITY, f64::max),
    }
}

/// The partner of `i`, whose gradient is `least`, that lowers the objective most.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn best_partner(alpha: &[f64], gradient: &[f64], of_i: &[f32], least: f64) -> Option<usize> {
    let gain = |alpha: f64, gradient: f64, i: f32| {
        let apart = gradient - least;
        let curvature = 2.0 - 2.0 * f64::from(i);
        let curvature = if curvature > FLAT { curvature } else { FLAT };
        let gain = apart * apart / curvature;
        if alpha > 0.0 && apart > 0.0 {
            gain
        } else {
            0.0
        }
    };
    let mut best = [0.0f64; LANES];
    let (alphas, alpha_tail) = alpha.as_chunks::<LANES>();
    let (gradients, gradient_tail) = gradient.as_chunks::<LANES>();
    let (is, i_tail) = of_i.as_chunks::<LANES>();
    for ((alpha, gradient), i) in alphas.iter().zip(gradients).zip(is) {
        for lane in 0..LANES {
            let gain = gain(alpha[lane], gradient[lane], i[lane]);
            best[lane] = if gain > best[lane] { gain } else { best[lane] };
        }
    }
    let tail = alpha_tail.iter().zip(gradient_tail).zip(i_tail);
    let tail = tail.map(|((alpha, gradient), i)| gain(*alpha, *gradient, *i));
    let best = best.into_iter().chain(tail).fold(0.0, f64::max);
    // A second pass finds the place: keeping track of it above would be slower.
    let places = alpha.iter().zip(gradient).zip(of_i);
    let mut places = places.map(|((alpha, gradient), i)| gain(*alpha, *gradient, *i));
    places.position(|gain| gain >= best).filter(|_| best > 0.0)
}

/// The first place where a condition holds.
fn first(alpha: &[f64], gradient: &[f64], holds: impl Fn(f64, f64) -> bool) -> Option<usize> {
    let mut places = alpha.iter().zip(gradient);
    places.position(|(alpha, gradient)| holds(*alpha, *gradient))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand_distr::{Distribution, StandardNormal};

    fn solved(vectors: &[f32], d: usize, nu: f64, budget: usize) -> Solution {
        let mut nobody = ();
        let mut meter = Meter::new(&mut nobody);
        let columns = Columns::new(vectors, d).with_budget(budget);
        solve(columns, nu, 1e-6, &mut meter).unwrap()
    }

    #[test]
    fn three_rows_by_hand() {
        // Two equal rows and one at kernel k: by symmetry a, a, 1.5 - 2 a. The objective
        // (2a)^2 / 2 + 2a (1.5 - 2a) k + (1.5 - 2a)^2 / 2 is least for 2a = 0.75.
        let found = solved(&[0.0, 0.0, 1.0], 1, 0.5, 1 << 20);
        assert!((found.alpha[2] - 0.75).abs() < 1e-5, "{:?}", found.alpha);
        assert!((found.alpha.iter().sum::<f64>() - 1.5).abs() < 1e-12);
        let k = f64::exp(-1.0);
        assert!((found.rho - 0.75 * (1.0 + k)).abs() < 1e-5, "{}", found.rho);
    }

    /// The optimality conditions hold, and neither the size of the cache nor shrinking changes the
    /// optimum.
    #[test]
    fn the_optimum_is_one_whatever_is_kept() {
        let (n, d) = (600, 3);
        let mut rng = stream(2, Purpose::LANDMARKS, [0, 0]);
        let vectors: Vec<f32> = (0..n * d)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        for nu in [0.02, 0.3, 0.5, 0.9] {
            let found = solved(&vectors, d, nu, 1 << 20);
            let sum: f64 = found.alpha.iter().sum();
            assert!((sum - nu * n as f64).abs() < 1e-9, "{nu}: {sum}");
            let mut gradient = vec![0.0; n];
            let expansion = Expansion {
                points: vectors.clone(),
                coefficients: found.alpha.clone(),
            };
            expansion.sums(&vectors, d, &mut gradient);
            for (alpha, gradient) in found.alpha.iter().zip(&gradient) {
                let above = gradient - found.rho;
                assert!(*alpha <= 0.0 || above < 1e-4, "{nu}: {alpha} {above}");
                assert!(*alpha >= 1.0 || above > -1e-4, "{nu}: {alpha} {above}");
            }
            let tight = solved(&vectors, d, nu, 5 * n);
            assert!((tight.rho - found.rho).abs() < 1e-4, "{nu}");
            assert!(found.converged && tight.converged && found.steps > 10);
        }
    }
}
