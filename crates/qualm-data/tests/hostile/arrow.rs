//! Arrow files of every compression, damaged: an error, never the end of the process.

use std::sync::Arc;

use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, ListArray, RecordBatch, StringArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use qualm_data::{Batches, Error, Selection, Source};

use super::{mutated, random};
use crate::{file, folder};

const CODECS: [Option<CompressionType>; 3] = [
    None,
    Some(CompressionType::LZ4_FRAME),
    Some(CompressionType::ZSTD),
];

/// Tables that between them have every kind of buffer.
fn tables() -> [(&'static str, RecordBatch); 4] {
    let numbers = |k: i32| (0..200).map(move |i| f64::from(i * k % 97) * 0.5);
    let x: ArrayRef = Arc::new(Float64Array::from_iter_values(numbers(7)));
    let n: ArrayRef = Arc::new(Int32Array::from_iter_values((0..200).map(|i| i % 13)));
    let vectors = (0..200).map(|i| Some((0..4).map(move |j| Some((i * j % 11) as f32))));
    let vectors = ListArray::from_iter_primitive::<Float32Type, _, _>(vectors);
    let words = |i: i32| ["usual", "seldom", "never"][(i % 3) as usize];
    let dictionary: DictionaryArray<Int32Type> = (0..200).map(words).collect();
    let text = StringArray::from_iter_values((0..200).map(|i| format!("row {i}")));
    let table = |columns: Vec<(&str, ArrayRef)>| RecordBatch::try_from_iter(columns).unwrap();
    [
        ("flat", table(vec![("x", x.clone()), ("n", n)])),
        ("list", table(vec![("emb", Arc::new(vectors))])),
        (
            "dictionary",
            table(vec![("id", Arc::new(dictionary)), ("x", x.clone())]),
        ),
        ("text", table(vec![("id", Arc::new(text)), ("x", x)])),
    ]
}

fn written(table: &RecordBatch, codec: Option<CompressionType>, stream: bool) -> Vec<u8> {
    let options = IpcWriteOptions::default()
        .try_with_compression(codec)
        .unwrap();
    let mut bytes = Vec::new();
    if stream {
        let mut writer =
            StreamWriter::try_new_with_options(&mut bytes, &table.schema(), options).unwrap();
        writer.write(table).unwrap();
        writer.finish().unwrap();
    } else {
        let mut writer =
            FileWriter::try_new_with_options(&mut bytes, &table.schema(), options).unwrap();
        writer.write(table).unwrap();
        writer.write(table).unwrap();
        writer.finish().unwrap();
    }
    bytes
}

/// Reads a file, with its ids.
fn read(path: &std::path::Path, name: &str) -> qualm_data::Result<usize> {
    let has_ids = matches!(name, "dictionary" | "text");
    let selection = Selection {
        ids: if has_ids {
            vec!["id".into()]
        } else {
            Vec::new()
        },
        ..Selection::default()
    };
    let batch = Source::open(path, &selection, None)?.read_all()?;
    Ok(batch.rows.rows().n_rows())
}

#[test]
fn mutated_arrow_files_are_read_or_refused() {
    // 3,600 in all; one in four is a stream.
    const EACH: usize = 300;
    let (folder, mut random) = (folder(), random());
    for (name, table) in tables() {
        for codec in CODECS {
            let mut n_refused = 0;
            for i in 0..EACH {
                let stream = i % 4 == 3;
                let whole = written(&table, codec, stream);
                if i < 4 {
                    let path = file(&folder, "t.arrow", &whole);
                    let n_rows = if stream { 200 } else { 400 };
                    assert_eq!(read(&path, name).unwrap(), n_rows, "{name} {codec:?}");
                }
                let path = file(&folder, "t.arrow", mutated(&whole, &mut random));
                n_refused += usize::from(read(&path, name).is_err());
            }
            assert!(n_refused > 0, "{name} {codec:?}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_length_that_a_compressed_buffer_cannot_hold_is_refused() {
    let folder = folder();
    let [(name, table), ..] = tables();
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        for stream in [false, true] {
            let whole = written(&table, Some(codec), stream);
            // 200 float64, as the eight bytes before the buffer say.
            let prefix = 1600_u64.to_le_bytes();
            let place = whole.windows(8).position(|bytes| bytes == prefix);
            let place = place.expect("a compressed column");
            // 32 GiB, and what does not even fit an address space.
            for bit in [35, 62] {
                let mut bytes = whole.clone();
                bytes[place + bit / 8] ^= 1 << (bit % 8);
                let path = file(&folder, "t.arrow", &bytes);
                let error = read(&path, name).unwrap_err();
                assert!(matches!(error, Error::BufferLength { .. }), "{error}");
            }
        }
    }
}

#[test]
fn parts_beyond_the_end_of_the_file_are_refused() {
    let folder = folder();
    let [(name, table), ..] = tables();
    let whole = written(&table, None, false);
    // The length of the footer, before the last six bytes.
    let mut bytes = whole.clone();
    let end = bytes.len() - 10;
    bytes[end..end + 4].copy_from_slice(&0x7FFF_FFFF_u32.to_le_bytes());
    let error = read(&file(&folder, "t.arrow", &bytes), name).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}
