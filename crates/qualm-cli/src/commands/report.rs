//! `qualm report`: a model and its scores, as one page.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use qualm::Fitted;
use qualm_data::Source;
use qualm_report::RowImages;
use qualm_report::export::{self, Export};
use qualm_report::report::{self, Inputs, Scores, read_results};
use qualm_report::rows::{self, Layout, Shown};
use qualm_vision::read::ReadOptions;

use super::gallery::summary;
use crate::args;
use crate::columns::check_encoder;
use crate::interrupt;
use crate::output::{self, Output};
use crate::pages::Pages;
use crate::paths::{check_model, refuse_same};
use crate::progress;

pub(crate) fn run(args: &args::Report, seed: u64, output: Output) -> Result<()> {
    check_model("report", &args.model, args.input.as_deref())?;
    interrupt::listen()?;
    let given = args.input.iter().chain(&args.current);
    let results = || args.monitor.iter().chain(&args.bench);
    let mut inputs = vec![args.model.as_path()];
    inputs.extend(
        given
            .clone()
            .chain(results())
            .map(std::path::PathBuf::as_path),
    );
    if inputs.iter().any(|input| input.as_os_str() == "-") {
        bail!("a report reads its rows from files, not from standard input");
    }
    inputs.extend(args.images.as_deref());
    let fitted = Fitted::load(&args.model)?;
    let pages = Pages::open(&args.page, &inputs)?;
    let exports = open_exports(args, &pages, &inputs)?;
    let name = |path: &Path| path.display().to_string();
    let results = results().map(|path| Ok((name(path), read_results(path)?)));
    let results = results.collect::<Result<Vec<_>>>()?;
    let started = Instant::now();
    let bar = progress::spinner("report", output);
    let label = args.label.as_deref();
    let shown = args
        .input
        .as_deref()
        .map(|path| read(args, &fitted, path, label));
    let shown = shown.transpose()?;
    let current = args.current.as_deref().map(|path| {
        let shown = read(args, &fitted, path, None)?;
        anyhow::Ok(Scores {
            name: "current".to_owned(),
            scores: shown.scores().to_vec(),
        })
    });
    let inputs = Inputs {
        fitted: &fitted,
        model: name(&args.model),
        rows: args.input.as_deref().map(name).zip(shown.as_ref()),
        current: current.transpose()?,
        results,
        seed,
        map: args.map.into(),
        top: args.top,
        title: args.page.title.clone(),
    };
    let report = report::build(&inputs)?;
    let html = report::html(&report)?;
    let export = exports
        .any()
        .then(|| Export::new(&report, &fitted, shown.as_ref()));
    let export = export.transpose()?;
    bar.finish_and_clear();
    for note in &report.notes {
        output.note(format!("note: {note}"));
    }
    let (page, numbers) = (name(&pages.page_path), name(&pages.numbers_path));
    let table = || report::table(&report, &fitted, shown.as_ref());
    if let Some((export, shown)) = export.as_ref().zip(shown.as_ref()) {
        let options = ReadOptions {
            column: args.column.clone(),
            ..ReadOptions::default()
        };
        let images = args.images.clone();
        let images = images.map(|path| RowImages::In(path, options));
        for note in exports.write(export, shown, images.as_ref())? {
            output.warn(note);
        }
    }
    pages.write(&html, &report.json()?, table)?;
    let elapsed = started.elapsed();
    output.result(&report, || {
        let parts = output::counted(report.parts.len() as u64, "part");
        summary(&parts, &page, html.len(), &numbers, elapsed)
    })
}

/// The files for other programs, which nothing else that is read or written may be.
fn open_exports(args: &args::Report, pages: &Pages, inputs: &[&Path]) -> Result<export::Files> {
    let mut written = vec![pages.page_path.as_path(), pages.numbers_path.as_path()];
    for (flag, path) in [("--atlas", &args.atlas), ("--fiftyone", &args.fiftyone)] {
        let Some(path) = path.as_deref() else {
            continue;
        };
        refuse_same(flag, path, inputs)?;
        if written.contains(&path) {
            bail!(
                "{}: is written by the same command; choose another {flag}",
                path.display()
            );
        }
        written.push(path);
    }
    let files = export::Files::open(
        args.atlas.as_deref(),
        args.fiftyone.as_deref(),
        args.page.force,
    )?;
    for temporary in files.temporaries() {
        interrupt::remove_on_exit(Some(temporary));
    }
    Ok(files)
}

/// Rows with their scores, or the scores of a file of scores.
fn read(args: &args::Report, fitted: &Fitted, path: &Path, label: Option<&str>) -> Result<Shown> {
    let item = args.item.as_deref();
    if rows::are_scores(path, fitted.features(), args.no_header)? {
        return Ok(rows::read_scores(path, label, item)?);
    }
    check_encoder(fitted, path)?;
    let layout = Layout::of_file(path, fitted.features(), args.no_header, [item, None, None])?;
    let layout = layout.with_label(label);
    let mut selection = layout.selection();
    selection.vector.clone_from(&args.vector);
    selection.no_header = args.no_header;
    let source = Source::open(path, &selection, Some(fitted.features()))?;
    Ok(rows::read(
        fitted,
        source.with_rounding(fitted.rounding()),
        layout,
    )?)
}
