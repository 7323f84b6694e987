//! `qualm info`.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use qualm::Features;
use qualm::calibrate::ThresholdRule;
use qualm::{ColumnRoles, Diagnostics, Fitted, Provenance, Spec};
use serde::Serialize;

use super::fit::describe;
use crate::args;
use crate::detectors;
use crate::output::{self, Output};

/// What `info --json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: &'a Path,
    model_bytes: u64,
    n_features: usize,
    features: &'a Features,
    roles: &'a ColumnRoles,
    spec: &'a Spec,
    threshold: f64,
    #[serde(rename = "cut")]
    rule: ThresholdRule,
    reference_scores: Scores,
    diagnostics: Option<Diagnostics>,
    /// Without the diagnostics.
    provenance: Provenance,
}

/// The reference scores in brief.
#[derive(Debug, Serialize)]
struct Scores {
    n: usize,
    min: f64,
    median: f64,
    p95: f64,
    max: f64,
}

pub(crate) fn run(args: &args::Info, output: Output) -> Result<()> {
    let fitted = Fitted::load(&args.model)?;
    let reference = fitted.calibration();
    let mut provenance = fitted.provenance().clone();
    let diagnostics = provenance.diagnostics.take();
    let report = Report {
        model: &args.model,
        model_bytes: std::fs::metadata(&args.model).map_or(0, |m| m.len()),
        n_features: fitted.n_features(),
        features: fitted.features(),
        roles: fitted.roles(),
        spec: fitted.spec(),
        threshold: fitted.threshold()?,
        rule: fitted.threshold_rule(),
        reference_scores: Scores {
            n: reference.n(),
            min: reference.quantile(0.0)?,
            median: reference.quantile(0.5)?,
            p95: reference.quantile(0.95)?,
            max: reference.quantile(1.0)?,
        },
        diagnostics,
        provenance,
    };
    output.result(&report, || text(&report, &fitted))
}

fn text(report: &Report<'_>, fitted: &Fitted) -> String {
    let p = &report.provenance;
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:<20} {value}");
    };
    let size = output::bytes(report.model_bytes);
    line("model", format!("{} ({size})", report.model.display()));
    let name = report.spec.detector();
    line(
        "detector",
        detectors::words(name).map_or_else(|| name.to_owned(), |words| format!("{name} ({words})")),
    );
    line(
        "fitted",
        format!(
            "{} by qualm {}, seed {}",
            p.created, p.qualm_version, p.seed
        ),
    );
    line(
        "rows",
        format!("{} (sha256 {})", output::count(p.n_rows), p.input_digest),
    );
    line("features", features(report.features));
    if !report.roles.ids.is_empty() {
        line("ids", report.roles.ids.join(", "));
    }
    if let Some(label) = &report.roles.label {
        line("label", format!("{label} (not used in fitting)"));
    }
    let s = &report.reference_scores;
    line(
        "reference scores",
        format!(
            "{} rows: min {:.4}, median {:.4}, 95% {:.4}, max {:.4}",
            output::count(s.n),
            s.min,
            s.median,
            s.p95,
            s.max
        ),
    );
    line(
        "threshold",
        format!(
            "{:.6} ({})",
            report.threshold,
            describe(report.rule, fitted)
        ),
    );
    for (i, losses) in p.losses.iter().enumerate() {
        if let (Some(from), Some(to)) = (losses.first(), losses.last()) {
            let rows = p.effective_rows.get(i).and_then(|rows| rows.last());
            let rows = rows.map(|rows| format!(", {rows:.2} effective rows a bag"));
            line(
                "training",
                format!(
                    "{} steps, loss {from:.4} to {to:.4}{}",
                    p.steps,
                    rows.unwrap_or_default()
                ),
            );
        }
    }
    for (name, value) in report.diagnostics.iter().flat_map(diagnosed) {
        line(name, value);
    }
    for warning in &p.warnings {
        line("warning", warning.to_string());
    }
    for (key, value) in report.spec.keys() {
        if key != "detector" {
            line(&format!("  {key}"), value.to_string());
        }
    }
    out
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

/// Names of the features, not too many.
fn features(features: &Features) -> String {
    const SHOWN: usize = 8;
    match features {
        Features::Vector { name, width } => {
            let name = name.as_ref().map(|n| format!(" '{n}'")).unwrap_or_default();
            format!("a vector{name} of {width}")
        }
        Features::Columns(names) => {
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
