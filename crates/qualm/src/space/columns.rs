//! Mean, deviation and range of each column, and the scalings they define.

use rayon::prelude::*;

use crate::rows::Rows;

/// The share of the total variance from which on a column dominates the length of a row.
const DOMINANT: f64 = 0.1;

/// Columns whose spreads differ by no more are measured together without a warning.
const ALIKE: f64 = 1000.0;

/// Rows that the spreads of columns are found in, at most.
const SPREAD_SAMPLE: usize = 10_000;

/// The interquartile range of a normal distribution, in standard deviations.
pub(super) const NORMAL_RANGE: f64 = 1.349;

/// Whether the columns seem to have one unit, so that lengths and angles of rows have a meaning:
/// no column has so large a share of the total variance that it alone would decide them.
pub(crate) fn one_unit(rows: Rows<'_>) -> bool {
    let variances = Columns::from_rows(rows)
        .deviation
        .into_iter()
        .map(|s| s * s);
    let (most, sum) = variances.fold((0.0f64, 0.0), |(most, sum), v| (most.max(v), sum + v));
    most < DOMINANT * sum
}

/// The columns of widest and of narrowest spread, and how many times as wide the one is, where
/// that is more than [`ALIKE`]. Constant columns have no spread.
///
/// The spread is the interquartile range, which outliers do not move, in standard deviations of
/// a normal distribution; where a column holds one value mostly, its standard deviation.
pub(crate) fn unlike_scales(rows: Rows<'_>) -> Option<(usize, usize, f64)> {
    let step = rows.n_rows().div_ceil(SPREAD_SAMPLE);
    let spread = |j: usize| {
        let picked = (0..rows.n_rows()).step_by(step).filter_map(|i| rows.get(i));
        let column: Vec<f64> = picked.map(|row| f64::from(row[j])).collect();
        (spread(column), j)
    };
    let spreads = (0..rows.n_cols()).into_par_iter().map(spread);
    let mut spreads: Vec<(f64, usize)> = spreads.collect();
    spreads.retain(|(spread, _)| *spread > 0.0);
    let order = |a: &&(f64, usize), b: &&(f64, usize)| a.0.total_cmp(&b.0);
    let (widest, narrowest) = (spreads.iter().max_by(order)?, spreads.iter().min_by(order)?);
    let ratio = widest.0 / narrowest.0;
    (ratio > ALIKE).then_some((widest.1, narrowest.1, ratio))
}

fn spread(mut column: Vec<f64>) -> f64 {
    let n = column.len();
    let mut quantile = |at: usize| *column.select_nth_unstable_by(at, f64::total_cmp).1;
    let range = quantile(3 * n / 4) - quantile(n / 4);
    if range > 0.0 {
        return range / NORMAL_RANGE;
    }
    // Of a constant column, the rounded mean could miss the constant.
    if quantile(0) >= quantile(n - 1) {
        return 0.0;
    }
    deviation(column.iter().copied())
}

/// The standard deviation of some values, about their mean.
pub(crate) fn deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (values.map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// Moments and ranges of each column, in float64.
pub(super) struct Columns {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    min: Vec<f32>,
    max: Vec<f32>,
}

impl Columns {
    /// Two passes over the rows, each in row order.
    pub(super) fn from_rows(rows: Rows<'_>) -> Self {
        let (n, d) = (rows.n_rows() as f64, rows.n_cols());
        let mut sum = vec![0.0; d];
        let mut min = vec![f32::INFINITY; d];
        let mut max = vec![f32::NEG_INFINITY; d];
        for row in &rows {
            for (j, &x) in row.iter().enumerate() {
                sum[j] += f64::from(x);
                min[j] = min[j].min(x);
                max[j] = max[j].max(x);
            }
        }
        let mean: Vec<f64> = sum.iter().map(|s| s / n).collect();
        let mut squares = vec![0.0; d];
        for row in &rows {
            for ((square, &x), mean) in squares.iter_mut().zip(row).zip(&mean) {
                *square += (f64::from(x) - mean).powi(2);
            }
        }
        Self {
            mean,
            deviation: squares.iter().map(|s| (s / n).sqrt()).collect(),
            min,
            max,
        }
    }

    /// Whether each column holds one value only.
    pub(super) fn constant(&self) -> impl Iterator<Item = bool> {
        self.min.iter().zip(&self.max).map(|(min, max)| min >= max)
    }

    pub(super) fn mean_f32(&self) -> Vec<f32> {
        self.mean.iter().map(|m| *m as f32).collect()
    }

    /// Shift and scale that bring each column to \[0, 1\].
    ///
    /// A constant column keeps scale 1, so that it is 0 on the fitted rows and a new
    /// value in it still shows (as scikit-learn's scalers do).
    pub(super) fn minmax(&self) -> [Vec<f32>; 2] {
        let range = self.min.iter().zip(&self.max);
        let scale = range.map(|(&min, &max)| inverse(f64::from(max) - f64::from(min)));
        [self.min.clone(), scale.collect()]
    }

    /// Shift and scale that bring each column to mean 0 and deviation 1.
    pub(super) fn standard(&self) -> [Vec<f32>; 2] {
        let columns = self.constant().zip(self.mean.iter().zip(&self.min));
        // The rounded mean of a constant column can miss the constant by an ulp.
        let shift =
            columns.map(|(constant, (mean, min))| if constant { *min } else { *mean as f32 });
        let columns = self.constant().zip(&self.deviation);
        let scale =
            columns.map(|(constant, deviation)| if constant { 1.0 } else { inverse(*deviation) });
        [shift.collect(), scale.collect()]
    }
}

/// `1 / x`, or 1 where that is no finite float32.
fn inverse(x: f64) -> f32 {
    let inverse = (1.0 / x) as f32;
    if x > 0.0 && inverse.is_finite() && inverse > 0.0 {
        inverse
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    /// Rows with these columns.
    fn rows(columns: &[&dyn Fn(usize) -> f32]) -> Matrix {
        let values = (0..400).flat_map(|i| columns.iter().map(move |column| column(i)));
        Matrix::new(values.collect(), columns.len()).unwrap()
    }

    #[test]
    fn spreads_more_than_a_thousandfold_apart_are_unlike() {
        let plain = |i: usize| ((i * 37) % 101) as f32;
        let wide = |i: usize| 1e5 * plain(i + 3);
        let (alike, narrow) = (|i: usize| 900.0 * plain(i), |i: usize| 1e-3 * plain(i));
        let constant = |_: usize| 0.1;
        let found = |columns: &[&dyn Fn(usize) -> f32]| unlike_scales(rows(columns).rows());
        assert_eq!(found(&[&plain, &alike, &constant]), None);
        assert_eq!(found(&[&constant, &constant]), None);
        let (widest, narrowest, ratio) = found(&[&plain, &narrow, &constant, &wide]).unwrap();
        assert_eq!((widest, narrowest), (3, 1));
        assert!((ratio / 1e8 - 1.0).abs() < 0.05, "{ratio}");
        // An outlier makes no column wide; a few ones among zeros are no constant.
        let outlier = |i: usize| if i == 7 { 1e9 } else { plain(i) };
        let rare = |i: usize| f32::from(u8::from(i.is_multiple_of(40)));
        assert_eq!(found(&[&plain, &outlier, &rare]), None);
        let rare = |i: usize| 1e-6 * f32::from(u8::from(i.is_multiple_of(40)));
        assert_eq!(found(&[&plain, &rare]).map(|f| (f.0, f.1)), Some((0, 1)));
    }
}
