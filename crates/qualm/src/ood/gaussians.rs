//! Gaussians of several classes with one covariance.
//!
//! With n fitted rows `x_i`, `(d,)`, of classes `y_i`, `mu_c` the mean of class c and
//!
//! ```text
//! S = 1/n sum_i (x_i - mu_(y_i)) (x_i - mu_(y_i))'
//! ```
//!
//! the squared Mahalanobis distance of a row to a class is `(x - mu_c)' S^-1 (x - mu_c)`. It is
//! computed as `|W (x - mu) - W (mu_c - mu)|^2` with `W' W = S^-1` and mu the mean of all rows, so
//! that each row is mapped once for all classes. Where S is singular, the directions that do not
//! vary within the classes do not count, as with a pseudo-inverse; there is a warning.

use crate::container::{Reader, Writer};
use crate::covariance::{Panels, WIDTH, Whitening, lower, whiten};
use crate::error::{Error, Result};
use crate::fit::watch::{Extent, Halt, Watch};
use crate::fit::{Meter, Warning};
use crate::rows::Rows;

use super::panels::score_panels;

/// Rows whose covariance is summed at a time.
const BLOCK: usize = 8192;

/// The fewest rows of a class: with one, its mean is that row, and its distances are 0.
const PER_CLASS: usize = 2;

/// Which rows belong to which class.
#[derive(Debug)]
pub(super) struct Classes {
    /// Of each row, `(n,)`: its place among the classes.
    places: Vec<usize>,
    /// Rows of each class, `(c,)`.
    counts: Vec<usize>,
}

impl Classes {
    /// The classes by their labels.
    ///
    /// # Errors
    /// [`Error::ClassTooSmall`].
    pub(super) fn of(labels: &[i64]) -> Result<Self> {
        let mut distinct = labels.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let mut counts = vec![0; distinct.len()];
        let places = labels.iter().map(|label| {
            let place = distinct.partition_point(|other| other < label);
            if let Some(count) = counts.get_mut(place) {
                *count += 1;
            }
            place
        });
        let places = places.collect();
        match counts.iter().zip(&distinct).find(|(n, _)| **n < PER_CLASS) {
            Some((found, class)) => Err(Error::ClassTooSmall {
                class: *class,
                found: *found,
                expected: PER_CLASS,
            }),
            None => Ok(Self { places, counts }),
        }
    }

    /// One class of all rows.
    pub(super) fn one(n_rows: usize) -> Self {
        Self {
            places: vec![0; n_rows],
            counts: vec![n_rows],
        }
    }

    /// The place of each row's class among the classes, `(n,)`.
    pub(super) fn places(&self) -> &[usize] {
        &self.places
    }

    /// How many classes there are.
    pub(super) fn n_classes(&self) -> usize {
        self.counts.len()
    }

