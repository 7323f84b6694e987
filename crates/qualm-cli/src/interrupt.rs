//! Ctrl-C: ends the command at once, or at a point from which a fit can be resumed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::FAILED;

static ASKED: AtomicBool = AtomicBool::new(false);
/// Whether the work looks at [`asked`] often enough to be left to stop by itself.
static GRACEFUL: AtomicBool = AtomicBool::new(false);
/// Unfinished files and folders, removed when the process is ended.
static TEMP_FILES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Listens from now on. A signal ends the process, unless the work is [`graceful`]; a
/// second one always does. Finished files are never touched, unfinished ones removed. What
/// the parent of the process has ignored stays ignored.
pub(crate) fn listen() -> Result<()> {
    #[cfg(unix)]
    let ignored = crate::signals::ignored();
    ctrlc::set_handler(|| {
        let again = ASKED.swap(true, Ordering::SeqCst);
        if again || !GRACEFUL.load(Ordering::SeqCst) {
            remove_temp_files();
            let _ = writeln!(
                std::io::stderr(),
                "error: interrupted; no output was written"
            );
            std::process::exit(i32::from(FAILED));
        }
    })
    .context("cannot listen for Ctrl-C")?;
    #[cfg(unix)]
    crate::signals::ignore(&ignored);
    Ok(())
}

/// Says whether the work will stop by itself once [`asked`].
pub(crate) fn graceful(graceful: bool) {
    GRACEFUL.store(graceful, Ordering::SeqCst);
}

/// Whether the user asked to stop.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// Has a temporary file or folder removed if the process is ended. Once it has its final name
/// it is safe.
pub(crate) fn remove_on_exit(path: Option<&Path>) {
    let mut files = TEMP_FILES.lock().unwrap_or_else(PoisonError::into_inner);
    files.extend(path.map(Path::to_owned));
}

fn remove_temp_files() {
    for path in &*TEMP_FILES.lock().unwrap_or_else(PoisonError::into_inner) {
        // Mostly gone already; a failure cannot be helped here.
        let _ = if path.is_dir() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
    }
}
