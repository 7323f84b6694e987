//! Files without a name, where the system has them: however the process ends, nothing stays.

use std::fs::File;
use std::io;
use std::path::Path;

/// A new file in a folder that has no name there yet; nothing where that cannot be had.
#[cfg(target_os = "linux")]
pub(crate) fn create(folder: &Path) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    // What any new file gets: the umask takes its share.
    let mode = Mode::from_raw_mode(0o666);
    openat(CWD, folder, flags, mode).ok().map(File::from)
}

/// Gives the file a name that is not taken.
#[cfg(target_os = "linux")]
pub(crate) fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd;
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// No such files.
#[cfg(not(target_os = "linux"))]
pub(crate) fn create(_folder: &Path) -> Option<File> {
    None
}

/// Never called: there is no such file.
#[cfg(not(target_os = "linux"))]
pub(crate) fn link(_file: &File, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
