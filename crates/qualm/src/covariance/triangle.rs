//! The Cholesky factor of a matrix and its inverse, in blocks.
//!
//! Each value is summed in the order of the plain algorithm (column by column, as in LAPACK's
//! unblocked `potf2` and `trti2`), so that blocks and threads change no bit.

use rayon::prelude::*;

use super::layout::WIDTH;
use super::tile::{self, AREA, subtract_products, tile};
use crate::fit::watch::{Halt, Watch};
use crate::nn::vectorised;

/// Products that one thread sums before another is asked to help.
const SHARED: usize = 1 << 18;

/// The lower half of a `(d, d)` matrix, in panels of [`WIDTH`] rows up to the diagonal.
#[derive(Debug, Clone)]
pub(crate) struct Triangle {
    panels: Vec<Vec<f64>>,
    d: usize,
}

impl Triangle {
    /// Of the values in row i, column j, for j up to i.
    pub(crate) fn from_fn(d: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let panel = |p: usize| {
            let mut panel = vec![0.0; (p + 1) * AREA];
            for (j, column) in panel.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate() {
                for (lane, x) in column.iter_mut().enumerate() {
                    let i = p * WIDTH + lane;
                    if j <= i && i < d {
                        *x = value(i, j);
                    }
                }
            }
            panel
        };
        Self {
            panels: (0..d.div_ceil(WIDTH)).map(panel).collect(),
            d,
        }
    }

    /// Products that [`Triangle::factor`] and [`Triangle::inverse`] sum.
    pub(crate) fn products(d: usize) -> u64 {
        (d as u64).saturating_pow(3) / 3
    }

    /// Columns of a block.
    fn width(&self, block: usize) -> usize {
        (self.d - block * WIDTH).min(WIDTH)
    }

    /// The Cholesky factor, if the matrix is positive definite.
    pub(crate) fn factor(mut self, watch: &Watch<'_>) -> Result<Option<Self>, Halt> {
        for block in 0..self.panels.len() {
            let width = self.width(block);
            let known = block * AREA;
            let (above, below) = self.panels.split_at_mut(block + 1);
            let Some(pivot) = above.last_mut() else {
                break;
            };
            let (before, corner) = pivot.split_at_mut(known);
            let mut diagonal = tile(corner);
            vectorised(
                #[inline(always)]
                || subtract_products(&mut diagonal, before, before),
            );
            if !tile::factor(&mut diagonal, width) {
                return Ok(None);
            }
            corner.copy_from_slice(diagonal.as_flattened());
            let least = SHARED / (AREA * WIDTH * (block + 1)) + 1;
            below
                .par_iter_mut()
                .with_min_len(least)
                .try_for_each(|panel| {
                    let (ours, rest) = panel.split_at_mut(known);
                    let mut part = tile(rest);
                    vectorised(
                        #[inline(always)]
                        || {
                            subtract_products(&mut part, ours, before);
                            // Columns for rows: each lane is a row of the factor.
                            tile::solve(&diagonal, &mut part, width);
                        },
                    );
                    rest[..AREA].copy_from_slice(part.as_flattened());
                    watch.ticks().add(AREA * WIDTH * (block + 1))
                })?;
        }
        Ok(Some(self))
    }

    /// The diagonal.
    pub(crate) fn diagonal(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.d).filter_map(|i| {
            let panel = self.panels.get(i / WIDTH)?;
            panel.get(i * WIDTH + i % WIDTH).copied()
        })
    }

    /// Solves `L x = y` for [`WIDTH`] vectors whose values before a block are 0.
    ///
    /// # Shapes
    /// `values`: `(k, WIDTH)` from that block on.
    pub(crate) fn solve(
        &self,
        values: &mut [f64],
        first: usize,
        watch: &Watch<'_>,
    ) -> Result<(), Halt> {
        let mut ticks = watch.ticks();
        vectorised(
            #[inline(always)]
            || {
                for (i, panel) in self.panels.iter().enumerate().skip(first) {
                    let (known, rest) = values.split_at_mut((i - first) * AREA);
                    let (before, corner) = panel.split_at(i * AREA);
                    let mut part = tile(rest);
                    subtract_products(&mut part, known, &before[first * AREA..]);
                    tile::solve(&tile(corner), &mut part, self.width(i));
                    rest[..AREA].copy_from_slice(part.as_flattened());
                    ticks.add(known.len() * WIDTH + AREA * WIDTH)?;
                }
                Ok(())
            },
        )
    }

    /// The inverse of the triangle, row after row, with zeros above the diagonal.
    pub(crate) fn inverse(&self, watch: &Watch<'_>) -> Result<Vec<f64>, Halt> {
        let (d, blocks) = (self.d, self.panels.len());
        if d == 0 {
            return Ok(Vec::new());
        }
        let columns = |first: usize| {
            let mut values = vec![0.0; (blocks - first) * AREA];
            for i in 0..self.width(first) {
                values[i * WIDTH + i] = 1.0;
            }
            self.solve(&mut values, first, watch)?;
            Ok(values)
        };
        let least = SHARED / (d * d * WIDTH) + 1;
        let columns = (0..blocks).into_par_iter().with_min_len(least).map(columns);
        let columns = columns.collect::<Result<Vec<_>, Halt>>()?;
        let mut inverse = vec![0.0; d * d];
        let rows = inverse.par_chunks_exact_mut(d).with_min_len(WIDTH);
        rows.enumerate().for_each(|(i, row)| {
            for (first, (row, values)) in row.chunks_mut(WIDTH).zip(&columns).enumerate() {
                if first * WIDTH > i {
                    break;
                }
                let at = (i - first * WIDTH) * WIDTH;
                row.copy_from_slice(&values[at..at + row.len()]);
            }
        });
        Ok(inverse)
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{Cholesky, DMatrix};
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::fit::watch::unwatched;
    use crate::rng::{Purpose, stream};

    /// A covariance of d columns and 2 d + 3 rows.
    fn covariance(d: usize) -> DMatrix<f64> {
        let mut rng = stream(1, Purpose::SAMPLE, [d as u64, 0]);
        let rows = DMatrix::from_fn(2 * d + 3, d, |_, _| StandardNormal.sample(&mut rng));
        rows.transpose() * &rows / d as f64
    }

    #[test]
    fn factor_and_inverse_have_the_bits_of_the_plain_algorithm() {
        for d in [1, 2, 15, 16, 17, 40, 131] {
            let matrix = covariance(d);
            let lower = Cholesky::new(matrix.clone()).unwrap().l();
            let plain = lower
                .solve_lower_triangular(&DMatrix::identity(d, d))
                .unwrap();
            let ours = unwatched(|watch| {
                let triangle = Triangle::from_fn(d, |i, j| matrix[(i, j)]);
                let factor = triangle.factor(watch)?.unwrap();
                assert!(factor.diagonal().eq(lower.diagonal().iter().copied()));
                factor.inverse(watch)
            });
            let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&ours), bits(plain.transpose().as_slice()), "{d}");
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_factor() {
        for last in [1.0, 0.5, f64::NAN] {
            let values = |i: usize, j: usize| if (i, j) == (1, 1) { last } else { 1.0 };
            let factor = unwatched(|watch| Triangle::from_fn(2, values).factor(watch));
            assert!(factor.is_none(), "{last}");
        }
    }
}
