//! Rows and their scores, and the reference that they are compared with.

use std::path::Path;

use anyhow::Result;
use arrow_schema::Field;
use qualm::monitor::ColumnMoments;
use qualm::{Fitted, ReferenceRows};
use qualm_data::{Batch, ColumnNotes, Selection, score};
use qualm_vision::encoder::FileEncoder;

use crate::args::Monitor;
use crate::columns::{check_encoder, ids_if_present};
use crate::images::{self, encoder_for};
use crate::notes;
use crate::output::{self, Output};
use crate::pipeline::{self, ReadAhead, follow_for, open_for};
use crate::progress;

/// An input of rows under way.
pub(super) struct Stream {
    batches: ReadAhead<Batch>,
    n_rows_hint: Option<u64>,
    notes: ColumnNotes,
    pub(super) id_fields: Vec<Field>,
}

impl Stream {
    /// The rows to compare with. What tells rows apart, and when and whence they are, may be missing there: it
    /// only has to be no feature.
    pub(super) fn reference(args: &Monitor, fitted: &Fitted, path: &Path) -> Result<Self> {
        let asked = selection(args, fitted)?;
        let beside = asked.ids.into_iter().chain(asked.ids_if_present);
        let beside = beside.chain(args.time.clone()).chain(args.stream.clone());
        let selection = Selection {
            ids: Vec::new(),
            ids_if_present: beside.collect(),
            ..asked
        };
        Self::open_selected(args, fitted, path, selection)
    }

    /// The rows to look at, with their times and streams.
    pub(super) fn current(args: &Monitor, fitted: &Fitted) -> Result<Self> {
        let selection = Selection {
            time: args.time.clone(),
            stream: args.stream.clone(),
            ..selection(args, fitted)?
        };
        if !args.follow {
            return Self::open_selected(args, fitted, &args.current, selection);
        }
        let (input, batches) = pipeline::open(follow_for(fitted, &args.current, selection))?;
        Ok(Self::new(input, batches))
    }

    fn open_selected(
        args: &Monitor,
        fitted: &Fitted,
        path: &Path,
        selection: Selection,
    ) -> Result<Self> {
        let (input, batches) = if let Some(encoder) = encoder(args, fitted, path)? {
            refuse_table_flags(args, path)?;
            pipeline::open(images::open(fitted, path, encoder))?
        } else {
            check_encoder(fitted, path)?;
            pipeline::open(open_for(fitted, &[path.to_owned()], selection))?
        };
        Ok(Self::new(input, batches))
    }

    fn new(input: pipeline::Input, batches: ReadAhead<Batch>) -> Self {
        Self {
            batches,
            n_rows_hint: input.n_rows_hint,
            notes: input.notes,
            id_fields: input.id_fields,
        }
    }

    /// Scores every batch and hands it on, in order. Batches of rows that have counted have no scores, but for the
    /// first one.
    pub(super) fn run(
        self,
        fitted: &Fitted,
        counted: Counted,
        what: &'static str,
        output: Output,
        mut take: impl FnMut(Batch, Vec<f64>) -> Result<()> + Send,
    ) -> Result<()> {
        let template = match self.n_rows_hint {
            Some(_) => {
                format!("{what} {{wide_bar}} {{human_pos}}/{{human_len}} rows, {{eta}} left")
            }
            None => format!("{what} {{spinner}} {{human_pos}} rows, {{per_sec}}"),
        };
        let bar = progress::bar(output, self.n_rows_hint, &template);
        let (mut n_read, mut skip) = (0, 0);
        pipeline::run(
            self.batches,
            |batch| {
                let is_first = n_read == 0;
                n_read += batch.rows.rows().n_rows() as u64;
                let scores = if is_first || n_read > skip {
                    score(fitted, &batch)?
                } else {
                    Vec::new()
                };
                if is_first {
                    skip = counted.of(scores.first());
                }
                Ok((batch, scores))
            },
            |(batch, scores)| {
                bar.inc(batch.rows.rows().n_rows() as u64);
                take(batch, scores)
            },
        )?;
        bar.finish_and_clear();
        notes::on_score(&self.notes.all(), output);
        Ok(())
    }
}

/// The rows of an input that have counted in earlier runs: the first ones.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) rows: u64,
    /// The score of the first one.
    pub(super) first: Option<f64>,
}

impl Counted {
    /// How many they are of an input whose first row has this score: none of one that was begun anew.
    pub(super) fn of(self, first: Option<&f64>) -> u64 {
        let same = |first: f64, found: &f64| first.to_bits() == found.to_bits();
        match (self.first, first) {
            (Some(first), Some(found)) if !same(first, found) => 0,
            _ => self.rows,
        }
    }
}

/// What rows are compared with.
pub(super) struct Reference {
    /// In the order of the rows, where they were read.
    pub(super) scores: Vec<f64>,
    /// The moments of the columns; `None` for a model's own reference.
    pub(super) columns: Option<ColumnMoments>,
}

impl Reference {
    /// From a file of rows.
    pub(super) fn read(stream: Stream, fitted: &Fitted, output: Output) -> Result<Self> {
        let mut scores = Vec::new();
        let mut columns = ColumnMoments::new(fitted.n_features());
        stream.run(
            fitted,
            Counted::default(),
            "reference",
            output,
            |batch, batch_scores| {
                scores.extend(batch_scores);
                columns.add(batch.rows.rows());
                Ok(())
            },
        )?;
        Ok(Self {
            scores,
            columns: Some(columns),
        })
    }

    /// The scores that the model was calibrated with.
    pub(super) fn of_model(fitted: &Fitted, output: Output) -> Self {
        let scores = fitted.calibration().scores().to_vec();
        let rows = match fitted.provenance().reference {
            ReferenceRows::FittedRows => "the rows that the model was fitted to",
            ReferenceRows::SeparateRows => "the rows of --calibrate",
        };
        output.note(format!(
            "note: compared with {} of {rows}; --reference FILE compares with other rows",
            output::counted(scores.len() as u64, "score")
        ));
        Self {
            scores,
            columns: None,
        }
    }
}

/// Refuses flags about columns where the input is images.
fn refuse_table_flags(args: &Monitor, path: &Path) -> Result<()> {
    images::refuse_table_flags(
        path,
        &[
            ("--id", !args.id.is_empty()),
            ("--vector", args.vector.is_some()),
            ("--no-header", args.no_header),
            ("--time", args.time.is_some()),
            ("--stream", args.stream.is_some()),
        ]
        .into_iter()
        .chain(args.text.given())
        .collect::<Vec<_>>(),
    )
}

/// Which columns are read besides the features.
fn selection(args: &Monitor, fitted: &Fitted) -> Result<Selection> {
    Ok(Selection {
        ids: args.id.clone(),
        ids_if_present: ids_if_present(&args.id, fitted.roles()),
        vector: args.vector.clone(),
        no_header: args.no_header,
        text: args.text.format()?,
        ..Selection::default()
    })
}

/// The encoder of images, if any.
fn encoder(args: &Monitor, fitted: &Fitted, path: &Path) -> Result<Option<FileEncoder>> {
    let (given, options) = (args.encoder.as_deref(), &args.encoder_options);
    encoder_for(&args.model, fitted, path, given, options)
}
