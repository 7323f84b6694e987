//! Many small subsamples, and the distances of rows to them, for `lesinn` and `repen`.

use rayon::prelude::*;

use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::nn::vectorised;
use crate::rng::{Purpose, stream};
use crate::rows::Rows;

/// Rows of a subsample that are compared with a row at a time: two AVX2 registers of float64.
const LANES: usize = 8;

/// Rows whose distances are computed side by side, so that the additions of one row do not wait
/// for each other.
const SIDE_BY_SIDE: usize = 4;

/// Rows that a thread compares with all subsamples at a time.
const BLOCK: usize = 64;

/// Some subsamples of equal size.
#[derive(Debug)]
pub(super) struct Subsamples {
    /// Groups of [`LANES`] rows, each `(d, LANES)`, exact in float64. The last group of a
    /// subsample is filled up with its first row, which changes no minimum.
    packed: Vec<f64>,
    /// Rows in a subsample.
    size: usize,
    d: usize,
}

impl Subsamples {
    /// Draws `n_estimators` subsamples, each without replacement; another `turn` draws others.
    pub(super) fn draw(
        rows: Rows<'_>,
        n_estimators: usize,
        size: usize,
        seed: u64,
        turn: u64,
    ) -> Self {
        let picked = (0..n_estimators).flat_map(|i| {
            let mut rng = stream(seed, Purpose::SAMPLE, [i as u64, turn]);
            rand::seq::index::sample(&mut rng, rows.n_rows(), size)
        });
        let values: Vec<f32> = picked
            .filter_map(|i| rows.get(i))
            .flatten()
            .copied()
            .collect();
        Self::pack(&values, size, rows.n_cols())
    }

    /// Subsamples of so many rows, one after the other.
    ///
    /// # Shapes
    /// `values`: `(n_estimators * size, d)`.
    pub(super) fn pack(values: &[f32], size: usize, d: usize) -> Self {
        let n_estimators = values.len() / (size * d);
        let mut packed = Vec::with_capacity(n_estimators * size.next_multiple_of(LANES) * d);
        for subsample in values.chunks_exact(size * d) {
            let row = |i: usize| &subsample[if i < size { i * d } else { 0 }..][..d];
            for first in (0..size).step_by(LANES) {
                let group: [&[f32]; LANES] = std::array::from_fn(|lane| row(first + lane));
                packed.extend((0..d).flat_map(|j| group.map(|row| f64::from(row[j]))));
            }
        }
        Self { packed, size, d }
    }

    /// The subsampled rows as they were: `(n_estimators * size, d)`.
    fn values(&self) -> Vec<f32> {
        let mut values = Vec::new();
        for subsample in self.packed.chunks_exact(self.packed_len()) {
            for i in 0..self.size {
                let group = &subsample[i / LANES * LANES * self.d..];
                let row = (0..self.d).map(|j| group[j * LANES + i % LANES] as f32);
                values.extend(row);
            }
        }
        values
    }

    /// Values that a packed subsample takes.
    fn packed_len(&self) -> usize {
        self.size.next_multiple_of(LANES) * self.d
    }

    /// Bytes that so many subsamples take.
    pub(super) fn memory(n_estimators: usize, size: usize, n_features: usize) -> u64 {
        8 * (n_estimators as u64)
            .saturating_mul(size as u64)
            .saturating_mul(n_features as u64)
    }

    /// For each row the mean, over the subsamples, of the distance to the nearest row of one.
    ///
    /// A row with a value that is not finite gets a mean that is not.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; `out`: `(n,)`, overwritten.
    pub(super) fn mean_distances(&self, rows: &[f32], out: &mut [f64]) {
        let n_estimators = (self.packed.len() / self.packed_len()) as f64;
        rows.par_chunks(BLOCK * self.d)
            .zip(out.par_chunks_mut(BLOCK))
            .for_each_init(Vec::new, |exact, (rows, out)| {
                exact.clear();
                exact.extend(rows.iter().map(|x| f64::from(*x)));
                vectorised(
                    #[inline(always)]
                    || self.sum_up(exact, out),
                );
                for sum in out {
                    *sum /= n_estimators;
                }
            });
    }

