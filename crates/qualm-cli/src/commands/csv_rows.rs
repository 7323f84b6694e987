//! Scored rows as CSV on stdout.
//!
//! The first rows are held back, so that an input of ordinary size with an error anywhere
//! prints nothing; a longer one is printed as it is scored, in constant memory.

use std::io::{self, Write};

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use qualm_data::{OutputFormat, ScoreWriter};

use super::json_rows::Buffer;

/// Bytes held back: some 80,000 rows.
const HELD: usize = 4 << 20;

/// A table on stdout.
#[derive(Debug)]
pub(crate) struct CsvRows {
    lines: ScoreWriter,
    buffer: Buffer,
    /// Rows that are not printed yet; nothing once printing has begun.
    held: Option<Vec<u8>>,
}

impl CsvRows {
    pub(crate) fn start(schema: SchemaRef) -> Result<Self> {
        let buffer = Buffer::default();
        let lines = ScoreWriter::to_writer(OutputFormat::Csv, Box::new(buffer.clone()), schema)?;
        Ok(Self {
            lines,
            buffer,
            held: Some(Vec::new()),
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.lines.write(batch)?;
        let new = self.buffer.take();
        match &mut self.held {
            None => print(&new),
            Some(held) => {
                held.extend(new);
                if held.len() < HELD {
                    return Ok(());
                }
                let begun = print(held);
                self.held = None;
                begun
            }
        }
    }

    /// Prints what is left.
    pub(crate) fn finish(self) -> Result<()> {
        self.lines.finish()?;
        let mut rest = self.held.unwrap_or_default();
        rest.extend(self.buffer.take());
        print(&rest)
    }
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .context("standard output: cannot be written")
}
