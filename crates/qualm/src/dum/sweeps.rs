//! The sweeps that find the weights of a [`KernelNetwork`].

use rayon::prelude::*;

use super::kernel_network::{KernelNetwork, Nearest, total, weighted};
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::fit::watch::{Extent, Watch};
use crate::fit::{Learner, Meter, StepOutcome};
use crate::nn::{PADDED, Threads};
use crate::views::Views;

/// Sweeps of a fit, each from the shares that the one before has left; the first starts from
/// equal weights.
pub(super) const SWEEPS: u64 = 8;

/// What an anchor's own part in the covariance takes off its distances.
///
/// A covariance S of h rows is smaller in the direction of each of them, so that a row of the
/// sample is nearer to the others than a new row like it would be, the more so the more columns
/// there are for each row. Without row i, by the formula of Sherman and Morrison (*Annals of
/// Mathematical Statistics* 21, 1950),
///
/// ```text
/// |x_i - x_j|^2  becomes  |x_i - x_j|^2 + (x_i . (x_i - x_j))^2 / (h - |x_i|^2)
/// ```
///
/// for whitened rows around their mean.
struct Leverage {
    /// Squared distances of the anchors from their mean, `(M,)`.
    squares: Vec<f64>,
    /// Rows of the covariance, h.
    rows: f64,
}

impl Leverage {
    /// # Shapes
    /// `anchors`: `(M, d)`.
    fn new(anchors: &[f32], d: usize, rows: usize) -> Self {
        let m = anchors.len() / d;
        let mut mean = vec![0.0; d];
        for row in anchors.chunks_exact(d) {
            mean.iter_mut()
                .zip(row)
                .for_each(|(sum, x)| *sum += f64::from(*x) / m as f64);
        }
        let square = |row: &[f32]| -> f64 {
            row.iter()
                .zip(&mean)
                .map(|(x, mean)| (f64::from(*x) - mean).powi(2))
                .sum()
        };
        Self {
            squares: anchors.chunks_exact(d).map(square).collect(),
            rows: rows as f64,
        }
    }

    /// Takes the part of anchor `i` out of its row of `1 + |x_i - a_j|^2 / b^2`.
    fn leave_out(&self, i: usize, q: &mut [f32], scale: f64) {
        let own = self.squares[i];
        // Shrinkage keeps it below h but for rounding.
        let rest = (self.rows - own).max(1e-6 * self.rows);
        for (q, other) in q.iter_mut().zip(&self.squares) {
            let square = (f64::from(*q) - 1.0) / scale;
            let along = 0.5 * (own - other + square);
            *q = (1.0 + scale * (square + along * along / rest)) as f32;
        }
    }
}

/// The sweeps that find the weights.
pub(super) struct Sweeps {
    network: KernelNetwork,
    /// The rows of a bag but one, m - 1.
    others: i32,
    /// The items of the anchors.
    items: Views,
    /// Terms of every anchor's sum over the others, `(M, M)`, 0 for those of its own item.
    terms: Vec<f32>,
    nearest: Vec<Nearest>,
}

