//! Diagnostics of a fit that need no labels.
//!
//! None of these numbers shows that a ranking is right: only labels can. They show whether it
//! depends on chance (agreement), whether training had an effect (effective rows) and whether
//! the scores distinguish rows at all (entropy, distinct scores). `docs/diagnostics.md` explains
//! what each can and cannot show, and how weakly they correlate with AUROC on labelled sets.

mod halves;
mod ranks;

use serde::{Deserialize, Serialize};

use crate::rows::Rows;

pub(crate) use ranks::Agreement;

/// Bins of the histogram behind the entropy: enough to distinguish concentrated scores from
/// spread ones, few enough to hold some rows each in a set of a hundred.
const BINS: usize = 20;

/// Share of the scores left out at either end of that histogram, so that a few extreme scores do
/// not decide the width of a bin.
const TAIL: f64 = 0.05;

/// Numbers about a fit that need no labels, kept in the model file with its
/// [`crate::Provenance`].
///
/// They can show that a model is useless, but not that it is useful.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Diagnostics {
    /// Mean effective number of rows in a bag over the last tenth of training, from 1 to
    /// `bag_size`, averaged over members; `None` for detectors without bags.
    pub effective_rows: Option<f64>,
    /// Rows in a bag; `None` for detectors without bags.
    pub bag_size: Option<usize>,
    /// Mean Spearman correlation of two members' scores over the fitted rows (a sample of
    /// 10,000 where there are more), in \[-1, 1\]; `None` without two members.
    pub member_agreement: Option<f64>,
    /// What [`crate::Spec::half_agreement`] found, in \[-1, 1\]; `None` unless it was asked for.
    pub half_agreement: Option<f64>,
    /// Entropy of the middle nine tenths of the fitted rows' scores in 20 bins of equal width,
    /// as a share of the largest possible, in \[0, 1\]: 0 = all in one bin, 1 = spread evenly.
    pub score_entropy: Option<f64>,
    /// Distinct scores as a share of the fitted rows, in (0, 1].
    pub distinct_scores: Option<f64>,
}

impl Diagnostics {
    /// The same with what follows from the scores of the fitted rows, `(n,)`, ascending.
    pub(crate) fn with_scores(self, sorted: &[f64]) -> Self {
        Self {
            score_entropy: Some(entropy(sorted)),
            distinct_scores: Some(distinct(sorted) as f64 / sorted.len() as f64),
            ..self
        }
    }
}

/// How many different scores there are among `(n,)`, at least one, ascending.
pub(crate) fn distinct(sorted: &[f64]) -> usize {
    1 + sorted.windows(2).filter(|pair| pair[0] < pair[1]).count()
}

/// The entropy of scores, `(n,)`, ascending, relative to its largest value.
///
/// With the share `p_b` of the scores between the 5 and the 95 per cent quantile that lie in bin
/// b of [`BINS`] bins of equal width between those quantiles:
///
/// ```text
/// H = -sum_b p_b ln p_b / ln(min(BINS, scores between the quantiles))
/// ```
///
/// No shift and no scale of the scores changes it.
fn entropy(sorted: &[f64]) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let last = last as f64;
    let (from, to) = ((TAIL * last).floor(), ((1.0 - TAIL) * last).ceil());
    let middle = &sorted[from as usize..=to as usize];
    let (low, high) = (middle[0], middle[middle.len() - 1]);
    // Halved first: the range of two finite scores need not be finite.
    let range = high / 2.0 - low / 2.0;
    if range <= 0.0 {
        return 0.0;
    }
    let mut counts = [0_u64; BINS];
    for score in middle {
        let place = (score / 2.0 - low / 2.0) / range;
        let bin = (place * BINS as f64) as usize;
        if let Some(count) = counts.get_mut(bin.min(BINS - 1)) {
            *count += 1;
        }
    }
    let n = middle.len() as f64;
    let shares = counts.iter().filter(|c| **c > 0).map(|c| *c as f64 / n);
    let nats: f64 = shares.map(|p| -p * p.ln()).sum();
    (nats / n.min(BINS as f64).ln()).clamp(0.0, 1.0)
}

