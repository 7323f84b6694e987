//! Spearman's rank correlation, of two score vectors or of every pair of many.
//!
//! C. Spearman, 'The proof and measurement of association between two things', *American
//! Journal of Psychology* 15, 1904: the correlation of the ranks, equal scores sharing their
//! mean rank. With centred ranks of unit length, `z`, it is `z_a . z_b`, and over all pairs of M
//! vectors
//!
//! ```text
//! mean of z_a . z_b  =  (|sum_a z_a|^2 - sum_a |z_a|^2) / (M (M - 1))
//! ```
//!
//! so that members can be added one by one. Scores that are all equal have no ranking: their z
//! is 0, and so is their correlation with any others.

use crate::rng::{self, Purpose, stream};

/// Rows that the agreement is computed over, at most. The standard error of a correlation over so
/// many is at most 0.01.
pub(super) const SAMPLE: usize = 10_000;

/// The rows that the agreement is computed over, ascending: all, or a random sample.
pub(super) fn sample(n_rows: usize, seed: u64) -> Vec<usize> {
    if n_rows <= SAMPLE {
        return (0..n_rows).collect();
    }
    let mut rng = stream(seed, Purpose::DIAGNOSTICS, [0, 0]);
    rng::sample(&mut rng, n_rows, SAMPLE)
}

/// Spearman's correlation of two score vectors over the same rows, `(n,)` each, in \[-1, 1\].
pub(super) fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let products = ranks(a).into_iter().zip(ranks(b)).map(|(a, b)| a * b);
    products.sum::<f64>().clamp(-1.0, 1.0)
}

/// The mean correlation of all pairs of the score vectors added to it.
#[derive(Debug)]
pub(crate) struct Agreement {
    picked: Vec<usize>,
    /// Sum of the vectors' ranks, `(picked,)`.
    sum: Vec<f64>,
    /// Sum of their squared lengths.
    squares: f64,
    vectors: usize,
}

impl Agreement {
    /// Over a sample of so many rows.
    pub(crate) fn over(n_rows: usize, seed: u64) -> Self {
        let picked = sample(n_rows, seed);
        Self {
            sum: vec![0.0; picked.len()],
            picked,
            squares: 0.0,
            vectors: 0,
        }
    }

    /// Adds the scores, `(n_rows,)`, of one more.
    pub(crate) fn add(&mut self, scores: &[f64]) {
        let picked = self.picked.iter().filter_map(|i| scores.get(*i).copied());
        let ranks = ranks(&picked.collect::<Vec<_>>());
        self.squares += ranks.iter().map(|z| z * z).sum::<f64>();
        for (sum, rank) in self.sum.iter_mut().zip(ranks) {
            *sum += rank;
        }
        self.vectors += 1;
    }

    /// The mean correlation, in \[-1, 1\]; `None` without two vectors.
    pub(crate) fn mean(&self) -> Option<f64> {
        let pairs = (self.vectors * self.vectors.saturating_sub(1)) as f64;
        let all: f64 = self.sum.iter().map(|z| z * z).sum();
        (pairs > 0.0).then(|| ((all - self.squares) / pairs).clamp(-1.0, 1.0))
    }
}

/// Ranks of scores, `(n,)`, with mean 0 and length 1; zeros where all are equal.
fn ranks(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = scores.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let middle = scores.len() as f64 / 2.0;
    let mut ranks = vec![0.0; scores.len()];
    let (mut before, mut square) = (0, 0.0);
    // Of two in ascending order, the first is not less only where they are equal.
    for equal in order.chunk_by(|a, b| a.0 >= b.0) {
        let rank = before as f64 + equal.len() as f64 / 2.0 - middle;
        for (_, row) in equal {
            if let Some(place) = ranks.get_mut(*row) {
                *place = rank;
            }
        }
        square += equal.len() as f64 * rank * rank;
        before += equal.len();
    }
    if square > 0.0 {
        let length = square.sqrt();
        for rank in &mut ranks {
            *rank /= length;
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-14
    }

    #[test]
    fn by_hand() {
        // Ranks 1 2 3 4 5 and 2 1 4 3 5: 1 - 6 (1 + 1 + 1 + 1 + 0) / (5 x 24).
        let (a, b) = ([0.1, 0.2, 0.3, 0.4, 9.0], [5.0, -7.0, 20.0, 19.0, 1e9]);
        assert!(close(spearman(&a, &b), 0.8));
        assert!(close(spearman(&a, &a.map(f64::exp)), 1.0));
        assert!(close(spearman(&a, &a.map(|x| -x)), -1.0));
    }

    #[test]
    fn equal_scores_share_their_rank() {
        // Ranks 1.5 1.5 3 4 and 1 2 3.5 3.5; from the mean 2.5: -1 -1 0.5 1.5 and
        // -1.5 -0.5 1 1. Products 1.5 + 0.5 + 0.5 + 1.5 = 4, squares 4.5 and 4.5.
        let (a, b) = ([0.0, 0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 3.0]);
        assert!(close(spearman(&a, &b), 4.0 / 4.5));
        // SciPy 1.17's spearmanr([1, 2, 2, 3, 3, 3], [6, 1, 1, 5, 2, 9]).
        let (a, b) = (
            [1.0, 2.0, 2.0, 3.0, 3.0, 3.0],
            [6.0, 1.0, 1.0, 5.0, 2.0, 9.0],
        );
        assert!(close(spearman(&a, &b), 0.2504897164340598));
        // A signed zero is a zero.
        assert_eq!(ranks(&[-0.0, 0.0, 1.0])[0], ranks(&[-0.0, 0.0, 1.0])[1]);
    }

    #[test]
    fn equal_scores_alone_have_no_correlation() {
        assert_eq!(spearman(&[1.0; 3], &[1.0, 2.0, 3.0]), 0.0);
        assert_eq!(spearman(&[1.0; 3], &[1.0; 3]), 0.0);
    }

    #[test]
    fn the_mean_over_pairs_is_that_of_the_pairs() {
        let all = [
            [3.0, 1.0, 2.0, 2.0, 7.0],
            [1.0, 2.0, 2.0, 4.0, 5.0],
            [9.0, 8.0, 1.0, 0.0, 3.0],
            [6.0; 5],
        ];
        let mut agreement = Agreement::over(5, 0);
        assert_eq!(agreement.mean(), None);
        agreement.add(&all[0]);
        assert_eq!(agreement.mean(), None);
        for scores in &all[1..] {
            agreement.add(scores);
        }
        let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
        let pairs = pairs.map(|(i, j)| spearman(&all[i], &all[j]));
        let expected = pairs.iter().sum::<f64>() / 6.0;
        assert!(close(agreement.mean().unwrap(), expected));
    }

    #[test]
    fn many_rows_are_sampled() {
        assert_eq!(sample(SAMPLE, 0), (0..SAMPLE).collect::<Vec<_>>());
        let picked = sample(SAMPLE + 5000, 1);
        assert_eq!(picked.len(), SAMPLE);
        assert!(picked.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(picked, sample(SAMPLE + 5000, 1));
        assert_ne!(picked, sample(SAMPLE + 5000, 2));
        // The sampled rows are the ones that count.
        let mut agreement = Agreement::over(SAMPLE + 5000, 1);
        let scores: Vec<f64> = (0..SAMPLE + 5000).map(|i| (i % 100) as f64).collect();
        let turned: Vec<f64> = scores.iter().map(|s| -s).collect();
        agreement.add(&scores);
        agreement.add(&turned);
        assert!(close(agreement.mean().unwrap(), -1.0));
    }
}
