//! A table for Embedding Atlas.
//!
//! It reads Parquet; `--x` and `--y` name the columns of the places. An image is a record of its bytes
//! and its path, as in the image tables of Hugging Face, which its viewer shows as a picture.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields};

use super::Export;
use super::columns::{Names, columns};
use crate::error::Result;
use crate::images::{RowImages, Thumbnails};
use crate::rows::Shown;
use crate::twin;

/// The columns of the table that are none of the input.
const RESERVED: [&str; 2] = ["id", "image"];

/// All rows: `id`, the input's columns, places, answers and, where images are given, `image`.
pub(super) fn table(
    export: &Export,
    shown: &Shown,
    images: Option<&RowImages>,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<RecordBatch> {
    let mut names = Names::new(path, &RESERVED, str::to_owned);
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(&shown.ids));
    let mut all = vec![("id".to_owned(), ids)];
    all.extend(columns(export, shown, &mut names, notes));
    if let Some(images) = images {
        let thumbnails = Thumbnails::read(images, shown)?;
        notes.extend(
            thumbnails
                .missing
                .words(path, ["has no picture", "have no picture"]),
        );
        all.push(("image".to_owned(), pictures(&thumbnails, shown)));
    }
    twin::table(all, |_| true, "atlas")
}

/// Records of bytes and path; none where a row has no image.
fn pictures(thumbnails: &Thumbnails, shown: &Shown) -> ArrayRef {
    let bytes = (1..=shown.scores.len()).map(|row| thumbnails.of.get(&row).map(Vec::as_slice));
    let bytes: BinaryArray = bytes.collect();
    let fields = Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ]);
    let nulls = bytes.nulls().cloned();
    let paths: ArrayRef = Arc::new(StringArray::from_iter_values(&shown.ids));
    Arc::new(StructArray::new(
        fields,
        vec![Arc::new(bytes), paths],
        nulls,
    ))
}
