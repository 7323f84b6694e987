//! Ctrl-C: the first asks the work to stop where it can go on later, the second ends it.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

static ASKED: AtomicBool = AtomicBool::new(false);

/// What a shell expects of a process that SIGINT ended.
const KILLED: i32 = 130;

/// Listens from now on. Temporary files are removed on the way out after the first
/// signal; after a second one they may stay, but no finished file is ever touched.
pub(crate) fn listen() -> Result<()> {
    ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(KILLED);
        }
    })
    .context("cannot listen for Ctrl-C")
}

/// Whether someone asked to stop.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// Ends the command if someone asked to stop.
pub(crate) fn check() -> Result<()> {
    if asked() {
        bail!("interrupted; nothing was written");
    }
    Ok(())
}
