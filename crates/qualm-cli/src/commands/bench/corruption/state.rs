//! What has been measured, kept from one corruption to the next.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt8Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use qualm::reports::CorruptionRow;
use qualm::{AtomicFile, Location};
use qualm_data::{Error, ScoreWriter};
use qualm_vision::parts::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::interrupt;
use crate::output;

/// The file beside the results, until they are complete.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    kept: Kept,
}

/// What it holds.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    run: Fingerprint,
    rows: Vec<CorruptionRow>,
}

impl State {
    /// What an interrupted bench has left, or nothing yet.
    ///
    /// # Errors
    /// When the file is another's, or of a bench of something else.
    pub(super) fn open(output: &Path, run: Fingerprint) -> Result<Self> {
        let mut name = output.as_os_str().to_owned();
        name.push(".unfinished.json");
        let path = PathBuf::from(name);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let rows = Vec::new();
                return Ok(Self {
                    path,
                    kept: Kept { run, rows },
                });
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let kept: Kept = serde_json::from_slice(&bytes)
            .with_context(|| format!("{}: cannot go on from it; remove it", path.display()))?;
        if let Some((what, found, expected)) = kept.run.differs(&run) {
            bail!(
                "{}: an interrupted bench with another {what}: {found} in place of {expected}; \
                 repeat that command to go on, or remove the file to start anew",
                path.display()
            );
        }
        Ok(Self { path, kept })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.rows.is_empty()
    }

    /// All rows, in the order in which they were measured.
    pub(super) fn rows(&self) -> &[CorruptionRow] {
        &self.kept.rows
    }

    /// Corruptions that have been measured, the clean images not among them.
    pub(super) fn n_done(&self) -> usize {
        let mut names: Vec<&str> = (self.kept.rows.iter())
            .map(|row| row.corruption.as_str())
            .collect();
        names.dedup();
        names.len().saturating_sub(1)
    }

    /// Whether a corruption has been measured.
    pub(super) fn has(&self, corruption: &str) -> bool {
        self.kept
            .rows
            .iter()
            .any(|row| row.corruption == corruption)
    }

    /// Keeps the rows of a corruption.
    pub(super) fn put(&mut self, rows: Vec<CorruptionRow>) -> Result<()> {
        self.kept.rows.extend(rows);
        let mut file = AtomicFile::create(&self.path)?;
        interrupt::remove_on_exit(file.temporary());
        let json = serde_json::to_vec(&self.kept)?;
        file.write_all(&json)
            .with_context(|| format!("{}: cannot be written", self.path.display()))?;
        Ok(file.commit()?)
    }

    /// Says after an error what is kept.
    pub(super) fn stopped(&self, error: anyhow::Error) -> anyhow::Error {
        if self.is_empty() {
            return error;
        }
        error.context(format!(
            "stopped; {} are kept in {}: repeat the command to go on",
            output::counted(self.n_done() as u64, "corruption"),
            self.path.display()
        ))
    }

    /// Removes the file: the results are there.
    pub(super) fn remove(&self) -> Result<()> {
        let path = self.path.display();
        std::fs::remove_file(&self.path).with_context(|| format!("{path}: cannot be removed"))
    }
}

/// Writes rows as a table.
pub(super) fn write(rows: &[CorruptionRow], path: &Path) -> Result<()> {
    let text = |of: fn(&CorruptionRow) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    };
    let count = |of: fn(&CorruptionRow) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(of)))
    };
    let number = |of: fn(&CorruptionRow) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float64Array>())
    };
    let severities: UInt8Array = rows.iter().map(|row| row.severity).collect();
    let columns: Vec<(&str, DataType, bool, ArrayRef)> = vec![
        ("corruption", DataType::Utf8, false, text(|r| &r.corruption)),
        ("severity", DataType::UInt8, true, Arc::new(severities)),
        ("detector", DataType::Utf8, false, text(|r| &r.detector)),
        (
            "n_reference",
            DataType::UInt64,
            false,
            count(|r| r.n_reference),
        ),
        ("n", DataType::UInt64, false, count(|r| r.n)),
        ("t", DataType::Float64, true, number(|r| r.t)),
        ("degrees", DataType::Float64, true, number(|r| r.degrees)),
        ("p", DataType::Float64, true, number(|r| r.p)),
        ("log10_p", DataType::Float64, true, number(|r| r.log10_p)),
        ("cohens_d", DataType::Float64, true, number(|r| r.cohens_d)),
        ("auroc", DataType::Float64, true, number(|r| Some(r.auroc))),
        (
            "auroc_ci_low",
            DataType::Float64,
            true,
            number(|r| Some(r.auroc_ci_low)),
        ),
        (
            "auroc_ci_high",
            DataType::Float64,
            true,
            number(|r| Some(r.auroc_ci_high)),
        ),
    ];
    let fields = columns.iter();
    let fields = fields.map(|(name, kind, null, _)| Field::new(*name, kind.clone(), *null));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(.., column)| column).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).map_err(|source| Error::Arrow {
        at: Location::file(path),
        source,
    })?;
    let mut writer = ScoreWriter::create(path, schema)?;
    interrupt::remove_on_exit(writer.temporary());
    writer.write(&batch)?;
    Ok(writer.finish()?)
}
