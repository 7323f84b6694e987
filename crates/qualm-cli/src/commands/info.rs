//! `qualm info`.

use std::fmt::Write;

use anyhow::Result;
use indicatif::{HumanBytes, HumanCount};
use qualm::ood::OodFitted;
use qualm::reports::{InfoReport, OodInfoReport, ReferenceScores};
use qualm::{
    ColumnRoles, Content, Diagnostics, EncoderIdentity, Features, Fitted, Provenance, Recipe,
    Sampling,
};
use serde_json::{Map, Value};

use crate::args;
use crate::output::{self, Output};
use crate::paths::check_model;
use crate::threshold;

pub(crate) fn run(args: &args::Info, output: Output) -> Result<()> {
    check_model("info", &args.model, None)?;
    let model = Some(args.model.display().to_string());
    let model_bytes = std::fs::metadata(&args.model).ok().map(|m| m.len());
    let fitted = match Fitted::load(&args.model) {
        Ok(fitted) => fitted,
        Err(error) => {
            // A file of another kind may be one of these.
            let Ok(fitted) = OodFitted::load(&args.model) else {
                return Err(error.into());
            };
            let report = OodInfoReport {
                model,
                model_bytes,
                ..OodInfoReport::new(&fitted)?
            };
            return output.result(&report, || text_ood(&report, &fitted));
        }
    };
    let report = InfoReport {
        model,
        model_bytes,
        ..InfoReport::new(&fitted)?
    };
    output.result(&report, || text(&report, &fitted))
}

/// Names and values, a line each.
#[derive(Debug, Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name:<20} {value}");
    }

    /// The file, the detector and its fit.
    fn begin(
        &mut self,
        (model, bytes): (Option<&str>, Option<u64>),
        (detector, summary): (&str, &str),
        p: &Provenance,
    ) {
        let size = HumanBytes(bytes.unwrap_or_default());
        self.add("model", format!("{} ({size})", model.unwrap_or_default()));
        self.add("detector", format!("{detector} ({summary})"));
        self.add(
            "fitted",
            format!(
                "{} by qualm {}, seed {}",
                p.created, p.qualm_version, p.seed
            ),
        );
        self.add(
            "rows",
            format!(
                "{} (sha256 {})",
                HumanCount(p.n_rows as u64),
                p.input_digest
            ),
        );
    }

    fn encoder(&mut self, encoder: Option<&EncoderIdentity>) {
        if let Some(encoder) = encoder {
            self.add("encoder", of_encoder(encoder));
        }
    }

    fn roles(&mut self, roles: &ColumnRoles, about_label: &str) {
        if !roles.ids.is_empty() {
            self.add("ids", roles.ids.join(", "));
        }
        if let Some(label) = &roles.label {
            self.add("label", format!("{label} ({about_label})"));
        }
    }

    fn reference_scores(&mut self, s: &ReferenceScores) {
        self.add(
            "reference scores",
            format!(
                "{} rows: min {:.4}, median {:.4}, 95% {:.4}, max {:.4}",
                HumanCount(s.n as u64),
                s.min,
                s.median,
                s.p95,
                s.max
            ),
        );
    }

    /// Warnings, and all keys.
    fn end(mut self, p: &Provenance, keys: Map<String, Value>) -> String {
        for warning in &p.warnings {
            self.add("warning", warning);
        }
        for (key, value) in keys {
            if key != "detector" {
                self.add(&format!("  {key}"), value);
            }
        }
        self.0
    }
}

fn text_ood(report: &OodInfoReport, fitted: &OodFitted) -> String {
    let (p, spec) = (&report.provenance, &report.spec);
    let mut lines = Lines::default();
    let file = (report.model.as_deref(), report.model_bytes);
    lines.begin(file, (spec.detector(), spec.summary()), p);
    lines.encoder(p.encoder.as_ref());
    let inputs = report.inputs.features.iter().chain(&report.inputs.logits);
    let inputs = inputs.map(|input| format!("{} ({})", input.name, input.width));
    lines.add("inputs", inputs.collect::<Vec<_>>().join(", "));
    lines.roles(&report.roles, "the classes");
    lines.reference_scores(&report.reference_scores);
    lines.add(
        "threshold",
        threshold::describe_ood(report.threshold, fitted),
    );
    lines.end(p, spec.keys())
}

/// How the fitted rows were taken from more.
fn sampled(sampling: &Sampling) -> String {
    let from = output::rows(sampling.n_rows);
    if sampling.n_reference == 0 {
        return format!("from {from}");
    }
    format!(
        "from {from}; calibrated on {} that were not, p-values at most {:.2e} too large",
        output::rows(sampling.n_reference),
        sampling.p_value_error
    )
}

