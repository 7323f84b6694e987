//! The image files of a folder, and the files in it that are none.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use qualm::Location;

use crate::error::Result;

/// The extensions that [`is_image`] knows, as messages list them.
pub(super) const KNOWN: &str = ".png, .jpg, .jpeg, .webp, .bmp, .gif, .tif and .tiff files";

/// Whether files of this extension, in lower case, are images that we decode.
pub(super) fn is_image(extension: &str) -> bool {
    matches!(
        extension,
        "png" | "jpg" | "jpeg" | "jpe" | "jfif" | "webp" | "bmp" | "gif" | "tif" | "tiff"
    )
}

/// The extension in lower case, without its dot; empty if there is none.
pub(super) fn extension(path: &Path) -> String {
    path.extension()
        .map(|e| e.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

/// Why files of a folder are not read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skipped {
    /// Their name, or that of a folder above them, begins with a dot.
    Hidden,
    /// Their extension is that of no image format we decode; in lower case, empty for none.
    Extension(String),
    /// They are links to a folder that they lie in.
    Loop,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden => f.write_str("hidden"),
            Self::Extension(extension) if extension.is_empty() => f.write_str("without extension"),
            Self::Extension(extension) => write!(f, ".{extension}"),
            Self::Loop => f.write_str("linked to a folder above"),
        }
    }
}

/// How many files of a folder are not read, for each reason. A hidden folder counts as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkippedFiles(pub BTreeMap<Skipped, usize>);

impl SkippedFiles {
    fn add(&mut self, why: Skipped) {
        *self.0.entry(why).or_default() += 1;
    }

    /// Whether every file is read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for SkippedFiles {
    /// Such as `2 hidden, 10 .txt`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (why, n)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{n} {why}")?;
        }
        Ok(())
    }
}

/// The image files in a folder and below, sorted by path, and what is not read.
///
/// Links are followed, but not to a folder that they lie in.
pub(super) fn list(folder: &Path) -> Result<(Vec<PathBuf>, SkippedFiles)> {
    let mut found = (Vec::new(), SkippedFiles::default());
    walk(folder, &mut Vec::new(), &mut found)?;
    found.0.sort_unstable();
    Ok(found)
}

/// `above`: the folders on the way here, without links in their paths.
fn walk(
    folder: &Path,
    above: &mut Vec<PathBuf>,
    found: &mut (Vec<PathBuf>, SkippedFiles),
) -> Result<()> {
    let unreadable = |source| qualm_data::Error::Read {
        at: Location::file(folder),
        source,
    };
    let real = folder.canonicalize().map_err(unreadable)?;
    if above.contains(&real) {
        found.1.add(Skipped::Loop);
        return Ok(());
    }
    above.push(real);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default();
        if name.as_encoded_bytes().starts_with(b".") {
            found.1.add(Skipped::Hidden);
        } else if path.is_dir() {
            walk(&path, above, found)?;
        } else {
            let extension = extension(&path);
            if is_image(&extension) {
                found.0.push(path);
            } else {
                found.1.add(Skipped::Extension(extension));
            }
        }
    }
    above.pop();
    Ok(())
}
