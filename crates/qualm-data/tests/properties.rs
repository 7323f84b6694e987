//! What holds for any table and any bytes.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float32Array, RecordBatch, StringArray};
use proptest::prelude::*;
use qualm_data::{Batches, Source};

use crate::{all, excluding, file, folder, table, write};

#[test]
fn damaged_binary_tables_never_panic() {
    let folder = folder();
    let mut state = 1u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for name in ["t.parquet", "t.arrow"] {
        let path = folder.path().join(name);
        write(&path, &table());
        let whole = std::fs::read(&path).unwrap();
        let selection = excluding(&["emb"]);
        for _ in 0..60 {
            let mut bytes = whole.clone();
            let i = random() % bytes.len();
            bytes[i] = random() as u8;
            let damaged = file(&folder, name, &bytes);
            let _ = Source::open(&damaged, &selection, None).and_then(Source::read_all);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn csv_keeps_every_float_and_every_text(
        rows in prop::collection::vec((any::<f32>().prop_filter("finite", |v| v.is_finite()), "\\PC*"), 1..40)
    ) {
        let folder = folder();
        let path = folder.path().join("t.csv");
        let (values, texts): (Vec<f32>, Vec<String>) = rows.into_iter().unzip();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(StringArray::from(texts.clone()))),
            ("x", Arc::new(Float32Array::from(values.clone()))),
        ];
        write(&path, &RecordBatch::try_from_iter(columns).unwrap());
        let batch = Source::open(&path, &excluding(&[]), None).unwrap().read_all().unwrap();
        let read: Vec<u32> = batch.rows.rows().as_slice().iter().map(|v| v.to_bits()).collect();
        let written: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
        prop_assert_eq!(read, written);
        prop_assert_eq!(batch.ids[0].as_ref(), &StringArray::from(texts) as &dyn Array);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0..6usize) {
        let folder = folder();
        let (name, magic): (_, &[u8]) = [
            ("t.csv", &b""[..]),
            ("t.tsv", b"a\tb\n"),
            ("t.parquet", b"PAR1"),
            ("t.arrow", b"ARROW1\0\0"),
            ("t.npy", b"\x93NUMPY\x01\x00"),
            ("t.npz", b"PK\x03\x04"),
        ][which];
        let path = file(&folder, name, [magic, &bytes].concat());
        let _ = all(&path);
    }
}
