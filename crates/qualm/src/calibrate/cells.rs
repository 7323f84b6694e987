//! Calibration on more scores than fit into memory, or on scores that are spread over machines.
//!
//! # What is counted
//!
//! Scores are counted in cells whose edges are fixed beforehand by other scores of the same kind:
//! those of the rows that were fitted, a uniform sample of all. Each edge is a cell of its own, so
//! that scores that many rows share lose nothing, and each gap between two edges is one. Counts
//! of parts are whole numbers that are added up: the result is the same bits however the rows
//! were split and in whatever order the parts come. That is why this is no t-digest, KLL or REQ sketch,
//! whose bytes depend on the order of merging, and no `DDSketch`, whose error is relative in the score
//! and has no bound in ranks, which is what p-values are made of.
//!
//! # The error
//!
//! The reference becomes at most [`ScoreCells::MOST`] scores at evenly spaced ranks, each the upper
//! edge of its cell. With `n` scores counted, the fullest gap holding a share `g` of them, and `m`
//! kept,
//!
//! ```text
//! p(s) <= p'(s) <= p(s) + g + 2 / (1 + m)
//! ```
//!
//! where `p` is the p-value by all `n` scores: never too small, so that its guarantee holds, and too
//! large by no more than a bound that is known once the counts are.

use super::calibration::Calibration;
use crate::error::{Error, Result};

/// Gaps between the scores that set the edges are cut into more, up to about so many.
const GAPS: usize = 1 << 16;
/// By how much each gap beyond the outermost scores is wider than the one before it.
const GROWTH: f64 = 1.01;
/// After so many of these, gaps double.
const SLOW: usize = 4000;

/// Counts of scores in cells that are fixed beforehand.
///
/// ```
/// use qualm::calibrate::{Calibration, ScoreCells};
///
/// let sample = Calibration::new((0..100).map(f64::from).collect())?;
/// let mut one = ScoreCells::of(&sample);
/// one.count(&[0.5, 7.0, 250.0]);
/// let mut both = ScoreCells::of(&sample);
/// both.count(&[33.3]);
/// both.add(one.counts())?;
/// assert_eq!(both.n(), 4);
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreCells {
    /// Ascending, finite; the last is the largest float64.
    edges: Vec<f64>,
    /// The gap below each edge and the edge itself, in turn: `(2 * edges,)`.
    counts: Vec<u64>,
}

/// What follows from counts in cells.
#[derive(Debug, Clone, PartialEq)]
pub struct CellCalibration {
    /// The reference, at most [`ScoreCells::MOST`] scores.
    pub calibration: Calibration,
    /// By how much its p-values may be larger than those by all scores, at most.
    pub p_value_error: f64,
}

impl ScoreCells {
    /// The most reference scores that are kept: p-values go down to one in so many.
    pub const MOST: usize = 100_000;

    /// Empty cells, with edges at and between these scores, and beyond them.
    #[must_use]
    pub fn of(sample: &Calibration) -> Self {
        let edges = edges(sample.scores());
        let counts = vec![0; 2 * edges.len()];
        Self { edges, counts }
    }

    /// Counts scores, which are finite.
    ///
    /// # Shapes
    /// `scores`: `(n,)`.
    pub fn count(&mut self, scores: &[f64]) {
        for score in scores {
            let place = self.edges.partition_point(|edge| edge < score);
            #[expect(clippy::float_cmp, reason = "the very same number is meant")]
            let at_edge = self.edges.get(place).is_some_and(|edge| edge == score);
            if let Some(count) = self.counts.get_mut(2 * place + usize::from(at_edge)) {
                *count += 1;
            }
        }
    }

    /// The counts, in an order that the same sample always gives.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Adds the counts of other rows in cells of the same sample.
    ///
    /// # Shapes
    /// `counts`: as [`ScoreCells::counts`] gives them.
    ///
    /// # Errors
    /// [`Error::OutputLength`] for counts of other cells.
    pub fn add(&mut self, counts: &[u64]) -> Result<()> {
        if counts.len() != self.counts.len() {
            return Err(Error::OutputLength {
                found: counts.len(),
                expected: self.counts.len(),
            });
        }
        for (mine, other) in self.counts.iter_mut().zip(counts) {
            *mine += other;
        }
        Ok(())
    }

    /// The number of scores counted.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The reference scores that follow.
    ///
    /// # Errors
    /// [`Error::NoReference`] before a score is counted.
    pub fn calibrate(&self) -> Result<CellCalibration> {
        let n = self.n();
        let kept = n.min(Self::MOST as u64);
        let mut scores = Vec::with_capacity(kept as usize);
        let mut counted = 0u64;
        let mut fullest = 0;
        for (place, &count) in self.counts.iter().enumerate() {
            counted += count;
            let is_gap = place.is_multiple_of(2);
            if is_gap {
                fullest = fullest.max(count);
            }
            let Some(edge) = self.edges.get(place / 2) else {
                continue;
            };
            // The scores of ranks ceil(j n / kept), j from 1, that lie in this cell.
            while (scores.len() as u64) < kept && rank(scores.len() as u64 + 1, n, kept) <= counted
            {
                scores.push(*edge);
            }
        }
        let rounding = if kept < n {
            2.0 / (1 + kept) as f64
        } else {
            0.0
        };
        Ok(CellCalibration {
            calibration: Calibration::new(scores)?,
            p_value_error: (fullest as f64 / n.max(1) as f64 + rounding).min(1.0),
        })
    }
}

/// The rank, from 1, of the j-th of `kept` scores that stand evenly among `n`.
fn rank(j: u64, n: u64, kept: u64) -> u64 {
    let product = u128::from(j) * u128::from(n);
    product.div_ceil(u128::from(kept.max(1))) as u64
}

