//! Scored rows as CSV on stdout.
//!
//! The first rows are held back, so that an input of ordinary size with an error anywhere
//! prints nothing; a longer one is printed as it is scored, in constant memory.

use std::io::{self, Write};

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use qualm_data::{OutputFormat, ScoreWriter};

/// Bytes held back: some 80,000 rows.
const HELD: usize = 4 << 20;

const STDOUT: &str = "standard output";

/// A table on stdout.
#[derive(Debug)]
pub(crate) struct CsvRows(ScoreWriter<Held>);

impl CsvRows {
    pub(crate) fn start(schema: SchemaRef) -> Result<Self> {
        let held = Held(Some(Vec::new()));
        let writer = ScoreWriter::to_writer(OutputFormat::Csv, STDOUT, held, schema)?;
        Ok(Self(writer))
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    /// Prints what is left.
    pub(crate) fn finish(self) -> Result<()> {
        let held = self.0.into_inner()?.0.unwrap_or_default();
        print(&held).with_context(|| format!("{STDOUT}: cannot be written"))
    }
}

/// Bytes that are not printed yet; nothing once printing has begun.
#[derive(Debug)]
struct Held(Option<Vec<u8>>);

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(held) = &mut self.0 {
            held.extend_from_slice(bytes);
            if held.len() >= HELD {
                print(held)?;
                self.0 = None;
            }
        } else {
            print(bytes)?;
        }
        Ok(bytes.len())
    }

    /// Keeps what is held: a command that failed also flushes its writers.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
