//! What an interrupted run over images leaves, so that another one goes on from there.
//!
//! Beside the output, in the folder `OUTPUT.parts`: `state.json` with what decides the rows of
//! the run, and the rows in `part-0.parquet`, `part-1.parquet` and so on. Each file appears whole or not at
//! all, a part before the state that counts it, so that a process killed at any time leaves a
//! folder that can be read. The folder goes when the output is there.

use std::fs::File;
use std::path::{Path, PathBuf};

use std::io::Write;

use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use qualm::{AtomicFile, write_error};
use qualm_data::ScoreWriter;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Rows read back at once.
const BATCH: usize = 1024;

/// What decides the rows of a run: names, and what they are set to. Another run goes on only from
/// the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(Vec<(String, String)>);

impl Fingerprint {
    /// Of some settings.
    #[must_use]
    pub fn new(settings: &[(&str, String)]) -> Self {
        let owned = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Self(owned.collect())
    }

    /// The first setting that differs in another: its name, and both values.
    #[must_use]
    pub fn differs<'a>(&'a self, other: &'a Self) -> Option<(&'a str, &'a str, &'a str)> {
        let value = |of: &'a Self, name: &str| {
            let found = of.0.iter().find(|(n, _)| n == name);
            found.map_or("none", |(_, value)| value.as_str())
        };
        let names = self.0.iter().chain(&other.0).map(|(name, _)| name.as_str());
        let mut pairs = names.map(|name| (name, value(self, name), value(other, name)));
        pairs.find(|(_, own, others)| own != others)
    }
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    version: u32,
    /// Finished parts.
    parts: u32,
    /// Images in them.
    images: u64,
    run: Fingerprint,
}

/// The version of [`State`].
const VERSION: u32 = 2;

/// The folder of an output under way.
#[derive(Debug)]
pub struct Parts {
    folder: PathBuf,
    schema: SchemaRef,
    state: State,
}

impl Parts {
    /// The parts of a new run. Nothing is written until the first one is there; those of an
    /// earlier run are removed then.
    #[must_use]
    pub fn new(output: &Path, schema: SchemaRef, run: Fingerprint) -> Self {
        Self {
            folder: folder(output),
            schema,
            state: State {
                version: VERSION,
                parts: 0,
                images: 0,
                run,
            },
        }
    }

    /// The parts that an earlier run left, if any.
    ///
    /// # Errors
    /// [`Error::PartsOfAnother`] when something that decides its rows was another;
    /// [`Error::BrokenParts`] when they cannot be read.
    pub fn resume(output: &Path, schema: SchemaRef, run: Fingerprint) -> Result<Self> {
        let mut parts = Self::new(output, schema, run);
        let path = parts.folder.join("state.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(parts),
            Err(error) => return Err(broken(&path, error.to_string())),
        };
        let state: State =
            serde_json::from_str(&text).map_err(|error| broken(&path, error.to_string()))?;
        if state.version != VERSION {
            let message = format!("version {}, expected {VERSION}", state.version);
            return Err(broken(&path, message));
        }
        if let Some((what, found, expected)) = state.run.differs(&parts.state.run) {
            return Err(Error::PartsOfAnother {
                what: what.to_owned(),
                found: found.to_owned(),
                expected: expected.to_owned(),
                folder: parts.folder,
            });
        }
        parts.state = state;
        Ok(parts)
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Images whose rows are kept.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.state.images
    }

    /// Keeps the rows of `images` more images.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep(&mut self, rows: &[RecordBatch], images: u64) -> Result<()> {
        if self.state.parts == 0 {
            self.begin()?;
        }
        let mut writer = ScoreWriter::create(&self.part(self.state.parts), self.schema.clone())?;
        for rows in rows {
            writer.write(rows)?;
        }
        writer.finish()?;
        self.state.parts += 1;
        self.state.images += images;
        let path = self.folder.join("state.json");
        let json = serde_json::to_vec_pretty(&self.state);
        let json = json.map_err(|source| qualm::Error::SerialiseMetadata { source })?;
        let mut file = AtomicFile::create(&path)?;
        let written = file.write_all(&json);
        written.map_err(|error| write_error(&path, error))?;
        file.commit()?;
        Ok(())
    }

    /// An empty folder.
    fn begin(&self) -> Result<()> {
        self.remove()?;
        let made = std::fs::create_dir(&self.folder);
        made.map_err(|error| write_error(&self.folder, error))?;
        Ok(())
    }

    /// The rows that are kept, in their order.
    ///
    /// # Errors
    /// [`Error::BrokenParts`].
    pub fn rows(&self) -> impl Iterator<Item = Result<RecordBatch>> {
        (0..self.state.parts).flat_map(|n| {
            let path = self.part(n);
            let batches = File::open(&path)
                .map_err(|error| broken(&path, error.to_string()))
                .and_then(|file| {
                    ParquetRecordBatchReaderBuilder::try_new(file)
                        .and_then(|builder| builder.with_batch_size(BATCH).build())
                        .map_err(|error| broken(&path, error.to_string()))
                });
            let (batches, failed) = match batches {
                Ok(batches) => (Some(batches), None),
                Err(error) => (None, Some(Err(error))),
            };
            let schema = self.schema.clone();
            let batches = batches.into_iter().flatten().map(move |batch| {
                let batch = batch.map_err(|error| broken(&path, error.to_string()))?;
                // Without what the file says of itself: the columns have to be these.
                RecordBatch::try_new(schema.clone(), batch.columns().to_vec())
                    .map_err(|error| broken(&path, error.to_string()))
            });
            failed.into_iter().chain(batches)
        })
    }

    /// The ids of the images that are kept, each once, given how many rows each has.
    ///
    /// # Errors
    /// [`Error::BrokenParts`].
    pub fn ids(&self, rows_per_image: usize) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let mut row = 0;
        for rows in self.rows() {
            let rows = rows?;
            let column = rows.columns().first();
            let column = column.and_then(|c| c.as_any().downcast_ref::<StringArray>());
            for id in column.into_iter().flatten() {
                if row % rows_per_image == 0 {
                    ids.push(id.unwrap_or_default().to_owned());
                }
                row += 1;
            }
        }
        if ids.len() as u64 != self.state.images {
            let message = format!("{} images, expected {}", ids.len(), self.state.images);
            return Err(broken(&self.folder, message));
        }
        Ok(ids)
    }

    /// Removes the folder, if it is there.
    ///
    /// # Errors
    /// [`Error::BrokenParts`] when something of it cannot be removed.
    pub fn remove(&self) -> Result<()> {
        let ours = |name: &str| {
            let number = name
                .strip_prefix("part-")
                .and_then(|n| n.strip_suffix(".parquet"));
            let part = number.is_some_and(|n| n.parse::<u32>().is_ok());
            part || name == "state.json" || name.starts_with(".qualm-")
        };
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return Ok(());
        };
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_some_and(ours) {
                let removed = std::fs::remove_file(entry.path());
                removed.map_err(|error| broken(&entry.path(), error.to_string()))?;
            }
        }
        // It stays where somebody has put another file.
        let removed = std::fs::remove_dir(&self.folder);
        removed.map_err(|error| broken(&self.folder, error.to_string()))
    }

    fn part(&self, n: u32) -> PathBuf {
        self.folder.join(format!("part-{n}.parquet"))
    }
}

/// The folder of the parts of an output.
fn folder(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".parts");
    PathBuf::from(name)
}

fn broken(path: &Path, message: String) -> Error {
    Error::BrokenParts {
        path: path.to_owned(),
        message,
    }
}
