//! How well scores tell items out of distribution from items in distribution: the four measures of
//! the field, with intervals.
//!
//! Items out of distribution are the positive class, as in `OpenOOD` 1.5 and pytorch-ood: FPR at 95 per
//! cent TPR is the share of items in distribution that are above the highest threshold which catches
//! 95 per cent of the others. Older papers (Liang 2018, Lee 2018) take the items in distribution for
//! positive there. AUPR is the average precision, without interpolation: 'out' with the items out
//! of distribution as the positive class, 'in' with the others and the sign of the scores turned.
//!
//! The interval of the AUROC is `DeLong`'s. The other three have no variance in closed form; theirs is
//! the percentile interval of a bootstrap (Efron and Tibshirani 1993, section 13.3): items in
//! distribution and items out of distribution are drawn anew, with replacement, as many of each as
//! there are. It tells how much the measure depends on the items at hand, not on the network or the
//! fitted images.

use rand::RngExt;
use rayon::prelude::*;

use super::delong::Interval;
use super::roc::{Block, Roc};
use crate::error::{Error, Location, Result};
use crate::rng::{self, Purpose};

/// The level of all intervals.
const LEVEL: f64 = 0.95;
/// The share of items out of distribution that has to be caught.
const CAUGHT: f64 = 0.95;
/// Samples that the bootstrap draws.
const DRAWS: u64 = 1000;

/// A measure with its 95 per cent interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The measure of the items at hand.
    pub value: f64,
    /// Its interval.
    pub interval: Interval,
}

/// The measures of a detector on items in and out of distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Separation {
    /// The chance that an item out of distribution scores higher than one in distribution, a tie
    /// counting one half.
    pub auroc: Estimate,
    /// False-positive rate at 95 per cent true-positive rate ([`Roc::fpr_at_tpr`]); lower is better.
    pub fpr95: Estimate,
    /// Average precision with the items in distribution as the positive class.
    pub aupr_in: Estimate,
    /// Average precision with the items out of distribution as the positive class.
    pub aupr_out: Estimate,
}

impl Separation {
    /// Measures scores, higher being more out of distribution.
    ///
    /// ```
    /// use qualm::stats::Separation;
    ///
    /// let found = Separation::of(&[0.1, 0.4, 0.2], &[0.3, 0.9], 0)?;
    /// assert_eq!(found.auroc.value, 5.0 / 6.0);
    /// assert_eq!(found.fpr95.value, 1.0 / 3.0);
    /// # Ok::<(), qualm::Error>(())
    /// ```
    ///
    /// # Shapes
    /// `inside`: `(n,)`, scores of items in distribution; `outside`: `(m,)`, of the others.
    ///
    /// # Errors
    /// [`Error::Empty`] where a sample is; [`Error::NanScore`].
    ///
    /// # Seed
    /// Of the bootstrap: the same seed and scores give the same bits at any number of threads.
    pub fn of(inside: &[f64], outside: &[f64], seed: u64) -> Result<Self> {
        if inside.is_empty() || outside.is_empty() {
            return Err(Error::Empty {
                at: Location::default(),
            });
        }
        let scores = [inside, outside].concat();
        let labels: Vec<bool> = (0..scores.len()).map(|i| i >= inside.len()).collect();
        let roc = Roc::new(&scores, &labels)?;
        let [fpr95, aupr_in, aupr_out] = measures(&roc)?;
        let sample = Sample::of(&roc);
        let draws = (0..DRAWS).into_par_iter();
        let drawn = draws.map(|draw| measures(&sample.draw(seed, draw)));
        let drawn: Vec<[f64; 3]> = drawn.collect::<Result<_>>()?;
        let estimate = |value: f64, measure: usize| Estimate {
            value,
            interval: percentiles(drawn.iter().filter_map(|all| all.get(measure).copied())),
        };
        Ok(Self {
            auroc: Estimate {
                value: roc.auroc(),
                interval: roc.auroc_interval(LEVEL)?,
            },
            fpr95: estimate(fpr95, 0),
            aupr_in: estimate(aupr_in, 1),
            aupr_out: estimate(aupr_out, 2),
        })
    }
}

/// FPR at 95 per cent TPR, AUPR in and AUPR out.
fn measures(roc: &Roc) -> Result<[f64; 3]> {
    let turned = Roc {
        blocks: roc.blocks.iter().rev().map(Block::turned).collect(),
        n_outliers: roc.n_inliers,
        n_inliers: roc.n_outliers,
    };
    Ok([
        roc.fpr_at_tpr(CAUGHT)?,
        turned.average_precision(),
        roc.average_precision(),
    ])
}

/// The block of each item, from which others are drawn.
struct Sample {
    outside: Vec<u32>,
    inside: Vec<u32>,
    n_blocks: usize,
}

impl Sample {
    fn of(roc: &Roc) -> Self {
        let blocks = || (0..).zip(&roc.blocks);
        let repeated = |of: fn(&Block) -> u64| {
            let items = blocks().flat_map(move |(place, block)| (0..of(block)).map(move |_| place));
            items.collect()
        };
        Self {
            outside: repeated(|block| block.outliers),
            inside: repeated(|block| block.inliers),
            n_blocks: roc.blocks.len(),
        }
    }

