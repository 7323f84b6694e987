//! Rows in float64, laid out so that one instruction works on several rows, and the two slow
//! passes over them: the covariance of some rows, the distances of all.
//!
//! The order of every sum depends on the number of rows and columns alone, so that the result
//! does not depend on the number of threads.

use rayon::prelude::*;

use super::layout::{WIDTH, fill, lower, subtract};
use super::whitening::Whitening;
use crate::fit::watch::{Halt, Ticks, Watch};
use crate::nn::vectorised;
use crate::rows::Rows;

/// Rows whose products are summed at a time, so that their columns stay in the cache.
const BATCH: usize = 128;

/// Float64 in a register of AVX2.
const LANES: usize = 4;

/// Columns whose products with two others are summed at a time.
const EDGE: usize = 4;

/// Shares of the work, at most; each sums a covariance of its own.
const SHARES: usize = 16;

/// Panels of a share, at least.
const LEAST: usize = 128;

/// Bytes of the sums of shares that exist at once, unless there is a thread for each.
const SUMS: usize = 64 << 20;

/// Rows, `(n, d)`: panels of [`WIDTH`] rows, each column after column, the last one filled
/// up with zeros.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panels {
    data: Vec<f64>,
    n: usize,
    d: usize,
}

impl Panels {
    /// Converts and lays out rows.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`.
    pub(crate) fn new(rows: Rows<'_>) -> Self {
        let (n, d) = (rows.n_rows(), rows.n_cols());
        let mut data = vec![0.0; n.div_ceil(WIDTH) * WIDTH * d];
        rows.as_slice()
            .par_chunks(WIDTH * d)
            .zip(data.par_chunks_mut(WIDTH * d))
            .with_min_len(LEAST)
            .for_each(|(rows, panel)| fill(rows, d, panel));
        Self { data, n, d }
    }

    /// Lays out rows of float64.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`.
    pub(crate) fn from_values(rows: &[f64], d: usize) -> Self {
        let n = rows.len() / d;
        let mut data = vec![0.0; n.div_ceil(WIDTH) * WIDTH * d];
        for (i, row) in rows.chunks_exact(d).enumerate() {
            let panel = &mut data[i / WIDTH * WIDTH * d + i % WIDTH..];
            let column = panel.iter_mut().step_by(WIDTH);
            column.zip(row).for_each(|(to, x)| *to = *x);
        }
        Self { data, n, d }
    }

    /// The rows, `(n, d)`, one after the other.
    pub(super) fn to_values(&self) -> Vec<f64> {
        let row = |i: usize| {
            let panel = self.panel(i / WIDTH);
            panel.iter().skip(i % WIDTH).step_by(WIDTH).copied()
        };
        (0..self.n).flat_map(row).collect()
    }

    /// Replaces each value by `(x - shift) * scale` of its column.
    ///
    /// # Shapes
    /// `shift`, `scale`: `(d,)`.
    pub(crate) fn standardise(&mut self, shift: &[f64], scale: &[f64]) {
        let panels = self.data.par_chunks_mut(WIDTH * self.d);
        panels.with_min_len(LEAST).for_each(|panel| {
            let columns = panel.as_chunks_mut::<WIDTH>().0.iter_mut();
            for ((column, shift), scale) in columns.zip(shift).zip(scale) {
                for x in column {
                    *x = (*x - shift) * scale;
                }
            }
        });
    }

    /// The rows mapped by a whitening.
    pub(crate) fn mapped(&self, map: &Whitening) -> Self {
        let panels = self.data.par_chunks_exact(WIDTH * self.d);
        Self {
            data: panels.flat_map_iter(|panel| map.map(panel)).collect(),
            n: self.n,
            d: map.rank(),
        }
    }

    /// The values, where there is a single column.
    pub(crate) fn only_column(&self) -> Option<&[f64]> {
        self.data.get(..self.n).filter(|_| self.d == 1)
    }

