//! The strangest rows, and the features that explain them.

use std::fmt::Write;

use qualm::Fitted;

use super::{Listing, Part};
use crate::error::Result;
use crate::number;
use crate::plot::{Cell, RowBars, Table};
use crate::rows::Shown;

/// Rows that the table lists, unless another number is asked for.
pub const TOP: usize = 1000;
/// Those of them that are explained, at most.
const EXPLAINED: usize = 200;
/// Scores that explanations may cost where the detector cannot tell the shares of features, and
/// rows that are explained whatever it costs.
const OCCLUSIONS: u64 = 20_000;
const AT_LEAST: usize = 20;
/// Features that explain a row, and features of the bars.
const FEATURES: usize = 3;
const BARS: usize = 15;
/// Other columns that the table shows, and the characters of a value.
const COLUMNS: usize = 6;
const LETTERS: usize = 80;

/// The features that explain most, where any do, and the table of the `n` rows with the highest
/// scores.
pub(super) fn parts(
    fitted: &Fitted,
    shown: &Shown,
    threshold: f64,
    n: usize,
) -> Result<(Option<Part>, Part)> {
    let score = |row: usize| shown.scores.get(row).copied().unwrap_or(f64::NAN);
    let mut order: Vec<usize> = (0..shown.scores.len()).collect();
    order.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
    order.truncate(n);
    let d = fitted.n_features();
    let n_explained = match fitted.occlusions(1)? {
        0 => EXPLAINED,
        each => ((OCCLUSIONS / each) as usize).clamp(AT_LEAST, EXPLAINED),
    };
    let explained = order
        .get(..order.len().min(n_explained))
        .unwrap_or_default();
    let reasons = if shown.has_features() {
        fitted.explain(shown.rows.rows().pick(explained)?.rows(), d)?
    } else {
        Vec::new()
    };
    let mut means = vec![0.0; d];
    for part in reasons.iter().flatten() {
        if let Some(mean) = means.get_mut(part.feature) {
            *mean += part.share / reasons.len() as f64;
        }
    }
    let columns = (!reasons.is_empty()).then(|| columns(fitted, means, reasons.len()));
    let own: Vec<&String> = shown.own.iter().take(COLUMNS).collect();
    let mut head = vec!["rank".to_owned(), "row".to_owned()];
    if shown.named() {
        head.push("id".to_owned());
    }
    head.extend(["score", "p-value", "outlier"].map(str::to_owned));
    head.extend(shown.labels.as_ref().map(|_| "label".to_owned()));
    if !reasons.is_empty() {
        head.push("because".to_owned());
    }
    head.extend(own.iter().map(|name| (*name).clone()));
    let yes = |yes: bool| Cell::Text(if yes { "yes" } else { "no" }.to_owned());
    let rows = order.iter().enumerate().map(|(rank, &row)| {
        let mut cells = vec![Cell::Count(rank as u64 + 1), Cell::Count(row as u64 + 1)];
        if shown.named() {
            cells.push(Cell::text(shown.ids.get(row).cloned()));
        }
        cells.push(Cell::Number(score(row)));
        cells.push(Cell::Number(fitted.p_value(score(row))));
        cells.push(yes(score(row) > threshold));
        cells.extend(
            shown
                .labels
                .as_ref()
                .and_then(|l| l.get(row))
                .map(|l| yes(*l)),
        );
        if !reasons.is_empty() {
            cells.push(Cell::text(reasons.get(rank).map(|r| words(fitted, r))));
        }
        cells.extend(
            own.iter()
                .map(|name| Cell::text(shown.text(name, row).map(shortened))),
        );
        cells
    });
    let listing = Listing {
        id: "top-table".to_owned(),
        title: "Rows with the highest scores".to_owned(),
        sortable: true,
        table: Table {
            columns: head,
            rows: rows.collect(),
        },
    };
    let mut about = format!(
        "The {} with the highest scores, of {}.",
        number::counted(order.len() as u64, "row"),
        number::count(shown.scores.len() as u64)
    );
    // Writing to a string cannot fail.
    if !reasons.is_empty() && explained.len() < order.len() {
        let _ = write!(about, " The first {n_explained} are explained.");
    }
    if shown.own.len() > COLUMNS {
        let _ = write!(
            about,
            " Of {} other columns the first {COLUMNS} are shown.",
            shown.own.len()
        );
    }
    let top = Part {
        id: "top".to_owned(),
        title: "Strangest rows".to_owned(),
        about,
        tables: vec![listing],
        ..Part::default()
    };
    Ok((columns, top))
}

/// The features with the largest mean shares.
fn columns(fitted: &Fitted, means: Vec<f64>, n: usize) -> Part {
    let mut all: Vec<(usize, f64)> = means.into_iter().enumerate().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    let d = all.len();
    all.truncate(BARS);
    let total: f64 = all.iter().map(|(_, v)| v).sum();
    let bars = RowBars {
        id: "features-plot".to_owned(),
        title: "Mean share of the scores".to_owned(),
        description: format!(
            "Mean share of each feature in the scores of the {} with the highest scores. The {} \
             shown hold {} of it; there are {} features.",
            number::counted(n as u64, "row"),
            all.len(),
            number::percent(total),
            number::count(d as u64)
        ),
        columns: ["feature".to_owned(), "mean share".to_owned()],
        rows: all
            .iter()
            .map(|(j, v)| (fitted.features().name(*j), *v))
            .collect(),
    };
    Part {
        id: "features".to_owned(),
        title: "Features that explain most".to_owned(),
        about:
            "A feature's share is its part in the score: where the detector cannot tell, how far \
                the score falls when the feature is set to its median."
                .to_owned(),
        figures: vec![bars.figure()],
        ..Part::default()
    }
}

/// The first features of a row and their shares.
fn words(fitted: &Fitted, reasons: &[qualm::Contribution]) -> String {
    let first = reasons.iter().take(FEATURES).filter(|r| r.share > 0.0);
    let first = first.map(|r| {
        let name = fitted.features().name(r.feature);
        format!("{name} {}", number::percent(r.share))
    });
    first.collect::<Vec<_>>().join(", ")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
