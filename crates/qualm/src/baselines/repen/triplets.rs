//! Who may stand in a triplet, and drawing one.

use rand::{Rng, RngExt};

use crate::error::{Error, Result};

/// Outlier candidates where no score stands out.
const HIGHEST: usize = 10;

/// Inlier and outlier candidates.
#[derive(Debug)]
pub(super) struct Candidates {
    inliers: Weighted,
    outliers: Weighted,
}

/// Row numbers, drawn in proportion to their weight.
#[derive(Debug)]
struct Weighted {
    rows: Vec<usize>,
    /// Running sums of the weights.
    sums: Vec<f64>,
}

/// Row numbers of a triplet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Triplet {
    query: usize,
    inlier: usize,
    outlier: usize,
}

impl Triplet {
    pub(super) fn query(&self) -> usize {
        self.query
    }

    pub(super) fn inlier(&self) -> usize {
        self.inlier
    }

    pub(super) fn outlier(&self) -> usize {
        self.outlier
    }
}

impl Candidates {
    /// Parts rows by their scores: outlier candidates are more than alpha standard deviations
    /// above the mean, or, where none is, the ten highest (half of the rows, when there are
    /// fewer than twenty) and those that tie with them.
    ///
    /// # Shapes
    /// `scores`: `(n,)`.
    ///
    /// # Errors
    /// [`Error::ConstantScores`]; [`Error::TooFewRows`] when ties leave no two inlier
    /// candidates.
    pub(super) fn new(scores: &[f64], alpha: f64) -> Result<Self> {
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let square = scores.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n;
        let threshold = mean + alpha * square.sqrt();
        let (mut outliers, mut inliers) = part(scores, |r| r > threshold);
        if outliers.is_empty() {
            let mut order = scores.to_vec();
            let count = HIGHEST.min(scores.len() / 2).max(1);
            let place = order.len().saturating_sub(count);
            let (_, least, _) = order.select_nth_unstable_by(place, f64::total_cmp);
            let least = *least;
            (outliers, inliers) = part(scores, |r| r >= least);
        }
        if inliers.is_empty() {
            return Err(Error::ConstantScores {
                n_rows: scores.len(),
                score: mean,
            });
        }
        if inliers.len() < 2 {
            return Err(Error::TooFewRows {
                found: inliers.len(),
                expected: 2,
                why: "inlier candidates",
            });
        }
        let whole: f64 = inliers.iter().map(|i| scores[*i]).sum();
        Ok(Self {
            inliers: Weighted::new(inliers, |i| whole - scores[i]),
            outliers: Weighted::new(outliers, |i| scores[i]),
        })
    }

    /// Draws a triplet.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> Triplet {
        let query = self.inliers.draw(rng);
        // Another one than the query, each of the others equally likely.
        let other = rng.random_range(0..self.inliers.rows.len() - 1);
        let other = other + usize::from(other >= query);
        let outlier = self.outliers.draw(rng);
        Triplet {
            query: self.inliers.rows[query],
            inlier: self.inliers.rows[other],
            outlier: self.outliers.rows[outlier],
        }
    }
}

/// Numbers of the rows of which it holds, and of the others.
fn part(scores: &[f64], holds: impl Fn(f64) -> bool) -> (Vec<usize>, Vec<usize>) {
    (0..scores.len()).partition(|i| holds(scores[*i]))
}

impl Weighted {
    fn new(rows: Vec<usize>, weight: impl Fn(usize) -> f64) -> Self {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = rows
            .iter()
            .map(|i| {
                sum += weight(*i);
                sum
            })
            .collect();
        if sum <= 0.0 {
            // No weight at all: each is as likely as any other.
            sums = (1..=rows.len()).map(|i| i as f64).collect();
        }
        Self { rows, sums }
    }