    /// As many items of each kind, drawn with replacement.
    fn draw(&self, seed: u64, draw: u64) -> Roc {
        let mut rng = rng::stream(seed, Purpose::BOOTSTRAP, [draw, 0]);
        let empty = Block {
            outliers: 0,
            inliers: 0,
        };
        let mut blocks = vec![empty; self.n_blocks];
        let mut draw = |items: &[u32], add: fn(&mut Block)| {
            for _ in 0..items.len() {
                let item = items.get(rng.random_range(0..items.len()));
                if let Some(block) = item.and_then(|place| blocks.get_mut(*place as usize)) {
                    add(block);
                }
            }
        };
        draw(&self.outside, |block| block.outliers += 1);
        draw(&self.inside, |block| block.inliers += 1);
        // No block of a curve is empty.
        blocks.retain(|block| *block != empty);
        Roc {
            blocks,
            n_outliers: self.outside.len() as u64,
            n_inliers: self.inside.len() as u64,
        }
    }
}

/// The middle 95 per cent of some numbers.
fn percentiles(values: impl Iterator<Item = f64>) -> Interval {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = |share: f64| {
        let place = share * last as f64;
        let value = |place: f64| values.get(place as usize).copied().unwrap_or(f64::NAN);
        let (low, high) = (value(place.floor()), value(place.ceil()));
        low + (high - low) * place.fract()
    };
    Interval {
        low: at((1.0 - LEVEL) / 2.0),
        high: at(f64::midpoint(1.0, LEVEL)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_measures_by_hand() {
        // From the top: out 9, in 8, out 7 and in 7 tied, out 6, in 1.
        let found = Separation::of(&[8.0, 7.0, 1.0], &[9.0, 7.0, 6.0], 0).unwrap();
        assert_eq!(found.auroc.value, (3.0 + 1.5 + 1.0) / 9.0);
        // All of the three have to be caught: the threshold is 6, and two of three are above it.
        assert_eq!(found.fpr95.value, 2.0 / 3.0);
        let out: f64 = (1.0 + 2.0 / 4.0 + 3.0 / 5.0) / 3.0;
        assert!((found.aupr_out.value - out).abs() < 1e-15);
        // From the bottom: in 1, out 6, in 7 and out 7 tied, in 8, out 9.
        let inside: f64 = (1.0 + 2.0 / 4.0 + 3.0 / 5.0) / 3.0;
        assert!((found.aupr_in.value - inside).abs() < 1e-15);
    }

    #[test]
    fn a_perfect_detector_leaves_nothing_to_chance() {
        let inside: Vec<f64> = (0..50).map(f64::from).collect();
        let outside: Vec<f64> = (50..90).map(f64::from).collect();
        let found = Separation::of(&inside, &outside, 0).unwrap();
        for (estimate, value) in [
            (found.auroc, 1.0),
            (found.fpr95, 0.0),
            (found.aupr_in, 1.0),
            (found.aupr_out, 1.0),
        ] {
            let Interval { low, high } = estimate.interval;
            assert_eq!([estimate.value, low, high], [value; 3]);
        }
    }

    #[test]
    fn a_constant_score_is_worth_nothing() {
        let found = Separation::of(&[1.0; 30], &[1.0; 10], 0).unwrap();
        assert_eq!((found.auroc.value, found.fpr95.value), (0.5, 1.0));
        assert_eq!((found.aupr_in.value, found.aupr_out.value), (0.75, 0.25));
        // Each sample has as many items of each kind.
        assert_eq!(found.aupr_in.interval.low, 0.75);
        assert_eq!(found.aupr_in.interval.high, 0.75);
    }

    #[test]
    fn percentiles_lie_between_the_values() {
        let Interval { low, high } = percentiles((0..=1000).map(f64::from));
        assert!((low - 25.0).abs() < 1e-9 && (high - 975.0).abs() < 1e-9);
        let Interval { low, high } = percentiles([3.0].into_iter());
        assert_eq!((low, high), (3.0, 3.0));
    }

    /// The share of samples whose interval holds the measure of the whole population.
    #[test]
    fn intervals_cover_what_they_say() {
        let score = |i: u64, shift: f64| {
            let mut rng = rng::stream(7, Purpose::CONTRACT, [i, 0]);
            shift + (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
        };
        // Two normal populations one standard deviation apart, FPR95 = P(x > 1 - 1.645) = 0.7405.
        let mut covered = 0;
        for sample in 0..100u64 {
            let of = |first: u64, n: u64, shift: f64| -> Vec<f64> {
                (0..n)
                    .map(|i| score((first + sample) * 1000 + i, shift))
                    .collect()
            };
            let (inside, outside) = (of(0, 300, 0.0), of(1000, 300, 1.0));
            let found = Separation::of(&inside, &outside, sample).unwrap();
            let Interval { low, high } = found.fpr95.interval;
            covered += u32::from(low <= 0.7405 && 0.7405 <= high);
        }
        assert!((88..=100).contains(&covered), "{covered} of 100");
    }

    proptest! {
        #[test]
        fn intervals_are_fractions_in_order_and_repeat(
            inside in proptest::collection::vec(-4_i32..6, 1..40),
            outside in proptest::collection::vec(-2_i32..8, 1..40),
        ) {
            let of = |values: &[i32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
            let (inside, outside) = (of(&inside), of(&outside));
            let found = Separation::of(&inside, &outside, 3)?;
            prop_assert_eq!(found, Separation::of(&inside, &outside, 3)?);
            for estimate in [found.auroc, found.fpr95, found.aupr_in, found.aupr_out] {
                let Interval { low, high } = estimate.interval;
                prop_assert!(0.0 <= low && low <= high && high <= 1.0);
                prop_assert!((0.0..=1.0).contains(&estimate.value));
            }
        }
    }
}
