//! The Mahalanobis metric of a covariance of h rows in d > h columns, without a `(d, d)` matrix.
//!
//! With the rows U of the subset, centred and divided by the square root of h, the covariance is
//! U'U and the shrunken one
//!
//! ```text
//! S = r I + U'U        U: (h, d)
//! ```
//!
//! Distances from the mean follow from the products of rows alone, G = U U' and g = U x (the
//! Woodbury identity):
//!
//! ```text
//! x' S^-1 x = (x'x - g' (r I + G)^-1 g) / r
//! ```
//!
//! The Cholesky factor L of S is a diagonal plus a product of rank h below it: of the columns
//! `u_j` of U,
//!
//! ```text
//! L_jj^2 = r + u_j' M_j u_j        L_ij = u_i' v_j for i > j        v_j = M_j u_j / L_jj
//! M_1 = I                          M_j+1 = M_j - v_j v_j'
//! ```
//!
//! where r `M_j` is the inverse of r I + the sum of `u_k u_k'` over k < j. So L and its inverse are
//! applied in O(h d) products, and made in O(h^2 d), here for [`WIDTH`] columns at a time.

use rayon::prelude::*;

use super::layout::WIDTH;
use super::panels::Panels;
use super::tile::{self, AREA, Tile, ZERO, negative, subtract_products, tile, transposed};
use super::triangle::Triangle;
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::fit::watch::{Halt, Watch};
use crate::nn::vectorised;

/// Panels of vectors that a thread maps together: what it lays out anew serves all of them.
const TOGETHER: usize = 4;

/// Dot products of all pairs of rows.
#[derive(Debug)]
pub(crate) struct Gram {
    /// `(n, n)`
    products: Vec<f64>,
    n: usize,
}

impl Gram {
    pub(crate) fn new(rows: &Panels, watch: &Watch<'_>) -> Result<Self, Halt> {
        let n = rows.n_rows();
        let half = |i: usize| {
            let mut ticks = watch.ticks();
            let tiles = (0..=i).map(|j| {
                let mut products = ZERO;
                let (a, b) = (rows.panel(i), rows.panel(j));
                vectorised(
                    #[inline(always)]
                    || subtract_products(&mut products, a, b),
                );
                ticks.add(AREA * rows.n_features())?;
                Ok(negative(&products))
            });
            tiles.collect::<Result<Vec<Tile>, Halt>>()
        };
        let halves = (0..n.div_ceil(WIDTH)).into_par_iter().map(half);
        let halves = halves.collect::<Result<Vec<_>, Halt>>()?;
        let mut products = vec![0.0; n * n];
        for (i, row) in products.chunks_exact_mut(n).enumerate() {
            for (j, product) in row.iter_mut().enumerate() {
                let (low, high) = (i.min(j), i.max(j));
                let tile = &halves[high / WIDTH][low / WIDTH];
                *product = tile[low % WIDTH][high % WIDTH];
            }
        }
        Ok(Self { products, n })
    }

    /// The same of rows from which the mean of the marked ones is subtracted.
    pub(crate) fn centred(&self, marked: &[bool]) -> Self {
        let of_marked = |values: &[f64]| {
            let values = values.iter().zip(marked).filter(|(_, marked)| **marked);
            let (sum, count) = values.fold((0.0, 0), |(sum, n), (x, _)| (sum + x, n + 1));
            sum / f64::from(count.max(1))
        };
        let means: Vec<f64> = self.products.chunks_exact(self.n).map(of_marked).collect();
        let mean = of_marked(&means);
        let products = self.products.par_chunks_exact(self.n).zip(&means);
        let products = products.flat_map_iter(|(row, ours)| {
            let row = row.iter().zip(&means);
            row.map(move |(product, theirs)| product - ours - theirs + mean)
        });
        Self {
            products: products.collect(),
            n: self.n,
        }
    }

    /// The mean squared length of the marked rows.
    pub(crate) fn mean_square(&self, marked: &[bool]) -> f64 {
        let marked = (0..self.n).filter(|i| marked[*i]);
        let (sum, count) = marked.fold((0.0, 0), |(sum, n), i| (sum + self.at(i, i), n + 1));
        sum / f64::from(count.max(1))
    }

    /// Squared lengths of the rows.
    pub(crate) fn squares(&self) -> Vec<f64> {
        (0..self.n).map(|i| self.at(i, i)).collect()
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.products[i * self.n + j]
    }