impl Sweeps {
    /// Before the first. `whitened_by` is the number of rows whose covariance whitens the
    /// anchors, where they are among them. Anchors that are views of one item lend each other
    /// nothing, as an anchor lends nothing to itself.
    ///
    /// # Shapes
    /// `anchors`: `(M, d)`; `items`: of M rows.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(super) fn new(
        network: KernelNetwork,
        bag_size: usize,
        anchors: &[f32],
        items: Views,
        whitened_by: Option<usize>,
        meter: &mut Meter<'_>,
    ) -> Result<Self> {
        let m = network.n_anchors();
        let d = anchors.len() / m;
        let leverage = whitened_by.map(|rows| Leverage::new(anchors, d, rows));
        let extent = Extent::Products((m * m * d) as u64);
        let (terms, nearest) =
            meter.watch("kernel of the anchors", extent, |watch: &Watch<'_>| {
                let block = PADDED * d;
                let blocks = anchors.par_chunks(block).enumerate().map(|(i, rows)| {
                    watch.ticks().add(rows.len() * m)?;
                    // As many rows as the product needs to give each the same bits.
                    let n = rows.len() / d;
                    let mut padded = rows.to_vec();
                    padded.resize(block, 0.0);
                    let mut terms = Vec::new();
                    network.distances(&padded, &mut terms, Threads::One);
                    terms.truncate(n * m);
                    let mut nearest = Vec::with_capacity(n);
                    for (j, q) in terms.chunks_exact_mut(m).enumerate() {
                        if let Some(leverage) = &leverage {
                            leverage.leave_out(i * PADDED + j, q, f64::from(network.scale));
                        }
                        let item = items.items()[i * PADDED + j];
                        nearest.push(terms_of_others(&network, &items, item, q));
                    }
                    Ok((terms, nearest))
                });
                let blocks: Vec<(Vec<f32>, Vec<Nearest>)> = blocks.collect::<Result<_, _>>()?;
                let (terms, nearest): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
                Ok((terms.concat(), nearest.into_iter().flatten().collect()))
            })?;
        Ok(Self {
            network,
            others: i32::try_from(bag_size).unwrap_or(i32::MAX) - 1,
            items,
            terms,
            nearest,
        })
    }

    /// Log-variances of the anchors, `(M,)`, each without its own item.
    pub(super) fn log_variances(&self) -> Vec<f64> {
        let m = self.network.n_anchors();
        let weights = &self.network.weights;
        let total = total(weights);
        let rows = self.terms.par_chunks_exact(m).zip(&self.nearest);
        rows.zip(self.items.items())
            .map(|((terms, nearest), item)| self.log_variance(*item, terms, nearest, total))
            .collect()
    }

    /// Log-variances of other views of anchored items, `(n,)`, each without its own item.
    ///
    /// # Shapes
    /// `vectors`: `(n, d)`; `items`: `(n,)`, numbered as those of the anchors.
    pub(super) fn log_variances_of(&self, vectors: &[f32], d: usize, items: &[usize]) -> Vec<f64> {
        let m = self.network.n_anchors();
        let total = total(&self.network.weights);
        let blocks = vectors.par_chunks(PADDED * d).zip(items.par_chunks(PADDED));
        let blocks = blocks.map(|(rows, items)| {
            // As many rows as the product needs to give each the same bits.
            let mut padded = rows.to_vec();
            padded.resize(PADDED * d, 0.0);
            let mut terms = Vec::new();
            self.network.distances(&padded, &mut terms, Threads::One);
            let rows = terms.chunks_exact_mut(m).zip(items);
            let rows = rows.map(|(q, &item)| {
                let nearest = terms_of_others(&self.network, &self.items, item, q);
                self.log_variance(item, q, &nearest, total)
            });
            rows.collect::<Vec<f64>>()
        });
        blocks.collect::<Vec<_>>().concat()
    }

    /// From the terms of the anchors of other items.
    fn log_variance(&self, item: usize, terms: &[f32], nearest: &Nearest, total: f64) -> f64 {
        let weights = &self.network.weights;
        let sum = weighted(terms, weights).max(f64::from(f32::MIN_POSITIVE));
        let own = self.items.rows(item).iter().map(|j| f64::from(weights[*j]));
        let others = (total - own.sum::<f64>()).max(f64::from(f32::MIN_POSITIVE));
        nearest.of_sum(sum, others, self.network.exponent)
    }

    pub(super) fn into_network(self) -> KernelNetwork {
        self.network
    }
}

/// The terms of a row's sum over the anchors of other items, in place of its distances.
fn terms_of_others(network: &KernelNetwork, items: &Views, item: usize, q: &mut [f32]) -> Nearest {
    if items.n_items() > 1 {
        items.rows(item).iter().for_each(|j| q[*j] = f32::INFINITY);
    }
    let nearest = Nearest::of(q);
    nearest.terms(q, network.exponent);
    nearest
}

