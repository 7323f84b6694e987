//! The typical rows nearest to a few others, by an exact search.

use qualm::{Features, Fitted, Matrix};
use rayon::prelude::*;

/// A row, from 0, and its distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) row: usize,
    pub(crate) distance: f64,
}

/// Finds rows near others, among the typical ones: those with a score of at most the median.
///
/// The distance is Euclidean: of a vector's elements as they are, of columns divided by their
/// standard deviation among the rows, since columns have units of their own.
#[derive(Debug)]
pub(crate) struct Nearest<'a> {
    rows: &'a Matrix,
    /// From 0, ascending.
    typical: Vec<usize>,
    /// What each feature is multiplied by, `(d,)`.
    scale: Vec<f32>,
}

impl<'a> Nearest<'a> {
    pub(crate) fn new(fitted: &Fitted, rows: &'a Matrix, scores: &[f64]) -> Self {
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let median = sorted.get(sorted.len().saturating_sub(1) / 2);
        let median = median.copied().unwrap_or_default();
        let typical = scores.iter().enumerate().filter(|(_, s)| **s <= median);
        let scale = match fitted.features() {
            Features::Vector { .. } => vec![1.0; rows.rows().n_cols()],
            Features::Columns(_) | Features::Prepared(_) => scales(rows),
        };
        Self {
            rows,
            typical: typical.map(|(i, _)| i).collect(),
            scale,
        }
    }

    /// The `k` nearest typical rows of each row, the nearest first, without itself and those that
    /// `same` calls the same item; the first row first among equals.
    pub(crate) fn find(
        &self,
        of: &[usize],
        k: usize,
        same: impl Fn(usize, usize) -> bool + Sync,
    ) -> Vec<Vec<Neighbour>> {
        of.par_iter()
            .map(|&i| {
                let Some(from) = self.rows.rows().get(i) else {
                    return Vec::new();
                };
                let mut best: Vec<Neighbour> = Vec::with_capacity(k + 1);
                for &j in self.typical.iter().filter(|&&j| j != i && !same(i, j)) {
                    let to = self.rows.rows().get(j).unwrap_or_default();
                    let squared = self.squared(from, to);
                    let place = best.partition_point(|n| n.distance <= squared);
                    if place < k {
                        best.insert(
                            place,
                            Neighbour {
                                row: j,
                                distance: squared,
                            },
                        );
                        best.truncate(k);
                    }
                }
                for neighbour in &mut best {
                    neighbour.distance = neighbour.distance.sqrt();
                }
                best
            })
            .collect()
    }

    fn squared(&self, a: &[f32], b: &[f32]) -> f64 {
        let parts = a.iter().zip(b).zip(&self.scale);
        // Sums of sixteen stay in float32, which is fast; their sum does not.
        let mut total = 0.0;
        let mut part = 0.0_f32;
        for (n, ((a, b), scale)) in parts.enumerate() {
            let difference = (a - b) * scale;
            part += difference * difference;
            if n % 16 == 15 {
                total += f64::from(part);
                part = 0.0;
            }
        }
        total + f64::from(part)
    }
}

/// One over the standard deviation of each column; 0 for a column that does not vary.
fn scales(rows: &Matrix) -> Vec<f32> {
    let rows = rows.rows();
    let (n, d) = (rows.n_rows() as f64, rows.n_cols());
    let mut sums = vec![0.0; d];
    for row in &rows {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    let means: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
    let mut squares = vec![0.0; d];
    for row in &rows {
        for ((square, value), mean) in squares.iter_mut().zip(row).zip(&means) {
            *square += (f64::from(*value) - mean).powi(2);
        }
    }
    let scale = |square: &f64| {
        let deviation = (square / n).sqrt();
        if deviation > 0.0 {
            (1.0 / deviation) as f32
        } else {
            0.0
        }
    };
    squares.iter().map(scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use qualm::Spec;

    #[test]
    fn the_nearest_typical_rows_by_hand() {
        // Columns of very different units; the last row is far away.
        let mut data: Vec<f32> = (0..40)
            .flat_map(|i| [i as f32, 1000.0 * (i % 2) as f32])
            .collect();
        data.extend([20.0, 9000.0]);
        let rows = Matrix::new(data, 2).unwrap();
        let names = ["a", "b"].map(str::to_owned).to_vec();
        let fitted = Spec::preset("sp", "default").unwrap();
        let fitted = fitted.fit(rows.rows(), 0, &mut ()).unwrap();
        let fitted = fitted.with_features(Features::Columns(names)).unwrap();
        // All but the last row are typical.
        let mut scores = vec![0.0; 41];
        scores[40] = 9.0;
        let nearest = Nearest::new(&fitted, &rows, &scores);
        let found = nearest.find(&[40, 7], 2, |i, j| i == 7 && j == 9);
        // Odd rows share the larger b: 19 and 21 are equally near.
        let of = |n: usize| found[n].iter().map(|n| n.row).collect::<Vec<_>>();
        assert_eq!((of(0), of(1)), (vec![19, 21], vec![5, 3]));
        assert_eq!(found[0][0].distance, found[0][1].distance);
    }
}
