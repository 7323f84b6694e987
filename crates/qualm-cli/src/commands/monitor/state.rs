//! The state of a sequential test on disk.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use qualm::monitor::{Sequential, SequentialSpec, Streams, digest_of_scores};
use qualm::{AtomicFile, digest};
use serde::{Deserialize, Serialize};

use super::input::Reference;
use super::settings::{across, most_streams};
use crate::args::Monitor;
use crate::interrupt;
use crate::output::{self, Output};
use crate::paths::place;

/// What a state belongs to, and how far it has come in the present input. Python's monitor writes the first
/// two, and no input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    model: String,
    reference: String,
    /// The column that splits the rows into streams.
    stream_column: Option<String>,
    input: String,
    /// Rows of the input that have counted.
    pub(super) position: u64,
    /// The score of the first one.
    pub(super) first_score: Option<f64>,
    /// When the latest row of each stream is from, in microseconds since 1970.
    #[serde(default)]
    pub(super) last_times: Vec<Option<i64>>,
}

/// The state's file, which one process at a time may write.
pub(super) struct StateFile {
    path: PathBuf,
    /// Held until the end.
    _lock: File,
}

/// The test where an earlier run has left it, or a new one.
pub(super) fn begin(
    args: &Monitor,
    spec: &SequentialSpec,
    reference: &Reference,
    file: Option<&StateFile>,
    output: Output,
) -> Result<(Streams, Kept)> {
    let fresh = Kept {
        model: model_digest(&args.model)?,
        reference: digest_of_scores(&reference.scores),
        stream_column: args.stream.clone(),
        input: place(&args.current).display().to_string(),
        position: 0,
        first_score: None,
        last_times: Vec::new(),
    };
    let most = most_streams(args);
    // Settings that no state could have are refused before one is read.
    let empty = Streams::new(&reference.scores, spec.clone(), across(args), most);
    let empty = empty.context("reference")?;
    let read = |file: &StateFile| file.read(&reference.scores, most, &fresh);
    let Some((streams, kept)) = file.map(read).transpose()?.flatten() else {
        return Ok((empty, fresh));
    };
    if let Some((file, what)) = file.zip(difference(&streams, &empty)) {
        return Err(of_another(&file.path, what));
    }
    let n_rows = streams.streams().iter().map(|s| s.watch().n_rows()).sum();
    output.note(format!(
        "note: going on after {} of the stream",
        output::rows(n_rows)
    ));
    // Standard input is another one each time.
    let same = kept.input == fresh.input && args.current.as_os_str() != "-";
    let last_times = kept.last_times.clone();
    let now = if same { kept } else { fresh };
    Ok((streams, Kept { last_times, ..now }))
}

fn model_digest(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(digest::sha256([bytes.as_slice()]))
}

impl Kept {
    /// What a state of these belongs to besides, if anything.
    fn difference(&self, fresh: &Self) -> Option<&'static str> {
        if self.model != fresh.model {
            Some("another model")
        } else if self.reference != fresh.reference {
            Some("another reference")
        } else if self.stream_column != fresh.stream_column {
            Some("another --stream")
        } else {
            None
        }
    }
}

/// Which setting a state was made with that is not asked for.
fn difference(found: &Streams, asked: &Streams) -> Option<&'static str> {
    if found.spec().guarantee != asked.spec().guarantee {
        Some("another --alpha or --run-length")
    } else if found.across() != asked.across() {
        Some("another --correct")
    } else if found.spec().thinning != asked.spec().thinning {
        Some("another --thin or --mean-of")
    } else if found.spec().seed != asked.spec().seed {
        Some("another --seed")
    } else {
        None
    }
}

fn of_another(state: &Path, what: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{}: is the state of {what}; give the same, or another --state to start anew",
        state.display()
    )
}

impl StateFile {
    /// # Errors
    /// When another process holds it.
    pub(super) fn lock(path: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock_path = PathBuf::from(name);
        let lock = File::create(&lock_path)
            .with_context(|| format!("{}: cannot be written", lock_path.display()))?;
        if lock.try_lock().is_err() {
            bail!(
                "{}: another qualm monitor writes it; wait for that one, or use another --state",
                path.display()
            );
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The state, if there is one.
    fn read(
        &self,
        reference: &[f64],
        most: usize,
        fresh: &Kept,
    ) -> Result<Option<(Streams, Kept)>> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| self.path.display().to_string()),
        };
        let kept = |context| {
            serde_json::from_value::<Kept>(context)
                .with_context(|| format!("{}: not a state of qualm monitor", self.path.display()))
        };
        let path = &self.path;
        if fresh.stream_column.is_none() {
            if Streams::context_of(path, &bytes).is_ok() {
                return Err(of_another(path, "another --stream"));
            }
            let (watch, context) = Sequential::from_bytes(path, &bytes)?;
            let kept = kept(context)?;
            self.check(&kept, fresh)?;
            return Ok(Some((Streams::of_one(watch), kept)));
        }
        if Sequential::from_bytes(path, &bytes).is_ok() {
            return Err(of_another(path, "another --stream"));
        }
        // Before its counts are read, which mean nothing without the reference that they were made with.
        self.check(&kept(Streams::context_of(path, &bytes)?)?, fresh)?;
        let (streams, context) = Streams::from_bytes(path, &bytes, reference, most)?;
        Ok(Some((streams, kept(context)?)))
    }

    fn check(&self, kept: &Kept, fresh: &Kept) -> Result<()> {
        match kept.difference(fresh) {
            Some(what) => Err(of_another(&self.path, what)),
            None => Ok(()),
        }
    }

    /// Writes the state; that of one stream as Python's monitor does.
    pub(super) fn write(&self, streams: &Streams, kept: &Kept) -> Result<()> {
        let context = serde_json::to_value(kept)?;
        let bytes = match kept.stream_column {
            Some(_) => streams.to_bytes(&context)?,
            None => streams.first().to_bytes(&context)?,
        };
        let mut file = AtomicFile::create(&self.path)?;
        interrupt::remove_on_exit(file.temporary());
        file.write_all(&bytes)
            .with_context(|| format!("{}: cannot be written", self.path.display()))?;
        Ok(file.commit()?)
    }
}
