//! The list of the rows that could not be scored: where each is, and what is wrong with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use qualm_data::{Error, Reject, ScoreWriter, format_for};

use crate::args;
use crate::interrupt;
use crate::paths::{place, refuse_same};

/// The file of the rejects.
#[derive(Debug)]
pub(super) struct RejectsFile {
    path: PathBuf,
    schema: SchemaRef,
    writer: ScoreWriter,
    pub(super) n: u64,
}

impl RejectsFile {
    /// Takes its place, before any work, where rows are to be left out: that of `--rejects`, else
    /// beside the output.
    ///
    /// # Errors
    /// When there is no place for it, or it cannot be written.
    pub(super) fn reserve(args: &args::Score) -> Result<Option<Self>> {
        if args.on_error == args::OnError::Stop {
            if args.rejects.is_some() {
                bail!("--rejects lists the rows that --on-error skip leaves out; say both");
            }
            return Ok(None);
        }
        let Some(path) = args
            .rejects
            .clone()
            .or_else(|| beside(args.output.as_deref()?))
        else {
            bail!(
                "--on-error skip lists the rows that it leaves out: say where with --rejects FILE, or \
                 give -o OUT, beside which OUT.rejects.csv is written"
            );
        };
        format_for(&path)?;
        refuse_same("--rejects", &path, &[&args.model, &args.input])?;
        if args
            .output
            .as_deref()
            .is_some_and(|o| place(o) == place(&path))
        {
            bail!(
                "{}: would be written twice; choose another --rejects",
                path.display()
            );
        }
        let fields = vec![
            Field::new("file", DataType::Utf8, true),
            Field::new("row", DataType::UInt64, true),
            Field::new("line", DataType::UInt64, true),
            Field::new("column", DataType::Utf8, true),
            Field::new("reason", DataType::Utf8, false),
        ];
        let schema = Arc::new(Schema::new(fields));
        let writer = ScoreWriter::create(&path, schema.clone())?;
        interrupt::remove_on_exit(writer.temporary());
        Ok(Some(Self {
            path,
            schema,
            writer,
            n: 0,
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds some rows.
    pub(super) fn add(&mut self, rejects: &[Reject]) -> Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        self.n += rejects.len() as u64;
        let numbers = |number: fn(&Reject) -> Option<usize>| -> ArrayRef {
            let numbers = rejects.iter().map(|r| number(r).map(|n| n as u64));
            Arc::new(numbers.collect::<UInt64Array>())
        };
        let texts = |text: fn(&Reject) -> Option<String>| -> ArrayRef {
            Arc::new(rejects.iter().map(text).collect::<StringArray>())
        };
        let columns = vec![
            texts(|r| r.at.file.as_ref().map(|file| file.display().to_string())),
            numbers(|r| r.at.row),
            numbers(|r| r.at.line.map(|line| line as usize)),
            texts(|r| r.at.column.clone()),
            texts(|r| Some(r.reason.clone())),
        ];
        let rows = RecordBatch::try_new(self.schema.clone(), columns);
        let rows = rows.map_err(|source| Error::Arrow {
            at: qualm::Location::file(&self.path),
            source,
        })?;
        Ok(self.writer.write(&rows)?)
    }

    pub(super) fn finish(self) -> Result<()> {
        Ok(self.writer.finish()?)
    }
}

/// Beside the output.
fn beside(output: &Path) -> Option<PathBuf> {
    output.file_name()?;
    Some(output.with_extension("rejects.csv"))
}
