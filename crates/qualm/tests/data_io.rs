//! Files in and out, through the public interface: every format, every refusal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "tests"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int32Array,
    ListArray, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use qualm::data::{
    Batch, Features, OutputFormat, ScoreWriter, Selection, Source, format_for, read_scores,
};
use qualm::{Error, Result};
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

#[test]
fn what_is_written_is_read_back() {
    let folder = folder();
    let flat = table().project(&[0, 1, 2, 3]).unwrap();
    for name in ["t.csv", "t.tsv", "t.parquet", "t.arrow", "t.feather"] {
        let path = folder.path().join(name);
        write(&path, &flat);
        let source = Source::open(&path, &excluding(&[]), None).unwrap();
        assert_eq!(source.features(), &columns(&["x", "n", "flag"]), "{name}");
        assert_eq!(
            source.id_fields()[0],
            Field::new("id", DataType::Utf8, true)
        );
        assert!(source.has_column("id") && !source.has_column("ID"));
        let batch = source.read_all().unwrap();
        assert_eq!(batch.rows.rows().as_slice(), PLAIN, "{name}");
        assert_eq!(&batch.ids[0], flat.column(0), "{name}");
    }
}

#[test]
fn vectors_are_the_input_when_there_is_one() {
    let folder = folder();
    for name in ["t.parquet", "t.arrow"] {
        let path = folder.path().join(name);
        write(&path, &table());
        let several = Source::open(&path, &excluding(&[]), None).unwrap_err();
        assert!(
            several
                .to_string()
                .contains("'emb', 'emb2'; choose one with --vector")
        );

        let source = Source::open(&path, &excluding(&["emb"]), None).unwrap();
        assert_eq!(source.features().name(1), "emb2[1]");
        assert_eq!(source.skipped(), ["x", "n", "flag"]);
        let rows = source.read_all().unwrap().rows;
        assert_eq!(rows.rows().as_slice(), [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]);

        let chosen = Selection {
            vector: Some("emb".into()),
            ..Selection::default()
        };
        let rows = Source::open(&path, &chosen, None)
            .unwrap()
            .read_all()
            .unwrap()
            .rows;
        assert_eq!(rows.rows().as_slice(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}

#[test]
fn every_parquet_compression_is_read() {
    let folder = folder();
    let flat = table().project(&[0, 1, 2, 3]).unwrap();
    for (i, compression) in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
        Compression::BROTLI(BrotliLevel::default()),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("{i}.parquet"));
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .build();
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, flat.schema(), Some(properties)).unwrap();
        writer.write(&flat).unwrap();
        writer.close().unwrap();
        assert_eq!(all(&path).unwrap().rows.rows().as_slice(), PLAIN);
    }
}

#[test]
fn the_arrow_stream_format_is_read_under_either_extension() {
    let folder = folder();
    let path = folder.path().join("s.feather");
    let flat = table().project(&[1, 2, 3]).unwrap();
    let out = File::create(&path).unwrap();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(out, &flat.schema()).unwrap();
    writer.write(&flat).unwrap();
    writer.write(&flat).unwrap();
    writer.finish().unwrap();
    assert_eq!(all(&path).unwrap().rows.rows().n_rows(), 6);
}

