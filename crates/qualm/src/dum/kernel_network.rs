//! A network f1 whose hidden units are fitted rows: the answer that bags of m rows lead to, found
//! without gradient steps.
//!
//! The most certain row of a bag has most of the weight in its mean. In the limit of strong
//! contrast it has all, and the mean of many bags is (docs/method.md)
//!
//! ```text
//! M = m E[F(x)^(m - 1) z(x)],      F(x) = the share of rows less certain than x
//! ```
//!
//! and the gradient orders rows by z(x) . M. For a kernel k(x, y) = z(x) . z(y) that is a sum over
//! rows, so the precision of a row is what its neighbours lend it:
//!
//! ```text
//! exp(-p s(x)) = sum_j w_j k(x, a_j) / sum_j w_j,      k(x, y) = (1 + |x - y|^2 / b^2)^-p
//! ```
//!
//! over M anchors `a_j`, fitted rows, with `w_j = F(a_j)^(m - 1)`: the fixed point of the objective. It is
//! found by sweeps, each of which computes all `s(a_j)` from the shares and the shares from the
//! `s(a_j)`. An anchor lends nothing to itself.
//!
//! The kernel is the rational quadratic one (C. E. Rasmussen and C. K. I. Williams, *Gaussian
//! Processes for Machine Learning*, 2006, equation 4.19), whose tails are heavy: far from all
//! anchors s grows as 2 log of the distance, without end, where a Gaussian kernel would be zero
//! and an ordinary network whatever its weights happen to say. So far is uncertain.

use rayon::prelude::*;

use super::spec::DumSpec;
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::fit::Meter;
use crate::fit::watch::Extent;
use crate::nn::{Mat, Threads, dot, matmul, vectorised};
use crate::space::median_distance;

/// Rows whose distances give the median that the bandwidth is counted in.
const MEDIAN_SAMPLE: usize = 1000;

/// Terms below this share of the largest are left out.
const NEGLIGIBLE: f64 = 1e-9;

/// Running minima of a reduction.
const LANES: usize = 16;

/// The network.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KernelNetwork {
    /// `(d, M)`: column j is anchor j.
    anchors: Vec<f32>,
    /// Their squared norms, `(M,)`.
    squares: Vec<f32>,
    /// `(M,)`
    pub(super) weights: Vec<f32>,
    /// One over the squared bandwidth.
    pub(super) scale: f32,
    pub(super) exponent: f64,
}

/// A kernel's sum over the anchors in two parts, so that neither under- nor overflows.
pub(super) struct Nearest {
    /// The least of 1 + |x - a|^2 / b^2.
    least: f32,
}

impl KernelNetwork {
    /// With all anchors alike.
    ///
    /// # Shapes
    /// `anchors`: `(M, d)`, the vectors of fitted rows.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(super) fn new(
        spec: &DumSpec,
        anchors: &[f32],
        d: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Self> {
        let n = anchors.len() / d;
        // Anchors are in the order of the rows, which may be sorted: every so many of them.
        let step = n.div_ceil(MEDIAN_SAMPLE);
        let sample = anchors.chunks_exact(d).step_by(step).flatten();
        let sample: Vec<f64> = sample.map(|x| f64::from(*x)).collect();
        let products = (sample.len() / d).pow(2) / 2 * d;
        let median = meter.watch("bandwidth", Extent::Products(products as u64), |watch| {
            median_distance(&sample, d, watch)
        })?;
        let bandwidth = spec.bandwidth.medians() * median;
        let transposed = (0..d).flat_map(|j| anchors.iter().skip(j).step_by(d));
        Ok(Self {
            squares: anchors.chunks_exact(d).map(square).collect(),
            weights: vec![1.0; n],
            scale: (bandwidth * bandwidth).recip() as f32,
            exponent: spec.exponent.power(),
            anchors: transposed.copied().collect(),
        })
    }

    pub(super) fn n_anchors(&self) -> usize {
        self.weights.len()
    }