    /// Squared distances of all rows from the origin, in the metric of the covariance of the
    /// marked rows plus `ridge`; `None` where that has no inverse.
    pub(crate) fn distances(
        &self,
        marked: &[bool],
        ridge: f64,
        watch: &Watch<'_>,
    ) -> Result<Option<Vec<f64>>, Halt> {
        let subset: Vec<usize> = (0..self.n).filter(|i| marked[*i]).collect();
        let h = subset.len();
        let entry = |i: usize, j: usize| {
            let product = self.at(subset[i], subset[j]);
            product + if i == j { h as f64 * ridge } else { 0.0 }
        };
        let Some(factor) = Triangle::from_fn(h, entry).factor(watch)? else {
            return Ok(None);
        };
        let mut distances = vec![0.0; self.n];
        let blocks = distances.par_chunks_mut(WIDTH).enumerate();
        blocks.try_for_each(|(block, out)| {
            let mut values = vec![0.0; h.div_ceil(WIDTH) * AREA];
            let rows = values.as_chunks_mut::<WIDTH>().0;
            for (values, row) in rows.iter_mut().zip(&subset) {
                let ours = &self.products[row * self.n + block * WIDTH..];
                values
                    .iter_mut()
                    .zip(ours)
                    .for_each(|(to, from)| *to = *from);
            }
            factor.solve(&mut values, 0, watch)?;
            for (lane, out) in out.iter_mut().enumerate() {
                let explained = values.iter().skip(lane).step_by(WIDTH);
                let explained: f64 = explained.map(|x| x * x).sum();
                let i = block * WIDTH + lane;
                *out = (self.at(i, i) - explained).max(0.0) / ridge;
            }
            Ok(())
        })?;
        Ok(Some(distances))
    }
}

/// The Cholesky factor L of r I + U'U, with U of h rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Narrow {
    /// U, `(h, d)`.
    rows: Panels,
    /// Of each [`WIDTH`] columns of L the block on the diagonal.
    diagonal: Vec<Tile>,
    /// And the vectors v, `(h, WIDTH)`, filled up with zeros.
    below: Vec<Vec<f64>>,
}

impl Narrow {
    /// Products that making it takes.
    pub(crate) fn products(rows: usize, n_features: usize) -> u64 {
        2 * (rows as u64)
            .saturating_pow(2)
            .saturating_mul(n_features as u64)
    }

    /// Of the covariance of rows, plus `ridge`; `None` where that is not positive definite.
    pub(crate) fn new(
        mut rows: Panels,
        ridge: f64,
        watch: &Watch<'_>,
    ) -> Result<Option<Self>, Halt> {
        let (h, d) = (rows.n_rows(), rows.n_features());
        let root = (h as f64).sqrt().recip();
        rows.standardise(&rows.location(&vec![true; h]), &vec![root; d]);
        rows.clear_padding();
        let panels = h.div_ceil(WIDTH);
        let mut ridged = ZERO;
        for (j, column) in ridged.iter_mut().enumerate() {
            column[j] = ridge;
        }
        let identity = |panel: usize| {
            let mut identity = vec![0.0; panels * AREA];
            for lane in 0..WIDTH {
                identity[(panel * WIDTH + lane) * WIDTH + lane] = 1.0;
            }
            identity
        };
        let mut inner: Vec<Vec<f64>> = (0..panels).map(identity).collect();
        let mut out = Self {
            rows,
            diagonal: Vec::new(),
            below: Vec::new(),
        };
        // The vectors v of the block before, lane by lane.
        let mut last = vec![ZERO; panels];
        for block in 0..d.div_ceil(WIDTH) {
            let columns = out.columns(block);
            let mut below = vec![0.0; panels * AREA];
            let products = inner.par_iter_mut().zip(below.par_chunks_mut(AREA));
            products.zip(&last).try_for_each(|((inner, below), ours)| {
                let mut products = ZERO;
                vectorised(
                    #[inline(always)]
                    || {
                        let tiles = inner.as_chunks_mut::<AREA>().0.iter_mut();
                        for (values, theirs) in tiles.zip(&last) {
                            let mut part = tile(values);
                            let (a, b) = (ours.as_flattened(), theirs.as_flattened());
                            subtract_products(&mut part, a, b);
                            values.copy_from_slice(part.as_flattened());
                        }
                        subtract_products(&mut products, &columns, inner);
                    },
                );
                below.copy_from_slice(negative(&products).as_flattened());
                watch.ticks().add(2 * AREA * panels * WIDTH)
            })?;
            let mut corner = ZERO;
            vectorised(
                #[inline(always)]
                || subtract_products(&mut corner, &below, &columns),
            );
            let mut corner = negative(&corner);
            for (column, ridge) in corner.iter_mut().zip(&ridged) {
                column.iter_mut().zip(ridge).for_each(|(x, r)| *x += r);
            }
            if !tile::factor(&mut corner, WIDTH) {
                return Ok(None);
            }
            let parts = below.as_chunks_mut::<AREA>().0.iter_mut();
            for (values, last) in parts.zip(&mut last) {
                // A lane a row: (j, h) for the update, (h, j) to be kept.
                *last = transposed(&tile(values));
                tile::solve(&corner, last, WIDTH);
                values.copy_from_slice(transposed(last).as_flattened());
            }
            out.diagonal.push(corner);
            out.below.push(below);
        }
        Ok(Some(out))
    }