    /// The mean of each class, `(c, d)`.
    fn means(&self, rows: Rows<'_>) -> Vec<f64> {
        let d = rows.n_cols();
        let mut means = vec![0.0; self.counts.len() * d];
        for (row, place) in rows.iter().zip(&self.places) {
            let mean = means.iter_mut().skip(place * d);
            mean.zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        for (mean, count) in means.chunks_exact_mut(d).zip(&self.counts) {
            for sum in mean {
                *sum /= *count as f64;
            }
        }
        means
    }

    /// The mean of all rows, `(d,)`, from those of the classes.
    fn location(&self, means: &[f64], d: usize) -> Vec<f64> {
        let n = self.places.len() as f64;
        let mut location = vec![0.0; d];
        for (mean, count) in means.chunks_exact(d).zip(&self.counts) {
            let share = *count as f64 / n;
            location
                .iter_mut()
                .zip(mean)
                .for_each(|(l, m)| *l += share * m);
        }
        location
    }

    /// Means and covariance of rows, a block of them at a time: memory does not grow with them.
    pub(super) fn moments(&self, rows: Rows<'_>, watch: &Watch<'_>) -> Result<Moments, Halt> {
        let d = rows.n_cols();
        let n = rows.n_rows() as f64;
        let means = self.means(rows);
        let mut covariance = vec![0.0; d * d];
        for (block, places) in rows.blocks(BLOCK).zip(self.places.chunks(BLOCK)) {
            let centred = block.iter().zip(places).flat_map(|(row, place)| {
                let mean = means.iter().skip(place * d);
                row.iter().zip(mean).map(|(x, m)| f64::from(*x) - m)
            });
            let panels = Panels::from_values(&centred.collect::<Vec<_>>(), d);
            let (mean, of_block) = panels.moments(&vec![true; block.n_rows()], watch)?;
            let share = block.n_rows() as f64 / n;
            for j in 0..d {
                for k in 0..=j {
                    // Around the means of the classes, not around that of the block.
                    let at = lower(j, k, d);
                    covariance[at] += share * (of_block[at] + mean[j] * mean[k]);
                }
            }
        }
        Ok(Moments {
            location: self.location(&means, d),
            means,
            covariance,
        })
    }
}

/// What is known of rows and their classes.
#[derive(Debug)]
pub(super) struct Moments {
    /// Mean of each class, `(c, d)`.
    means: Vec<f64>,
    /// Mean of all rows, `(d,)`.
    pub(super) location: Vec<f64>,
    /// Covariance within the classes, `(d, d)`, the lower half filled.
    pub(super) covariance: Vec<f64>,
}

/// Classes with a mean each and a covariance for all of them.
#[derive(Debug)]
pub(super) struct Gaussians {
    /// Mean of all rows, `(d,)`.
    location: Vec<f64>,
    map: Whitening,
    /// Means of the classes, less `location` and mapped, `(c, rank)`.
    means: Vec<f64>,
}

impl Gaussians {
    /// Estimates means and covariance.
    ///
    /// # Errors
    /// [`Error::ConstantClasses`] where nothing varies within the classes, [`Error::Stopped`].
    pub(super) fn fit(
        rows: Rows<'_>,
        classes: &Classes,
        meter: &mut Meter<'_>,
    ) -> Result<(Self, Option<Warning>)> {
        let d = rows.n_cols();
        let products = (rows.n_rows() as u64).saturating_mul((d * d) as u64);
        let (moments, map) = meter.watch("covariance", Extent::Products(products), |watch| {
            let moments = classes.moments(rows, watch)?;
            let map = whiten(&moments.location, &moments.covariance, watch)?.0;
            Ok((moments, map))
        })?;
        let Moments {
            means, location, ..
        } = moments;
        let rank = map.rank();
        if rank == 0 {
            return Err(Error::ConstantClasses { n_features: d });
        }
        let means = means.chunks_exact(d).flat_map(|mean| {
            let centred: Vec<f64> = mean.iter().zip(&location).map(|(m, l)| m - l).collect();
            let rows = map.weights().chunks_exact(d);
            let image = rows.map(|row| row.iter().zip(&centred).map(|(w, x)| w * x).sum());
            image.collect::<Vec<f64>>()
        });
        let gaussians = Self {
            means: means.collect(),
            location,
            map,
        };
        let warning = Warning::SingularCovariance {
            rank,
            n_features: d,
        };
        Ok((gaussians, (rank < d).then_some(warning)))
    }

    /// Bytes that the fit takes: two matrices, and what a block of rows takes.
    pub(super) fn memory(n_rows: usize, d: usize) -> u64 {
        let block = n_rows.min(BLOCK);
        let matrices = 2 * (d as u64).saturating_mul(d as u64);
        let rows = 2 * (block as u64).saturating_mul(d as u64);
        let sums = Panels::memory_of_moments(block, d);
        8u64.saturating_mul(matrices.saturating_add(rows))
            .saturating_add(sums)
    }

    /// The squared distance of each row to the nearest class.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; `out`: `(n,)`.
    pub(super) fn nearest(&self, rows: Rows<'_>, out: &mut [f64]) {
        score_panels(
            rows,
            &self.location,
            out,
            #[inline(always)]
            |centred| self.nearest_of_panel(centred),
        );
    }

    /// The same of a panel `(d, WIDTH)` of rows less the location.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    fn nearest_of_panel(&self, centred: &[f64]) -> [f64; WIDTH] {
        let image = self.map.map(centred);
        let columns = image.as_chunks::<WIDTH>().0;
        let mut least = [f64::INFINITY; WIDTH];
        for mean in self.means.chunks_exact(self.map.rank()) {
            let mut squared = [0.0; WIDTH];
            for (m, column) in mean.iter().zip(columns) {
                for lane in 0..WIDTH {
                    let difference = column[lane] - m;
                    squared[lane] += difference * difference;
                }
            }
            for lane in 0..WIDTH {
                least[lane] = least[lane].min(squared[lane]);
            }
        }
        least
    }

    /// The least over the classes of what `score` makes of each row less the mean of the class,
    /// mapped: panels `(rank, WIDTH)`, whose lanes must not depend on each other.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; `out`: `(n,)`.
    pub(super) fn score_images(
        &self,
        rows: Rows<'_>,
        out: &mut [f64],
        score: impl Fn(usize, &[[f64; WIDTH]]) -> [f64; WIDTH] + Sync,
    ) {
        score_panels(
            rows,
            &self.location,
            out,
            #[inline(always)]
            |centred| {
                let image = self.map.map(centred);
                let image = image.as_chunks::<WIDTH>().0;
                let mut least = [f64::INFINITY; WIDTH];
                for (class, mean) in self.classes().enumerate() {
                    let mut z = image.to_vec();
                    for (column, m) in z.iter_mut().zip(mean) {
                        for value in column {
                            *value -= m;
                        }
                    }
                    let scores = score(class, &z);
                    for lane in 0..WIDTH {
                        least[lane] = least[lane].min(scores[lane]);
                    }
                }
                least
            },
        );
    }

