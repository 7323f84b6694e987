//! One JSON document of scored rows.
//!
//! Half a document is no use to anyone, so the rows wait in a temporary file, which has no
//! name and takes no memory, and are printed when all of them are there.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use qualm_data::{OutputFormat, ScoreWriter};
use serde::Serialize;

/// `{"rows": [...], ...}` on stdout.
#[derive(Debug)]
pub(crate) struct JsonRows {
    kept: BufWriter<File>,
    /// Turns rows into JSON lines, which are the elements of our list.
    lines: ScoreWriter,
    buffer: Buffer,
    first: bool,
}

impl JsonRows {
    pub(crate) fn start(schema: SchemaRef) -> Result<Self> {
        let buffer = Buffer::default();
        let lines =
            ScoreWriter::to_writer(OutputFormat::JsonLines, Box::new(buffer.clone()), schema)?;
        let file = tempfile::tempfile().context("cannot make a temporary file")?;
        Ok(Self {
            kept: BufWriter::new(file),
            lines,
            buffer,
            first: true,
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.lines.write(batch)?;
        for line in self
            .buffer
            .take()
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
        {
            let before: &[u8] = if self.first { b"\n" } else { b",\n" };
            self.first = false;
            let written = (self.kept.write_all(before)).and_then(|()| self.kept.write_all(line));
            written.context("the temporary file: cannot be written")?;
        }
        Ok(())
    }

    /// Prints the list and the fields of `report`, which serialises to an object.
    pub(crate) fn finish(self, report: &impl Serialize) -> Result<()> {
        self.lines.finish()?;
        let report = serde_json::to_string(report)?;
        let mut kept = self
            .kept
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        kept.rewind()?;
        let mut print = || {
            let mut out = io::stdout().lock();
            out.write_all(b"{\"rows\": [")?;
            io::copy(&mut kept, &mut out)?;
            writeln!(out, "\n], {}", report.trim_start_matches('{'))?;
            out.flush()
        };
        print().context("standard output: cannot be written")
    }
}

/// Bytes that a writer leaves and we collect.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