    /// Some of the rows.
    pub(crate) fn pick(&self, rows: &[usize]) -> Self {
        let mut data = vec![0.0; rows.len().div_ceil(WIDTH) * WIDTH * self.d];
        for (panel, rows) in data.chunks_mut(WIDTH * self.d).zip(rows.chunks(WIDTH)) {
            for (lane, row) in rows.iter().enumerate() {
                let from = &self.data[row / WIDTH * WIDTH * self.d + row % WIDTH..];
                let from = from.iter().step_by(WIDTH);
                let to = panel.iter_mut().skip(lane).step_by(WIDTH);
                to.zip(from).for_each(|(to, from)| *to = *from);
            }
        }
        Self {
            data,
            n: rows.len(),
            d: self.d,
        }
    }

    /// One panel, `(d, WIDTH)`.
    pub(super) fn panel(&self, number: usize) -> &[f64] {
        let size = WIDTH * self.d;
        &self.data[number * size..][..size]
    }

    /// Sets the lanes without a row to 0.
    pub(crate) fn clear_padding(&mut self) {
        let filled = self.n - (self.n / WIDTH) * WIDTH;
        if filled > 0 {
            let last = self.data.len() - WIDTH * self.d;
            for column in self.data[last..].as_chunks_mut::<WIDTH>().0 {
                column[filled..].fill(0.0);
            }
        }
    }

    /// Number of rows.
    pub(crate) fn n_rows(&self) -> usize {
        self.n
    }

    /// Number of columns.
    pub(crate) fn n_features(&self) -> usize {
        self.d
    }

    /// Panels of a share, by the number of rows alone.
    fn share(n_rows: usize) -> usize {
        let panels = n_rows.div_ceil(WIDTH);
        panels.div_ceil(SHARES).max(LEAST)
    }

    /// The panels in shares, each with the marks of its rows.
    fn shares<'a>(&'a self, marked: &'a [bool]) -> Vec<(&'a [f64], &'a [bool])> {
        let share = Self::share(self.n) * WIDTH;
        let panels = self.data.chunks(share * self.d);
        panels.zip(marked.chunks(share)).collect()
    }

    /// Shares whose sums, `(d, d)`, exist at once.
    fn at_once(n_features: usize) -> usize {
        let one = n_features.saturating_mul(n_features).saturating_mul(8);
        (SUMS / one.max(1)).max(rayon::current_num_threads())
    }

    /// Bytes of the covariances that exist at once in [`Panels::moments`].
    pub(crate) fn memory_of_moments(n_rows: usize, n_features: usize) -> u64 {
        let shares = n_rows.div_ceil(WIDTH).div_ceil(Self::share(n_rows));
        let covariances = 1 + shares.min(Self::at_once(n_features)) as u64;
        let d = n_features as u64;
        d.saturating_mul(d).saturating_mul(8 * covariances)
    }

    /// Mean of the marked rows.
    ///
    /// # Shapes
    /// `marked`: `(n,)`; returns `(d,)`.
    pub(crate) fn location(&self, marked: &[bool]) -> Vec<f64> {
        let sums = self.shares(marked).into_par_iter().map(|(panels, marked)| {
            let mut sums = vec![0.0; self.d];
            vectorised(
                #[inline(always)]
                || add_rows(panels, marked, &mut sums),
            );
            sums
        });
        let mut location = vec![0.0; self.d];
        for share in sums.collect::<Vec<_>>() {
            add(&mut location, &share);
        }
        divide(&mut location, count(marked));
        location
    }

    /// Mean and covariance (divided by the number of rows) of the marked rows.
    ///
    /// # Shapes
    /// `marked`: `(n,)`; returns `(d,)` and `(d, d)`, of which the lower half is filled.
    pub(crate) fn moments(
        &self,
        marked: &[bool],
        watch: &Watch<'_>,
    ) -> Result<(Vec<f64>, Vec<f64>), Halt> {
        let d = self.d;
        let location = self.location(marked);
        let mut covariance = vec![0.0; d * d];
        for shares in self.shares(marked).chunks(Self::at_once(d)) {
            let products = shares.par_iter().map(|(panels, marked)| {
                let mut sums = vec![0.0; d * d];
                let mut ticks = watch.ticks();
                vectorised(
                    #[inline(always)]
                    || add_products(panels, marked, &location, &mut sums, &mut ticks),
                )?;
                Ok(sums)
            });
            for share in products.collect::<Result<Vec<_>, Halt>>()? {
                add(&mut covariance, &share);
            }
        }
        divide(&mut covariance, count(marked));
        Ok((location, covariance))
    }

    /// Squared distances of all rows from a location, in a metric.
    ///
    /// # Shapes
    /// `location`: `(d,)`; `out`: `(n,)`.
    pub(crate) fn distances(
        &self,
        location: &[f64],
        metric: &Whitening,
        out: &mut [f64],
        watch: &Watch<'_>,
    ) -> Result<(), Halt> {
        let share = Self::share(self.n) * WIDTH;
        let panels = self.data.par_chunks(share * self.d);
        panels
            .zip(out.par_chunks_mut(share))
            .try_for_each(|(panels, out)| {
                let mut centred = vec![0.0; WIDTH * self.d];
                let mut ticks = watch.ticks();
                vectorised(
                    #[inline(always)]
                    || {
                        let panels = panels.chunks_exact(WIDTH * self.d);
                        for (panel, out) in panels.zip(out.chunks_mut(WIDTH)) {
                            subtract(panel, location, &mut centred);
                            let squared = metric.squared(&centred);
                            out.iter_mut().zip(squared).for_each(|(out, s)| *out = s);
                            ticks.add(WIDTH * self.d * metric.rank() / 2)?;
                        }
                        Ok(())
                    },
                )
            })
    }
}

