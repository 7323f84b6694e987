//! A small valid file of each format that is read.

use std::io::{Cursor, Write};
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, Float64Array, Int32Array, ListArray, RecordBatch, StringArray};
use qualm_data::ScoreWriter;

/// Extension and bytes of each: a table of numbers, text and vectors, where the format has them.
pub(crate) fn files() -> Vec<(&'static str, Vec<u8>)> {
    let vectors = [[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]].map(|row| Some(row.map(Some)));
    let vectors = ListArray::from_iter_primitive::<Float32Type, _, _>(vectors);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(StringArray::from(vec!["007", "a,b", "\"q\""])),
        ),
        ("x", Arc::new(Float64Array::from(vec![0.1, -2.0, 1e30]))),
        ("n", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ("emb", Arc::new(vectors)),
    ];
    let table = RecordBatch::try_from_iter(columns).unwrap();
    let flat = table.project(&[0, 1, 2]).unwrap();
    let array = npy(
        "<f4",
        "(3, 2)",
        &[0.5_f32; 6].map(f32::to_le_bytes).concat(),
    );
    vec![
        ("csv", written("csv", &flat)),
        ("tsv", written("tsv", &flat)),
        ("jsonl", written("jsonl", &flat)),
        ("csv.gz", gzip(&written("csv", &flat))),
        (
            "csv.zst",
            zstd::encode_all(&written("csv", &flat)[..], 3).unwrap(),
        ),
        ("parquet", written("parquet", &table)),
        ("arrow", written("arrow", &table)),
        (
            "npz",
            npz(&[("X", &array), ("y", &npy("|b1", "(3,)", &[0, 1, 0]))]),
        ),
        ("npy", array),
    ]
}

fn written(extension: &str, table: &RecordBatch) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t").with_extension(extension);
    let mut writer = ScoreWriter::create(&path, table.schema()).unwrap();
    writer.write(table).unwrap();
    writer.finish().unwrap();
    std::fs::read(&path).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn npy(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), values].concat()
}

fn npz(arrays: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = zip::write::SimpleFileOptions::default();
        let options = options.compression_method(zip::CompressionMethod::Deflated);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