fn text(report: &InfoReport, fitted: &Fitted) -> String {
    let (p, spec) = (&report.provenance, &report.spec);
    let mut lines = Lines::default();
    let file = (report.model.as_deref(), report.model_bytes);
    lines.begin(file, (spec.detector(), spec.summary()), p);
    if let Some(sampling) = &p.sampling {
        lines.add("sampled", sampled(sampling));
    }
    if let Some(n_items) = p.n_items {
        lines.add(
            "views",
            format!("of {}", output::counted(n_items as u64, "item")),
        );
    }
    lines.encoder(p.encoder.as_ref());
    lines.add("features", features(&report.features));
    if let Some(recipe) = report.features.recipe() {
        for (name, value) in prepared(recipe) {
            lines.add(name, value);
        }
    }
    let keys = spec.keys();
    let word = |key: &str| {
        keys.get(key).map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    if let Some(reference) = word("reference") {
        lines.add("reference", taken_for(&reference));
    }
    if let Some(network) = word("network") {
        lines.add("network", network_of(&network, word));
    }
    lines.roles(&report.roles, "not used in fitting");
    lines.reference_scores(&report.reference_scores);
    lines.add("threshold", threshold::describe(report.threshold, fitted));
    for training in trainings(p) {
        lines.add("training", training);
    }
    for (name, value) in report.diagnostics.iter().flat_map(diagnosed) {
        lines.add(name, value);
    }
    lines.end(p, keys)
}

/// The encoder that made the rows.
fn of_encoder(encoder: &EncoderIdentity) -> String {
    format!(
        "{} of width {} (sha256 {})",
        encoder.name, encoder.width, encoder.digest
    )
}

/// What became of the loss of each network.
fn trainings(p: &Provenance) -> impl Iterator<Item = String> {
    let losses = p.losses.iter().enumerate();
    losses.filter_map(|(i, losses)| {
        let (from, to) = (losses.first()?, losses.last()?);
        let rows = p.effective_rows.get(i).and_then(|rows| rows.last());
        let rows = rows.map(|rows| format!(", {rows:.2} effective rows a bag"));
        let rows = rows.unwrap_or_default();
        Some(format!(
            "{} steps, loss {from:.4} to {to:.4}{rows}",
            p.steps
        ))
    })
}

/// What a value of `reference` means.
fn taken_for(reference: &str) -> String {
    let rows = match reference {
        "clean" => "are taken for usual",
        _ => "may hold outliers",
    };
    format!("{reference} (the fitted rows {rows})")
}

/// Which network it is, and of which kernel: what the rows decided where it was left to them.
fn network_of(network: &str, word: impl Fn(&str) -> Option<String>) -> String {
    let members = word("members").unwrap_or_default();
    let plural = if members == "1" { "" } else { "s" };
    let mut parts = vec![network.to_owned(), format!("{members} member{plural}")];
    let keys = ["scaling", "metric", "bandwidth", "exponent"];
    let of_kernel = match (word("space").as_deref(), network) {
        (Some("kernel"), "kernel") => keys.len(),
        (Some("kernel"), _) => keys.len() - 1,
        _ => 0,
    };
    let values = keys.iter().take(of_kernel);
    parts.extend(values.filter_map(|key| Some(format!("{key} {}", word(key)?))));
    parts.join(", ")
}

/// Each diagnostic that there is, with a word on what it means.
fn diagnosed(d: &Diagnostics) -> Vec<(&'static str, String)> {
    let bags = d.effective_rows.zip(d.bag_size);
    let bags = bags
        .map(|(rows, of)| format!("{rows:.2} of {of} rows decide a bag's mean (1 = collapsed)"));
    let ranks = |v: f64, of| format!("{v:.3} between the ranks by {of} (1 = stable, right or not)");
    let members = d.member_agreement.map(|v| ranks(v, "two members"));
    let halves = d.half_agreement.map(|v| ranks(v, "two halves of the rows"));
    let entropy = d.score_entropy;
    let entropy = entropy.map(|v| format!("{v:.3} (0 = all in one place, 1 = spread evenly)"));
    let distinct = d.distinct_scores;
    let distinct = distinct.map(|v| format!("{:.1}% of the fitted rows", 100.0 * v));
    [
        ("effective rows", bags),
        ("member agreement", members),
        ("half agreement", halves),
        ("score entropy", entropy),
        ("distinct scores", distinct),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// How columns become features, in a few words each.
fn prepared(recipe: &Recipe) -> Vec<(&'static str, String)> {
    let mut lines = vec![("missing", recipe.missing().to_string())];
    if !recipe.na().is_empty() {
        lines.push(("na", recipe.na().join(", ")));
    }
    let (mut dates, mut categories, mut how) = (Vec::new(), Vec::new(), None);
    for column in recipe.columns() {
        match column.content() {
            Content::Number { .. } => {}
            Content::Date { .. } => dates.push(column.name().to_owned()),
            Content::Category(vocabulary) => {
                how = Some(vocabulary.encoding());
                let more = if vocabulary.is_cut() {
                    " and others"
                } else {
                    ""
                };
                let n = vocabulary.values().len();
                categories.push(format!("{} ({n}{more})", column.name()));
            }
        }
    }
    if !dates.is_empty() {
        lines.push(("dates", dates.join(", ")));
    }
    if let Some(how) = how {
        let unknown = recipe.unknown();
        let columns = categories.join(", ");
        lines.push((
            "categories",
            format!("{how}, unknown: {unknown}; {columns}"),
        ));
    }
    lines
}

/// Names of the features, not too many.
fn features(features: &Features) -> String {
    const SHOWN: usize = 8;
    match features {
        Features::Vector { name, width } => {
            let name = name.as_ref().map(|n| format!(" '{n}'")).unwrap_or_default();
            format!("a vector{name} of {width}")
        }
        Features::Prepared(_) | Features::Columns(_) => {
            let names = features.names().unwrap_or_default();
            let shown = names
                .iter()
                .take(SHOWN)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            match names.len().saturating_sub(SHOWN) {
                0 => format!("{}: {shown}", names.len()),
                more => format!("{}: {shown} and {more} more", names.len()),
            }
        }
    }
}
