//! One JSON document of scored rows, written as the rows come.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use qualm::data::{OutputFormat, ScoreWriter};
use serde::Serialize;

/// `{"rows": [...], ...}` on stdout.
#[derive(Debug)]
pub(crate) struct JsonRows {
    out: BufWriter<Stdout>,
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
        let mut out = BufWriter::new(io::stdout());
        out.write_all(b"{\"rows\": [")?;
        Ok(Self {
            out,
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
            self.out.write_all(before)?;
            self.out.write_all(line)?;
        }
        Ok(())
    }

    /// Closes the list and adds the fields of `report`, which serialises to an object.
    pub(crate) fn finish(mut self, report: &impl Serialize) -> Result<()> {
        self.lines.finish()?;
        let report = serde_json::to_string(report)?;
        write!(self.out, "\n], {}\n", report.trim_start_matches('{'))?;
        Ok(self.out.flush()?)
    }
}

/// Bytes that a writer leaves and we collect.
#[derive(Debug, Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
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