    /// Log-variances of vectors.
    ///
    /// # Shapes
    /// `vectors`: `(n, d)` with n at least [`crate::nn::PADDED`]; the result is `(n,)`, in `out`.
    pub(super) fn infer(
        &self,
        vectors: &[f32],
        products: &mut Vec<f32>,
        out: &mut Vec<f32>,
        threads: Threads,
    ) {
        let m = self.n_anchors();
        let d = self.anchors.len() / m;
        let total = total(&self.weights);
        self.distances(vectors, products, threads);
        let one = |q: &mut [f32]| {
            let nearest = Nearest::of(q);
            nearest.log_variance(q, &self.weights, self.exponent, total) as f32
        };
        out.clear();
        match threads {
            Threads::One => out.extend(products.chunks_exact_mut(m).map(one)),
            Threads::All => products
                .par_chunks_exact_mut(m)
                .map(one)
                .collect_into_vec(out),
        }
        debug_assert_eq!(out.len(), vectors.len() / d, "one log-variance a row");
    }

    /// `1 + |x - a_j|^2 / b^2`, `(n, M)`.
    pub(super) fn distances(&self, vectors: &[f32], out: &mut Vec<f32>, threads: Threads) {
        let m = self.n_anchors();
        let d = self.anchors.len() / m;
        let n = vectors.len() / d;
        out.clear();
        out.resize(n * m, 0.0);
        let anchors = Mat::new(&self.anchors, d, m);
        matmul(out, Mat::new(vectors, n, d), anchors, threads);
        let finish = |(row, products): (&[f32], &mut [f32])| {
            let own = square(row);
            let scale = self.scale;
            vectorised(
                #[inline(always)]
                || {
                    for (product, anchor) in products.iter_mut().zip(&self.squares) {
                        let distance = own + anchor - 2.0 * *product;
                        let distance = if distance > 0.0 { distance } else { 0.0 };
                        *product = 1.0 + distance * scale;
                    }
                },
            );
        };
        match threads {
            Threads::One => vectors
                .chunks_exact(d)
                .zip(out.chunks_exact_mut(m))
                .for_each(finish),
            Threads::All => vectors
                .par_chunks_exact(d)
                .zip(out.par_chunks_exact_mut(m))
                .for_each(finish),
        }
    }

    /// Writes the network.
    pub(super) fn save(&self, prefix: &str, writer: &mut Writer) {
        let m = self.n_anchors();
        let d = self.anchors.len() / m;
        writer.f32(format!("{prefix}.anchors"), &[d, m], &self.anchors);
        writer.f32(format!("{prefix}.weights"), &[m, 1], &self.weights);
        let scale = [f64::from(self.scale), self.exponent];
        writer.f64(format!("{prefix}.kernel"), &scale);
    }

    /// Reads what [`KernelNetwork::save`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(super) fn restore(d: usize, prefix: &str, reader: &mut Reader) -> Result<Self> {
        let weights = reader.f32_rows(&format!("{prefix}.weights"), 1)?;
        let m = weights.len();
        let anchors = reader.f32(&format!("{prefix}.anchors"), &[d, m])?;
        let name = format!("{prefix}.kernel");
        let kernel = reader.f64_of(&name, 2)?;
        let (scale, exponent) = (kernel[0] as f32, kernel[1]);
        let holds = m > 0 && scale > 0.0 && exponent > 0.0 && total(&weights) > 0.0;
        if !holds || weights.iter().any(|w| *w < 0.0) {
            let found = format!("{m} anchors, scale {scale}, exponent {exponent}");
            let expected = "some anchors of weight 0 or above, a scale and an exponent above 0";
            return Err(reader.corrupt(name, found, expected));
        }
        let mut squares = vec![0.0; m];
        for row in anchors.chunks_exact(m) {
            squares
                .iter_mut()
                .zip(row)
                .for_each(|(sum, x)| *sum += x * x);
        }
        Ok(Self {
            anchors,
            squares,
            weights,
            scale,
            exponent,
        })
    }

    /// Bytes that fitting takes: the anchors with their distances, and the distances of a block.
    pub(super) fn memory(spec: &DumSpec, n_rows: usize, d: usize) -> u64 {
        let m = spec.anchors.min(n_rows) as u64;
        let anchors = m.saturating_mul(2 * d as u64);
        let blocks = m.saturating_mul(m + 2 * 1024);
        anchors.saturating_add(blocks).saturating_mul(4)
    }
}

impl Nearest {
    /// Of a row of `1 + |x - a_j|^2 / b^2`.
    pub(super) fn of(q: &[f32]) -> Self {
        let least = vectorised(
            #[inline(always)]
            || {
                let mut least = [f32::INFINITY; LANES];
                let (body, tail) = q.as_chunks::<LANES>();
                for chunk in body {
                    for (least, q) in least.iter_mut().zip(chunk) {
                        *least = if *q < *least { *q } else { *least };
                    }
                }
                for q in tail {
                    least[0] = if *q < least[0] { *q } else { least[0] };
                }
                least.iter().fold(f32::INFINITY, |a, b| a.min(*b))
            },
        );
        Self { least }
    }

