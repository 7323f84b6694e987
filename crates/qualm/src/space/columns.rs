//! Mean, deviation and range of each column, and the scalings they define.

use crate::rows::Rows;

/// The share of the total variance from which on a column dominates the length of a row.
const DOMINANT: f64 = 0.1;

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
