//! Copies of objects, in files without a name, for formats that are read from one end to the other.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use futures_util::StreamExt;
use object_store::ObjectStoreExt;
use qualm::Location;

use super::object::{Object, wait};
use crate::error::{Error, Result};

/// Called while an object is copied, with its address, the bytes that are here and all bytes.
type Watch = dyn Fn(&Path, u64, u64) + Send + Sync;

static WATCH: OnceLock<Box<Watch>> = OnceLock::new();

/// Has a function called while objects of a store are copied, with the address, the bytes copied so far
/// and the bytes of the object, such as to show progress. Only the first one is kept.
pub fn watch_copies(watch: impl Fn(&Path, u64, u64) + Send + Sync + 'static) {
    let _ = WATCH.set(Box::new(watch));
}

/// What has been copied: an input that is read twice is fetched once.
static COPIES: Mutex<Option<HashMap<PathBuf, File>>> = Mutex::new(None);

/// An object as a file of this machine. The file has no name, and is gone when the process ends.
///
/// # Errors
/// Those of the store; [`Error::Read`] where there is no room for the copy.
pub(crate) fn copy(address: &Path) -> Result<File> {
    let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
    let copies = copies.get_or_insert_default();
    if let Some(file) = copies.get(address).and_then(again) {
        return Ok(file);
    }
    let file = fetch(address)?;
    if let Some(again) = again(&file) {
        copies.insert(address.to_owned(), again);
    }
    Ok(file)
}

fn fetch(address: &Path) -> Result<File> {
    let fail = |source| Error::Read {
        at: Location::file(address),
        source,
    };
    let object = Object::at(address)?;
    let mut file = tempfile::tempfile().map_err(fail)?;
    wait(address, async {
        let found = object.store.get(&object.key).await;
        let found = found.map_err(|error| object.failed(error))?;
        let (mut copied, all) = (0, found.meta.size);
        let mut pieces = found.into_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| object.failed(error))?;
            file.write_all(&piece).map_err(fail)?;
            copied += piece.len() as u64;
            if let Some(watch) = WATCH.get() {
                watch(address, copied, all);
            }
        }
        Ok::<(), Error>(())
    })??;
    file.rewind().map_err(fail)?;
    Ok(file)
}

/// The same file with a position of its own; `None` where the system cannot open a file that has no name.
fn again(file: &File) -> Option<File> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        None
    }
}
