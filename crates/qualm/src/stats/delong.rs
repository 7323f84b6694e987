//! The `DeLong` interval of an AUROC.
//!
//! E. R. `DeLong`, D. M. `DeLong` and D. L. Clarke-Pearson, 'Comparing the areas under two or
//! more correlated receiver operating characteristic curves', *Biometrics* 44 (1988),
//! computed as in X. Sun and W. Xu, 'Fast implementation of `DeLong`'s algorithm', *IEEE
//! Signal Processing Letters* 21 (2014).
//!
//! With `m` outliers `x_i` and `n` inliers `y_j`, and `psi(x, y)` 1, 1/2 or 0 as `x` is
//! above, level with or below `y`, the *placements*
//!
//! ```text
//! V10(x_i) = sum_j psi(x_i, y_j) / n      V01(y_j) = sum_i psi(x_i, y_j) / m
//! ```
//!
//! have the AUROC as their mean, and its variance is `var(V10) / m + var(V01) / n` with
//! sample variances. The definition takes `O(m n)`. Sun and Xu obtain each placement from
//! midranks in `O((m + n) log(m + n))`; within a block of ties a midrank is a count of the
//! rows above or below plus half of those level with it, so here the placements follow from
//! the blocks that [`Roc`] has already counted. The result is the same.

use statrs::function::erf::erfc_inv;

use super::roc::Roc;
use crate::error::{Error, Result};

/// A confidence interval, `0 <= low <= high <= 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// The interval of an AUROC by its variance; without one it is `[0, 1]`.
    pub(super) fn around(auroc: f64, variance: Option<f64>, level: f64) -> Self {
        let Some(variance) = variance else {
            return Self {
                low: 0.0,
                high: 1.0,
            };
        };
        // The normal quantile at (1 + level) / 2, from the upper tail `1 - level`, where
        // nothing cancels when the level is close to one.
        let quantile = std::f64::consts::SQRT_2 * erfc_inv(1.0 - level);
        let half_width = quantile * variance.sqrt();
        Self {
            low: (auroc - half_width).clamp(0.0, 1.0),
            high: (auroc + half_width).clamp(0.0, 1.0),
        }
    }
}

impl Roc {
    /// The confidence interval of [`Roc::auroc`] at a level such as 0.95: `DeLong`'s
    /// standard error times a normal quantile on either side, clipped to `[0, 1]`.
    ///
    /// Two limits of the method to know about. With a single outlier or a single inlier
    /// there is no variance to estimate, and the interval is `[0, 1]`. With complete
    /// separation the estimated variance is zero and the interval is one point, which
    /// says too much when the rows are few.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `0 < level < 1`.
    pub fn auroc_interval(&self, level: f64) -> Result<Interval> {
        if !(level > 0.0 && level < 1.0) {
            return Err(Error::OutOfRange {
                name: "confidence level",
                found: level,
                expected: "a number above 0 and below 1",
            });
        }
        Ok(Interval::around(self.auroc(), self.auroc_variance(), level))
    }

    /// `DeLong`'s variance of the AUROC, or `None` when a class has a single row.
    fn auroc_variance(&self) -> Option<f64> {
        if self.n_outliers < 2 || self.n_inliers < 2 {
            return None;
        }
        let (m, n) = (self.n_outliers as f64, self.n_inliers as f64);
        let auroc = self.auroc();
        let mut inliers_below = self.n_inliers;
        let mut outliers_above = 0;
        let (mut squares10, mut squares01) = (0.0, 0.0);
        for block in &self.blocks {
            inliers_below -= block.inliers;
            let v10 = (inliers_below as f64 + 0.5 * block.inliers as f64) / n;
            let v01 = (outliers_above as f64 + 0.5 * block.outliers as f64) / m;
            squares10 += block.outliers as f64 * (v10 - auroc).powi(2);
            squares01 += block.inliers as f64 * (v01 - auroc).powi(2);
            outliers_above += block.outliers;
        }
        Some(squares10 / (m - 1.0) / m + squares01 / (n - 1.0) / n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_variance_by_hand() {
        // Outliers 3, 1 against inliers 0, 2: V10 = 1, 1/2 and V01 = 1, 1/2, each with
        // sample variance 1/8, so the variance is 1/16 + 1/16.
        let roc = Roc::new(&[3.0, 1.0, 0.0, 2.0], &[true, true, false, false]).unwrap();
        assert_eq!(roc.auroc_variance(), Some(0.125));
        // A level of 68.27 per cent is one standard error to either side.
        let one_sigma = roc.auroc_interval(0.682_689_492_137_085_9).unwrap();
        assert!((one_sigma.low - (0.75 - 0.125_f64.sqrt())).abs() < 1e-12);
        assert_eq!(one_sigma.high, 1.0, "clipped");
    }

    #[test]
    fn one_row_of_a_class_tells_nothing_about_the_spread() {
        let roc = Roc::new(&[3.0, 1.0, 2.0], &[true, false, false]).unwrap();
        let all = Interval {
            low: 0.0,
            high: 1.0,
        };
        assert_eq!(roc.auroc_interval(0.95).unwrap(), all);
    }

    #[test]
    fn complete_separation_is_one_point() {
        let roc = Roc::new(&[4.0, 3.0, 2.0, 1.0], &[true, true, false, false]).unwrap();
        let interval = roc.auroc_interval(0.95).unwrap();
        assert_eq!((interval.low, interval.high), (1.0, 1.0));
    }

    #[test]
    fn a_level_outside_its_range_is_refused() {
        let roc = Roc::new(&[1.0, 0.0], &[true, false]).unwrap();
        for level in [0.0, 1.0, -1.0, 95.0, f64::NAN] {
            assert!(matches!(
                roc.auroc_interval(level),
                Err(Error::OutOfRange { .. })
            ));
        }
    }

    proptest! {
        #[test]
        fn intervals_hold_the_auroc_and_grow_with_the_level(
            rows in proptest::collection::vec((0_i32..10, any::<bool>()), 0..50),
            level in 0.01_f64..0.9,
        ) {
            let (mut scores, mut outlier): (Vec<f64>, Vec<bool>) =
                rows.into_iter().map(|(s, o)| (f64::from(s), o)).unzip();
            scores.extend([3.0, 4.0]);
            outlier.extend([true, false]);
            let roc = Roc::new(&scores, &outlier)?;
            let narrow = roc.auroc_interval(level)?;
            let wide = roc.auroc_interval(level + 0.09)?;
            prop_assert!(narrow.low <= roc.auroc() && roc.auroc() <= narrow.high);
            prop_assert!(wide.low <= narrow.low && narrow.high <= wide.high);
            prop_assert!(0.0 <= wide.low && wide.high <= 1.0);
        }
    }
}
