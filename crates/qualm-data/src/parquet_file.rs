//! A Parquet file opened as far as its footer, on this machine or elsewhere, and the batches of some of its
//! columns.

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use qualm::Location;

use crate::error::{Error, Result};
use crate::file::{open_file, reopened, sniff};
use crate::format::Format;
#[cfg(feature = "remote")]
use crate::remote;
use crate::table::guarded;

/// The rows that are read at a time.
pub(crate) type ParquetBatches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// A file whose footer has been read.
pub(crate) struct ParquetFile<'a> {
    path: &'a Path,
    footer: ArrowReaderMetadata,
    bytes: Bytes,
}

enum Bytes {
    Here(File),
    /// Only the columns that are asked for are fetched, a row group at a time.
    #[cfg(feature = "remote")]
    Elsewhere(remote::Ranges),
}

impl<'a> ParquetFile<'a> {
    /// Opens a file by its name or address, or one without a name that was `kept`, which messages call
    /// `path`.
    ///
    /// # Errors
    /// Those of [`open_parquet`], and those of the store.
    pub(crate) fn open(path: &'a Path, kept: Option<&File>) -> Result<Self> {
        let options = ArrowReaderOptions::default();
        #[cfg(feature = "remote")]
        if kept.is_none() && remote::scheme(path).is_some() {
            let (footer, ranges) = remote::open_parquet(path, options)?;
            return Ok(Self {
                path,
                footer,
                bytes: Bytes::Elsewhere(ranges),
            });
        }
        let file = match kept {
            Some(kept) => reopened(kept, path)?,
            None => open_file(path)?,
        };
        let (file, footer) = footer_of(file, path, options)?;
        Ok(Self {
            path,
            footer,
            bytes: Bytes::Here(file),
        })
    }

    pub(crate) fn footer(&self) -> &ArrowReaderMetadata {
        &self.footer
    }

    /// The rows of some root columns, given in ascending order, at most `limit` at a time.
    ///
    /// # Errors
    /// [`Error::Parquet`] and [`Error::Damaged`] for what cannot be decoded.
    pub(crate) fn batches(self, roots: &[usize], limit: usize) -> Result<ParquetBatches> {
        let at = Location::file(self.path);
        let footer = self.footer;
        let mask = ProjectionMask::roots(footer.parquet_schema(), roots.iter().copied());
        let batches = guarded(&at, || -> Result<ParquetBatches, ParquetError> {
            match self.bytes {
                Bytes::Here(file) => {
                    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer);
                    let builder = builder.with_projection(mask).with_batch_size(limit);
                    Ok(Box::new(builder.build()?))
                }
                #[cfg(feature = "remote")]
                Bytes::Elsewhere(ranges) => {
                    Ok(Box::new(remote::batches(ranges, footer, mask, limit)?))
                }
            }
        })?;
        batches.map_err(|source| Error::Parquet { at, source })
    }
}

/// Opens a Parquet file as far as its footer.
///
/// # Errors
/// [`Error::NotFound`], [`Error::EmptyFile`], [`Error::WrongFormat`], [`Error::Parquet`] or
/// [`Error::Damaged`], for what is no readable Parquet file.
pub fn open_parquet(
    path: &Path,
    options: ArrowReaderOptions,
) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let (file, footer) = footer_of(open_file(path)?, path, options)?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(
        file, footer,
    ))
}

fn footer_of(
    mut file: File,
    path: &Path,
    options: ArrowReaderOptions,
) -> Result<(File, ArrowReaderMetadata)> {
    let at = Location::file(path);
    Format::Parquet.check(&sniff(&mut file, &at)?, &at)?;
    let footer = guarded(&at, || ArrowReaderMetadata::load(&file, options))?;
    let footer = footer.map_err(|source| Error::Parquet { at, source })?;
    Ok((file, footer))
}