/// The edges of cells for scores like these, which ascend: they themselves, at most so many, points
/// between them, and points beyond them at growing distances.
fn edges(scores: &[f64]) -> Vec<f64> {
    let mut distinct = scores.to_vec();
    distinct.dedup();
    let step = distinct.len().div_ceil(GAPS).max(1);
    let last = distinct.len().saturating_sub(1);
    let mut place = 0;
    distinct.retain(|_| {
        place += 1;
        (place - 1) % step == 0 || place - 1 == last
    });
    let pieces = GAPS / distinct.len().max(1);
    let mut edges = Vec::with_capacity(2 * GAPS);
    for pair in distinct.windows(2) {
        let &[low, high] = pair else { continue };
        edges.push(low);
        let inner = (1..pieces).map(|i| {
            let t = i as f64 / pieces as f64;
            low * (1.0 - t) + high * t
        });
        edges.extend(inner.filter(|x| *x > low && *x < high));
    }
    let (lowest, highest) = (
        scores.first().copied().unwrap_or_default(),
        scores.last().copied().unwrap_or_default(),
    );
    edges.push(highest);
    let first = ((highest - lowest) / GAPS as f64).max(f64::MIN_POSITIVE);
    let beyond: Vec<f64> = distances(first).collect();
    edges.extend(beyond.iter().map(|x| highest + x));
    edges.extend(beyond.iter().map(|x| lowest - x));
    edges.extend([f64::MIN, f64::MAX]);
    edges.retain(|edge| edge.is_finite());
    edges.sort_unstable_by(f64::total_cmp);
    edges.dedup();
    edges
}

/// Distances from the outermost scores: they grow slowly at first, then double.
fn distances(first: f64) -> impl Iterator<Item = f64> {
    let next = move |(i, x): &(usize, f64)| {
        let growth = if *i < SLOW { GROWTH } else { 2.0 };
        // From one step to the next at least as far as the first one.
        let further = (x * growth).max(x + first);
        further.is_finite().then_some((i + 1, further))
    };
    std::iter::successors(Some((0, first)), next).map(|(_, x)| x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use proptest::prelude::*;
    use rand::RngExt;

    fn normal(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = stream(seed, Purpose::CONTRACT, [0, 0]);
        let twelve = |rng: &mut rand_chacha::ChaCha8Rng| (0..12).map(|_| rng.random::<f64>()).sum();
        (0..n).map(|_| twelve(&mut rng)).collect()
    }

    #[test]
    fn p_values_are_never_too_small_and_within_the_stated_error() {
        let sample = Calibration::new(normal(1000, 1)).unwrap();
        let all = normal(150_000, 2);
        let mut cells = ScoreCells::of(&sample);
        cells.count(&all);
        let found = cells.calibrate().unwrap();
        assert_eq!(found.calibration.n(), ScoreCells::MOST);
        assert!(found.p_value_error < 0.001, "{}", found.p_value_error);
        let exact = Calibration::new(all.clone()).unwrap();
        for score in all.iter().step_by(13).chain(&[-3.0, 9.99, 12.0]) {
            let (p, merged) = (exact.p_value(*score), found.calibration.p_value(*score));
            assert!(p <= merged && merged <= p + found.p_value_error, "{score}");
        }
    }

    #[test]
    fn scores_that_many_rows_share_are_exact() {
        let sample = Calibration::new((0..40).map(|i| f64::from(i % 4)).collect()).unwrap();
        let mut cells = ScoreCells::of(&sample);
        cells.count(&(0..1000).map(|i| f64::from(i % 4)).collect::<Vec<_>>());
        let found = cells.calibrate().unwrap();
        assert_eq!(found.p_value_error, 0.0);
        assert_eq!(found.calibration.p_value(3.0), 251.0 / 1001.0);
    }

    #[test]
    fn any_score_has_a_cell() {
        let sample = Calibration::new(vec![1.0, 1.0, 5.0]).unwrap();
        let mut cells = ScoreCells::of(&sample);
        cells.count(&[f64::MIN, f64::MAX, 0.0, -0.0, 1e300, -1e-300, 1.0]);
        assert_eq!(cells.n(), 7);
        assert_eq!(cells.calibrate().unwrap().calibration.n(), 7);
        let none = ScoreCells::of(&sample).calibrate();
        assert!(matches!(none, Err(Error::NoReference)));
        assert!(cells.add(&[1, 2]).is_err());
        // One distinct score has cells, too.
        assert!(
            ScoreCells::of(&Calibration::new(vec![2.0]).unwrap())
                .edges
                .len()
                > 10
        );
    }

    proptest! {
        #[test]
        fn counts_do_not_depend_on_how_the_scores_are_split(
            sample in proptest::collection::vec(-50.0_f64..50.0, 1..50),
            scores in proptest::collection::vec(-1e3_f64..1e3, 1..200),
            at in 0usize..200,
        ) {
            let sample = Calibration::new(sample)?;
            let mut whole = ScoreCells::of(&sample);
            whole.count(&scores);
            let (a, b) = scores.split_at(at.min(scores.len()));
            let mut parts = ScoreCells::of(&sample);
            parts.count(b);
            let mut other = ScoreCells::of(&sample);
            other.count(a);
            parts.add(other.counts())?;
            prop_assert_eq!(&whole, &parts);
            let found = whole.calibrate()?;
            let exact = Calibration::new(scores.clone())?;
            for score in scores.iter().chain(sample.scores()) {
                let (p, merged) = (exact.p_value(*score), found.calibration.p_value(*score));
                prop_assert!(p <= merged && merged <= p + found.p_value_error + 1e-12);
            }
        }
    }
}