    /// For each row the sum of the distances instead of their mean.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn sum_up(&self, rows: &[f64], out: &mut [f64]) {
        let d = self.d;
        out.fill(0.0);
        for subsample in self.packed.chunks_exact(self.packed_len()) {
            let (groups, rest) = out.as_chunks_mut::<SIDE_BY_SIDE>();
            let mut values = rows.chunks_exact(SIDE_BY_SIDE * d);
            for (sums, rows) in groups.iter_mut().zip(&mut values) {
                add_nearest(subsample, rows, d, sums);
            }
            for (sum, row) in rest.iter_mut().zip(values.remainder().chunks_exact(d)) {
                add_nearest(subsample, row, d, std::array::from_mut(sum));
            }
        }
    }

    /// Writes the subsampled rows.
    pub(super) fn save(&self, writer: &mut Writer) {
        let values = self.values();
        writer.f32("subsamples", &[values.len() / self.d, self.d], &values);
    }

    /// Reads what [`Subsamples::save`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`], also unless the rows make `n_estimators` subsamples of at
    /// most `max_samples` rows.
    pub(super) fn restore(
        n_estimators: usize,
        max_samples: usize,
        n_features: usize,
        reader: &mut Reader,
    ) -> Result<Self> {
        let values = reader.f32_rows("subsamples", n_features)?;
        let n_rows = values.len() / n_features;
        let size = n_rows / n_estimators;
        if size * n_estimators != n_rows || !(1..=max_samples).contains(&size) {
            return Err(reader.corrupt(
                "subsamples",
                format!("{n_rows} rows"),
                format!("{n_estimators} subsamples of 1 to {max_samples} rows"),
            ));
        }
        Ok(Self::pack(&values, size, n_features))
    }
}

/// Adds to each row's sum its distance to the nearest row of a subsample.
///
/// # Shapes
/// `subsample`: groups of `(d, LANES)`; `rows`: `(N, d)`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn add_nearest<const N: usize>(subsample: &[f64], rows: &[f64], d: usize, sums: &mut [f64; N]) {
    let mut least = [f64::INFINITY; N];
    for group in subsample.chunks_exact(LANES * d) {
        let mut squares = [[0.0f64; LANES]; N];
        let (columns, _) = group.as_chunks::<LANES>();
        for (j, column) in columns.iter().enumerate() {
            for (i, squares) in squares.iter_mut().enumerate() {
                let x = rows[i * d + j];
                for (square, y) in squares.iter_mut().zip(column) {
                    let apart = x - y;
                    *square += apart * apart;
                }
            }
        }
        for (least, squares) in least.iter_mut().zip(squares) {
            *least = squares.into_iter().fold(*least, f64::min);
        }
    }
    for (sum, least) in sums.iter_mut().zip(least) {
        *sum += least.sqrt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn random(n: usize, index: u64) -> Vec<f32> {
        let mut rng = stream(4, Purpose::BATCH, [index, 0]);
        (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    #[test]
    fn mean_distances_agree_with_the_definition_at_every_size() {
        for (size, d) in [(1, 1), (8, 3), (5, 9), (20, 17)] {
            let (values, data) = (random(7 * size * d, 0), random(131 * d, 1));
            let subsamples = Subsamples::pack(&values, size, d);
            let rows = Rows::new(&data, d).unwrap();
            let mut found = vec![f64::NAN; 131];
            subsamples.mean_distances(&data, &mut found);
            for (row, found) in rows.iter().zip(found) {
                let nearest = values.chunks_exact(size * d).map(|subsample| {
                    let distances = subsample.chunks_exact(d).map(|other| {
                        let pairs = row.iter().zip(other);
                        pairs
                            .map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2))
                            .sum::<f64>()
                    });
                    distances.fold(f64::INFINITY, f64::min).sqrt()
                });
                let expected = nearest.sum::<f64>() / 7.0;
                assert!((found - expected).abs() < 1e-12, "{size} rows of {d}");
            }
            assert_eq!(subsamples.values(), values, "kept as drawn");
        }
    }

    #[test]
    fn subsamples_are_drawn_without_replacement_and_differ() {
        let data: Vec<f32> = (0..40u16).map(f32::from).collect();
        let rows = Rows::new(&data, 1).unwrap();
        let draw = |seed, turn| Subsamples::draw(rows, 30, 10, seed, turn).values();
        let drawn = draw(1, 0);
        let mut all: Vec<Vec<u32>> = drawn
            .chunks_exact(10)
            .map(|s| s.iter().map(|x| *x as u32).collect())
            .collect();
        for subsample in &mut all {
            subsample.sort_unstable();
            assert!(subsample.is_sorted_by(|a, b| a < b), "{subsample:?}");
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 30);
        assert!(drawn != draw(2, 0) && drawn != draw(1, 1));
    }
}