/// How many different rows there are.
pub(crate) fn distinct_rows(rows: Rows<'_>) -> usize {
    let mut order: Vec<&[f32]> = rows.iter().collect();
    let compare = |a: &&[f32], b: &&[f32]| {
        let pairs = a.iter().zip(*b);
        pairs
            .map(|(a, b)| a.total_cmp(b))
            .find(|o| o.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    };
    order.sort_unstable_by(compare);
    order.dedup();
    order.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(n: usize) -> Vec<f64> {
        (0..n).map(|i| i as f64).collect()
    }

    #[test]
    fn an_even_spread_has_all_the_entropy_and_one_place_none() {
        // 1 + 20 x 100 scores: from the 100th to the 1900th, 90 a bin and one more in the last.
        assert!((entropy(&numbers(2001)) - 1.0).abs() < 1e-6);
        assert_eq!(entropy(&[3.0; 50]), 0.0);
        // All but the tails in one place: where those lie does not matter.
        let mut piled = vec![7.0; 100];
        piled[0] = -1e300;
        piled[99] = 1e300;
        assert_eq!(entropy(&piled), 0.0);
        assert_eq!(entropy(&[f64::MIN, f64::MAX]), 1.0);
        assert_eq!(entropy(&[1.0]), 0.0);
        assert_eq!(entropy(&[]), 0.0);
    }

    #[test]
    fn two_heaps_have_the_entropy_of_a_coin() {
        let two = [[0.0; 50], [1.0; 50]].concat();
        assert!((entropy(&two) - 2.0_f64.ln() / 20.0_f64.ln()).abs() < 1e-15);
        // A quarter and three quarters, of the 101 that are not in the tails of 111.
        let mut uneven = [[0.0; 5 + 25].to_vec(), [1.0; 81].to_vec()].concat();
        uneven.sort_by(f64::total_cmp);
        let (p, q) = (25.0 / 101.0, 76.0 / 101.0_f64);
        let expected = -(p * f64::ln(p) + q * q.ln()) / 20.0_f64.ln();
        assert!((entropy(&uneven) - expected).abs() < 1e-15);
    }

    #[test]
    fn few_scores_are_held_against_what_few_can_have() {
        // Five scores, five bins: no five scores can be spread more.
        assert!((entropy(&numbers(5)) - 1.0).abs() < 1e-15);
        assert!((entropy(&[0.0, 0.0, 1.0, 1.0]) - 0.5).abs() < 1e-15);
    }

    #[test]
    fn equal_scores_count_once() {
        assert_eq!(distinct(&[-0.0, 0.0, 1.0, 1.0, 2.0]), 3);
        let told = Diagnostics::default().with_scores(&[0.0, 0.0, 1.0, 1.0]);
        assert_eq!(told.distinct_scores, Some(0.5));
        assert_eq!(told.member_agreement, None);
    }

    #[test]
    fn what_an_earlier_version_did_not_know_is_missing() {
        let told: Diagnostics = serde_json::from_str(r#"{"score_entropy": 0.5}"#).unwrap();
        let expected = Diagnostics {
            score_entropy: Some(0.5),
            ..Diagnostics::default()
        };
        assert_eq!(told, expected);
    }

    proptest! {
        #[test]
        fn entropy_is_a_share_and_has_no_unit(
            mut scores in proptest::collection::vec(-100_i32..100, 2..200)
        ) {
            scores.sort_unstable();
            // By powers of two, so that rounding moves no score into another bin.
            let plain: Vec<f64> = scores.iter().map(|s| f64::from(*s)).collect();
            let other: Vec<f64> = plain.iter().map(|s| 0.25 * s + 1024.0).collect();
            let found = entropy(&plain);
            prop_assert!((0.0..=1.0).contains(&found), "{}", found);
            prop_assert_eq!(found, entropy(&other));
        }
    }
}
