//! Files that are either complete or not there.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::error::{Error, Result};
use crate::unnamed_file;

/// Symbolic links that are followed from one to the next, as by Linux.
const LINKS: usize = 40;

/// A file being written beside its final place, which it takes only when complete.
///
/// The file is made up front, so that an unwritable folder is refused before any work. On
/// Linux it has no name until it is complete, on most file systems; elsewhere it has a
/// temporary one. Dropped without [`AtomicFile::commit`], it is gone and whatever stood under
/// the final name stays as it was. A device or a pipe (`/dev/stdout`) is written directly: it
/// has no contents to keep whole.
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
    Unnamed(File),
    Temporary(NamedTempFile),
    Direct(File),
}

impl Write for Inner {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            // Of the file itself: otherwise errors would name the temporary file.
            Self::Temporary(file) => file.as_file_mut().write(bytes),
            Self::Unnamed(file) | Self::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Temporary(file) => file.flush(),
            Self::Unnamed(file) | Self::Direct(file) => file.flush(),
        }
    }
}

impl AtomicFile {
    /// Makes the file. Symbolic links are followed, also to a file that is not there yet.
    ///
    /// # Errors
    /// [`Error::OutputIsFolder`], [`Error::NoOutputFolder`], [`Error::OutputLinkLoop`],
    /// [`Error::OutputDenied`] when the folder or the file to replace may not be written,
    /// [`Error::DiskFull`], [`Error::Write`] for anything else.
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
            Err(_) => behind_links(path)?,
        };
        let folder = folder(&target);
        if !folder.is_dir() || target.file_name().is_none() {
            return Err(Error::NoOutputFolder { path: target });
        }
        let file = if let Some(file) = unnamed_file::create(folder) {
            Inner::Unnamed(file)
        } else {
            let file = temporary_names().tempfile_in(folder);
            Inner::Temporary(file.map_err(|error| fail(error.kind().into()))?)
        };
        Ok(Self {
            path: path.to_owned(),
            target,
            writer: BufWriter::new(file),
        })
    }

    /// The temporary name of the file, if it has one. A process that ends itself without
    /// dropping the file removes it there.
    #[must_use]
    pub fn temporary(&self) -> Option<&Path> {
        match self.writer.get_ref() {
            Inner::Temporary(file) => Some(file.path()),
            Inner::Unnamed(_) | Inner::Direct(_) => None,
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
        let file = match writer.into_inner().map_err(|e| fail(e.into_error()))? {
            Inner::Direct(mut file) => return file.flush().map_err(fail),
            Inner::Temporary(file) => file,
            Inner::Unnamed(file) => name(file, folder(&target)).map_err(fail)?,
        };
        file.as_file().sync_all().map_err(fail)?;
        file.persist(&target).map_err(|e| fail(e.error))?;
        sync_folder(&target);
        Ok(())
    }
}

/// The folder of a path; the working directory for a bare name.
fn folder(path: &Path) -> &Path {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Where a path leads whose last part may be a symbolic link to what is not there.
fn behind_links(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        match std::fs::read_link(&target) {
            Ok(next) => target = folder(&target).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(Error::OutputLinkLoop {
        path: path.to_owned(),
    })
}

/// How temporary files are called.
fn temporary_names() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".qualm-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What any new file gets: the umask takes its share.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

/// Gives a file without a name a temporary one, from which it can be renamed: a name that is
/// taken cannot be given to it at once.
fn name(mut file: File, folder: &Path) -> io::Result<NamedTempFile> {
    let named = temporary_names().make_in(folder, |path| unnamed_file::link(&file, path));
    if let Ok(named) = named {
        let ((), path) = named.into_parts();
        return Ok(NamedTempFile::from_parts(file, path));
    }
    // Without /proc there is no way to it but to copy what it holds.
    let mut copy = temporary_names().tempfile_in(folder)?;
    file.rewind()?;
    io::copy(&mut file, &mut copy)?;
    Ok(copy)
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
    if let Ok(folder) = File::open(folder(target)) {
        let _ = folder.sync_all();
    }
}

/// What a failure to write means for the user: [`Error::OutputDenied`], [`Error::DiskFull`],
/// [`Error::FileLimit`] or [`Error::Write`].
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
        io::ErrorKind::FileTooLarge => Error::FileLimit { path, source },
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

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_is_written_through_and_a_loop_is_refused() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        // Relative to the folder of each link.
        symlink("sub/latest", at("link")).unwrap();
        symlink("v2", at("sub/latest")).unwrap();
        let mut file = AtomicFile::create(&at("link")).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read_to_string(at("sub/v2")).unwrap(), "new");
        assert!(at("link").is_symlink() && at("sub/latest").is_symlink());

        symlink("b", at("a")).unwrap();
        symlink("a", at("b")).unwrap();
        let error = AtomicFile::create(&at("a")).unwrap_err();
        assert!(matches!(error, Error::OutputLinkLoop { .. }), "{error}");
        assert!(at("a").is_symlink() && at("b").is_symlink());
        symlink("no/such", at("astray")).unwrap();
        let error = AtomicFile::create(&at("astray")).unwrap_err();
        assert!(matches!(error, Error::NoOutputFolder { .. }), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_under_way_has_no_name_where_the_system_can_do_without() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = AtomicFile::create(&folder.path().join("out")).unwrap();
        file.write_all(b"half").unwrap();
        file.flush().unwrap();
        let named = file.temporary().is_some();
        assert_eq!(names(folder.path()).len(), usize::from(named));
        // Of another file system: it has to be copied.
        let copy = name(File::open("/proc/version").unwrap(), folder.path()).unwrap();
        let original = std::fs::read("/proc/version").unwrap();
        assert_eq!(std::fs::read(copy.path()).unwrap(), original);
        // However it came to its name, it holds what was written.
        let file = unnamed_file::create(folder.path());
        if let Some(mut file) = file {
            file.write_all(b"whole").unwrap();
            let named = name(file, folder.path()).unwrap();
            assert_eq!(std::fs::read_to_string(named.path()).unwrap(), "whole");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_says_so() {
        let mut file = AtomicFile::create(Path::new("/dev/full")).unwrap();
        file.write_all(b"x").unwrap();
        assert!(matches!(file.commit(), Err(Error::DiskFull { .. })));
    }
}
