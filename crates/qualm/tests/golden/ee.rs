//! Robust distances against scikit-learn's, from the same subset: `tests/golden/ocsvm_ee.py`
//! writes the numbers.

use serde::Deserialize;

use super::mcd::Search;
use super::{Ee, EeSpec, KEPT, Standard, consistency, reweighted};
use crate::Spec;
use crate::detector::Detector;
use crate::fit::watch::unwatched;
use crate::rows::{Matrix, Rows};
use crate::stats::Metrics;
use qualm_data::{Batches, Selection, Source};

/// The golden file, of which `ocsvm` reads its own part.
#[derive(Debug, Deserialize)]
pub(in crate::baselines) struct Golden {
    pub(in crate::baselines) made: Made,
    pub(in crate::baselines) real: Vec<Real>,
}

/// Rows made by the script.
#[derive(Debug, Deserialize)]
pub(in crate::baselines) struct Made {
    d: usize,
    rows: Vec<f32>,
    pub(in crate::baselines) ocsvm: Vec<serde_json::Value>,
    ee: Vec<FromSubset>,
    one_column: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct FromSubset {
    support_fraction: Option<f64>,
    subset: Vec<usize>,
    scores: Vec<f64>,
}

/// A real set, by its name.
#[derive(Debug, Deserialize)]
pub(in crate::baselines) struct Real {
    name: String,
    pub(in crate::baselines) ocsvm: Vec<f64>,
    pub(in crate::baselines) ocsvm_auroc: f64,
    ee: Vec<f64>,
    ee_subset: Vec<usize>,
    ee_auroc_mean: f64,
}

pub(in crate::baselines) fn golden() -> Golden {
    serde_json::from_str(include_str!("ocsvm_ee.json")).unwrap()
}

impl Made {
    pub(in crate::baselines) fn matrix(&self) -> Matrix {
        Matrix::new(self.rows.clone(), self.d).unwrap()
    }
}

impl Real {
    /// Its rows and labels; `None` where `QUALM_DATA` names no folder.
    #[expect(clippy::print_stdout, reason = "says that a test was skipped")]
    pub(in crate::baselines) fn read(&self) -> Option<(Matrix, Vec<bool>)> {
        let Some(folder) = std::env::var_os("QUALM_DATA") else {
            println!("{}: skipped, QUALM_DATA names no folder", self.name);
            return None;
        };
        let selection = Selection {
            label: Some("label".to_owned()),
            read_label: true,
            ..Selection::default()
        };
        let file = std::path::Path::new(&folder).join(format!("table2/{}.parquet", self.name));
        let batch = Source::open(&file, &selection, None).unwrap();
        let batch = batch.read_all().unwrap();
        // The reader is built on the library, not on this build of it for tests: to the
        // compiler its matrix is another type.
        let d = batch.rows.rows().n_cols();
        let rows = Matrix::new(batch.rows.into_vec(), d).unwrap();
        Some((rows, batch.labels.unwrap()))
    }
}

/// The detector that C-steps from a subset lead to.
fn from_subset(rows: Rows<'_>, subset: &[usize]) -> Ee {
    let standard = unwatched(|watch| Standard::from_rows(rows, watch));
    let mut marked = vec![false; rows.n_rows()];
    for row in subset {
        marked[*row] = true;
    }
    let search = Search::new(&standard.panels, subset.len(), standard.rank);
    let raw = search.from(marked);
    let robust = unwatched(|watch| reweighted(&standard.panels, raw, subset.len(), watch));
    standard.detector(&robust)
}

fn assert_close(name: &str, ee: &dyn Detector, rows: Rows<'_>, expected: &[f64]) {
    let mut scores = vec![0.0; rows.n_rows()];
    ee.score_into(rows, &mut scores).unwrap();
    assert_eq!(scores.len(), expected.len());
    for (i, (found, expected)) in scores.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / expected.abs();
        assert!(
            error < 1e-6,
            "{name}, row {i}: {found}, expected {expected}"
        );
    }
}

#[test]
fn distances_from_the_same_subset_agree() {
    let made = golden().made;
    let rows = made.matrix();
    for case in &made.ee {
        let spec = EeSpec {
            support_fraction: case.support_fraction,
            ..EeSpec::default()
        };
        assert_eq!(spec.support(200, made.d).unwrap(), case.subset.len());
        let ee = from_subset(rows.rows(), &case.subset);
        assert_close("made", &ee, rows.rows(), &case.scores);
    }
}

#[test]
fn a_single_column_agrees() {
    let made = golden().made;
    let column = made.rows.iter().step_by(made.d).copied().collect();
    let column = Matrix::new(column, 1).unwrap();
    let fitted = Spec::preset("ee", "default").unwrap();
    let fitted = fitted.fit(column.rows(), 0, &mut ()).unwrap();
    assert_close(
        "one column",
        &*fitted.detector,
        column.rows(),
        &made.one_column,
    );
}

#[test]
fn distances_on_real_sets_agree_from_the_same_subset_and_over_seeds() {
    for set in golden().real {
        let Some((rows, labels)) = set.read() else {
            return;
        };
        let ee = from_subset(rows.rows(), &set.ee_subset);
        // Where a column is constant among the rows that count, we lose a degree of freedom
        // and scikit-learn does not.
        let directions = unwatched(|watch| Standard::from_rows(rows.rows(), watch)).rank;
        let (_, ours) = consistency(ee.metric.rank(), KEPT);
        let (_, theirs) = consistency(directions, KEPT);
        let expected: Vec<f64> = set.ee.iter().map(|s| s * theirs / ours).collect();
        assert_close(&set.name, &ee, rows.rows(), &expected);

        let spec = Spec::preset("ee", "default").unwrap();
        let aurocs = (0..10).map(|seed| {
            let fitted = spec.fit(rows.rows(), seed, &mut ()).unwrap();
            let scores = fitted.score(rows.rows()).unwrap();
            Metrics::compute(&scores, &labels).unwrap().auroc
        });
        let mean = aurocs.sum::<f64>() / 10.0;
        let apart = (mean - set.ee_auroc_mean).abs();
        assert!(
            apart < 0.01,
            "{}: {mean}, expected {}",
            set.name,
            set.ee_auroc_mean
        );
    }
}
