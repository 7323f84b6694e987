//! One JSON document of scored rows.
//!
//! Half a document is no use to anyone, so the rows wait in a temporary file, which has no
//! name and takes no memory, and are printed when all of them are there.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use qualm_data::{OutputFormat, ScoreWriter};
use serde::Serialize;

/// `{"rows": [...], ...}` on stdout. The writer makes JSON lines, which become the elements of
/// the list.
#[derive(Debug)]
pub(crate) struct JsonRows(ScoreWriter<BufWriter<File>>);

impl JsonRows {
    pub(crate) fn start(schema: SchemaRef) -> Result<Self> {
        let file = tempfile::tempfile().context("cannot make a temporary file")?;
        let (format, file) = (OutputFormat::JsonLines, BufWriter::new(file));
        let writer = ScoreWriter::to_writer(format, "the temporary file", file, schema)?;
        Ok(Self(writer))
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    /// Prints the list and the fields of `report`, which serialises to an object.
    pub(crate) fn finish(self, report: &impl Serialize) -> Result<()> {
        let report = serde_json::to_string(report)?;
        let kept = self.0.into_inner()?;
        let mut kept = kept.into_inner().map_err(io::IntoInnerError::into_error)?;
        kept.rewind()?;
        print(BufReader::new(kept), &report).context("standard output: cannot be written")
    }
}

fn print(mut rows: impl BufRead, report: &str) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    out.write_all(b"{\"rows\": [")?;
    let (mut line, mut before) = (Vec::new(), "\n");
    while rows.read_until(b'\n', &mut line)? > 0 {
        out.write_all(before.as_bytes())?;
        out.write_all(line.trim_ascii_end())?;
        line.clear();
        before = ",\n";
    }
    writeln!(out, "\n], {}", report.trim_start_matches('{'))?;
    out.flush()
}
