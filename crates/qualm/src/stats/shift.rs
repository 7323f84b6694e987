//! How far the scores of new items lie from those of a reference.

use super::delong::Interval;
use super::welch::Welch;
use crate::error::{Error, Location, Result};

/// The level of the interval.
const LEVEL: f64 = 0.95;

/// Two samples of scores compared: whether their means differ, and how well a threshold tells one
/// from the other.
///
/// With several scores of each new item (such as an image damaged a little and badly), the test of
/// means is of each item's mean, and the interval has the items for its sample: the scores of one
/// item depend on each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The test of two means, the reference first; `None` where neither sample varies.
    pub welch: Option<Welch>,
    /// The chance that a new item scores higher than one of the reference, a tie counting one half.
    pub auroc: f64,
    /// The 95 per cent interval of the AUROC; see [`super::Roc::auroc_interval`] for its limits.
    pub interval: Interval,
}

impl Shift {
    /// Compares the scores of new items with those of a reference.
    ///
    /// ```
    /// use qualm::stats::Shift;
    ///
    /// let shift = Shift::of(&[0.1, 0.2, 0.3, 0.4], &[&[0.35, 0.9, 0.8]])?;
    /// assert_eq!(shift.auroc, 11.0 / 12.0);
    /// # Ok::<(), qualm::Error>(())
    /// ```
    ///
    /// # Shapes
    /// `reference`: `(n,)`; `new`: `(scores of an item, items)`, the items in the same order.
    ///
    /// # Errors
    /// [`Error::Empty`] where a sample is; [`Error::NanScore`]; [`Error::Shape`] where the
    /// items are not equally many.
    pub fn of(reference: &[f64], new: &[&[f64]]) -> Result<Self> {
        let m = new.first().map_or(0, |scores| scores.len());
        if reference.is_empty() || m == 0 {
            return Err(Error::Empty {
                at: Location::default(),
            });
        }
        for scores in new {
            if scores.len() != m {
                return Err(Error::Shape {
                    len: scores.len(),
                    n_cols: m,
                });
            }
        }
        let sorted = sorted(reference.iter().copied())?;
        let all = self::sorted(new.iter().flat_map(|scores| scores.iter().copied()))?;
        // The placements of the items, each the mean over its scores, and of the reference.
        let k = new.len() as f64;
        let mean_of = |i: usize, value: &dyn Fn(f64) -> f64| {
            let of_item = new.iter().filter_map(|scores| scores.get(i));
            of_item.map(|&score| value(score)).sum::<f64>() / k
        };
        let items: Vec<f64> = (0..m).map(|i| mean_of(i, &|s| below(&sorted, s))).collect();
        let others = reference.iter().map(|&s| 1.0 - below(&all, s));
        let others: Vec<f64> = others.collect();
        let auroc = items.iter().sum::<f64>() / m as f64;
        let means: Vec<f64> = (0..m).map(|i| mean_of(i, &|s| s)).collect();
        Ok(Self {
            welch: Welch::of(reference, &means),
            auroc,
            interval: Interval::around(auroc, variance(auroc, [&items, &others]), LEVEL),
        })
    }
}

/// Scores from the lowest up.
fn sorted(scores: impl Iterator<Item = f64>) -> Result<Vec<f64>> {
    let mut sorted: Vec<f64> = scores.collect();
    if let Some(row) = sorted.iter().position(|score| score.is_nan()) {
        return Err(Error::NanScore { row: row + 1 });
    }
    sorted.sort_unstable_by(f64::total_cmp);
    Ok(sorted)
}

/// The share of sorted scores that lie below one, those level with it counting one half.
fn below(sorted: &[f64], score: f64) -> f64 {
    let below = sorted.partition_point(|s| *s < score);
    let not_above = sorted.partition_point(|s| *s <= score);
    0.5 * (below + not_above) as f64 / sorted.len() as f64
}

/// `DeLong`'s variance from the placements of both samples; `None` where one has a single row.
fn variance(auroc: f64, placements: [&[f64]; 2]) -> Option<f64> {
    let [items, others] = placements.map(|values| {
        let n = values.len() as f64;
        let squares = values.iter().map(|v| (v - auroc).powi(2));
        (n > 1.0).then(|| squares.sum::<f64>() / (n - 1.0) / n)
    });
    Some(items? + others?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Roc;

    const REFERENCE: [f64; 6] = [0.1, 0.5, 0.2, 0.9, 0.5, 0.3];
    const NEW: [f64; 4] = [0.5, 0.6, 1.5, 0.15];

    #[test]
    fn with_one_score_an_item_it_is_delongs() {
        let shift = Shift::of(&REFERENCE, &[&NEW]).unwrap();
        let scores = [&NEW[..], &REFERENCE].concat();
        let outlier: Vec<bool> = (0..10).map(|i| i < 4).collect();
        let roc = Roc::new(&scores, &outlier).unwrap();
        let interval = roc.auroc_interval(0.95).unwrap();
        assert!((shift.auroc - roc.auroc()).abs() < 1e-15);
        assert!((shift.interval.low - interval.low).abs() < 1e-12);
        assert!((shift.interval.high - interval.high).abs() < 1e-12);
        assert_eq!(shift.welch, Welch::of(&REFERENCE, &NEW));
    }

    #[test]
    fn scores_of_one_item_are_no_larger_sample() {
        let once = Shift::of(&REFERENCE, &[&NEW]).unwrap();
        let thrice = Shift::of(&REFERENCE, &[&NEW, &NEW, &NEW]).unwrap();
        assert!((once.auroc - thrice.auroc).abs() < 1e-15);
        assert!((once.interval.low - thrice.interval.low).abs() < 1e-12);
        let [p, q] = [once, thrice].map(|shift| shift.welch.unwrap().p);
        assert!((p - q).abs() < 1e-12);
        // The mean of the AUROCs of each.
        let other = NEW.map(|v| v - 0.3);
        let both = Shift::of(&REFERENCE, &[&NEW, &other]).unwrap();
        let second = Shift::of(&REFERENCE, &[&other]).unwrap();
        assert!((both.auroc - 0.5 * (once.auroc + second.auroc)).abs() < 1e-15);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let empty: &[f64] = &[];
        assert!(matches!(
            Shift::of(empty, &[&NEW]),
            Err(Error::Empty { .. })
        ));
        assert!(matches!(
            Shift::of(&REFERENCE, &[]),
            Err(Error::Empty { .. })
        ));
        assert!(matches!(
            Shift::of(&REFERENCE, &[&NEW, &NEW[1..]]),
            Err(Error::Shape { .. })
        ));
        assert!(matches!(
            Shift::of(&[0.0, f64::NAN], &[&NEW]),
            Err(Error::NanScore { row: 2 })
        ));
        let one = Shift::of(&[0.0], &[&[1.0]]).unwrap();
        assert_eq!((one.interval.low, one.interval.high), (0.0, 1.0));
        assert_eq!(one.welch, None);
    }
}