#[test]
fn a_folder_of_parts_is_one_input() {
    let folder = folder();
    let empty = Source::open(folder.path(), &Selection::default(), None).unwrap_err();
    assert!(matches!(empty, Error::NoParts { .. }));

    let batch = |x: f64, n: Option<i32>| {
        let columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("n", Arc::new(Int32Array::from(vec![n])), true),
            ("x", Arc::new(Float64Array::from(vec![x])), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    };
    write(&folder.path().join("b.parquet"), &batch(2.0, Some(20)));
    write(&folder.path().join("a.parquet"), &batch(1.0, Some(10)));
    write(&folder.path().join("_c.parquet"), &batch(9.0, Some(90)));
    file(&folder, ".d.parquet", "junk");
    file(&folder, "_SUCCESS", "");
    let source = Source::open(folder.path(), &Selection::default(), None).unwrap();
    assert_eq!(source.n_rows_hint(), Some(2));
    assert_eq!(
        source.read_all().unwrap().rows.rows().as_slice(),
        [10.0, 1.0, 20.0, 2.0]
    );

    let last = folder.path().join("e.parquet");
    write(&last, &batch(3.0, None));
    let missing = all(folder.path()).unwrap_err().to_string();
    assert!(
        missing.contains("e.parquet, row 1, column 'n': missing value"),
        "{missing}"
    );
    write(&last, &batch(3.0, Some(1)).project(&[0]).unwrap());
    let lacking = Source::open(folder.path(), &Selection::default(), None).unwrap_err();
    let lacking = lacking.to_string();
    assert!(
        lacking.contains("e.parquet: 1 of the columns needed are missing: 'x'"),
        "{lacking}"
    );
}

fn npy(descr: &str, fortran: bool, shape: &str, values: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(values);
    bytes
}

type Encode = Box<dyn Fn(u8) -> Vec<u8>>;

#[test]
fn numpy_arrays_of_every_type_and_order_are_read() {
    let folder = folder();
    let expected = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let bytes = |f: &dyn Fn(u8) -> Vec<u8>, order: [u8; 6]| -> Vec<u8> {
        order.iter().flat_map(|&v| f(v)).collect()
    };
    let types: Vec<(&str, Encode)> = vec![
        ("<f4", Box::new(|v| f32::from(v).to_le_bytes().to_vec())),
        (">f4", Box::new(|v| f32::from(v).to_be_bytes().to_vec())),
        (">f8", Box::new(|v| f64::from(v).to_be_bytes().to_vec())),
        (
            "<f2",
            Box::new(|v| half::f16::from_f32(f32::from(v)).to_le_bytes().to_vec()),
        ),
        (">i2", Box::new(|v| i16::from(v).to_be_bytes().to_vec())),
        ("<i8", Box::new(|v| i64::from(v).to_le_bytes().to_vec())),
        ("|u1", Box::new(|v| vec![v])),
        ("<u4", Box::new(|v| u32::from(v).to_le_bytes().to_vec())),
    ];
    for (descr, encode) in &types {
        let c = file(
            &folder,
            "c.npy",
            npy(descr, false, "(3, 2)", &bytes(encode, [1, 2, 3, 4, 5, 6])),
        );
        let source = Source::open(&c, &Selection::default(), None).unwrap();
        assert_eq!(source.n_rows_hint(), Some(3));
        assert_eq!(
            source.features(),
            &Features::Vector {
                name: None,
                width: 2
            }
        );
        assert_eq!(
            source.read_all().unwrap().rows.rows().as_slice(),
            expected,
            "{descr}"
        );
        let f = file(
            &folder,
            "f.npy",
            npy(descr, true, "(3, 2)", &bytes(encode, [1, 3, 5, 2, 4, 6])),
        );
        assert_eq!(all(&f).unwrap().rows.rows().as_slice(), expected, "{descr}");
    }
    let path = file(&folder, "b.npy", npy("|b1", false, "(2, 1)", &[1, 0]));
    assert_eq!(all(&path).unwrap().rows.rows().as_slice(), [1.0, 0.0]);
}

#[test]
fn many_batches_of_a_numpy_array_keep_their_order() {
    let folder = folder();
    let values: Vec<f32> = (0..20_000u16).map(f32::from).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let c = file(&folder, "c.npy", npy("<f4", false, "(20000, 1)", &bytes));
    let f = file(&folder, "f.npy", npy("<f4", true, "(20000, 1)", &bytes));
    for path in [c, f] {
        let mut source = Source::open(&path, &Selection::default(), None).unwrap();
        let (mut seen, mut n_batches) = (Vec::new(), 0);
        while let Some(batch) = source.next_batch().unwrap() {
            assert_eq!(batch.first_row, seen.len());
            seen.extend(batch.rows.into_vec());
            n_batches += 1;
        }
        assert_eq!(seen, values);
        assert!(n_batches > 1);
    }
}

#[test]
fn hostile_numpy_headers_are_refused_without_allocating() {
    let folder = folder();
    for (shape, order) in [
        ("(1000000000000, 1000)", false),
        ("(1000000000000, 1000)", true),
        ("(18446744073709551615, 18446744073709551615)", true),
        ("(3, 3)", false),
    ] {
        let path = file(&folder, "t.npy", npy("<f4", order, shape, &[0; 24]));
        assert!(
            matches!(all(&path), Err(Error::Truncated { found: 24, .. })),
            "{shape}"
        );
    }
    for shape in ["(6,)", "(1, 2, 3)", "()"] {
        let path = file(&folder, "t.npy", npy("<f4", false, shape, &[0; 24]));
        assert!(matches!(all(&path), Err(Error::NpyShape { .. })), "{shape}");
    }
    let path = file(&folder, "t.npy", npy("|O", false, "(3, 2)", &[0; 24]));
    assert!(matches!(all(&path), Err(Error::NpyType { found, .. }) if found == "|O"));
    let path = file(&folder, "t.npy", npy("<f4", false, "(0, 2)", &[]));
    assert!(matches!(all(&path), Err(Error::Empty { .. })));
}

fn npz(path: &Path, arrays: &[(&str, Vec<u8>)], deflate: bool) {
    use std::io::Write;
    let mut zip = npyz::zip::ZipWriter::new(File::create(path).unwrap());
    let method = if deflate {
        npyz::zip::CompressionMethod::Deflated
    } else {
        npyz::zip::CompressionMethod::Stored
    };
    for (name, bytes) in arrays {
        let options = npyz::zip::write::FileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn archives_hold_x_and_y() {
    let folder = folder();
    let path = folder.path().join("t.npz");
    let x = npy("|u1", false, "(3, 2)", &[1, 2, 3, 4, 5, 6]);
    let y = npy("|b1", false, "(3,)", &[0, 1, 0]);
    let other = npy("|u1", false, "(1, 1)", &[9]);
    let names = npy("<U1", false, "(3,)", &[0; 12]);
    let arrays = [("y", y), ("other", other), ("X", x), ("names", names)];
    npz(&path, &arrays, false);
    let labelled = Selection {
        label: Some("y".into()),
        ..Selection::default()
    };
    let source = Source::open(&path, &labelled, None).unwrap();
    assert_eq!(source.n_rows_hint(), Some(3));
    assert_eq!(source.skipped(), ["other", "names"]);
    let batch = source.read_all().unwrap();
    assert_eq!(batch.rows.rows().as_slice(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(batch.labels, Some(vec![false, true, false]));

    let wrong = Selection {
        label: Some("other".into()),
        ..Selection::default()
    };
    let error = Source::open(&path, &wrong, None).unwrap_err();
    assert!(matches!(
        error,
        Error::RowsDiffer {
            found: 1,
            expected: 3,
            ..
        }
    ));
    let whole = std::fs::read(&path).unwrap();
    let cut = file(&folder, "cut.npz", &whole[..whole.len() - 30]);
    assert!(matches!(all(&cut), Err(Error::Archive { .. })));
}

#[test]
fn at_score_time_columns_are_matched_by_name() {
    let folder = folder();
    let path = file(&folder, "t.csv", "extra,b,id,a\nz,2,007,1\nz,4,008,3\n");
    let ids = Selection {
        ids: vec!["id".into()],
        ..Selection::default()
    };
    let batch = Source::open(&path, &ids, Some(&columns(&["a", "b"])))
        .unwrap()
        .read_all()
        .unwrap();
    assert_eq!(batch.rows.rows().as_slice(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(
        batch.ids[0].as_ref(),
        &StringArray::from(vec!["007", "008"]) as &dyn Array
    );

    let missing = Source::open(&path, &ids, Some(&columns(&["a", "c", "d"]))).unwrap_err();
    assert!(matches!(&missing, Error::MissingColumns { missing, .. } if missing.0 == ["c", "d"]));
    let text = Source::open(&path, &ids, Some(&columns(&["a", "extra"]))).unwrap_err();
    assert!(
        text.to_string()
            .contains("row 1, column 'extra': found 'z', expected a number")
    );
    let leak = Selection {
        label: Some("b".into()),
        ..Selection::default()
    };
    let leak = Source::open(&path, &leak, Some(&columns(&["a", "b"]))).unwrap_err();
    assert!(matches!(leak, Error::Conflict { .. }));
}

#[test]
fn vectors_and_columns_of_one_width_stand_in_for_each_other() {
    let folder = folder();
    let array = file(&folder, "t.npy", npy("|u1", false, "(1, 2)", &[7, 8]));
    let model = columns(&["a", "b"]);
    let source = Source::open(&array, &Selection::default(), Some(&model)).unwrap();
    assert_eq!(source.features(), &model);
    assert_eq!(
        source.read_all().unwrap().rows.rows().as_slice(),
        [7.0, 8.0]
    );
    let wide = columns(&["a", "b", "c"]);
    let error = Source::open(&array, &Selection::default(), Some(&wide)).unwrap_err();
    assert!(matches!(
        error,
        Error::Width {
            found: 2,
            expected: 3,
            ..
        }
    ));

    let text = file(&folder, "t.csv", "a,b,name\n7,8,x\n");
    let vector = |width| Features::Vector {
        name: Some("emb".into()),
        width,
    };
    let source = Source::open(&text, &Selection::default(), Some(&vector(2))).unwrap();
    assert_eq!(
        source.read_all().unwrap().rows.rows().as_slice(),
        [7.0, 8.0]
    );
    let error = Source::open(&text, &Selection::default(), Some(&vector(3))).unwrap_err();
    assert!(matches!(
        error,
        Error::Width {
            found: 2,
            expected: 3,
            ..
        }
    ));
    let path = folder.path().join("t.parquet");
    write(&path, &table());
    let source = Source::open(&path, &Selection::default(), Some(&vector(2))).unwrap();
    assert_eq!(
        source.read_all().unwrap().rows.rows().get(0),
        Some(&[1.0, 2.0][..])
    );
}

#[test]
fn ragged_and_missing_vectors_are_named_by_row() {
    let folder = folder();
    let path = folder.path().join("t.parquet");
    let rows = |rows: Vec<Option<Vec<Option<f32>>>>| {
        let list = ListArray::from_iter_primitive::<Float32Type, _, _>(rows);
        let batch = RecordBatch::try_from_iter_with_nullable([("v", Arc::new(list) as _, true)]);
        write(&path, &batch.unwrap());
        all(&path).unwrap_err().to_string()
    };
    let two = || Some(vec![Some(1.0), Some(2.0)]);
    let ragged = rows(vec![two(), Some(vec![Some(1.0)])]);
    assert!(
        ragged.contains("row 2, column 'v': found a vector of 1 values, expected 2"),
        "{ragged}"
    );
    assert!(rows(vec![two(), None]).contains("row 2, column 'v': missing value"));
    let inner = rows(vec![two(), Some(vec![Some(1.0), None])]);
    assert!(
        inner.contains("row 2, column 'v[1]': missing value"),
        "{inner}"
    );
    let nan = rows(vec![two(), Some(vec![Some(f32::NAN), Some(1.0)])]);
    assert!(
        nan.contains("row 2, column 'v[0]': found NaN, expected a finite number"),
        "{nan}"
    );
}

#[test]
fn values_that_are_no_finite_float32_are_named() {
    let plain = Selection::default();
    for (text, expected) in [
        ("a,b\n1,2\n3,\n", "t.csv, row 2, column 'b': missing value"),
        (
            "a,b\n1,2\n3,nan\n",
            "t.csv, row 2, column 'b': found NaN, expected a finite",
        ),
        (
            "a,b\n1,-inf\n",
            "t.csv, row 1, column 'b': found -inf, expected a finite",
        ),
        (
            "a,b\n1,1e39\n",
            "t.csv, row 1, column 'b': found 1000000000",
        ),
        (
            "a,b\n1,2\nx,2\n3,4\n",
            "t.csv, row 2, column 'a': found 'x', expected a number",
        ),
        (
            "a,b\nx,2\n1,2\n3,4\n",
            "t.csv, row 1, column 'a': found 'x', expected a number",
        ),
        ("a,b\n1,2\n3\n", "t.csv, row 2: found 1 fields, expected 2"),
        ("a,b\n", "t.csv: no rows"),
        ("", "t.csv: the file is empty"),
        (
            "a,a\n1,2\n",
            "t.csv, column 'a': the name stands more than once",
        ),
        ("a\nx\ny\n", "t.csv: no numeric column"),
    ] {
        let message = refused(text, &plain);
        assert!(message.starts_with(expected), "{text:?}: {message}");
    }
}

#[test]
fn selections_that_cannot_be_met_are_refused() {
    let text = "a,b,t,y\n1,2,u,0\n3,4,v,maybe\n5,6,w,1\n";
    let base = Selection::default();
    let names = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
    for (selection, expected) in [
        (
            Selection {
                columns: names(&["a", "z"]),
                ..base.clone()
            },
            "t.csv, column 'z': no such column",
        ),
        (
            Selection {
                exclude: names(&["z"]),
                ..base.clone()
            },
            "t.csv, column 'z': no such column",
        ),
        (
            Selection {
                ids: names(&["z"]),
                ..base.clone()
            },
            "t.csv, column 'z': no such column",
        ),
        (
            Selection {
                label: Some("z".into()),
                ..base.clone()
            },
            "t.csv, column 'z': no such column",
        ),
        (
            Selection {
                vector: Some("a".into()),
                ..base.clone()
            },
            "t.csv, column 'a': found a column of type",
        ),
        (
            Selection {
                columns: names(&["t"]),
                ..base.clone()
            },
            "t.csv, row 1, column 't': found 'u'",
        ),
        (
            Selection {
                columns: names(&["a", "a"]),
                ..base.clone()
            },
            "column 'a' is asked for both",
        ),
        (
            Selection {
                columns: names(&["a"]),
                label: Some("a".into()),
                ..base.clone()
            },
            "column 'a' is asked for both",
        ),
        (
            Selection {
                columns: names(&["a"]),
                vector: Some("b".into()),
                ..base.clone()
            },
            "column 'a' is asked for both",
        ),
        (
            Selection {
                exclude: names(&["a", "b", "y"]),
                ..base.clone()
            },
            "t.csv: no numeric column",
        ),
        (
            Selection {
                label: Some("y".into()),
                ..base.clone()
            },
            "t.csv, row 2, column 'y': found the label 'maybe', expected 0 or 1",
        ),
    ] {
        let message = refused(text, &selection);
        assert!(message.starts_with(expected), "{selection:?}: {message}");
    }
}

#[test]
fn text_columns_are_skipped_and_reported() {
    let folder = folder();
    let path = file(&folder, "t.csv", "name,a\nx,1\ny,2\n");
    let source = Source::open(&path, &Selection::default(), None).unwrap();
    assert_eq!(source.skipped(), ["name"]);
    assert_eq!(source.features(), &columns(&["a"]));
}

#[test]
fn content_that_is_not_what_the_name_says_is_refused() {
    let folder = folder();
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    for name in ["t.csv", "t.tsv", "t.parquet", "t.arrow", "t.npy", "t.npz"] {
        let path = file(&folder, name, png);
        let error = all(&path).unwrap_err();
        assert!(
            matches!(
                error,
                Error::WrongFormat {
                    found: "a PNG image",
                    ..
                }
            ),
            "{name}"
        );
        let path = file(&folder, name, "");
        assert!(matches!(all(&path), Err(Error::EmptyFile { .. })), "{name}");
    }
    for name in ["t.parquet", "t.arrow", "t.npy", "t.npz"] {
        let path = file(&folder, name, "a,b\n1,2\n");
        assert!(
            matches!(all(&path), Err(Error::WrongFormat { found: "text", .. })),
            "{name}"
        );
    }
    assert!(matches!(
        all(Path::new("/no/such.csv")),
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        all(&file(&folder, "t.xlsx", "x")),
        Err(Error::UnknownFormat { .. })
    ));
}

#[test]
fn truncated_binary_tables_are_refused_wherever_they_are_cut() {
    let folder = folder();
    for name in ["t.parquet", "t.arrow"] {
        let path = folder.path().join(name);
        write(&path, &table().project(&[1, 2]).unwrap());
        let whole = std::fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(7) {
            let cut = file(&folder, name, &whole[..end]);
            assert!(all(&cut).is_err(), "{name} cut at {end}");
        }
    }
}

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

#[test]
fn scores_are_read_as_float64_with_their_labels() {
    let folder = folder();
    let path = file(&folder, "s.csv", "id,score,y\n7,0.1,true\n8,1e-300,0\n");
    let (scores, labels) = read_scores(&path, "score", "y").unwrap();
    assert_eq!((scores, labels), (vec![0.1, 1e-300], vec![true, false]));
    assert!(matches!(
        read_scores(&path, "nope", "y"),
        Err(Error::NoSuchColumn { .. })
    ));
    let path = file(&folder, "s.csv", "score,y\n0.1,1\nnan,0\n");
    assert!(matches!(
        read_scores(&path, "score", "y"),
        Err(Error::NotFinite { .. })
    ));
}

#[derive(Clone, Default)]
struct Shared(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn streams_get_csv_or_json_lines() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id \"x\"",
            Arc::new(StringArray::from(vec![Some("a,\"b\""), None])),
        ),
        ("score", Arc::new(Float64Array::from(vec![0.1, f64::NAN]))),
        ("outlier", Arc::new(Int32Array::from(vec![1, 0]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let print = |format| {
        let out = Shared::default();
        let mut writer =
            ScoreWriter::to_writer(format, Box::new(out.clone()), batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let bytes = out.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(
        print(OutputFormat::Csv),
        "\"id \"\"x\"\"\",score,outlier\n\"a,\"\"b\"\"\",0.1,1\n,NaN,0\n"
    );
    assert_eq!(
        print(OutputFormat::JsonLines),
        "{\"id \\\"x\\\"\":\"a,\\\"b\\\"\",\"score\":0.1,\"outlier\":1}\n\
         {\"id \\\"x\\\"\":null,\"score\":null,\"outlier\":0}\n"
    );
}

#[test]
fn outputs_that_cannot_be_are_refused_before_any_work() {
    let folder = folder();
    assert_eq!(
        format_for(Path::new("a.NDJSON")).unwrap(),
        OutputFormat::JsonLines
    );
    assert!(matches!(
        format_for(Path::new("a.xlsx")),
        Err(Error::UnknownFormat { .. })
    ));
    let error = ScoreWriter::create(&folder.path().join("t.csv"), table().schema()).unwrap_err();
    assert!(matches!(error, Error::NoTextForm { column, .. } if column == "emb"));
    let schema = Arc::new(Schema::new(vec![Field::new(
        "score",
        DataType::Float64,
        false,
    )]));
    let nowhere = folder.path().join("no/t.csv");
    assert!(matches!(
        ScoreWriter::create(&nowhere, schema.clone()),
        Err(Error::NoOutputFolder { .. })
    ));
    let path = file(&folder, "old.parquet", "old");
    drop(ScoreWriter::create(&path, schema).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

struct Closed;

impl std::io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_pipe_is_told_apart() {
    let batch = table().project(&[0, 1]).unwrap();
    for format in [OutputFormat::Csv, OutputFormat::JsonLines] {
        let mut writer = ScoreWriter::to_writer(format, Box::new(Closed), batch.schema()).unwrap();
        let error = writer
            .write(&batch)
            .and_then(|()| writer.finish())
            .unwrap_err();
        assert!(error.is_broken_pipe(), "{error}");
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
