//! Scored rows as CSV on stdout.
//!
//! The first rows are held back, so that an input of ordinary size with an error anywhere
//! prints nothing; a longer one is printed as it is scored, in constant memory.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use qualm_data::{OutputFormat, ScoreWriter};

/// Bytes held back: some 80,000 rows.
const HELD: usize = 4 << 20;

const STDOUT: &str = "standard output";

/// A table on stdout.
#[derive(Debug)]
pub(crate) struct CsvRows {
    writer: ScoreWriter<Held>,
    /// Whether the next flush prints.
    shows: Arc<AtomicBool>,
}

impl CsvRows {
    pub(crate) fn start(schema: SchemaRef) -> Result<Self> {
        let shows = Arc::new(AtomicBool::new(false));
        let held = Held {
            bytes: Some(Vec::new()),
            shows: shows.clone(),
        };
        let writer = ScoreWriter::to_writer(OutputFormat::Csv, STDOUT, held, schema)?;
        Ok(Self { writer, shows })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.writer.write(batch)?)
    }

    /// Prints what was written so far.
    pub(crate) fn show(&mut self) -> Result<()> {
        self.shows.store(true, Ordering::Relaxed);
        let shown = self.writer.flush();
        self.shows.store(false, Ordering::Relaxed);
        Ok(shown?)
    }

    /// Prints what is left.
    pub(crate) fn finish(self) -> Result<()> {
        let held = self.writer.into_inner()?.bytes.unwrap_or_default();
        print(&held).with_context(|| format!("{STDOUT}: cannot be written"))
    }
}

/// Bytes that are not printed yet; nothing once printing has begun.
#[derive(Debug)]
struct Held {
    bytes: Option<Vec<u8>>,
    shows: Arc<AtomicBool>,
}

impl Held {
    fn release(&mut self) -> io::Result<()> {
        match self.bytes.take() {
            Some(held) => print(&held),
            None => Ok(()),
        }
    }
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(held) = &mut self.bytes {
            held.extend_from_slice(bytes);
            if held.len() >= HELD {
                self.release()?;
            }
        } else {
            print(bytes)?;
        }
        Ok(bytes.len())
    }

    /// Keeps what is held, unless it is to be shown: a command that failed also flushes its writers.
    fn flush(&mut self) -> io::Result<()> {
        if self.shows.load(Ordering::Relaxed) {
            self.release()?;
        }
        Ok(())
    }
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
