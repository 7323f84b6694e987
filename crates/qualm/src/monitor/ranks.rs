//! Sequential conformal p-values in constant memory.

use std::sync::Arc;

use crate::error::{Error, Location, Result};

/// The most cells that scores are sorted into.
///
/// Positions and counts of so many take 48 KiB.
pub const CELLS: usize = 3072;

/// The scores so far, each known by the cell of the reference's quantiles that it lies in.
///
/// The p-value of a new score is its rank among all scores so far, the reference first and then the
/// stream, higher scores first and ties broken at random: with `above` scores in higher cells,
/// `level` in its own and `n` in all, `p = (above + u (level + 1)) / (n + 1)`. If all rows are
/// exchangeable, these p-values are independent and uniform on (0, 1], whatever the cells (V. Vovk,
/// A. Gammerman, G. Shafer, *Algorithmic Learning in a Random World*, 2nd edition, 2022, section 2.2).
/// Ranks among a fixed reference would not be independent.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    /// The upper ends of all cells but the last, ascending, distinct; shared by the streams that are compared
    /// with one reference.
    pub(super) edges: Arc<[f64]>,
    /// A Fenwick tree: entry i (from 1) holds the counts of a range of cells that ends at i.
    tree: Vec<u64>,
    /// Scores counted.
    n: u64,
}

impl Ranks {
    /// Cells from the quantiles of reference scores, in any order, which are counted.
    ///
    /// # Errors
    /// [`Error::Empty`]; [`Error::NotFinite`] naming the row.
    pub fn new(reference: &[f64]) -> Result<Self> {
        check(reference, 0)?;
        if reference.is_empty() {
            return Err(Error::Empty {
                at: Location::default(),
            });
        }
        let mut sorted = reference.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut edges = sorted.clone();
        edges.dedup();
        let most = CELLS - 1;
        if edges.len() > most {
            let at = |i: usize| sorted[(i + 1) * sorted.len() / CELLS];
            edges = (0..most).map(at).collect();
            edges.dedup();
        }
        let mut counts = vec![0; edges.len() + 1];
        for score in reference {
            counts[cell(&edges, *score)] += 1;
        }
        Ok(Self::from_counts(edges.into(), &counts))
    }

    /// From its parts; there is one count more than there are edges.
    pub(super) fn from_counts(edges: Arc<[f64]>, counts: &[u64]) -> Self {
        let mut ranks = Self {
            tree: vec![0; counts.len() + 1],
            edges,
            n: 0,
        };
        for (cell, &count) in counts.iter().enumerate() {
            ranks.add(cell, count);
        }
        ranks
    }

    /// The scores counted in each cell.
    pub(super) fn counts(&self) -> Vec<u64> {
        let upto: Vec<u64> = (0..self.tree.len()).map(|i| self.up_to(i)).collect();
        upto.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Scores counted so far.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The p-value of a new score, in (0, 1]; the score is counted. `u` in (0, 1] breaks ties.
    ///
    /// The score must be a number; the u of another score must be independent of it.
    pub fn p_value(&mut self, score: f64, u: f64) -> f64 {
        let cell = cell(&self.edges, score);
        let not_above = self.up_to(cell + 1);
        let level = not_above - self.up_to(cell);
        let above = self.n - not_above;
        let p = (above as f64 + u * (level + 1) as f64) / (self.n + 1) as f64;
        self.add(cell, 1);
        p
    }

    fn add(&mut self, cell: usize, count: u64) {
        self.n += count;
        let mut i = cell + 1;
        while let Some(entry) = self.tree.get_mut(i) {
            *entry += count;
            i += i & i.wrapping_neg();
        }
    }

    /// Scores in the first so many cells.
    fn up_to(&self, cells: usize) -> u64 {
        let (mut sum, mut i) = (0, cells);
        while i > 0 {
            sum += self.tree.get(i).copied().unwrap_or(0);
            i &= i - 1;
        }
        sum
    }
}

/// The cell of a score.
fn cell(edges: &[f64], score: f64) -> usize {
    edges.partition_point(|edge| *edge < score)
}

/// Refuses scores that are no numbers. Rows are counted after those before.
pub(super) fn check(scores: &[f64], before: u64) -> Result<()> {
    match scores.iter().position(|score| !score.is_finite()) {
        Some(i) => Err(Error::NotFinite {
            at: Location::row(before as usize + i + 1).column("score"),
            value: scores[i],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranks_by_hand() {
        let mut ranks = Ranks::new(&[1.0, 2.0, 2.0, 3.0]).unwrap();
        // Above 2.5 lies 3; 2.5 shares the cell of 3.
        assert_eq!(ranks.p_value(2.5, 1.0), 2.0 / 5.0);
        assert_eq!(ranks.p_value(2.0, 0.5), (2.0 + 0.5 * 3.0) / 6.0);
        assert_eq!(ranks.p_value(9.0, 1.0), 1.0 / 7.0);
        assert_eq!(ranks.p_value(0.0, 1.0), 1.0);
        assert_eq!(ranks.n(), 8);
        assert_eq!(ranks.counts(), [2, 3, 2, 1]);
    }

    #[test]
    fn many_scores_have_few_cells() {
        let reference: Vec<f64> = (0..100_000)
            .map(|i| f64::from(i * 7919 % 100_003))
            .collect();
        let ranks = Ranks::new(&reference).unwrap();
        assert_eq!(ranks.edges.len(), CELLS - 1);
        let counts = ranks.counts();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*least >= 32 && *most <= 34, "{least} {most}");
        // Half of the same value: one cell of them.
        let tied: Vec<f64> = reference.iter().map(|v| v.max(50_000.0)).collect();
        let ranks = Ranks::new(&tied).unwrap();
        assert!(ranks.edges.len() < CELLS && ranks.counts()[0] > 49_000);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert!(matches!(Ranks::new(&[]), Err(Error::Empty { .. })));
        assert!(matches!(
            Ranks::new(&[0.0, f64::NAN]),
            Err(Error::NotFinite { .. })
        ));
    }

    proptest! {
        #[test]
        fn the_tree_counts_as_a_list_does(
            reference in proptest::collection::vec(-5_i8..5, 1..40),
            stream in proptest::collection::vec((-7_i8..7, 1_u8..=8), 0..40),
        ) {
            let reference: Vec<f64> = reference.into_iter().map(f64::from).collect();
            let mut ranks = Ranks::new(&reference).unwrap();
            let edges = ranks.edges.clone();
            let mut seen: Vec<usize> = reference.iter().map(|s| cell(&edges, *s)).collect();
            for (score, eighths) in stream {
                let (score, u) = (f64::from(score), f64::from(eighths) / 8.0);
                let own = cell(&edges, score);
                let above = seen.iter().filter(|c| **c > own).count() as f64;
                let level = seen.iter().filter(|c| **c == own).count() as f64;
                let expected = (above + u * (level + 1.0)) / (seen.len() + 1) as f64;
                prop_assert_eq!(ranks.p_value(score, u), expected);
                seen.push(own);
            }
            let again = Ranks::from_counts(edges, &ranks.counts());
            prop_assert_eq!(again, ranks);
        }
    }
}
