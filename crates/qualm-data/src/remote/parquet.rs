//! A Parquet file in a store: of an object the ranges of bytes that are needed, a row group at a time.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::StreamExt;
use object_store::ObjectStoreExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{
    AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use qualm::Location;

use super::object::{Object, wait};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::table::guarded;

/// The end of an object that is fetched first: enough for the footers of most files.
const FOOTER: usize = 64 << 10;

/// The bytes of an object.
#[derive(Debug)]
pub(crate) struct Ranges {
    object: Object,
    size: u64,
}

/// Reads the footer of the file that an address names.
///
/// # Errors
/// Those of the store, and those of a footer that cannot be read.
pub(crate) fn open(
    address: &Path,
    options: ArrowReaderOptions,
) -> Result<(ArrowReaderMetadata, Ranges)> {
    let at = Location::file(address);
    let object = Object::at(address)?;
    let (size, head) = object.head()?;
    Format::Parquet.check(&head, &at)?;
    let mut ranges = Ranges { object, size };
    let footer = guarded(&at, || {
        wait(
            address,
            ArrowReaderMetadata::load_async(&mut ranges, options),
        )
    })??;
    let footer = footer.map_err(|source| match source {
        ParquetError::External(source) => match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(source) => Error::Parquet {
                at,
                source: ParquetError::External(source),
            },
        },
        source => Error::Parquet { at, source },
    })?;
    Ok((footer, ranges))
}

/// The rows of some columns, at most `limit` at a time.
///
/// # Errors
/// Those of columns that cannot be decoded.
pub(crate) fn batches(
    ranges: Ranges,
    footer: ArrowReaderMetadata,
    mask: ProjectionMask,
    limit: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + use<>, ParquetError> {
    let object = ranges.object.clone();
    let rows = ParquetRecordBatchStreamBuilder::new_with_metadata(ranges, footer)
        .with_projection(mask)
        .with_batch_size(limit)
        .build()?;
    Ok(Fetched { object, rows })
}

struct Fetched {
    object: Object,
    rows: ParquetRecordBatchStream<Ranges>,
}

impl Iterator for Fetched {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        match wait(&self.object.address, self.rows.next()) {
            Ok(batch) => Some(batch?.map_err(|error| match error {
                ParquetError::External(source) => ArrowError::ExternalError(source),
                error => error.into(),
            })),
            Err(error) => Some(Err(ArrowError::ExternalError(Box::new(error)))),
        }
    }
}

impl Ranges {
    fn failed(&self, error: object_store::Error) -> ParquetError {
        ParquetError::External(Box::new(self.object.failed(error)))
    }
}

impl AsyncFileReader for Ranges {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let found = self.object.store.get_range(&self.object.key, range).await;
            found.map_err(|error| self.failed(error))
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        // Those that lie beside each other are fetched together, several at once.
        async move {
            let found = self
                .object
                .store
                .get_ranges(&self.object.key, &ranges)
                .await;
            found.map_err(|error| self.failed(error))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let size = self.size;
            let footer = ParquetMetaDataReader::new()
                .with_arrow_reader_options(options)
                .with_prefetch_hint(Some(FOOTER))
                .load_and_finish(self, size)
                .await?;
            Ok(Arc::new(footer))
        }
        .boxed()
    }
}
