//! What a fit can say about itself without labels.
//!
//! None of these numbers says that a ranking is right: only labels can. They say whether the
//! answer hangs on chance (agreement), whether training took hold (effective rows) and whether
//! rows are told apart at all (entropy, distinct scores). `docs/diagnostics.md` says what each
//! can and cannot tell, and how little they had to do with AUROC on labelled sets.

mod halves;
mod ranks;

use serde::{Deserialize, Serialize};

pub(crate) use ranks::Agreement;

/// Bins of the histogram behind the entropy. Twenty tell a pile of scores from a spread, and
/// hold a few rows each already in a set of a hundred.
const BINS: usize = 20;

/// Share of the scores left out on either side of that histogram: how far off the few strangest
/// rows lie must not decide how wide a bin is.
const TAIL: f64 = 0.05;

/// Numbers about a fit that need no labels, kept in the model file with its
/// [`crate::Provenance`].
///
/// They can show that a model is of no use; that it is of use they cannot show.
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
    /// as a share of the largest possible, in \[0, 1\]: 0 = all in one place, 1 = spread evenly.
    pub score_entropy: Option<f64>,
    /// Distinct scores as a share of the fitted rows, in (0, 1].
    pub distinct_scores: Option<f64>,
}

impl Diagnostics {
    /// The same with what can be read from the fitted rows' scores, `(n,)`, ascending.
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
    let last = sorted.len().saturating_sub(1) as f64;
    let (from, to) = ((TAIL * last).floor(), ((1.0 - TAIL) * last).ceil());
    let middle = sorted.get(from as usize..=to as usize).unwrap_or_default();
    let (Some(low), Some(high)) = (middle.first(), middle.last()) else {
        return 0.0;
    };
    // Halves first: the range of two finite scores need not be finite.
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
