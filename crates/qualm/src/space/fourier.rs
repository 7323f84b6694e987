//! Random Fourier features of a Gaussian kernel (Rahimi & Recht, *Random Features for
//! Large-Scale Kernel Machines*, NIPS 2007, Algorithm 1 in its paired form).
//!
//! `z(x) = [cos(W x), sin(W x)] / sqrt(D / 2)` with `W_ij ~ N(0, 1 / bandwidth^2)`. The
//! norm is exactly one, and `z(x) . z(y)` is an unbiased estimate of the kernel
//! `exp(-|x - y|^2 / (2 bandwidth^2))`. Not centred: centring cost 4 to 10 points of AUROC.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::mahalanobis::Metric;
use super::options::KernelOptions;
use super::scaler::{Scaler, normalise};
use crate::error::Result;
use crate::fit::Meter;
use crate::fit::watch::{Extent, Halt, Watch};
use crate::nn::{Mat, Threads, matmul, sin_cos, vectorised};
use crate::rng::{self, Purpose, stream};
use crate::rows::Rows;

/// Rows whose pairwise distances give the median that the bandwidth is counted in.
const MEDIAN_SAMPLE: usize = 1000;

/// Angles that the vectorised sine and cosine take.
const MODERATE: f32 = 1e9;

/// Rows per parallel task.
const ROWS: usize = 64;

/// Drawn frequencies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fourier {
    /// `(d, n_out / 2)`
    pub(super) frequencies: Vec<f32>,
    pub(super) n_in: usize,
    /// Whether rows are divided by their norm first.
    pub(super) unit_rows: bool,
}

impl Fourier {
    /// Draws frequencies for the kernel's bandwidth and metric, which follow the rows.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(super) fn draw(
        scaler: &Scaler,
        kernel: KernelOptions,
        rows: Rows<'_>,
        seed: u64,
        member: u64,
        meter: &mut Meter<'_>,
    ) -> Result<Self> {
        let d = rows.n_cols();
        let mut rng = stream(seed, Purpose::BANDWIDTH, [member, 0]);
        let mut sample = |most| sample(scaler, kernel, rows, most, &mut rng);
        let half = kernel.fourier_features / 2;
        let normals = |bandwidth: f64| -> Vec<f64> {
            let mut rng = stream(seed, Purpose::FOURIER, [member, 0]);
            let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
            (0..d * half).map(|_| normal() / bandwidth).collect()
        };
        let pairs = (MEDIAN_SAMPLE * MEDIAN_SAMPLE / 2 * d) as u64;
        let normals = if kernel.is_robust(member) {
            let products = Metric::products(rows.n_rows(), d, kernel.reference);
            let products = products.saturating_add(pairs);
            meter.watch("robust covariance", Extent::Products(products), |watch| {
                let fitted = sample(Metric::enough(d));
                let metric = Metric::fit(Rows::checked(&fitted, d), kernel.reference, watch)?;
                drop(fitted);
                let images = metric.apply(&sample(MEDIAN_SAMPLE), watch)?;
                let bandwidth = kernel.bandwidth * median_distance(&images, d, watch)?;
                metric.transposed(&normals(bandwidth), half, watch)
            })?
        } else {
            meter.watch("bandwidth", Extent::Products(pairs), |watch| {
                let sample = sample(MEDIAN_SAMPLE);
                let sample: Vec<f64> = sample.iter().map(|x| f64::from(*x)).collect();
                let bandwidth = kernel.bandwidth * median_distance(&sample, d, watch)?;
                Ok(normals(bandwidth))
            })?
        };
        Ok(Self {
            frequencies: normals.into_iter().map(|x| x as f32).collect(),
            n_in: d,
            unit_rows: kernel.unit_rows(),
        })
    }

    /// Width of the result.
    pub(super) fn n_out(&self) -> usize {
        2 * (self.frequencies.len() / self.n_in)
    }

    /// The features of rows that are scaled.
    ///
    /// # Shapes
    /// `scaled`: `(n, n_in)`; `out`: `(n, n_out)`.
    pub(super) fn project_into(&self, scaled: &[f32], out: &mut [f32], threads: Threads) {
        let mut unit = Vec::new();
        let scaled = if self.unit_rows {
            unit.extend_from_slice(scaled);
            unit.chunks_exact_mut(self.n_in).for_each(normalise);
            &unit
        } else {
            scaled
        };
        let half = self.n_out() / 2;
        let n = scaled.len() / self.n_in;
        let weights = Mat::new(&self.frequencies, self.n_in, half);
        let mut angles = vec![0.0; n * half];
        matmul(
            &mut angles,
            Mat::new(scaled, n, self.n_in),
            weights,
            threads,
        );
        let norm = 1.0 / (half as f32).sqrt();
        let wave = |(out, angles): (&mut [f32], &[f32])| {
            for (out, angles) in out
                .chunks_exact_mut(2 * half)
                .zip(angles.chunks_exact(half))
            {
                let (cosines, sines) = out.split_at_mut(half);
                waves(angles, norm, cosines, sines);
            }
        };
        match threads {
            Threads::One => out
                .chunks_mut(ROWS * 2 * half)
                .zip(angles.chunks(ROWS * half))
                .for_each(wave),
            Threads::All => out
                .par_chunks_mut(ROWS * 2 * half)
                .zip(angles.par_chunks(ROWS * half))
                .for_each(wave),
        }
    }
}

