//! `qualm fit --sample-rows`: fits to a uniform sample of an input of any size, calibrates on its other rows.

use std::path::Path;

use anyhow::{Result, bail};
use qualm::Fitted;
use qualm::calibrate::ScoreCells;
use qualm_data::{Batch, RowPlace, Selection, Source, row_places, score};

use super::fit::inputs;
use crate::args;
use crate::columns::Roles;
use crate::interrupt;
use crate::output::{self, Output};
use crate::pipeline::{self, open_for};
use crate::progress;

/// How the fitted rows were taken from the input.
#[derive(Debug)]
pub(super) struct Sampled {
    n_rows: u64,
    /// The last row of the sample.
    last: RowPlace,
    seed: u64,
}

/// Refuses what a sample cannot go with.
pub(super) fn check(args: &args::Fit, roles: &Roles) -> Result<()> {
    if args.sample_rows.is_none() {
        return Ok(());
    }
    if args.input == Path::new("-") {
        bail!(
            "--sample-rows reads the input twice, and standard input can be read once; give a file"
        );
    }
    if let Some(item) = roles.item() {
        bail!(
            "--sample-rows takes single rows, but rows are views of items by column '{item}'; embed the \
             images without views, or fit without --sample-rows"
        );
    }
    Ok(())
}

/// Reads all rows, keeps the sample.
pub(super) fn read(
    source: Source,
    most: usize,
    seed: u64,
    output: Output,
) -> Result<(Batch, Sampled)> {
    use qualm_data::Batches;

    let bar = progress::rows("sample", output, source.n_rows_hint());
    let sample = source.sample(most, seed, |n| bar.inc(n));
    bar.finish_and_clear();
    let sample = sample?;
    let sampled = Sampled {
        n_rows: sample.n_rows,
        last: sample.last,
        seed,
    };
    let n = sample.batch.rows.rows().n_rows() as u64;
    let n_rows = output::rows(sampled.n_rows);
    output.note(if n < sampled.n_rows {
        format!("note: fitted to a sample: {} of {n_rows}", output::rows(n))
    } else {
        format!("note: fitted to all rows, {n_rows}: there are no more than --sample-rows")
    });
    Ok((sample.batch, sampled))
}

/// Takes the rows that were not sampled as the reference, where they are enough. Without id columns,
/// which may be none, other rows will be the reference.
pub(super) fn calibrate(
    fitted: &mut Fitted,
    sampled: &Sampled,
    args: &args::Fit,
    ids: Option<&Vec<String>>,
    output: Output,
) -> Result<()> {
    let (n_rows, last) = (sampled.n_rows, &sampled.last);
    let n_apart = n_rows - fitted.provenance().n_rows as u64;
    let apart = fitted.calibrates_apart(n_rows);
    let Some(ids) = ids.filter(|_| apart) else {
        if ids.is_some() && n_apart > 0 {
            output.note(format!(
                "note: calibrated on the fitted rows: fewer than these, {}, were not sampled",
                output::rows(n_apart)
            ));
        }
        return Ok(fitted.calibrate_on_counts(n_rows, None)?);
    };
    // Nothing can go on from here: Ctrl-C ends the command.
    interrupt::graceful(false);
    let selection = Selection {
        ids: ids.clone(),
        vector: args.columns.vector.clone(),
        no_header: args.columns.no_header,
        text: args.text.format()?,
        ..Selection::default()
    };
    let (_, batches) = pipeline::open(open_for(fitted, &inputs(args), selection))?;
    let bar = progress::rows("calibrate", output, Some(n_rows));
    let mut cells = ScoreCells::of(fitted.calibration());
    let mut n_read = 0;
    pipeline::run(
        batches,
        |batch| {
            let n = batch.rows.rows().n_rows() as u64;
            let numbers = n_read..n_read + n;
            let places = row_places(&batch.ids, &batch.origin, ids, numbers, sampled.seed)?;
            n_read += n;
            let scores = score(fitted, &batch)?;
            let apart = scores
                .iter()
                .zip(&places)
                .filter(|(_, place)| *place > last);
            cells.count(&apart.map(|(score, _)| *score).collect::<Vec<_>>());
            Ok(n)
        },
        |n| {
            bar.inc(n);
            Ok(())
        },
    )?;
    bar.finish_and_clear();
    if n_read != n_rows {
        bail!(
            "{}: had {} when it was sampled and {} afterwards; it must not change meanwhile",
            args.input.display(),
            output::rows(n_rows),
            output::rows(n_read)
        );
    }
    Ok(fitted.calibrate_on_counts(n_rows, Some(&cells))?)
}
