//! Logistic regression on a few scores: how much each layer counts.
//!
//! Over rows `s_i`, `(l,)`, of layers' scores, standardised, with `t_i` = 1 for a known outlier and
//! 0 otherwise, it minimises
//!
//! ```text
//! sum_i log(1 + exp(-(2 t_i - 1) (b + w' s_i))) + |w|^2 / 2
//! ```
//!
//! the objective of scikit-learn's `LogisticRegression` with its default C = 1, by Newton's method.

use nalgebra::{DMatrix, DVector};

use crate::container::{Reader, Writer};
use crate::error::Result;

/// Newton steps at the most; a dozen are usual.
const STEPS: usize = 100;

/// The largest change of a coefficient in the last step.
const TOLERANCE: f64 = 1e-10;

/// Weights of standardised scores.
#[derive(Debug)]
pub(super) struct Logistic {
    /// Mean and deviation of each score, `(l,)` each.
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// `(l,)`
    weights: Vec<f64>,
    intercept: f64,
}

impl Logistic {
    /// Finds the weights that tell outliers from usual rows.
    ///
    /// # Shapes
    /// `usual`, `outliers`: `(n, l)` each, at least one row each.
    pub(super) fn fit(usual: &[f64], outliers: &[f64], l: usize) -> Self {
        let rows = || usual.chunks_exact(l).chain(outliers.chunks_exact(l));
        let n = rows().count() as f64;
        let column = |j: usize| rows().filter_map(move |row| row.get(j).copied());
        let mean: Vec<f64> = (0..l).map(|j| column(j).sum::<f64>() / n).collect();
        let deviation = mean.iter().enumerate().map(|(j, mean)| {
            let variance = column(j).map(|s| (s - mean).powi(2)).sum::<f64>() / n;
            // As scikit-learn scales a constant column.
            if variance > 0.0 { variance.sqrt() } else { 1.0 }
        });
        let mut logistic = Self {
            deviation: deviation.collect(),
            mean,
            weights: vec![0.0; l],
            intercept: 0.0,
        };
        let n_usual = usual.len() / l;
        let rows: Vec<(DVector<f64>, f64)> = rows()
            .enumerate()
            .map(|(i, row)| {
                let known = f64::from(u8::from(i >= n_usual));
                (logistic.standardised(row), known)
            })
            .collect();
        let mut coefficients = DVector::zeros(l + 1);
        for _ in 0..STEPS {
            let Some(step) = newton_step(&rows, &coefficients) else {
                break;
            };
            coefficients -= &step;
            if step.amax() < TOLERANCE {
                break;
            }
        }
        logistic.intercept = coefficients[l];
        logistic.weights = coefficients.iter().take(l).copied().collect();
        logistic
    }

    /// Standardised scores, and a 1 for the intercept: `(l + 1,)`.
    fn standardised(&self, scores: &[f64]) -> DVector<f64> {
        let scales = self.mean.iter().zip(&self.deviation);
        let scaled = scores.iter().zip(scales).map(|(s, (m, d))| (s - m) / d);
        DVector::from_iterator(scores.len() + 1, scaled.chain([1.0]))
    }

    /// The log-odds of being an outlier, from the scores `(l,)` of a row.
    pub(super) fn log_odds(&self, scores: &[f64]) -> f64 {
        let scales = self.mean.iter().zip(&self.deviation);
        let scaled = scores.iter().zip(scales).map(|(s, (m, d))| (s - m) / d);
        let terms = scaled.zip(&self.weights).map(|(s, w)| s * w);
        self.intercept + terms.sum::<f64>()
    }

    /// Writes all of it.
    pub(super) fn save(&self, prefix: &str, writer: &mut Writer) {
        writer.f64(format!("{prefix}.mean"), &self.mean);
        writer.f64(format!("{prefix}.deviation"), &self.deviation);
        writer.f64(format!("{prefix}.coefficients"), &self.weights);
        writer.f64(format!("{prefix}.intercept"), &[self.intercept]);
    }

    /// Reads what [`Logistic::save`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(super) fn restore(prefix: &str, l: usize, reader: &mut Reader) -> Result<Self> {
        Ok(Self {
            mean: reader.f64_of(&format!("{prefix}.mean"), l)?,
            deviation: reader.f64_of(&format!("{prefix}.deviation"), l)?,
            weights: reader.f64_of(&format!("{prefix}.coefficients"), l)?,
            intercept: reader
                .f64_of(&format!("{prefix}.intercept"), 1)?
                .iter()
                .sum(),
        })
    }
}

/// Gradient over curvature, or `None` where the curvature has no inverse.
fn newton_step(rows: &[(DVector<f64>, f64)], at: &DVector<f64>) -> Option<DVector<f64>> {
    let l = at.len() - 1;
    // The intercept is free.
    let mut penalised = at.clone();
    penalised[l] = 0.0;
    let mut gradient = penalised;
    let mut curvature = DMatrix::identity(l + 1, l + 1);
    curvature[(l, l)] = 0.0;
    for (row, known) in rows {
        let p = 1.0 / (1.0 + (-row.dot(at)).exp());
        gradient.axpy(p - known, row, 1.0);
        curvature.ger(p * (1.0 - p), row, row, 1.0);
    }
    Some(curvature.cholesky()?.solve(&gradient))
}