/// `norm cos(angle)` and `norm sin(angle)` of a row.
fn waves(angles: &[f32], norm: f32, cosines: &mut [f32], sines: &mut [f32]) {
    let waves = angles.iter().zip(cosines.iter_mut().zip(sines));
    if angles.iter().all(|angle| angle.abs() < MODERATE) {
        vectorised(
            #[inline(always)]
            || {
                for (angle, (cosine, sine)) in waves {
                    let (s, c) = sin_cos(*angle);
                    *cosine = norm * c;
                    *sine = norm * s;
                }
            },
        );
    } else {
        for (angle, (cosine, sine)) in waves {
            let (s, c) = angle.sin_cos();
            *cosine = norm * c;
            *sine = norm * s;
        }
    }
}

/// At most `most` of the rows, in their order, as the kernel sees them.
fn sample(
    scaler: &Scaler,
    kernel: KernelOptions,
    rows: Rows<'_>,
    most: usize,
    rng: &mut impl Rng,
) -> Vec<f32> {
    let picked = rng::sample(rng, rows.n_rows(), most);
    let mut scaled = vec![0.0f32; picked.len() * rows.n_cols()];
    let picked = picked.iter().filter_map(|&i| rows.get(i));
    for (out, row) in scaled.chunks_exact_mut(rows.n_cols()).zip(picked) {
        scaler.scale_into(row, out);
        if kernel.unit_rows() {
            normalise(out);
        }
    }
    scaled
}

/// Median distance between two different rows of a sample. Where more than half the pairs
/// coincide, the mean over the pairs that do not.
///
/// # Shapes
/// `rows`: `(n, d)`.
pub(crate) fn median_distance(rows: &[f64], d: usize, watch: &Watch<'_>) -> Result<f64, Halt> {
    let squares = (0..rows.len() / d).into_par_iter().map(|i| {
        let mut ticks = watch.ticks();
        let (head, rest) = rows[i * d..].split_at(d);
        let square = |row: &[f64]| {
            ticks.add(d)?;
            let terms = head.iter().zip(row).map(|(a, b)| (a - b).powi(2));
            Ok(terms.sum::<f64>())
        };
        rest.chunks_exact(d).map(square).collect()
    });
    let mut squares = squares.collect::<Result<Vec<Vec<f64>>, Halt>>()?.concat();
    let middle = squares.len() / 2;
    let median = if squares.is_empty() {
        0.0
    } else {
        squares
            .select_nth_unstable_by(middle, f64::total_cmp)
            .1
            .sqrt()
    };
    if median > 0.0 {
        return Ok(median);
    }
    let apart: Vec<f64> = squares.into_iter().filter(|s| *s > 0.0).collect();
    if apart.is_empty() {
        // All sampled rows are equal; standardised columns have deviation 1.
        return Ok((2.0 * d as f64).sqrt());
    }
    Ok(apart.iter().map(|s| s.sqrt()).sum::<f64>() / apart.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::columns::Columns;
    use super::*;
    use crate::fit::watch::unwatched;
    use crate::reference::Reference;
    use crate::space::{KernelMetric, KernelScaling};

    #[test]
    fn dot_products_approximate_the_kernel() {
        let data: Vec<f32> = (0..40).map(|i| ((i * 37) % 17) as f32).collect();
        let rows = Rows::new(&data, 2).unwrap();
        let kernel = KernelOptions {
            bandwidth: 1.0,
            fourier_features: 8192,
            scaling: KernelScaling::Standardise,
            metric: KernelMetric::Euclidean,
            reference: Reference::Mixed,
        };
        let scaler = Scaler::new(Columns::from_rows(rows).standard());
        let fourier = Fourier::draw(&scaler, kernel, rows, 1, 0, &mut Meter::new(&mut ()));
        let fourier = fourier.unwrap();
        let mut scaled = vec![0.0; data.len()];
        for (row, out) in rows.iter().zip(scaled.chunks_exact_mut(2)) {
            scaler.scale_into(row, out);
        }
        let mut z = vec![0.0; 20 * fourier.n_out()];
        fourier.project_into(&scaled, &mut z, Threads::All);
        let mut rng = stream(1, Purpose::BANDWIDTH, [0, 0]);
        let sample = sample(&scaler, kernel, rows, MEDIAN_SAMPLE, &mut rng);
        let sample: Vec<f64> = sample.into_iter().map(f64::from).collect();
        let bandwidth = unwatched(|watch| median_distance(&sample, 2, watch));
        for i in 0..20 {
            for j in 0..20 {
                let row = |v: &[f32], k: usize, w: usize| v[k * w..(k + 1) * w].to_vec();
                let dot: f32 = row(&z, i, 8192)
                    .iter()
                    .zip(row(&z, j, 8192))
                    .map(|(a, b)| a * b)
                    .sum();
                let square: f32 = row(&scaled, i, 2)
                    .iter()
                    .zip(row(&scaled, j, 2))
                    .map(|(a, b)| (a - b).powi(2))
                    .sum();
                let kernel = (-f64::from(square) / (2.0 * bandwidth * bandwidth)).exp();
                assert!((f64::from(dot) - kernel).abs() < 0.06, "{dot} {kernel}");
            }
        }
    }
}
