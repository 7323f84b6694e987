//! Reports: what a model is, what its scores of some rows say, and what was measured of it.
//!
//! [`Report`] is the whole as data; each part is made by a file of its own from what is given, and is
//! missing where its data are.

mod calibration;
mod curves;
mod map;
mod model;
mod page;
mod results;
mod scores;
mod table;
mod top;

pub use map::{MAP_ROWS, Map, MapMethod};
pub use page::html;
pub use results::{Results, read_results};
pub use table::table;
pub use top::TOP;

use qualm::Fitted;
use qualm::reports::REPORT_VERSION;
use serde::Serialize;

use crate::error::Result;
use crate::number;
use crate::plot::{Cell, Figure, Table};
use crate::rows::Shown;

/// A report as data: every number that its page shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// `report`: what kind of page these are the numbers of.
    pub qualm_page: String,
    /// See [`qualm::reports::REPORT_VERSION`].
    pub report_version: u32,
    /// What the page is called, where it has a name of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The model's file.
    pub model: String,
    /// Where the rows are, if any were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// What the page begins with.
    pub summary: Vec<(String, Cell)>,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// The parts of the page.
    pub parts: Vec<Part>,
}

/// A part of a report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Part {
    /// What names it on the page.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// What it shows, in a sentence or two.
    pub about: String,
    /// Single numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<(String, Cell)>,
    /// Plots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figure>,
    /// Tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Listing>,
    /// A map of the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<Map>,
}

/// A table on the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listing {
    /// What names it on the page.
    pub id: String,
    /// What it lists.
    pub title: String,
    /// Whether it can be sorted and filtered.
    pub sortable: bool,
    /// Its rows.
    #[serde(flatten)]
    pub table: Table,
}

impl Listing {
    /// How many rows there are, in words.
    pub(crate) fn count(&self) -> String {
        number::counted(self.table.rows.len() as u64, "row")
    }
}

/// Scores without their rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// What they are called.
    pub name: String,
    /// `(n,)`, higher = more anomalous.
    pub scores: Vec<f64>,
}

/// What a report is made of.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The model.
    pub fitted: &'a Fitted,
    /// Its file.
    pub model: String,
    /// Rows, with their scores, and where they are.
    pub rows: Option<(String, &'a Shown)>,
    /// Later scores, beside the reference.
    pub current: Option<Scores>,
    /// Files of results and where they are.
    pub results: Vec<(String, Results)>,
    /// The seed of what is drawn at random.
    pub seed: u64,
    /// How the rows get their places on the map.
    pub map: MapMethod,
    /// How many of the rows with the highest scores are listed, at most; see [`TOP`].
    pub top: usize,
    /// What the page is called, in place of `Report`.
    pub title: Option<String>,
}

/// Makes the report of what there is.
///
/// # Errors
/// Those of [`Fitted::explain`] and of the metrics.
pub fn build(inputs: &Inputs<'_>) -> Result<Report> {
    let fitted = inputs.fitted;
    let threshold = fitted.threshold()?;
    let mut summary = vec![
        (
            "detector".to_owned(),
            Cell::Text(fitted.spec().detector().to_owned()),
        ),
        (
            "rows fitted".to_owned(),
            Cell::Count(fitted.provenance().n_rows as u64),
        ),
        (
            "features".to_owned(),
            Cell::Count(fitted.n_features() as u64),
        ),
        ("threshold".to_owned(), Cell::Number(threshold)),
    ];
    let mut notes = Vec::new();
    let mut parts = vec![scores::part(inputs, threshold)];
    if let Some((_, shown)) = &inputs.rows {
        let above = shown.scores.iter().filter(|s| **s > threshold).count();
        let share = above as f64 / shown.scores.len().max(1) as f64;
        summary.push((
            "rows scored".to_owned(),
            Cell::Count(shown.scores.len() as u64),
        ));
        summary.push((
            "above the threshold".to_owned(),
            Cell::Text(format!(
                "{} ({})",
                number::count(above as u64),
                number::percent(share)
            )),
        ));
        if let Some(labels) = &shown.labels {
            let (part, auroc) = curves::part(&shown.scores, labels)?;
            summary.push(("AUROC".to_owned(), Cell::Number(auroc)));
            parts.push(part);
        }
        parts.push(calibration::part(fitted, shown));
        let (columns, top) = top::parts(fitted, shown, threshold, inputs.top)?;
        parts.extend(columns);
        parts.push(top);
        parts.extend(map::part(inputs, shown, &mut notes)?);
    }
    parts.extend(model::training(fitted));
    for (path, results) in &inputs.results {
        parts.push(results::part(path, results, parts.len()));
    }
    parts.push(model::settings(fitted));
    Ok(Report {
        qualm_page: "report".to_owned(),
        report_version: REPORT_VERSION,
        title: inputs.title.clone(),
        model: inputs.model.clone(),
        input: inputs.rows.as_ref().map(|(input, _)| input.clone()),
        summary,
        notes,
        parts,
    })
}

impl Report {
    /// The map, where there is one.
    pub(crate) fn map(&self) -> Option<&Map> {
        self.parts.iter().find_map(|part| part.map.as_ref())
    }

    /// The numbers as JSON.
    ///
    /// # Errors
    /// [`crate::Error::Json`].
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}
