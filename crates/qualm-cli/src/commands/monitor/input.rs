//! Rows and their scores, and the reference that they are compared with.

use std::path::Path;

use anyhow::Result;
use arrow_schema::Field;
use qualm::monitor::ColumnMoments;
use qualm::{Fitted, ReferenceRows};
use qualm_data::{Batch, Selection, score};

use super::encoder;
use crate::args::Monitor;
use crate::columns::{check_encoder, ids_if_present};
use crate::images;
use crate::output::{self, Output};
use crate::pipeline::{self, ReadAhead, open_for};
use crate::progress;

/// An input of rows under way.
pub(super) struct Stream {
    batches: ReadAhead<Batch>,
    n_rows_hint: Option<u64>,
    pub(super) id_fields: Vec<Field>,
}

impl Stream {
    pub(super) fn open(args: &Monitor, fitted: &Fitted, path: &Path) -> Result<Self> {
        let (input, batches) = if let Some(encoder) = encoder(args, fitted, path)? {
            pipeline::open(images::open(fitted, path, encoder))?
        } else {
            check_encoder(fitted, path)?;
            pipeline::open(open_for(fitted, path, selection(args, fitted)))?
        };
        Ok(Self {
            batches,
            n_rows_hint: input.n_rows_hint,
            id_fields: input.id_fields,
        })
    }

    /// Scores every batch and hands it on, in order.
    pub(super) fn run(
        self,
        fitted: &Fitted,
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
        pipeline::run(
            self.batches,
            |batch| {
                let scores = score(fitted, &batch)?;
                Ok((batch, scores))
            },
            |(batch, scores)| {
                bar.inc(scores.len() as u64);
                take(batch, scores)
            },
        )?;
        bar.finish_and_clear();
        Ok(())
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
        stream.run(fitted, "reference", output, |batch, batch_scores| {
            scores.extend(batch_scores);
            columns.add(batch.rows.rows());
            Ok(())
        })?;
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

/// Which columns are read besides the features.
fn selection(args: &Monitor, fitted: &Fitted) -> Selection {
    Selection {
        ids: args.id.clone(),
        ids_if_present: ids_if_present(&args.id, fitted.roles()),
        vector: args.vector.clone(),
        no_header: args.no_header,
        ..Selection::default()
    }
}
