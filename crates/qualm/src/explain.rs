//! Why a row is anomalous: which features its score comes from.
//!
//! A diagonal covariance over the input's own features gives the answer for free: each
//! feature's share of the statistic ([`crate::Statistic`]). Every other model is asked by
//! *occlusion* (Zeiler & Fergus, 2014): each feature in turn is set to its typical value,
//! the median of the fitted rows, and its share is how far the score falls. That costs one
//! score per feature and row.

use crate::error::{Error, Result};
use crate::fit::{Meter, Progress};
use crate::fitted::Fitted;
use crate::rows::Rows;

/// Rows that are scored at once while occluding, at most, and their values: 16 MiB.
const BLOCK: usize = 4096;
const VALUES: usize = 1 << 22;

/// A feature's part in a row's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution {
    /// The feature's number, from 0.
    pub feature: usize,
    /// Its share, in \[0, 1\]; a row's shares over all features sum to 1, or to 0 where no
    /// feature raises the score.
    pub share: f64,
}

impl Fitted {
    /// The `k` features that contribute most to each row's score, largest first.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; returns n lists of k.
    ///
    /// # Errors
    /// [`Error::TooManyExplanations`] for `k > d`, and as [`Fitted::score`].
    pub fn explain(&self, rows: Rows<'_>, k: usize) -> Result<Vec<Vec<Contribution>>> {
        self.explain_with(rows, k, &mut ())
    }

    /// As [`Fitted::explain`], for a listener: it hears of the scores that
    /// [occlusion costs](Fitted::occlusions), and can stop them.
    ///
    /// # Errors
    /// As [`Fitted::explain`], and [`Error::Stopped`].
    pub fn explain_with(
        &self,
        rows: Rows<'_>,
        k: usize,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Vec<Contribution>>> {
        let d = self.n_features();
        if k > d {
            return Err(Error::TooManyExplanations {
                found: k,
                expected: d,
            });
        }
        let mut explained = Vec::with_capacity(rows.n_rows());
        self.on_own_scale(rows, |rows, start| {
            if let Some(shares) = self.contributions(rows)? {
                explained.extend(shares.chunks_exact(d).map(|all| top(all, k)));
                return Ok(());
            }
            let mut occlusion = Occlusion {
                fitted: self,
                scores: self.score(rows)?,
                occluded: Vec::new(),
                places: Vec::new(),
                falls: vec![0.0; d],
                explained: Vec::with_capacity(rows.n_rows()),
                k,
            };
            let done = occlusion.explain(rows, &mut Meter::new(progress));
            done.map_err(|error| error.renumbered(|row| start + row))?;
            explained.append(&mut occlusion.explained);
            Ok(())
        })?;
        Ok(explained)
    }

    /// Scores that explaining so many rows takes by occlusion, besides their own: one for each
    /// row and feature, or none where the detector itself can tell.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    pub fn occlusions(&self, n_rows: usize) -> Result<u64> {
        let d = self.n_features();
        let one = self.own(&self.feature_medians)?;
        let tells = self.contributions(one)?.is_some();
        let scores = (n_rows as u64).saturating_mul(d as u64);
        Ok(if tells { 0 } else { scores })
    }

    /// Values that are rounded by the model's own rule, as rows.
    fn own<'a>(&'a self, values: &'a [f32]) -> Result<Rows<'a>> {
        Ok(Rows::new(values, self.n_features())?.with_rounding(&self.rounding))
    }
}

/// Rows in which one feature each is occluded, a block at a time.
struct Occlusion<'a> {
    fitted: &'a Fitted,
    /// Of the rows as they are.
    scores: Vec<f64>,
    /// The rows of the block under way, `(n, d)`.
    occluded: Vec<f32>,
    /// The row and the occluded feature of each.
    places: Vec<(usize, usize)>,
    /// How far the score of the row under way falls without each feature, `(d,)`.
    falls: Vec<f64>,
    explained: Vec<Vec<Contribution>>,
    k: usize,
}