impl Learner for Sweeps {
    /// The loss is the log-variance of a bag's agreement, `-1/p log sum_j w_j exp(-p s_j)`: the
    /// objective in the log domain.
    fn step(&mut self, _: u64) -> Result<StepOutcome> {
        let s = self.log_variances();
        let mut weights = shares(&s);
        for weight in &mut weights {
            *weight = weight.powi(self.others);
        }
        let power = self.network.exponent;
        let least = s.iter().copied().fold(f64::INFINITY, f64::min);
        let terms = s.iter().zip(&weights);
        let sum: f64 = terms
            .map(|(s, w)| f64::from(*w) * (power * (least - s)).exp())
            .sum();
        let loss = least - (sum / total(&weights)).ln() / power;
        self.network.weights = weights;
        Ok(StepOutcome {
            loss,
            effective_rows: None,
        })
    }

    fn save(&mut self, writer: &mut Writer) -> Result<()> {
        let weights = &self.network.weights;
        writer.f32("weights", &[weights.len()], weights);
        Ok(())
    }

    fn restore(&mut self, _: u64, reader: &mut Reader) -> Result<()> {
        self.network.weights = reader.f32("weights", &[self.network.n_anchors()])?;
        Ok(())
    }
}

/// The share of the others that are less certain than each, equals counted half.
fn shares(s: &[f64]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..s.len()).collect();
    order.sort_unstable_by(|a, b| s[*a].total_cmp(&s[*b]));
    let n = s.len() as f64;
    let mut out = vec![0.0; s.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| s[*a].to_bits() == s[*b].to_bits()) {
        let middle = before as f64 + 0.5 * equal.len() as f64;
        for i in equal {
            out[*i] = (1.0 - middle / n) as f32;
        }
        before += equal.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn shares_by_hand() {
        // The second is less certain than two others and as certain as itself.
        assert_eq!(shares(&[3.0, 1.0, 2.0, 1.0]), [0.125, 0.75, 0.375, 0.75]);
    }

    /// Squared distances of row `i` of whitened rows, the covariance being that of the others.
    #[test]
    fn leverage_is_what_a_covariance_without_the_row_gives() {
        let (n, d) = (40, 3);
        let mut rng = stream(3, Purpose::SAMPLE, [0, 0]);
        let mut rows: Vec<f64> = (0..n * d)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        for j in 0..d {
            let mean = (0..n).map(|i| rows[i * d + j]).sum::<f64>() / n as f64;
            (0..n).for_each(|i| rows[i * d + j] -= mean);
        }
        let row = |i: usize| &rows[i * d..(i + 1) * d];
        // S = sum x x' / n of all but the first row, which is left out of the sum alone.
        let covariance = |from: usize| {
            let mut s = vec![0.0; d * d];
            for i in from..n {
                for a in 0..d {
                    for b in 0..d {
                        s[a * d + b] += row(i)[a] * row(i)[b] / n as f64;
                    }
                }
            }
            s
        };
        let (all, others) = (covariance(0), covariance(1));
        let form = |s: &[f64], x: &[f64]| {
            let inverse = inverse(s);
            let product = |a: usize| (0..d).map(|b| inverse[a * d + b] * x[b]).sum::<f64>();
            (0..d).map(|a| x[a] * product(a)).sum::<f64>()
        };
        let minus = |j: usize| -> Vec<f64> { (0..d).map(|k| row(0)[k] - row(j)[k]).collect() };
        let squares = (0..n).map(|i| form(&all, row(i))).collect();
        let leverage = Leverage {
            squares,
            rows: n as f64,
        };
        let mut q: Vec<f32> = (0..n).map(|j| 1.0 + form(&all, &minus(j)) as f32).collect();
        leverage.leave_out(0, &mut q, 1.0);
        for (j, q) in q.iter().enumerate().skip(1) {
            let expected = 1.0 + form(&others, &minus(j));
            assert!(
                (f64::from(*q) / expected - 1.0).abs() < 1e-5,
                "{j}: {q} {expected}"
            );
        }
    }

    /// Of a 3 x 3 matrix, by cofactors.
    fn inverse(s: &[f64]) -> Vec<f64> {
        let at = |i: usize, j: usize| s[(i % 3) * 3 + j % 3];
        let minor = |i: usize, j: usize| {
            at(i + 1, j + 1) * at(i + 2, j + 2) - at(i + 1, j + 2) * at(i + 2, j + 1)
        };
        let determinant = (0..3).map(|j| at(0, j) * minor(0, j)).sum::<f64>();
        (0..9).map(|k| minor(k % 3, k / 3) / determinant).collect()
    }
}
