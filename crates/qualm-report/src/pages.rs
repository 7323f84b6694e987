//! Where a page and its numbers are written: both are opened before the work, and appear whole.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::page::{Target, check_replaceable};
use crate::twin::{self, Format};

/// Refuses a name that is no HTML file's.
///
/// # Errors
/// [`Error::NotHtml`].
pub fn check_page_name(path: &Path) -> Result<()> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("html" | "htm") => Ok(()),
        _ => Err(Error::NotHtml {
            path: path.to_owned(),
        }),
    }
}

/// The files of a page.
#[derive(Debug)]
pub struct Pages {
    page: Target,
    numbers: Option<Numbers>,
}

#[derive(Debug)]
enum Numbers {
    Json(Target),
    Parquet(PathBuf),
}

impl Pages {
    /// Opens the page and, where they are asked for, its numbers. `force`: whatever stands there is
    /// replaced.
    ///
    /// # Errors
    /// [`Error::NotHtml`], [`Error::NotOurs`], [`Error::UnknownTwin`], and those of
    /// [`Target::create`].
    pub fn open(page: &Path, numbers: Option<&Path>, force: bool) -> Result<Self> {
        check_page_name(page)?;
        if !force {
            for path in std::iter::once(page).chain(numbers) {
                check_replaceable(path)?;
            }
        }
        let numbers = match numbers {
            Some(path) => Some(match twin::format(path)? {
                Format::Json => Numbers::Json(Target::create(path, true)?),
                Format::Parquet => Numbers::Parquet(path.to_owned()),
            }),
            None => None,
        };
        let page = Target::create(page, true)?;
        Ok(Self { page, numbers })
    }

    /// The files that stand there meanwhile, see [`Target::temporary`].
    pub fn temporaries(&self) -> impl Iterator<Item = &Path> {
        let numbers = match &self.numbers {
            Some(Numbers::Json(target)) => target.temporary(),
            Some(Numbers::Parquet(_)) | None => None,
        };
        self.page.temporary().into_iter().chain(numbers)
    }

    /// Writes the numbers, then the page. `table` gives them as a table.
    ///
    /// # Errors
    /// When a file cannot be written, and those of `table`.
    pub fn write(
        self,
        html: &str,
        json: &str,
        table: impl FnOnce() -> Result<RecordBatch>,
    ) -> Result<()> {
        match self.numbers {
            Some(Numbers::Json(target)) => target.write(json.as_bytes())?,
            Some(Numbers::Parquet(path)) => twin::write_table(&path, &table()?)?,
            None => {}
        }
        self.page.write(html.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_written_and_nothing_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (page, json) = (folder.path().join("p.html"), folder.path().join("p.json"));
        // No table is asked for.
        let none = || Err(Error::NoViews);
        let pages = Pages::open(&page, None, false).unwrap();
        assert!(!page.exists());
        pages.write("page", "numbers", none).unwrap();
        assert_eq!(std::fs::read(&page).unwrap(), b"page");
        assert!(!json.exists());
        let pages = Pages::open(&page, Some(&json), true).unwrap();
        pages.write("other", "numbers", none).unwrap();
        assert_eq!(std::fs::read(&json).unwrap(), b"numbers");

        // Neither is written where one may not be.
        let both = |page: &str, json: &str| {
            let (page, json) = (folder.path().join(page), folder.path().join(json));
            Pages::open(&page, Some(&json), false).unwrap_err()
        };
        assert!(matches!(both("new.html", "p.json"), Error::NotOurs { .. }));
        assert!(matches!(both("new.txt", "n.json"), Error::NotHtml { .. }));
        assert!(matches!(
            both("new.html", "n.csv"),
            Error::UnknownTwin { .. }
        ));
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2);
    }
}
