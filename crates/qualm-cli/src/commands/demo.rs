//! `qualm demo`: the main job, end to end, on data inside the binary.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use qualm::reports::DemoReport;
use qualm::{AtomicFile, Fitted, Spec};
use qualm_data::{Batches, Selection, Source, score};

use crate::args;
use crate::interrupt;
use crate::metrics;
use crate::output::Output;
use crate::progress::FitProgress;

/// Breast Cancer Wisconsin (Diagnostic); see data/README.md for its source and licence.
const WDBC: &str = include_str!("../../data/wdbc.csv");

/// One variance a column on the unit sphere, so that each score explains itself.
const PRESET: &str = "sphere";

pub(crate) fn run(args: &args::Demo, seed: u64, output: Output) -> Result<()> {
    interrupt::listen()?;
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    interrupt::remove_on_exit(Some(scratch.path()));
    let folder = args.keep.as_deref().unwrap_or(scratch.path());
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{}: cannot make the folder", folder.display()))?;
    let data = folder.join("wdbc.csv");
    let mut file = AtomicFile::create(&data)?;
    file.write_all(WDBC.as_bytes())
        .with_context(|| format!("{}: cannot be written", data.display()))?;
    file.commit()?;

    let selection = Selection {
        label: Some("label".to_owned()),
        read_label: true,
        ..Selection::default()
    };
    let source = Source::open(&data, &selection, None)?;
    let features = source.features().clone();
    let batch = source.read_all()?;
    let rows = batch.rows.rows();
    let labels = batch.labels.as_deref().unwrap_or_default();
    output.note(format!(
        "Wdbc: {} tumours x {} measurements; the labels stay out of the fit.",
        rows.n_rows(),
        rows.n_cols()
    ));

    let checkpoint = scratch.path().join("demo.checkpoint");
    let started = Instant::now();
    let mut progress = FitProgress::new(output, &checkpoint);
    let fitted = Spec::preset("dum", PRESET)?.fit(rows, seed, &mut progress);
    progress.finish();
    let fitted = fitted?.with_features(features)?;
    let fit_time = started.elapsed();
    let model = folder.join("wdbc.qualm");
    fitted.save(&model)?;
    let started = Instant::now();
    // From the file, as any later user would.
    let fitted = Fitted::load(&model)?;
    let scores = score(&fitted, &batch)?;
    let score_time = started.elapsed();

    let report = DemoReport {
        fit_seconds: fit_time.as_secs_f64(),
        score_seconds: score_time.as_secs_f64(),
        ..DemoReport::new(&fitted, PRESET, rows, &scores, labels)?
    };
    output.result(&report, || text(&report, args.keep.as_deref()))
}

fn text(report: &DemoReport, kept: Option<&Path>) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line(format!(
        "fitted in {:.1} s without labels (preset {}), scored in {:.3} s\n",
        report.fit_seconds, report.preset, report.score_seconds
    ));
    for (title, rows) in [
        ("least certain: look at these first", &report.least_certain),
        ("most certain: the typical ones", &report.most_certain),
    ] {
        line(title.to_owned());
        line("   row    score  p-value  label      mostly because of".to_owned());
        for row in rows {
            line(format!(
                "{:6} {:8.3} {:8.4}  {:<9}  {}",
                row.row,
                row.score,
                row.p_value,
                if row.malignant { "malignant" } else { "benign" },
                row.because_of.join(", ")
            ));
        }
        line(String::new());
    }
    line("measured afterwards against the labels (malignant = outlier)".to_owned());
    line(metrics::table(&report.metrics));
    line("next".to_owned());
    let folder = kept.map_or_else(|| "wdbc".to_owned(), |path| path.display().to_string());
    if kept.is_none() {
        line(
            "  qualm demo --keep wdbc                                  keep data and model"
                .to_owned(),
        );
    }
    line(format!("  qualm info {folder}/wdbc.qualm"));
    line(format!(
        "  qualm score {folder}/wdbc.qualm {folder}/wdbc.csv --explain 3 | head"
    ));
    line("  qualm fit YOUR_VECTORS.npy -o model.qualm".to_owned());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_are_those_that_the_readme_names() {
        assert_eq!(WDBC.lines().count() - 1, 569);
        let malignant = WDBC.lines().filter(|line| line.ends_with(",1")).count();
        assert_eq!(malignant, 212);
    }
}
