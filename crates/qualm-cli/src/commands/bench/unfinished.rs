//! What a bench has measured so far, kept beside its results until they are complete.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use qualm::AtomicFile;
use qualm_vision::parts::Fingerprint;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::interrupt;

/// The file beside the results, until they are complete.
#[derive(Debug)]
pub(super) struct Unfinished<R> {
    path: PathBuf,
    kept: Kept<R>,
}

/// What it holds.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<R> {
    run: Fingerprint,
    rows: Vec<R>,
}

impl<R: Clone + Serialize + DeserializeOwned> Unfinished<R> {
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
        let kept: Kept<R> = serde_json::from_slice(&bytes)
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
    pub(super) fn rows(&self) -> &[R] {
        &self.kept.rows
    }

    /// Keeps more rows.
    pub(super) fn put(&mut self, rows: Vec<R>) -> Result<()> {
        self.kept.rows.extend(rows);
        let mut file = AtomicFile::create(&self.path)?;
        interrupt::remove_on_exit(file.temporary());
        let json = serde_json::to_vec(&self.kept)?;
        file.write_all(&json)
            .with_context(|| format!("{}: cannot be written", self.path.display()))?;
        Ok(file.commit()?)
    }

    /// Says after an error what is kept: `done`, such as `3 corruptions`.
    pub(super) fn stopped(&self, error: anyhow::Error, done: &str) -> anyhow::Error {
        if self.is_empty() {
            return error;
        }
        error.context(format!(
            "stopped; {done} are kept in {}: repeat the command to go on",
            self.path.display()
        ))
    }

    /// Removes the file: the results are there.
    pub(super) fn remove(&self) -> Result<()> {
        let path = self.path.display();
        std::fs::remove_file(&self.path).with_context(|| format!("{path}: cannot be removed"))
    }
}