/// Number of marked rows, at least 1.
fn count(marked: &[bool]) -> f64 {
    marked.iter().filter(|m| **m).count().max(1) as f64
}

/// Adds the values of a share.
fn add(sums: &mut [f64], share: &[f64]) {
    sums.iter_mut().zip(share).for_each(|(sum, s)| *sum += s);
}

fn divide(sums: &mut [f64], count: f64) {
    for sum in sums {
        *sum /= count;
    }
}

/// Adds the marked rows of some panels to `sums`, `(d,)`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn add_rows(panels: &[f64], marked: &[bool], sums: &mut [f64]) {
    let d = sums.len();
    for (panel, marked) in panels.chunks_exact(WIDTH * d).zip(marked.chunks(WIDTH)) {
        let mut weights = [0.0; WIDTH];
        for (weight, marked) in weights.iter_mut().zip(marked) {
            *weight = f64::from(u8::from(*marked));
        }
        for (column, sum) in panel.as_chunks::<WIDTH>().0.iter().zip(&mut *sums) {
            let mut lanes = [0.0; LANES];
            for lane in 0..WIDTH {
                lanes[lane % LANES] += column[lane] * weights[lane];
            }
            *sum += lanes.iter().sum::<f64>();
        }
    }
}

/// Adds the products of the marked rows' columns to the lower half of `sums`, `(d, d)`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn add_products(
    panels: &[f64],
    marked: &[bool],
    location: &[f64],
    sums: &mut [f64],
    ticks: &mut Ticks<'_, '_>,
) -> Result<(), Halt> {
    let d = location.len();
    // Column after column of the rows gathered so far.
    let mut batch = vec![0.0; BATCH * d];
    let mut filled = 0;
    for (panel, marked) in panels.chunks_exact(WIDTH * d).zip(marked.chunks(WIDTH)) {
        if filled + WIDTH > BATCH {
            add_batch(&batch, filled, d, sums, ticks)?;
            filled = 0;
        }
        let mut lanes = [0usize; WIDTH];
        let mut count = 0;
        for (lane, _) in marked.iter().enumerate().filter(|(_, m)| **m) {
            lanes[count % WIDTH] = lane;
            count += 1;
        }
        let columns = panel.as_chunks::<WIDTH>().0.iter().zip(location);
        let batch = batch.as_chunks_mut::<BATCH>().0.iter_mut();
        for ((column, centre), batch) in columns.zip(batch) {
            let to = batch.iter_mut().skip(filled);
            for (to, lane) in to.zip(&lanes[..count]) {
                *to = column[lane % WIDTH] - centre;
            }
        }
        filled += count;
    }
    add_batch(&batch, filled, d, sums, ticks)
}

