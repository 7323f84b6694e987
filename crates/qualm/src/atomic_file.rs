//! Files that are either complete or not there.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::error::{Error, Result};

/// A file being written beside its final place, which it takes only when complete.
///
/// The temporary file is made up front, so that an unwritable folder is refused before
/// any work. Dropped without [`AtomicFile::commit`], it is removed and whatever stood
/// under the final name stays as it was. A device or a pipe (`/dev/stdout`) is written
/// directly: it has no contents to keep whole.
#[derive(Debug)]
pub struct AtomicFile {
    /// The name the user gave, for messages.
    path: PathBuf,
    /// Where the file goes: the same, behind symbolic links.
    target: PathBuf,
    writer: BufWriter<Inner>,
}

#[derive(Debug)]
enum Inner {
    Temporary(NamedTempFile),
    Direct(File),
}

impl Write for Inner {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Temporary(file) => file.write(bytes),
            Self::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Temporary(file) => file.flush(),
            Self::Direct(file) => file.flush(),
        }
    }
}

impl AtomicFile {
    /// Makes the temporary file.
    ///
    /// # Errors
    /// [`Error::OutputIsFolder`], [`Error::NoOutputFolder`], [`Error::OutputDenied`] when
    /// the folder or the file to replace may not be written, [`Error::DiskFull`],
    /// [`Error::Write`] for anything else.
    pub fn create(path: &Path) -> Result<Self> {
        let fail = |source| write_error(path, source);
        let direct = |writer| Self {
            path: path.to_owned(),
            target: path.to_owned(),
            writer: BufWriter::new(Inner::Direct(writer)),
        };
        let target = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Err(Error::OutputIsFolder {
                    path: path.to_owned(),
                });
            }
            Ok(found) => {
                // Replacing needs only the folder's permission; a file that its owner made
                // read-only is refused all the same.
                let file = OpenOptions::new().write(true).open(path).map_err(fail)?;
                if !found.is_file() {
                    return Ok(direct(file));
                }
                path.canonicalize().map_err(fail)?
            }
            Err(_) => path.to_owned(),
        };
        let folder = match target.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => Path::new("."),
        };
        if !folder.is_dir() || target.file_name().is_none() {
            return Err(Error::NoOutputFolder {
                path: path.to_owned(),
            });
        }
        let mut builder = Builder::new();
        builder.prefix(".qualm-").suffix(".tmp");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // What any new file gets: the umask takes its share.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
            target,
            writer: BufWriter::new(Inner::Temporary(file)),
        })
    }

    /// Where the bytes wait until they are complete; nothing for a device or a pipe. A
    /// process that ends itself without dropping the file removes it there.
    #[must_use]
    pub fn temporary(&self) -> Option<&Path> {
        match self.writer.get_ref() {
            Inner::Temporary(file) => Some(file.path()),
            Inner::Direct(_) => None,
        }
    }

    /// The path given to [`AtomicFile::create`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file permanent and gives it its name.
    ///
    /// # Errors
    /// [`Error::DiskFull`] or [`Error::Write`]; the old file is whole after either.
    pub fn commit(self) -> Result<()> {
        let Self {
            path,
            target,
            writer,
        } = self;
        let fail = |source| write_error(&path, source);
        match writer.into_inner().map_err(|e| fail(e.into_error()))? {
            Inner::Direct(mut file) => file.flush().map_err(fail),
            Inner::Temporary(file) => {
                file.as_file().sync_all().map_err(fail)?;
                file.persist(&target).map_err(|e| fail(e.error))?;
                sync_folder(&target);
                Ok(())
            }
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Makes the renaming itself durable. The file is complete under its name by now, and
/// some file systems cannot sync a folder: a failure here is no failure of the write.
fn sync_folder(target: &Path) {
    let parent = target.parent().filter(|p| !p.as_os_str().is_empty());
    if let Ok(folder) = File::open(parent.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}

/// What a failure to write means for the user: [`Error::OutputDenied`], [`Error::DiskFull`] or
/// [`Error::Write`].
#[must_use]
pub fn write_error(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::OutputDenied { path, source }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::DiskFull { path, source }
        }
        _ => Error::Write { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_dropped_half_way_leaves_the_old_one_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        std::fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["out.csv"]);

        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["out.csv"]);
    }

    #[test]
    fn places_that_cannot_be_written_are_refused_up_front() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            AtomicFile::create(folder.path()),
            Err(Error::OutputIsFolder { .. })
        ));
        assert!(matches!(
            AtomicFile::create(&folder.path().join("no/such/out.csv")),
            Err(Error::NoOutputFolder { .. })
        ));
        let full = write_error(Path::new("o"), io::ErrorKind::StorageFull.into());
        assert_eq!(
            full.to_string(),
            "o: no space left on the disk; nothing was overwritten; free some space and run again"
        );
        let denied = write_error(Path::new("o"), io::ErrorKind::PermissionDenied.into());
        assert!(matches!(denied, Error::OutputDenied { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_are_not_replaced() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&real, "old").unwrap();
        symlink(&real, &link).unwrap();
        let mut file = AtomicFile::create(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "new");
        assert!(link.is_symlink());
        // Readable by others unless the umask says otherwise: not the 0600 of a temporary.
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&real), mode(&plain));

        let null = Path::new("/dev/null");
        AtomicFile::create(null).unwrap().commit().unwrap();
        assert!(
            std::fs::metadata(null)
                .unwrap()
                .file_type()
                .is_char_device()
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_says_so() {
        let mut file = AtomicFile::create(Path::new("/dev/full")).unwrap();
        file.write_all(b"x").unwrap();
        assert!(matches!(file.commit(), Err(Error::DiskFull { .. })));
    }
}