    /// Draws a place in the list.
    fn draw(&self, rng: &mut impl Rng) -> usize {
        let whole = self.sums.last().copied().unwrap_or(0.0);
        let drawn = rng.random::<f64>() * whole;
        let place = self.sums.partition_point(|sum| *sum <= drawn);
        place.min(self.sums.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    fn rows(scores: &[f64]) -> (Vec<usize>, Vec<usize>) {
        let candidates = Candidates::new(scores, 1.732).unwrap();
        (candidates.inliers.rows, candidates.outliers.rows)
    }

    #[test]
    fn who_stands_out_is_an_outlier_candidate() {
        // Mean 1.9, deviation 2.7: the threshold is 6.6.
        let scores = [1.0, 1.0, 1.0, 10.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        let (inliers, outliers) = rows(&scores);
        assert_eq!(outliers, [3]);
        assert_eq!(inliers, [0, 1, 2, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn where_none_stands_out_the_highest_do() {
        // A fair share of both: nobody is 1.732 deviations off.
        let scores: Vec<f64> = (0..30)
            .map(|i| f64::from(i % 2) * 5.0 + f64::from(i) / 1e3)
            .collect();
        let (_, outliers) = rows(&scores);
        let expected: Vec<usize> = (11..30).step_by(2).collect();
        assert_eq!(outliers, expected);
        // Half of few rows; ties go together.
        assert_eq!(rows(&[1.0, 3.0, 2.0, 4.0]).1, [1, 3]);
        assert_eq!(rows(&[1.0, 3.0, 3.0, 4.0, 1.0]).1, [1, 2, 3]);
    }

    #[test]
    fn scores_that_leave_no_inliers_are_refused() {
        let error = Candidates::new(&[2.0; 30], 1.732).unwrap_err();
        assert!(
            matches!(error, Error::ConstantScores { n_rows: 30, .. }),
            "{error}"
        );
        let error = Candidates::new(&[3.0, 1.0, 3.0], 1.732).unwrap_err();
        assert!(
            matches!(error, Error::TooFewRows { found: 1, .. }),
            "{error}"
        );
    }

    #[test]
    fn draws_follow_the_weights() {
        // Inliers 0..3 with r = 1, 1, 2: weights 3, 3, 2. Outliers with r = 100 and 300.
        let mut scores = vec![1.0, 1.0, 2.0];
        scores.extend([100.0, 300.0]);
        let candidates = Candidates {
            inliers: Weighted::new(vec![0, 1, 2], |i| 4.0 - scores[i]),
            outliers: Weighted::new(vec![3, 4], |i| scores[i]),
        };
        let mut rng = stream(1, Purpose::TRIPLETS, [0, 0]);
        let (mut queries, mut inliers, mut outliers) = ([0.0; 5], [0.0; 5], [0.0; 5]);
        for _ in 0..40_000 {
            let triplet = candidates.draw(&mut rng);
            assert_ne!(triplet.query(), triplet.inlier());
            queries[triplet.query()] += 1.0 / 40_000.0;
            inliers[triplet.inlier()] += 1.0 / 40_000.0;
            outliers[triplet.outlier()] += 1.0 / 40_000.0;
        }
        let close = |found: [f64; 5], expected: [f64; 5]| {
            let pairs = found.iter().zip(expected);
            assert!(
                pairs.into_iter().all(|(f, e)| (f - e).abs() < 0.01),
                "{found:?}"
            );
        };
        close(queries, [0.375, 0.375, 0.25, 0.0, 0.0]);
        // Of the two others, one at random.
        close(inliers, [0.3125, 0.3125, 0.375, 0.0, 0.0]);
        close(outliers, [0.0, 0.0, 0.0, 0.25, 0.75]);
    }

    #[test]
    fn without_any_weight_all_are_equally_likely() {
        let weighted = Weighted::new(vec![7, 8], |_| 0.0);
        let mut rng = stream(1, Purpose::TRIPLETS, [0, 0]);
        let drawn: usize = (0..1000).map(|_| weighted.draw(&mut rng)).sum();
        assert!((400..600).contains(&drawn), "{drawn}");
    }
}
