//! The approximation for many rows: a kernel of finite rank (C. Williams and M. Seeger,
//! *Using the Nyström method to speed up kernel machines*, NIPS 2001), then the linear
//! one-class problem in its features ([`super::linear`]).
//!
//! With m landmarks z drawn from the rows,
//!
//! ```text
//! k(x)   = (K(z_1, x), ..., K(z_m, x))
//! phi(x) = L^-1 k(x)      L L' = K(z, z) + e I
//! K(x, y) ~ phi(x)' phi(y)
//! ```
//!
//! A linear function v' phi(x) is a sum over landmarks with coefficients L^-T v, which are what
//! is kept. The ridge e keeps those coefficients small, so that rounding the kernel to float32
//! does not matter in their sum.
//!
//! Above [`MOST_FEATURES`] the linear problem is solved for a sample of the rows, and the
//! coefficients are scaled to the sum that all rows would have.

use nalgebra::{Cholesky, DMatrix};
use rayon::prelude::*;

use super::kernel::{Expansion, POINTS, Panels, WIDTH, kernels};
use super::linear;
use crate::error::Result;
use crate::fit::progress::Meter;
use crate::nn::{Mat, Threads, matmul, vectorised};
use crate::rng::{self, Purpose, stream};

/// Values of the features, at most: 2 GiB.
const MOST_FEATURES: usize = 1 << 29;

/// What is added to the landmarks' own kernel, whose diagonal is 1.
const RIDGE: f64 = 1e-4;

/// Rows whose features are computed by a thread at a time.
const BLOCK: usize = 1024;

/// Blocks between two reports of progress.
const REPORT: usize = 32;

/// Rows that the linear problem is solved for.
pub(super) fn fitted_rows(n: usize, m: usize) -> usize {
    n.min((MOST_FEATURES / m.max(1)).max(1))
}

/// The approximate solution: coefficients of landmarks, and rho.
///
/// # Shapes
/// `vectors`: `(n, d)`; `m` landmarks.
///
/// # Errors
/// [`crate::Error::Stopped`].
///
/// # Seed
/// Draws the landmarks, and the rows where there are too many.
pub(super) fn solve(
    vectors: &[f32],
    d: usize,
    m: usize,
    nu: f64,
    seed: u64,
    meter: &mut Meter<'_>,
) -> Result<(Expansion, f64)> {
    let n = vectors.len() / d;
    let landmarks = sample(n, m, seed, 0);
    let landmarks = gather(vectors, d, &landmarks);
    let inverse = inverse_root(&landmarks, d);

    let fitted = fitted_rows(n, m);
    let picked = (fitted < n).then(|| gather(vectors, d, &sample(n, fitted, seed, 1)));
    let rows = picked.as_deref().unwrap_or(vectors);
    let features = features(rows, d, &landmarks, &inverse, meter)?;
    drop(picked);
    let plane = linear::solve(&features, m, nu, meter)?;

    let all = n as f64;
    let coefficients = inverse.tr_mul(&nalgebra::DVector::from_vec(plane.normal));
    Ok((
        Expansion {
            points: landmarks,
            coefficients: coefficients.iter().map(|c| all * c).collect(),
        },
        all * plane.offset,
    ))
}

/// Some of the rows, in their order.
fn sample(n: usize, count: usize, seed: u64, index: u64) -> Vec<usize> {
    let mut rng = stream(seed, Purpose::LANDMARKS, [index, 0]);
    rng::sample(&mut rng, n, count)
}

fn gather(vectors: &[f32], d: usize, rows: &[usize]) -> Vec<f32> {
    let rows = rows.iter().flat_map(|row| &vectors[row * d..(row + 1) * d]);
    rows.copied().collect()
}

/// `L^-1`, `(m, m)`.
fn inverse_root(landmarks: &[f32], d: usize) -> DMatrix<f64> {
    let m = landmarks.len() / d;
    let panels = Panels::new(landmarks.chunks_exact(d), d);
    let columns = landmarks.par_chunks_exact(d).map(|z| panels.kernel(z));
    let columns: Vec<Vec<f32>> = columns.collect();
    let kernel = DMatrix::from_fn(m, m, |i, j| {
        let ridge = if i == j { RIDGE } else { 0.0 };
        f64::from(columns[j][i]) + ridge
    });
    let identity = DMatrix::identity(m, m);
    // The ridge is far above the rounding of the kernel, so the matrix is positive definite.
    Cholesky::new(kernel)
        .and_then(|root| root.l().solve_lower_triangular(&identity))
        .unwrap_or(identity)
}

/// `phi` of rows, `(n, m)`.
fn features(
    vectors: &[f32],
    d: usize,
    landmarks: &[f32],
    inverse: &DMatrix<f64>,
    meter: &mut Meter<'_>,
) -> Result<Vec<f32>> {
    let (n, m) = (vectors.len() / d, landmarks.len() / d);
    let panels = Panels::new(landmarks.chunks_exact(d), d);
    // Column-major L^-1 is L^-T row after row.
    let map: Vec<f32> = inverse.iter().map(|w| *w as f32).collect();
    let mut features = vec![0.0; n * m];
    let some = features.chunks_mut(REPORT * BLOCK * m);
    let rows = vectors.chunks(REPORT * BLOCK * d);
    for (done, (features, rows)) in some.zip(rows).enumerate() {
        meter.work("features", (done * REPORT * BLOCK) as u64, n as u64)?;
        features
            .par_chunks_mut(BLOCK * m)
            .zip(rows.par_chunks(BLOCK * d))
            .for_each(|(features, rows)| {
                let mut kernel = vec![0.0; features.len()];
                landmark_kernels(&panels, rows, d, &mut kernel);
                let kernel = Mat::new(&kernel, rows.len() / d, m);
                matmul(features, kernel, Mat::new(&map, m, m), Threads::One);
            });
    }
    Ok(features)
}

/// The kernel of rows with all landmarks.
///
/// # Shapes
/// `rows`: `(n, d)`; `out`: `(n, m)`.
fn landmark_kernels(landmarks: &Panels, rows: &[f32], d: usize, out: &mut [f32]) {
    let m = landmarks.len();
    vectorised(
        #[inline(always)]
        || {
            for (rows, out) in rows.chunks(POINTS * d).zip(out.chunks_mut(POINTS * m)) {
                let last = rows.len() / d - 1;
                let at = |i: usize| {
                    let i = i.min(last);
                    &rows[i * d..(i + 1) * d]
                };
                for (i, panel) in landmarks.iter().enumerate() {
                    let values = kernels(panel, [at(0), at(1), at(2), at(3)]);
                    for (out, values) in out.chunks_mut(m).zip(values) {
                        let to = out.iter_mut().skip(i * WIDTH);
                        to.zip(values).for_each(|(to, v)| *to = v);
                    }
                }
            }
        },
    );
}