    /// Writes all of it.
    pub(crate) fn save(&self, prefix: &str, writer: &mut Writer) {
        writer.f64(format!("{prefix}.rows"), &self.rows.to_values());
        let diagonal = self.diagonal.as_flattened().as_flattened();
        writer.f64(format!("{prefix}.diagonal"), diagonal);
        writer.f64(format!("{prefix}.below"), &self.below.concat());
    }

    /// Reads what [`Narrow::save`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(crate) fn restore(prefix: &str, d: usize, reader: &mut Reader) -> Result<Self> {
        let rows = reader.f64(&format!("{prefix}.rows"))?;
        if rows.is_empty() || !rows.len().is_multiple_of(d) {
            let found = format!("of {} values", rows.len());
            return Err(reader.corrupt(format!("{prefix}.rows"), found, format!("rows of {d}")));
        }
        let rows = Panels::from_values(&rows, d);
        let (blocks, size) = (d.div_ceil(WIDTH), rows.n_rows().div_ceil(WIDTH) * AREA);
        let diagonal = reader.f64_of(&format!("{prefix}.diagonal"), blocks * AREA)?;
        let below = reader.f64_of(&format!("{prefix}.below"), blocks.saturating_mul(size))?;
        Ok(Self {
            rows,
            diagonal: diagonal.chunks_exact(AREA).map(tile).collect(),
            below: below.chunks_exact(size).map(<[f64]>::to_vec).collect(),
        })
    }

    /// Columns of a block of U, `(WIDTH, WIDTH)` for each panel of its rows.
    fn parts(&self, block: usize) -> impl Iterator<Item = Tile> + '_ {
        let start = block * AREA;
        (0..self.rows.n_rows().div_ceil(WIDTH)).map(move |panel| {
            let panel = self.rows.panel(panel);
            let end = (start + AREA).min(panel.len());
            let mut part = ZERO;
            let to = part.as_flattened_mut().iter_mut();
            to.zip(&panel[start..end])
                .for_each(|(to, from)| *to = *from);
            part
        })
    }

    /// The same row after row, `(h, WIDTH)`.
    fn columns(&self, block: usize) -> Vec<f64> {
        let parts = self.parts(block).map(|part| transposed(&part));
        parts.flat_map(|part| part.into_iter().flatten()).collect()
    }

    /// `L^-1 x` of some rows, each divided by nothing else.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; returns `(n, d)`.
    pub(crate) fn map(&self, rows: &[f32], watch: &Watch<'_>) -> Result<Vec<f64>, Halt> {
        let d = self.rows.n_features();
        let h = self.rows.n_rows().div_ceil(WIDTH) * AREA;
        let mut out = vec![0.0; rows.len()];
        let size = TOGETHER * WIDTH * d;
        let groups = rows.par_chunks(size).zip(out.par_chunks_mut(size));
        groups.try_for_each(|(rows, out)| {
            let mut ticks = watch.ticks();
            let mut sums = vec![vec![0.0; h]; TOGETHER];
            for (block, (corner, below)) in self.diagonal.iter().zip(&self.below).enumerate() {
                let columns = self.columns(block);
                let below: Vec<Tile> = below
                    .as_chunks::<AREA>()
                    .0
                    .iter()
                    .map(|part| transposed(&tile(part)))
                    .collect();
                let lanes = rows.chunks(WIDTH * d).zip(out.chunks_mut(WIDTH * d));
                for ((rows, out), sums) in lanes.zip(&mut sums) {
                    let mut values = ZERO;
                    each(block, d, rows, |j, lane, x| values[j][lane] = f64::from(*x));
                    vectorised(
                        #[inline(always)]
                        || {
                            subtract_products(&mut values, sums, &columns);
                            tile::solve(corner, &mut values, WIDTH);
                            let minus = negative(&values);
                            let sums = sums.as_chunks_mut::<AREA>().0.iter_mut();
                            for (sums, below) in sums.zip(&below) {
                                let mut part = tile(sums);
                                let (a, b) = (minus.as_flattened(), below.as_flattened());
                                subtract_products(&mut part, a, b);
                                sums.copy_from_slice(part.as_flattened());
                            }
                        },
                    );
                    for (lane, out) in out.chunks_exact_mut(d).enumerate() {
                        let out = out.iter_mut().skip(block * WIDTH);
                        out.zip(&values).for_each(|(out, x)| *out = x[lane]);
                    }
                    ticks.add(2 * h * WIDTH)?;
                }
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// `L^-1' x` of n vectors, each a column.
    ///
    /// # Shapes
    /// `vectors`: `(d, n)`; returns the same.
    pub(crate) fn map_transposed(
        &self,
        vectors: &[f64],
        n: usize,
        watch: &Watch<'_>,
    ) -> Result<Vec<f64>, Halt> {
        let d = self.rows.n_features();
        let h = self.rows.n_rows().div_ceil(WIDTH) * AREA;
        let mapped = (0..n.div_ceil(WIDTH)).into_par_iter().map(|panel| {
            let at = panel * WIDTH;
            let lanes = (n - at).min(WIDTH);
            let mut ticks = watch.ticks();
            let mut out = vec![0.0; d * WIDTH];
            for (to, from) in out.chunks_exact_mut(WIDTH).zip(vectors.chunks_exact(n)) {
                to[..lanes].copy_from_slice(&from[at..at + lanes]);
            }
            let mut sums = vec![0.0; h];
            let blocks = out.chunks_mut(AREA).zip(&self.diagonal).zip(&self.below);
            for (block, ((out, corner), below)) in blocks.enumerate().rev() {
                let mut values = ZERO;
                let to = values.as_flattened_mut().iter_mut();
                to.zip(&*out).for_each(|(to, from)| *to = *from);
                vectorised(
                    #[inline(always)]
                    || {
                        subtract_products(&mut values, &sums, below);
                        tile::solve_transposed(corner, &mut values, WIDTH);
                    },
                );
                let minus = negative(&values);
                for (sums, ours) in sums.chunks_exact_mut(AREA).zip(self.parts(block)) {
                    let mut part = tile(sums);
                    vectorised(
                        #[inline(always)]
                        || {
                            let (a, b) = (minus.as_flattened(), ours.as_flattened());
                            subtract_products(&mut part, a, b);
                        },
                    );
                    sums.copy_from_slice(part.as_flattened());
                }
                let values = values.as_flattened();
                out.iter_mut()
                    .zip(values)
                    .for_each(|(to, from)| *to = *from);
                ticks.add(2 * h * WIDTH)?;
            }
            Ok(out)
        });
        let mapped = mapped.collect::<Result<Vec<_>, Halt>>()?;
        let mut out = vec![0.0; d * n];
        for (j, out) in out.chunks_exact_mut(n).enumerate() {
            for (out, mapped) in out.chunks_mut(WIDTH).zip(&mapped) {
                let values = &mapped[j * WIDTH..];
                out.iter_mut()
                    .zip(values)
                    .for_each(|(to, from)| *to = *from);
            }
        }
        Ok(out)
    }
}

/// Calls `f(column of the block, lane, value)` for the values of up to [`WIDTH`] rows, `(n, d)`.
fn each<'a>(block: usize, d: usize, rows: &'a [f32], mut f: impl FnMut(usize, usize, &'a f32)) {
    for (lane, row) in rows.chunks_exact(d).enumerate() {
        let values = row.iter().skip(block * WIDTH).take(WIDTH);
        values.enumerate().for_each(|(j, x)| f(j, lane, x));
    }
}
