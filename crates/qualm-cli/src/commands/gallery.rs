//! `qualm gallery`: the most and least certain rows, as one page.

use std::time::{Duration, Instant};

use anyhow::Result;
use qualm::Fitted;
use qualm_data::{Batches, Source};
use qualm_report::gallery::{self, Choice};
use qualm_report::rows::{self, Layout, Shown};
use qualm_vision::Encoder;
use qualm_vision::read::ReadOptions;

use crate::args;
use crate::columns::check_encoder;
use crate::images::{self, encoder_for};
use crate::interrupt;
use crate::output::{self, Output};
use crate::pages::Pages;
use crate::paths::check_model;
use crate::progress;

pub(crate) fn run(args: &args::Gallery, seed: u64, output: Output) -> Result<()> {
    check_model("gallery", &args.model, Some(&args.input))?;
    interrupt::listen()?;
    if args.input.as_os_str() == "-" {
        anyhow::bail!("a gallery reads its rows from a file, not from standard input");
    }
    let fitted = Fitted::load(&args.model)?;
    let mut inputs = vec![args.model.as_path(), args.input.as_path()];
    inputs.extend(args.images.as_deref());
    let pages = Pages::open(&args.page, &inputs)?;
    let started = Instant::now();
    let bar = progress::spinner("gallery", output);
    let (shown, images) = read(args, &fitted)?;
    let choice = Choice {
        top: args.top,
        by_class: args.by_class,
        classes: args.classes.clone(),
        views: args.views,
        items: args.items.clone(),
        seed,
    };
    let mut gallery = gallery::build(&fitted, &shown, &choice)?;
    gallery.model = args.model.display().to_string();
    gallery.input = args.input.display().to_string();
    gallery.title.clone_from(&args.page.title);
    let options = ReadOptions {
        column: args.column.clone(),
        ..ReadOptions::default()
    };
    let images = args
        .images
        .as_deref()
        .or(images.then_some(args.input.as_path()));
    let pictures = images.map(|path| {
        gallery.images = Some(path.display().to_string());
        gallery::find_pictures(path, &options, &shown, &mut gallery)
    });
    let pictures = pictures.transpose()?;
    let chart = gallery::chart(&fitted, &shown, gallery.threshold);
    let html = gallery::html(&gallery, pictures.as_ref(), Some(&chart))?;
    bar.finish_and_clear();
    for note in &gallery.notes {
        output.note(format!("note: {note}"));
    }
    if let Some(missing) = gallery.missing_words() {
        output.warn(missing);
    }
    let (page, numbers) = (pages.page_path.clone(), pages.numbers_path.clone());
    pages.write(&html, &gallery.json()?, || gallery::table(&gallery))?;
    let elapsed = started.elapsed();
    output.result(&gallery, || {
        let n: usize = gallery
            .sections
            .iter()
            .map(|s| s.most_certain.len() + s.least_certain.len())
            .sum();
        summary(
            &format!(
                "{} of {}",
                output::counted(n as u64, "item"),
                output::rows(gallery.n as u64)
            ),
            &page.display().to_string(),
            html.len(),
            &numbers.display().to_string(),
            elapsed,
        )
    })
}

/// What was written, in a line.
pub(super) fn summary(
    what: &str,
    page: &str,
    bytes: usize,
    numbers: &str,
    elapsed: Duration,
) -> String {
    format!(
        "{what} in {page} ({}), the numbers in {numbers}, in {}\n",
        indicatif::HumanBytes(bytes as u64),
        output::seconds(elapsed)
    )
}

/// The rows with their scores, and whether the input itself holds the images.
fn read(args: &args::Gallery, fitted: &Fitted) -> Result<(Shown, bool)> {
    let encoder = encoder_for(
        &args.model,
        fitted,
        &args.input,
        args.encoder.as_deref(),
        &args.encoder_options,
    )?;
    if let Some(encoder) = encoder {
        images::refuse_table_flags(
            &args.input,
            &[
                ("--class", args.class.is_some()),
                ("--item", args.item.is_some()),
                ("--text", args.text.is_some()),
                ("--vector", args.vector.is_some()),
                ("--no-header", args.no_header),
                ("--by-class", args.by_class),
                ("--classes", !args.classes.is_empty()),
                ("--views", args.views),
            ],
        )?;
        let name = encoder.identity().name.clone();
        let source = images::open(fitted, &args.input, encoder)()?;
        let id = source.id_fields().first().map(|f| f.name().clone());
        let layout = Layout::of_images(&id.unwrap_or_default(), &name);
        return Ok((rows::read(fitted, source, layout)?, true));
    }
    check_encoder(fitted, &args.input)?;
    let asked = [&args.item, &args.class, &args.text].map(Option::as_deref);
    let layout = Layout::of_file(&args.input, fitted.features(), args.no_header, asked)?;
    let mut selection = layout.selection();
    selection.vector.clone_from(&args.vector);
    selection.no_header = args.no_header;
    let source = Source::open(&args.input, &selection, Some(fitted.features()))?;
    let source = source.with_rounding(fitted.rounding());
    Ok((rows::read(fitted, source, layout)?, false))
}
