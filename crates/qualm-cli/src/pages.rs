//! Where a page and its numbers are written: never over an input, and gone after an interruption.

use std::path::{Path, PathBuf};

use anyhow::Result;
use arrow_array::RecordBatch;
use qualm_report::check_page_name;

use crate::args::PageArgs;
use crate::interrupt;
use crate::paths::refuse_same;

/// The files of a page.
#[derive(Debug)]
pub(crate) struct Pages {
    files: qualm_report::Pages,
    pub(crate) page_path: PathBuf,
    pub(crate) numbers_path: PathBuf,
}

impl Pages {
    /// Opens both, which no input may be.
    pub(crate) fn open(args: &PageArgs, inputs: &[&Path]) -> Result<Self> {
        let page_path = args.output.clone();
        check_page_name(&page_path)?;
        let numbers_path = args.numbers.clone();
        let numbers_path = numbers_path.unwrap_or_else(|| page_path.with_extension("json"));
        refuse_same("--output", &page_path, inputs)?;
        refuse_same("--numbers", &numbers_path, inputs)?;
        let files = qualm_report::Pages::open(&page_path, Some(&numbers_path), args.force)?;
        for temporary in files.temporaries() {
            interrupt::remove_on_exit(Some(temporary));
        }
        Ok(Self {
            files,
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
        Ok(self.files.write(html, json, table)?)
    }
}
