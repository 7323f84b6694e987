//! Inputs that the tests write.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use image::{ImageFormat, RgbImage};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn file(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A picture that no other number has, as an image file.
pub(crate) fn encoded(n: u8, format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(4, 3, |x, y| image::Rgb([n, x as u8 * 9, y as u8 * 9]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn png(n: u8) -> Vec<u8> {
    encoded(n, ImageFormat::Png)
}

/// A column of images as Hugging Face writes it.
pub(crate) fn images(bytes: Vec<Option<&[u8]>>, paths: Vec<Option<&str>>) -> ArrayRef {
    let bytes: ArrayRef = Arc::new(BinaryArray::from(bytes));
    let paths: ArrayRef = Arc::new(StringArray::from(paths));
    Arc::new(StructArray::from(vec![
        (Arc::new(Field::new("bytes", DataType::Binary, true)), bytes),
        (Arc::new(Field::new("path", DataType::Utf8, true)), paths),
    ]))
}

pub(crate) fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// An array file of bytes that count up from 0.
pub(crate) fn npy(descr: &str, fortran: bool, shape: &[usize]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let lengths: Vec<String> = shape.iter().map(|n| format!("{n}, ")).collect();
    let lengths = lengths.concat();
    let text =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({lengths}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend((0..shape.iter().product::<usize>()).map(|i| i as u8));
    bytes
}
