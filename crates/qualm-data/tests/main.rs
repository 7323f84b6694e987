//! Files in and out, through the public interface: every format, every refusal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "tests"
)]

mod activations;
mod batches;
mod columns;
mod hostile;
mod npy;
mod offsets;
mod output;
mod places;
mod properties;
mod refused;
mod stream;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int32Array, ListArray,
    RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field};
use qualm::Features;
use qualm_data::Result;
use qualm_data::{Batch, Batches, ColumnNote, ScoreWriter, Selection, Source};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn file(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn all(path: &Path) -> Result<Batch> {
    Source::open(path, &Selection::default(), None)?.read_all()
}

/// The names of the columns that are no features.
fn unused(source: &Source) -> Vec<String> {
    let notes = source.notes().all().into_iter();
    let names = notes.filter_map(|note| match note {
        ColumnNote::NotUsed { columns, .. } => Some(columns.into_iter().map(|c| c.name)),
        _ => None,
    });
    names.flatten().collect()
}

fn columns(names: &[&str]) -> Features {
    Features::Columns(names.iter().map(|&n| n.to_owned()).collect())
}

/// The message of the error that reading a CSV text ends in.
fn refused(text: &str, selection: &Selection) -> String {
    let folder = folder();
    let path = file(&folder, "t.csv", text);
    let error = Source::open(&path, selection, None).and_then(Source::read_all);
    let message = error.unwrap_err().to_string();
    message.replace(&format!("{}/", folder.path().display()), "")
}

fn table() -> RecordBatch {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let fixed = FixedSizeListArray::new(
        item,
        2,
        Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        None,
    );
    let list = ListArray::from_iter_primitive::<Float32Type, _, _>(
        [[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]].map(|row| Some(row.map(Some))),
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(StringArray::from(vec!["007", "a,b", "\"q\""])),
        ),
        ("x", Arc::new(Float64Array::from(vec![0.1, -2.0, 1e30]))),
        ("n", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![true, false, true])),
        ),
        ("emb", Arc::new(fixed)),
        ("emb2", Arc::new(list)),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn write(path: &Path, batch: &RecordBatch) {
    let mut writer = ScoreWriter::create(path, batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

fn excluding(names: &[&str]) -> Selection {
    Selection {
        exclude: names.iter().map(|&n| n.to_owned()).collect(),
        ids: vec!["id".into()],
        ..Selection::default()
    }
}

const PLAIN: [f32; 9] = [0.1, 1.0, 1.0, -2.0, 2.0, 0.0, 1e30, 3.0, 1.0];

fn npy(descr: &str, fortran: bool, shape: &str, values: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(values);
    bytes
}
