//! Text, Parquet and Arrow tables, and how their columns are matched.

use std::fs::File;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use qualm::Features;
use qualm_data::Error;
use qualm_data::{Batches, Selection, Source, read_scores};

use crate::{PLAIN, all, columns, excluding, file, folder, npy, table, unused, write};

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
        assert!(several.to_string().contains("'emb', 'emb2'; choose one"));

        let source = Source::open(&path, &excluding(&["emb"]), None).unwrap();
        assert_eq!(source.features().name(1), "emb2[1]");
        assert_eq!(unused(&source), ["x", "n", "flag"]);
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
        lacking.contains("e.parquet: a column that is needed is missing: 'x'"),
        "{lacking}"
    );
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
        read_label: true,
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
        Error::Core(qualm::Error::Width {
            found: 2,
            expected: 3,
            ..
        })
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
        Error::Core(qualm::Error::Width {
            found: 2,
            expected: 3,
            ..
        })
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
fn text_columns_are_skipped_and_reported() {
    let folder = folder();
    let path = file(&folder, "t.csv", "name,a\nx,1\ny,2\n");
    let source = Source::open(&path, &Selection::default(), None).unwrap();
    assert_eq!(unused(&source), ["name"]);
    assert_eq!(source.features(), &columns(&["a"]));
}

#[test]
fn scores_are_read_as_float64_with_their_labels() {
    let folder = folder();
    let path = file(&folder, "s.csv", "id,score,y\n7,0.1,true\n8,1e-300,0\n");
    let (scores, labels) = read_scores(&path, "score", "y", None).unwrap();
    assert_eq!((scores, labels), (vec![0.1, 1e-300], vec![true, false]));
    assert!(matches!(
        read_scores(&path, "nope", "y", None),
        Err(Error::NoSuchColumn { .. })
    ));
    let path = file(&folder, "s.csv", "score,y\n0.1,1\nnan,0\n");
    assert!(matches!(
        read_scores(&path, "score", "y", None),
        Err(Error::Core(qualm::Error::NotFinite { .. }))
    ));
}
