//! Where interrupted work is kept, and how it goes on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use qualm::Checkpoint;

use crate::output::Output;

/// Where the interrupted work on an output is kept.
pub(crate) fn beside(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".checkpoint");
    PathBuf::from(name)
}

/// The checkpoint to go on from, if asked for and there. Says so where the user may expect that
/// earlier work goes on and none does; `what` is what the work is called.
///
/// # Errors
/// When the checkpoint cannot be read.
pub(crate) fn resume(
    what: &str,
    asked: bool,
    checkpoint: &Path,
    output: Output,
) -> Result<Option<Checkpoint>> {
    let path = checkpoint.display();
    match (asked, checkpoint.exists()) {
        (true, true) => {
            let state = Checkpoint::load(checkpoint).context("cannot resume")?;
            output.note(format!("note: going on from step {}", state.step()));
            return Ok(Some(state));
        }
        (true, false) => output.note(format!("note: no checkpoint {path}; {what} from the start")),
        (false, true) => output.warn(format!(
            "{what} from the start, which replaces {path}; --resume would go on from there"
        )),
        (false, false) => {}
    }
    Ok(None)
}
