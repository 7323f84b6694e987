//! Why a row is anomalous: which features its score comes from.
//!
//! A diagonal covariance over the input's own features gives the answer for free: each
//! feature's share of the statistic ([`crate::Statistic`]). Every other model is asked by
//! *occlusion* (Zeiler & Fergus, 2014): each feature in turn is set to its typical value,
//! the median of the fitted rows, and its share is how far the score falls. That costs one
//! score per feature and row.

use crate::error::{Error, Result};
use crate::fitted::Fitted;
use crate::rows::{Matrix, Rows};

/// Rows scored at once while occluding, at most.
const BLOCK: usize = 4096;

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
        let d = self.n_features();
        if k > d {
            return Err(Error::TooManyExplanations {
                found: k,
                expected: d,
            });
        }
        let mut explained = Vec::with_capacity(rows.n_rows());
        self.on_own_scale(rows, |rows, start| {
            let shares = self.shares(rows);
            let shares = shares.map_err(|error| error.renumbered(|row| start + row))?;
            explained.extend(shares.chunks_exact(d).map(|shares| top(shares, k)));
            Ok(())
        })?;
        Ok(explained)
    }

    /// Every feature's share, `(n, d)`.
    fn shares(&self, rows: Rows<'_>) -> Result<Vec<f64>> {
        if let Some(shares) = self.contributions(rows)? {
            return Ok(shares);
        }
        let d = self.n_features();
        let scores = self.score(rows)?;
        let mut shares = Vec::with_capacity(rows.n_rows() * d);
        let block = (BLOCK / d).max(1);
        let blocks = rows.blocks(block).zip(scores.chunks(block));
        for (i, (rows, scores)) in blocks.enumerate() {
            let mut occluded = Vec::with_capacity(rows.n_rows() * d * d);
            for row in &rows {
                for (j, typical) in self.feature_medians.iter().enumerate() {
                    let start = occluded.len();
                    occluded.extend_from_slice(row);
                    occluded[start + j] = *typical;
                }
            }
            let occluded = Matrix::new(occluded, d)?;
            let without = self.score(occluded.rows().with_rounding(&self.rounding));
            // Each row stands there d times.
            let without =
                without.map_err(|error| error.renumbered(|row| i * block + row.div_ceil(d)))?;
            for (without, score) in without.chunks_exact(d).zip(scores) {
                let falls = without.iter().map(|w| (score - w).max(0.0));
                let total: f64 = falls.clone().sum();
                shares.extend(falls.map(|fall| if total > 0.0 { fall / total } else { 0.0 }));
            }
        }
        Ok(shares)
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
