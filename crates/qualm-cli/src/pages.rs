//! Where a page and its numbers are written: both are opened before the work, and appear whole.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use arrow_array::RecordBatch;
use qualm_report::twin::{self, Format};
use qualm_report::{Target, check_replaceable};

use crate::args::PageArgs;
use crate::interrupt;
use crate::paths::refuse_same;

/// The files of a page.
#[derive(Debug)]
pub(crate) struct Pages {
    page: Target,
    numbers: Numbers,
    pub(crate) page_path: PathBuf,
    pub(crate) numbers_path: PathBuf,
}

#[derive(Debug)]
enum Numbers {
    Json(Target),
    Parquet,
}

impl Pages {
    /// Opens both, which no input may be.
    pub(crate) fn open(args: &PageArgs, inputs: &[&Path]) -> Result<Self> {
        let page_path = args.output.clone();
        let extension = page_path
            .extension()
            .map(|e| e.to_string_lossy().to_lowercase());
        if !matches!(extension.as_deref(), Some("html" | "htm")) {
            bail!(
                "{}: a page is an HTML file; expected a name that ends in .html",
                page_path.display()
            );
        }
        let numbers_path = args.numbers.clone();
        let numbers_path = numbers_path.unwrap_or_else(|| page_path.with_extension("json"));
        refuse_same("--output", &page_path, inputs)?;
        refuse_same("--numbers", &numbers_path, inputs)?;
        if !args.force {
            check_replaceable(&page_path)?;
            check_replaceable(&numbers_path)?;
        }
        let numbers = match twin::format(&numbers_path)? {
            Format::Json => {
                let target = Target::create(&numbers_path, true)?;
                interrupt::remove_on_exit(target.temporary());
                Numbers::Json(target)
            }
            Format::Parquet => Numbers::Parquet,
        };
        let page = Target::create(&page_path, true)?;
        interrupt::remove_on_exit(page.temporary());
        Ok(Self {
            page,
            numbers,
            page_path,
            numbers_path,
        })
    }

    /// Writes the numbers, then the page.
    pub(crate) fn write(
        self,
        html: &str,
        json: &str,
        table: impl FnOnce() -> qualm_report::Result<RecordBatch>,
    ) -> Result<()> {
        match self.numbers {
            Numbers::Json(target) => target.write(json.as_bytes())?,
            Numbers::Parquet => twin::write_table(&self.numbers_path, &table()?)?,
        }
        Ok(self.page.write(html.as_bytes())?)
    }
}