/// Adds the products of the first `filled` rows of a batch.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn add_batch(
    batch: &[f64],
    filled: usize,
    d: usize,
    sums: &mut [f64],
    ticks: &mut Ticks<'_, '_>,
) -> Result<(), Halt> {
    let columns = batch.as_chunks::<BATCH>().0;
    // Past the last column it is multiplied once more, and the products are not used.
    let at = |j: usize| &columns[j.min(d - 1)];
    for j in (0..d).step_by(EDGE) {
        let rows: [_; EDGE] = std::array::from_fn(|a| at(j + a));
        for k in (0..(j + EDGE).min(d)).step_by(2) {
            let products = products(rows, [at(k), at(k + 1)], filled);
            for (a, products) in products.iter().enumerate() {
                for (b, product) in products.iter().enumerate() {
                    if j + a < d && k + b <= j + a {
                        sums[lower(j + a, k + b, d)] += product;
                    }
                }
            }
        }
        ticks.add(EDGE * (j + EDGE) * filled)?;
    }
    Ok(())
}

/// Dot products of every `a` with every `b` over the first `filled` rows.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn products(a: [&[f64; BATCH]; EDGE], b: [&[f64; BATCH]; 2], filled: usize) -> [[f64; 2]; EDGE] {
    // Plain loops: what an iterator does not inline is compiled for the oldest processor.
    let mut lanes = [[[0.0; LANES]; 2]; EDGE];
    let body = (filled / LANES).min(BATCH / LANES);
    for step in 0..body {
        let at = step * LANES;
        for i in 0..EDGE {
            for lane in 0..LANES {
                lanes[i][0][lane] += a[i][at + lane] * b[0][at + lane];
                lanes[i][1][lane] += a[i][at + lane] * b[1][at + lane];
            }
        }
    }
    let mut sums = [[0.0; 2]; EDGE];
    for i in 0..EDGE {
        for k in 0..2 {
            for lane in lanes[i][k] {
                sums[i][k] += lane;
            }
            for row in body * LANES..filled.min(BATCH) {
                sums[i][k] += a[i][row] * b[k][row];
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::watch::unwatched;
    use crate::rng::{Purpose, stream};
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn moments_and_distances_agree_with_their_definition_at_every_width() {
        for (n, d) in [(5, 1), (16, 2), (333, 3), (2500, 7), (40, 13)] {
            let mut rng = stream(3, Purpose::SUBSET, [n as u64, d as u64]);
            let values: Vec<f32> = (0..n * d)
                .map(|_| StandardNormal.sample(&mut rng))
                .collect();
            let rows = Rows::new(&values, d).unwrap();
            let mut panels = Panels::new(rows);
            panels.standardise(&vec![0.5; d], &vec![2.0; d]);
            let marked: Vec<bool> = (0..n).map(|i| i % 3 != 1).collect();
            let (location, covariance) = unwatched(|watch| panels.moments(&marked, watch));

            let at = |i: usize, j: usize| (f64::from(rows.get(i).unwrap()[j]) - 0.5) * 2.0;
            let picked: Vec<usize> = (0..n).filter(|i| marked[*i]).collect();
            let over = |f: &dyn Fn(usize) -> f64| {
                picked.iter().map(|i| f(*i)).sum::<f64>() / picked.len() as f64
            };
            for j in 0..d {
                assert!((location[j] - over(&|i| at(i, j))).abs() < 1e-12);
                for k in 0..=j {
                    let expected = over(&|i| (at(i, j) - location[j]) * (at(i, k) - location[k]));
                    let found = covariance[lower(j, k, d)];
                    assert!((found - expected).abs() < 1e-12, "{n} {d} {j} {k}");
                }
            }
            let metric = Whitening::identity(d);
            let mut squared = vec![0.0; n];
            unwatched(|watch| panels.distances(&location, &metric, &mut squared, watch));
            for (i, found) in squared.iter().enumerate() {
                let expected: f64 = (0..d).map(|j| (at(i, j) - location[j]).powi(2)).sum();
                assert!((found - expected).abs() < 1e-10, "{n} {d} {i}");
            }
            let some = panels.pick(&picked);
            let all = unwatched(|watch| some.moments(&vec![true; picked.len()], watch));
            assert!((all.0[0] - location[0]).abs() < 1e-12);
        }
    }
}
