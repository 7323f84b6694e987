//! A folder of damaged images: each file appears whole, and a run that was interrupted goes on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use qualm::write_error;
use qualm_vision::corrupt::{Damaged, Damager};
use qualm_vision::parts::Fingerprint;
use qualm_vision::read::Item;

use crate::output::Output;

/// Says what an unfinished folder is made of; it goes when the folder is whole.
const STATE: &str = ".qualm-run.json";

/// The folder of a run.
#[derive(Debug)]
pub(crate) struct DamagedFolder {
    path: PathBuf,
    /// Whether files of an earlier run may be there.
    resumed: bool,
}

impl DamagedFolder {
    /// An empty folder, or with `resume` that of an interrupted run with the same settings.
    pub(crate) fn open(
        path: &Path,
        run: &Fingerprint,
        resume: bool,
        output: Output,
    ) -> Result<Self> {
        let state = path.join(STATE);
        let shown = path.display();
        let resumed = match (resume, state.is_file()) {
            (true, true) => {
                let text = fs::read(&state).with_context(|| state.display().to_string())?;
                let before: Fingerprint = serde_json::from_slice(&text)
                    .with_context(|| format!("{}: is damaged", state.display()))?;
                if let Some((what, found, now)) = before.differs(run) {
                    bail!(
                        "{shown}: left by a run with another {what} ({found}, now {now}); repeat \
                         that run's arguments, or choose another --output"
                    );
                }
                true
            }
            (true, false) if has_files(path)? => {
                bail!("{shown}: holds no interrupted run; choose another --output")
            }
            (false, true) => bail!(
                "{shown}: holds an interrupted run; go on with --resume, or choose another --output"
            ),
            (false, false) if has_files(path)? => {
                bail!("{shown}: is not empty; choose another --output")
            }
            (true, false) => {
                output.note(format!(
                    "note: no interrupted run in {shown}; starting anew"
                ));
                false
            }
            (false, false) => false,
        };
        fs::create_dir_all(path).map_err(|error| write_error(path, error))?;
        if !resumed {
            let text = serde_json::to_vec_pretty(run)?;
            fs::write(&state, text).map_err(|error| write_error(&state, error))?;
        }
        Ok(Self {
            path: path.to_owned(),
            resumed,
        })
    }

    /// Whether all damaged images of an image are there.
    pub(crate) fn has(&self, damager: &Damager, item: &Item) -> bool {
        self.resumed
            && damager
                .paths(&item.id)
                .all(|path| self.path.join(path).is_file())
    }

    /// Writes some damaged images.
    pub(crate) fn write(&self, damaged: &[Damaged]) -> Result<()> {
        for image in damaged {
            let path = self.path.join(&image.path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|error| write_error(folder, error))?;
            }
            let temporary = path.with_extension("qualm-part");
            fs::write(&temporary, &image.bytes).map_err(|error| write_error(&path, error))?;
            fs::rename(&temporary, &path).map_err(|error| write_error(&path, error))?;
        }
        Ok(())
    }

    /// Says how to go on after an error.
    pub(crate) fn stopped(&self, error: anyhow::Error) -> anyhow::Error {
        error.context(format!(
            "stopped; what is done is kept in {}: repeat the command with --resume to go on",
            self.path.display()
        ))
    }

    /// Marks the folder as whole.
    pub(crate) fn finish(self) -> Result<()> {
        let state = self.path.join(STATE);
        fs::remove_file(&state).map_err(|error| write_error(&state, error))?;
        Ok(())
    }
}

fn has_files(path: &Path) -> Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}
