//! The model itself: how it was trained, how well, and with which settings.

use qualm::{Fitted, ReferenceRows};

use super::{Listing, Part};
use crate::number;
use crate::plot::{Axis, Cell, Chart, Figure, Mark, Table, ends};

/// Members whose curves are drawn in colours of their own.
const COLOURS: usize = 4;

/// Training curves, diagnostics and warnings; nothing where a model has none of them.
pub(super) fn training(fitted: &Fitted) -> Option<Part> {
    let provenance = fitted.provenance();
    let mut figures = Vec::new();
    figures.extend(curve(
        "losses",
        "Training loss",
        "loss",
        &provenance.losses,
        provenance.steps,
    ));
    figures.extend(curve(
        "effective-rows",
        "Effective rows in a bag",
        "rows",
        &provenance.effective_rows,
        provenance.steps,
    ));
    let mut facts = Vec::new();
    if let Some(found) = provenance.diagnostics {
        let known = [
            ("effective rows in a bag", found.effective_rows),
            ("rows in a bag", found.bag_size.map(|n| n as f64)),
            ("agreement of members", found.member_agreement),
            ("agreement of halves", found.half_agreement),
            ("entropy of scores", found.score_entropy),
            ("distinct scores", found.distinct_scores),
        ];
        let known = known.into_iter().filter_map(|(name, v)| Some((name, v?)));
        facts.extend(known.map(|(name, v)| (name.to_owned(), Cell::Number(v))));
    }
    let warnings = provenance.warnings.iter();
    let warnings: Vec<Vec<Cell>> = warnings.map(|w| vec![Cell::Text(w.to_string())]).collect();
    if figures.is_empty() && facts.is_empty() && warnings.is_empty() {
        return None;
    }
    let tables = (!warnings.is_empty()).then(|| Listing {
        id: "warnings".to_owned(),
        title: "Warnings of the fit".to_owned(),
        sortable: false,
        table: Table {
            columns: vec!["warning".to_owned()],
            rows: warnings,
        },
    });
    Some(Part {
        id: "training".to_owned(),
        title: "Training and health".to_owned(),
        about: "None of these numbers shows that a ranking is right: only labels can. They show \
                whether it depends on chance, and whether training had an effect."
            .to_owned(),
        facts,
        figures,
        tables: tables.into_iter().collect(),
        map: None,
    })
}

/// A line for each member, if there is any.
fn curve(id: &str, title: &str, label: &str, members: &[Vec<f64>], steps: u64) -> Option<Figure> {
    let members: Vec<&Vec<f64>> = members.iter().filter(|m| m.len() > 1).collect();
    if members.is_empty() {
        return None;
    }
    let n = members.len();
    let step = |i: usize, of: usize| steps as f64 * (i + 1) as f64 / of as f64;
    let marks = members.iter().enumerate().map(|(i, values)| Mark::Line {
        series: (i % COLOURS) as u8 + 1,
        name: if n > 1 && n <= COLOURS {
            format!("member {}", i + 1)
        } else {
            String::new()
        },
        points: (values.iter().enumerate())
            .map(|(k, v)| [step(k, values.len()), *v])
            .collect(),
    });
    let [low, high] = ends(members.iter().flat_map(|m| m.iter().copied()));
    let longest = members.iter().map(|m| m.len()).max().unwrap_or_default();
    let mut columns = vec!["step".to_owned()];
    columns.extend((1..=n).map(|i| {
        if n > 1 {
            format!("member {i}")
        } else {
            label.to_owned()
        }
    }));
    let rows = (0..longest).map(|k| {
        let mut row = vec![Cell::Number(step(k, longest))];
        row.extend(members.iter().map(|m| Cell::number(m.get(k).copied())));
        row
    });
    let room = (high - low).abs() * 0.05;
    let first = members
        .first()
        .and_then(|m| Some((*m.first()?, *m.last()?)));
    let (from, to) = first.unwrap_or_default();
    let chart = Chart {
        id: id.to_owned(),
        title: title.to_owned(),
        description: format!(
            "{} over {} steps, each point a mean over equally many steps; the first member from {} to {}.",
            number::counted(n as u64, "member"),
            number::count(steps),
            number::short(from),
            number::short(to)
        ),
        x: Axis::new("step", [0.0, steps as f64]),
        y: Axis::new(label, [low - room, high + room]),
        marks: marks.collect(),
        table: Table {
            columns,
            rows: rows.collect(),
        },
        square: false,
    };
    Some(chart.figure())
}

/// Hyper-parameters and where the model came from.
pub(super) fn settings(fitted: &Fitted) -> Part {
    let p = fitted.provenance();
    let keys = fitted.spec().keys();
    let word = |value: &serde_json::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let keys = keys
        .iter()
        .map(|(key, v)| vec![Cell::Text(key.clone()), Cell::Text(word(v))]);
    let reference = match p.reference {
        ReferenceRows::FittedRows => "the rows fitted on",
        ReferenceRows::SeparateRows => "rows kept apart from fitting",
    };
    let mut origin = vec![
        ("fitted", p.created.clone()),
        ("by", format!("qualm {}", p.qualm_version)),
        ("seed", p.seed.to_string()),
        ("rows", number::count(p.n_rows as u64)),
        ("sha256 of the rows", p.input_digest.clone()),
        (
            "reference",
            format!(
                "{} scores of {reference}",
                number::count(fitted.calibration().n() as u64)
            ),
        ),
        ("threshold rule", rule(fitted)),
    ];
    origin.extend(
        p.n_items
            .map(|n| ("items that the rows are views of", number::count(n as u64))),
    );
    if let Some(encoder) = &p.encoder {
        origin.push((
            "encoder",
            format!("{} of width {}", encoder.name, encoder.width),
        ));
        origin.push(("sha256 of the encoder", encoder.digest.clone()));
    }
    let roles = fitted.roles();
    if !roles.ids.is_empty() {
        origin.push(("id columns", roles.ids.join(", ")));
    }
    origin.extend(
        roles
            .label
            .clone()
            .map(|label| ("label column, never fitted", label)),
    );
    let origin = origin.into_iter();
    let origin = origin.map(|(name, v)| vec![Cell::Text(name.to_owned()), Cell::Text(v)]);
    let listing = |id: &str, title: &str, columns: [&str; 2], rows: Vec<Vec<Cell>>| Listing {
        id: id.to_owned(),
        title: title.to_owned(),
        sortable: false,
        table: Table {
            columns: columns.map(str::to_owned).to_vec(),
            rows,
        },
    };
    Part {
        id: "settings".to_owned(),
        title: "Settings and provenance".to_owned(),
        about: format!(
            "Detector {}: {}.",
            fitted.spec().detector(),
            fitted.spec().summary()
        ),
        tables: vec![
            listing("keys", "Hyper-parameters", ["key", "value"], keys.collect()),
            listing("origin", "Provenance", ["what", "value"], origin.collect()),
        ],
        ..Part::default()
    }
}

/// The rule behind the threshold, in words.
fn rule(fitted: &Fitted) -> String {
    use qualm::calibrate::ThresholdRule;
    match fitted.threshold_rule() {
        ThresholdRule::Fpr(rate) => {
            format!(
                "at most {} of the reference rows score above it",
                number::percent(rate)
            )
        }
        ThresholdRule::Contamination(share) => {
            format!(
                "for {} outliers among the reference rows",
                number::percent(share)
            )
        }
        ThresholdRule::Score(_) => "given".to_owned(),
    }
}