    /// The terms of the sum, in units of that of the nearest anchor, in place of the distances.
    pub(super) fn terms(&self, q: &mut [f32], exponent: f64) {
        let least = self.least;
        vectorised(
            #[inline(always)]
            || {
                for q in q.iter_mut() {
                    *q = least / *q;
                }
            },
        );
        // The power of 1 is most of all uses.
        if exponent.to_bits() == 1f64.to_bits() {
            return;
        }
        let floor = NEGLIGIBLE.powf(exponent.recip()) as f32;
        for q in q {
            *q = if *q < floor {
                0.0
            } else {
                q.powf(exponent as f32)
            };
        }
    }

    /// `s` from the sum of the weighted terms.
    pub(super) fn of_sum(&self, sum: f64, total: f64, exponent: f64) -> f64 {
        f64::from(self.least).ln() - (sum / total).ln() / exponent
    }

    /// The log-variance of a row from its distances, which it overwrites.
    fn log_variance(&self, q: &mut [f32], weights: &[f32], exponent: f64, total: f64) -> f64 {
        self.terms(q, exponent);
        // A row whose nearest anchor has no weight still has that distance.
        let sum = weighted(q, weights).max(f64::from(f32::MIN_POSITIVE));
        self.of_sum(sum, total, exponent)
    }
}

/// `sum_j w_j t_j`, in a fixed order.
pub(super) fn weighted(terms: &[f32], weights: &[f32]) -> f64 {
    f64::from(vectorised(
        #[inline(always)]
        || dot(terms, weights),
    ))
}

pub(super) fn total(weights: &[f32]) -> f64 {
    weights.iter().map(|w| f64::from(*w)).sum()
}

/// The squared norm of a row.
fn square(row: &[f32]) -> f32 {
    row.iter().map(|x| x * x).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::PADDED;

    fn network(anchors: [f32; 2], weights: [f32; 2], exponent: f64) -> KernelNetwork {
        KernelNetwork {
            squares: anchors.map(|x| x * x).to_vec(),
            anchors: anchors.to_vec(),
            weights: weights.to_vec(),
            scale: 1.0,
            exponent,
        }
    }

    fn infer(network: &KernelNetwork, x: f32) -> f32 {
        let (mut products, mut out) = (Vec::new(), Vec::new());
        network.infer(&[x; PADDED], &mut products, &mut out, Threads::One);
        out[0]
    }

    #[test]
    fn by_hand() {
        // At 1 the anchors 0 and 3 lie at squared distances 1 and 4: 1 + D^2 is 2 and 5.
        for (exponent, expected) in [
            (1.0, -((3.0 / 2.0 + 1.0 / 5.0) / 4f64).ln()),
            (2.0, -((3.0 / 4.0 + 1.0 / 25.0) / 4f64).ln() / 2.0),
        ] {
            let found = infer(&network([0.0, 3.0], [3.0, 1.0], exponent), 1.0);
            assert!(
                (f64::from(found) - expected).abs() < 1e-6,
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn far_from_all_anchors_it_grows_as_a_squared_distance() {
        for exponent in [1.0, 32.5] {
            let network = network([0.0, 3.0], [1.0, 1.0], exponent);
            let far = [1e3f32, 1e6, 1e9, 1e12, 1e15].map(|x| infer(&network, x));
            for pair in far.windows(2) {
                let grown = f64::from(pair[1] - pair[0]);
                assert!((grown - 2.0 * 1000f64.ln()).abs() < 0.02, "{far:?}");
            }
        }
    }

    #[test]
    fn a_row_whose_nearest_anchor_has_no_weight_is_finite() {
        let found = infer(&network([0.0, 1e15], [0.0, 1.0], 40.0), 0.0);
        assert!(found.is_finite() && found > 1.0, "{found}");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let mut writer = Writer::default();
        network([0.0, 3.0], [0.0, 0.0], 1.0).save("n", &mut writer);
        let read = KernelNetwork::restore(1, "n", &mut Reader::of_tensors(writer));
        assert!(matches!(read, Err(crate::Error::CorruptModel { .. })));
    }
}
