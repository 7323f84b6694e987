//! Where scores go: a file, or standard output as CSV or JSON.

use std::path::Path;

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use qualm::reports::ScoreReport;
use qualm_data::{ScoreWriter, format_for};

use super::csv_rows::CsvRows;
use super::json_rows::JsonRows;
use crate::interrupt;
use crate::output::Output;

/// Refuses an output whose format its name does not tell.
pub(super) fn check_format(target: &Path) -> Result<()> {
    let format = format_for(target);
    if target.starts_with("/dev") {
        format.with_context(|| format!("leave --output {} out to print CSV", target.display()))?;
    } else {
        format?;
    }
    Ok(())
}

/// Where scores go.
#[derive(Debug)]
pub(super) enum Sink {
    File(ScoreWriter),
    Stdout(CsvRows),
    Json(JsonRows),
}

impl Sink {
    /// Takes the place of the output, before any work.
    pub(super) fn new(path: Option<&Path>, json: bool, schema: SchemaRef) -> Result<Self> {
        Ok(match path {
            Some(path) => {
                let writer = ScoreWriter::create(path, schema)?;
                interrupt::remove_on_exit(writer.temporary());
                Self::File(writer)
            }
            None if json => Self::Json(JsonRows::start(schema)?),
            None => Self::Stdout(CsvRows::start(schema)?),
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::File(writer) => Ok(writer.write(batch)?),
            Self::Stdout(rows) => rows.write(batch),
            Self::Json(rows) => rows.write(batch),
        }
    }

    /// Shows what was written so far, where it is printed row by row.
    pub(super) fn show(&mut self) -> Result<()> {
        match self {
            Self::Stdout(rows) => rows.show(),
            Self::File(_) | Self::Json(_) => Ok(()),
        }
    }

    /// Ends the output and says what was done.
    pub(super) fn finish(self, report: &ScoreReport, summary: &str, output: Output) -> Result<()> {
        match self {
            Self::File(writer) => {
                writer.finish()?;
                output.result(report, || summary.to_owned())
            }
            Self::Stdout(rows) => {
                rows.finish()?;
                output.note(summary.trim_end());
                Ok(())
            }
            Self::Json(rows) => rows.finish(report),
        }
    }
}
