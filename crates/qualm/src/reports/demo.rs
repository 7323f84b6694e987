//! What the demonstration shows: both ends of a ranking, explained and measured.

use serde::{Deserialize, Serialize};

use super::version::REPORT_VERSION;
use crate::error::Result;
use crate::fitted::Fitted;
use crate::rows::Rows;
use crate::stats::Metrics;

/// Rows shown at either end.
const SHOWN: usize = 5;

/// Columns named for each.
const EXPLAINED: usize = 2;

/// What `qualm demo --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DemoReport {
    /// See [`REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// The preset that was fitted.
    pub preset: String,
    /// Rows fitted on.
    pub n: usize,
    /// Columns of the rows.
    pub d: usize,
    /// Seconds of fitting.
    pub fit_seconds: f64,
    /// Seconds of loading the model and scoring.
    pub score_seconds: f64,
    /// The score above which a row is an outlier.
    pub threshold: f64,
    /// The scores against the labels, which the fit did not see.
    pub metrics: Metrics,
    /// The rows with the highest scores, highest first.
    pub least_certain: Vec<DemoRow>,
    /// The rows with the lowest scores, lowest first.
    pub most_certain: Vec<DemoRow>,
}

/// A scored row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DemoRow {
    /// The row's number, from 1.
    pub row: usize,
    /// Its score.
    pub score: f64,
    /// Its conformal p-value, in (0, 1].
    pub p_value: f64,
    /// Its label: whether the tumour is malignant.
    pub malignant: bool,
    /// The columns that contribute most to its score, largest first.
    pub because_of: Vec<String>,
}

impl DemoReport {
    /// The report of scored, labelled rows; both times are 0 yet.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; `scores`, `outlier`: `(n,)`.
    ///
    /// # Errors
    /// As [`Fitted::explain`] and [`Metrics::compute`].
    pub fn new(
        fitted: &Fitted,
        preset: &str,
        rows: Rows<'_>,
        scores: &[f64],
        outlier: &[bool],
    ) -> Result<Self> {
        let metrics = Metrics::compute(scores, outlier)?;
        let explained = fitted.explain(rows, EXPLAINED.min(fitted.n_features()))?;
        let mut shown: Vec<DemoRow> = (scores.iter().zip(outlier).zip(&explained).enumerate())
            .map(|(i, ((&score, &malignant), parts))| DemoRow {
                row: i + 1,
                score,
                p_value: fitted.p_value(score),
                malignant,
                because_of: (parts.iter())
                    .map(|part| fitted.features().name(part.feature))
                    .collect(),
            })
            .collect();
        shown.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(Self {
            report_version: REPORT_VERSION,
            preset: preset.to_owned(),
            n: rows.n_rows(),
            d: rows.n_cols(),
            fit_seconds: 0.0,
            score_seconds: 0.0,
            threshold: fitted.threshold()?,
            metrics,
            least_certain: shown.iter().take(SHOWN).cloned().collect(),
            most_certain: shown.iter().rev().take(SHOWN).cloned().collect(),
        })
    }
}
