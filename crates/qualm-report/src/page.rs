//! What every page shares: its shell, its policy, and where it is written.

use std::io::{Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qualm::{AtomicFile, write_error};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// What the head of every page says, by which it is known as ours.
const GENERATOR: &str = concat!("qualm ", env!("CARGO_PKG_VERSION"));
const OURS: &[u8] = b"<meta name=\"generator\" content=\"qualm ";
/// Where the head ends, at the latest.
const HEAD_BYTES: u64 = 4096;

/// The stylesheet and the script of every page.
const STYLE: &str = include_str!("../assets/page.css");
const SCRIPT: &str = include_str!("../assets/page.js");

/// What the shell of a page is filled with.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    pub(crate) title: String,
    /// What the page is of, under the title.
    pub(crate) about: String,
    pub(crate) policy: String,
    pub(crate) generator: &'static str,
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
}

impl Shell {
    pub(crate) fn new(title: String, about: String) -> Self {
        Self {
            title,
            about,
            policy: policy(STYLE, SCRIPT),
            generator: GENERATOR,
            style: STYLE,
            script: SCRIPT,
        }
    }
}

/// The content security policy: images from the page itself, this style and this script, and
/// nothing else; no request leaves the page.
fn policy(style: &str, script: &str) -> String {
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'",
        digest(style),
        digest(script)
    )
}

/// Refuses to write over a file that no page or file of numbers of ours is.
///
/// # Errors
/// [`Error::NotOurs`].
pub fn check_replaceable(path: &Path) -> Result<()> {
    let is_page = crate::twin::format(path).is_err();
    let Ok(file) = std::fs::File::open(path) else {
        // Not there; or not to be read, which writing will say.
        return Ok(());
    };
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Ok(());
    }
    let mut head = Vec::new();
    let read = file.take(HEAD_BYTES).read_to_end(&mut head);
    let holds = |text: &[u8]| head.windows(text.len()).any(|window| window == text);
    let ours = match (is_page, crate::twin::format(path)) {
        (true, _) => holds(OURS),
        (false, Ok(crate::twin::Format::Parquet)) => {
            return crate::twin::check_parquet(path);
        }
        (false, _) => holds(crate::twin::OURS.as_bytes()),
    };
    // An empty file has nothing to lose.
    if ours || (read.is_ok() && head.is_empty()) {
        return Ok(());
    }
    Err(Error::NotOurs {
        path: path.to_owned(),
        kind: if is_page { "page" } else { "file of numbers" },
    })
}

/// A file that is whole or not there: opened before the work, filled at its end.
#[derive(Debug)]
pub struct Target(AtomicFile);

impl Target {
    /// Opens it. `force`: whatever stands there is replaced.
    ///
    /// # Errors
    /// [`Error::NotOurs`], and those of [`AtomicFile::create`].
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        if !force {
            check_replaceable(path)?;
        }
        Ok(Self(AtomicFile::create(path)?))
    }

    /// See [`AtomicFile::temporary`].
    #[must_use]
    pub fn temporary(&self) -> Option<&Path> {
        self.0.temporary()
    }

    /// Fills the file and gives it its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(mut self, contents: &[u8]) -> Result<()> {
        let written = self.0.write_all(contents);
        written.map_err(|source| write_error(self.0.path(), source))?;
        Ok(self.0.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_what_stands_in_the_page() {
        let policy = policy("a", "");
        // printf a | openssl dgst -sha256 -binary | base64
        assert!(policy.contains("'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='"));
        assert!(policy.contains("'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"));
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn only_our_own_pages_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        check_replaceable(&path).unwrap();
        std::fs::write(&path, "<!doctype html><p>thesis").unwrap();
        let refused = Target::create(&path, false).unwrap_err().to_string();
        assert!(
            refused.contains("page.html: exists and is no page of qualm"),
            "{refused}"
        );
        assert!(std::fs::read_to_string(&path).unwrap().contains("thesis"));
        let page = format!("<!doctype html><meta name=\"generator\" content=\"{GENERATOR}\">");
        Target::create(&path, true)
            .unwrap()
            .write(page.as_bytes())
            .unwrap();
        Target::create(&path, false).unwrap().write(b"x").unwrap();
    }
}