    /// A row less the mean of all rows, mapped: `(rank,)`.
    pub(super) fn image(&self, row: &[f32]) -> Vec<f64> {
        let centred: Vec<f64> = row
            .iter()
            .zip(&self.location)
            .map(|(x, l)| f64::from(*x) - l)
            .collect();
        let weights = self.map.weights().chunks_exact(self.location.len());
        let image = weights.map(|row| row.iter().zip(&centred).map(|(w, x)| w * x).sum());
        image.collect()
    }

    /// The gradient of [`Gaussians::nearest`] by a row, `(d,)`: `2 W' (W (x - mu) - W (mu_c - mu))`
    /// for the nearest class c.
    pub(super) fn slope(&self, row: &[f32]) -> Vec<f64> {
        let image = self.image(row);
        let squared =
            |mean: &&[f64]| -> f64 { image.iter().zip(*mean).map(|(z, m)| (z - m).powi(2)).sum() };
        let means = self.means.chunks_exact(self.map.rank());
        let nearest = means.min_by(|a, b| squared(a).total_cmp(&squared(b)));
        let d = self.location.len();
        let mut slope = vec![0.0; d];
        let weights = self.map.weights().chunks_exact(d);
        for ((z, m), weights) in image.iter().zip(nearest.unwrap_or_default()).zip(weights) {
            for (slope, weight) in slope.iter_mut().zip(weights) {
                *slope += 2.0 * weight * (z - m);
            }
        }
        slope
    }

    /// The mean of each class less that of all rows, mapped: `(rank,)`.
    pub(super) fn classes(&self) -> impl Iterator<Item = &[f64]> {
        self.means.chunks_exact(self.map.rank())
    }

    /// Directions that vary within the classes.
    pub(super) fn rank(&self) -> usize {
        self.map.rank()
    }

    /// Writes all of it.
    pub(super) fn save(&self, prefix: &str, writer: &mut Writer) {
        writer.f64(format!("{prefix}.location"), &self.location);
        writer.f64(format!("{prefix}.map"), self.map.weights());
        writer.f64(format!("{prefix}.means"), &self.means);
    }

    /// Reads what [`Gaussians::save`] wrote.
    ///
    /// # Errors
    /// [`Error::CorruptModel`].
    pub(super) fn restore(prefix: &str, d: usize, reader: &mut Reader) -> Result<Self> {
        let location = reader.f64_of(&format!("{prefix}.location"), d)?;
        let weights = reader.f64(&format!("{prefix}.map"))?;
        let means = reader.f64(&format!("{prefix}.means"))?;
        let rank = weights.len() / d;
        if rank == 0 || rank > d || weights.len() != rank * d {
            let found = format!("of {} values", weights.len());
            return Err(reader.corrupt(
                format!("{prefix}.map"),
                found,
                format!("1 to {d} rows of {d} values"),
            ));
        }
        if means.is_empty() || !means.len().is_multiple_of(rank) {
            let found = format!("of {} values", means.len());
            let part = format!("{prefix}.means");
            return Err(reader.corrupt(part, found, format!("rows of {rank} values")));
        }
        Ok(Self {
            location,
            map: Whitening::new(weights, d),
            means,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    #[test]
    fn distances_to_two_classes_by_hand() {
        // Around (0, 0) and (10, 0): the first column has variance 4 within the classes, the
        // second 1; they are not correlated.
        let at = |x: f32| {
            [
                [x - 2.0, 1.0],
                [x + 2.0, 1.0],
                [x - 2.0, -1.0],
                [x + 2.0, -1.0],
            ]
        };
        let data = [at(0.0), at(10.0)].concat().concat();
        let rows = Matrix::new(data, 2).unwrap();
        let classes = Classes::of(&[7, 7, 7, 7, 3, 3, 3, 3]).unwrap();
        let mut nobody = ();
        let meter = &mut Meter::new(&mut nobody);
        let (gaussians, warning) = Gaussians::fit(rows.rows(), &classes, meter).unwrap();
        assert_eq!(warning, None);
        let new = Matrix::new(vec![0.0, 0.0, 4.0, 0.0, 6.0, 0.0, 10.0, 3.0], 2).unwrap();
        let mut out = [0.0; 4];
        gaussians.nearest(new.rows(), &mut out);
        for (found, expected) in out.iter().zip([0.0, 4.0, 4.0, 9.0]) {
            assert!((found - expected).abs() < 1e-12, "{out:?}");
        }
    }

    #[test]
    fn a_class_of_one_row_is_named() {
        let error = Classes::of(&[1, 1, 4, 2, 2]).unwrap_err();
        assert!(matches!(
            error,
            Error::ClassTooSmall {
                class: 4,
                found: 1,
                expected: 2
            }
        ));
    }
}