impl Occlusion<'_> {
    fn explain(&mut self, rows: Rows<'_>, meter: &mut Meter<'_>) -> Result<()> {
        let d = rows.n_cols();
        let most = (VALUES / d).clamp(1, BLOCK);
        let total = rows.n_rows() as u64 * d as u64;
        for (i, row) in rows.iter().enumerate() {
            for (j, typical) in self.fitted.feature_medians.iter().enumerate() {
                // Occluding what is typical changes nothing.
                if row[j].to_bits() == typical.to_bits() {
                    continue;
                }
                self.occluded.extend_from_slice(row);
                let at = self.occluded.len() - d + j;
                self.occluded[at] = *typical;
                self.places.push((i, j));
                if self.places.len() == most {
                    meter.work("occlusions", i as u64 * d as u64 + j as u64, total)?;
                    self.score_block()?;
                }
            }
        }
        self.score_block()?;
        self.finish_rows(rows.n_rows());
        Ok(())
    }

    /// Scores the block, and finishes the rows before its last.
    fn score_block(&mut self) -> Result<()> {
        if self.places.is_empty() {
            return Ok(());
        }
        let without = self.fitted.score(self.fitted.own(&self.occluded)?);
        let without =
            without.map_err(|error| error.renumbered(|row| self.places[row - 1].0 + 1))?;
        for ((row, feature), without) in std::mem::take(&mut self.places).into_iter().zip(without) {
            self.finish_rows(row);
            self.falls[feature] = (self.scores[row] - without).max(0.0);
        }
        self.occluded.clear();
        Ok(())
    }

    /// Explains the rows before this one.
    fn finish_rows(&mut self, row: usize) {
        while self.explained.len() < row {
            let total: f64 = self.falls.iter().sum();
            let share = |fall: f64| if total > 0.0 { fall / total } else { 0.0 };
            self.falls.iter_mut().for_each(|fall| *fall = share(*fall));
            self.explained.push(top(&self.falls, self.k));
            self.falls.fill(0.0);
        }
    }
}

/// The `k` largest shares, the first feature first among equals.
fn top(shares: &[f64], k: usize) -> Vec<Contribution> {
    let mut all: Vec<Contribution> = shares
        .iter()
        .enumerate()
        .map(|(feature, share)| Contribution {
            feature,
            share: *share,
        })
        .collect();
    all.sort_by(|a, b| b.share.total_cmp(&a.share));
    all.truncate(k);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spec;
    use crate::fit::{Signal, Work};
    use crate::rng::{Purpose, stream};
    use crate::rows::Matrix;
    use rand_distr::{Distribution, StandardNormal};

    fn normals(n: usize, d: usize) -> Matrix {
        let mut rng = stream(2, Purpose::SAMPLE, [n as u64, d as u64]);
        let values = (0..n * d).map(|_| StandardNormal.sample(&mut rng));
        Matrix::new(values.collect(), d).unwrap()
    }

    fn knn(rows: &Matrix) -> Fitted {
        let knn = Spec::preset("knn", "default").unwrap();
        knn.fit(rows.rows(), 0, &mut ()).unwrap()
    }

    /// The definition: each row alone, each feature alone.
    fn by_definition(fitted: &Fitted, row: &[f32]) -> Vec<f64> {
        let d = row.len();
        let score = |row: &[f32]| fitted.score(Rows::new(row, d).unwrap()).unwrap()[0];
        let fall = |j: usize| {
            let mut occluded = row.to_vec();
            occluded[j] = fitted.feature_medians[j];
            (score(row) - score(&occluded)).max(0.0)
        };
        let falls: Vec<f64> = (0..d).map(fall).collect();
        let total: f64 = falls.iter().sum();
        falls
            .iter()
            .map(|f| if total > 0.0 { f / total } else { 0.0 })
            .collect()
    }

    #[test]
    fn shares_are_those_of_the_definition_to_the_bit_across_blocks() {
        // 61 occluded rows a block, so that blocks end within rows.
        let (n, d) = (30, VALUES / 61);
        let wide = normals(n, d);
        let fitted = knn(&wide);

        let narrow = normals(80, 70);
        let small = knn(&narrow);
        for (found, row) in small
            .explain(narrow.rows(), 70)
            .unwrap()
            .iter()
            .zip(&narrow.rows())
        {
            let expected = by_definition(&small, row);
            assert!(found.iter().all(|c| c.share == expected[c.feature]));
        }
        // Typical but for three features: only these are scored.
        let mut row = fitted.feature_medians.clone();
        for j in [3, 400, d - 1] {
            row[j] += 50.0 + j as f32;
        }
        let found = fitted.explain(Rows::new(&row, d).unwrap(), 3).unwrap();
        let mut features: Vec<usize> = found[0].iter().map(|c| c.feature).collect();
        features.sort_unstable();
        assert_eq!(features, [3, 400, d - 1]);
        assert_eq!(fitted.occlusions(7).unwrap(), 7 * d as u64);
    }

    struct Stops;

    impl Progress for Stops {
        fn work(&mut self, work: &Work) -> Signal {
            assert_eq!((work.what, work.total), ("occlusions", 200 * 50));
            Signal::Stop
        }
    }

    #[test]
    fn a_listener_can_stop_it_between_blocks() {
        let rows = normals(200, 50);
        let stopped = knn(&rows).explain_with(rows.rows(), 1, &mut Stops);
        assert!(matches!(stopped, Err(Error::Stopped { .. })), "{stopped:?}");
    }
}
