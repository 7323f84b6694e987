//! Which columns are features, and what is said of the others: the same from every format.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, Date32Array, DictionaryArray, Float64Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray,
};
use arrow_schema::Schema;
use qualm_data::{Batches, ColumnNote, Error, Selection, Source};

use crate::{columns, file, folder, write};

const FORMATS: [&str; 4] = ["t.csv", "t.tsv", "t.parquet", "t.arrow"];

/// All that is said of an input, once its rows are read.
fn notes(source: Source) -> (Vec<String>, bool) {
    let notes = source.notes();
    source.read_all().unwrap();
    let notes = notes.all();
    let is_warning = notes.iter().any(ColumnNote::is_warning);
    (notes.iter().map(ToString::to_string).collect(), is_warning)
}

fn open(path: &std::path::Path) -> Source {
    Source::open(path, &Selection::default(), None).unwrap()
}

fn floats(n: i32) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(
        (0..n).map(|i| f64::from(i).sin()),
    ))
}

#[test]
fn what_is_not_used_is_said_with_the_reason_whatever_the_format() {
    let folder = folder();
    let kinds: DictionaryArray<Int32Type> = (0..4).map(|i| ["new", "old"][i % 2]).collect();
    let names = LargeStringArray::from(vec!["Ann", "Bob", "Cy", "Di"]);
    let table = RecordBatch::try_from_iter([
        ("name", Arc::new(names) as ArrayRef),
        (
            "income",
            Arc::new(StringArray::from(vec!["24,230.65", "1", "2", "3,000"])) as _,
        ),
        ("kind", Arc::new(kinds) as _),
        ("x", floats(4)),
    ])
    .unwrap();
    for name in FORMATS {
        let path = folder.path().join(name);
        write(&path, &table);
        let source = open(&path);
        assert_eq!(source.features(), &columns(&["x"]), "{name}");
        let expected = "3 of 4 columns not used: 'name' (text such as 'Ann' in row 1), 'income' \
                        (text such as '24,230.65' in row 1), 'kind' (text such as 'new' in row 1)";
        assert_eq!(notes(source), (vec![expected.to_owned()], true), "{name}");
    }
    let dates = Date32Array::from(vec![1, 2, 3, 4]);
    let table =
        RecordBatch::try_from_iter([("day", Arc::new(dates) as ArrayRef), ("x", floats(4))]);
    let path = folder.path().join("d.parquet");
    write(&path, &table.unwrap());
    let expected = vec!["1 of 2 columns not used: 'day' (date)".to_owned()];
    assert_eq!(notes(open(&path)), (expected, false));
}

#[test]
fn vectors_written_as_text_are_the_input_whatever_the_format() {
    let folder = folder();
    for texts in [
        ["[0.5, 1.5]", "[2.5, -3e0]"],
        ["[0.5 1.5]", "[ 2.5\n -3. ]"],
    ] {
        let table = RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
            ("emb", Arc::new(StringArray::from(texts.to_vec())) as _),
        ])
        .unwrap();
        for name in FORMATS {
            let path = folder.path().join(name);
            write(&path, &table);
            let source = open(&path);
            assert_eq!(source.features().name(1), "emb[1]", "{name}");
            let expected = "1 of 2 columns not used: 'id' (the vectors of 'emb' are the input)";
            let features = source.features().clone();
            assert_eq!(notes(source), (vec![expected.to_owned()], false), "{name}");
            for expected in [None, Some(&features)] {
                let source = Source::open(&path, &Selection::default(), expected).unwrap();
                let rows = source.read_all().unwrap().rows;
                assert_eq!(rows.rows().as_slice(), [0.5, 1.5, 2.5, -3.0], "{name}");
            }
            // As an id it stays text.
            let id = Selection {
                ids: vec!["emb".to_owned()],
                ..Selection::default()
            };
            let batch = Source::open(&path, &id, None).unwrap().read_all().unwrap();
            let kept = StringArray::from(texts.to_vec());
            assert_eq!(
                batch.ids[0].as_ref(),
                &kept as &dyn arrow_array::Array,
                "{name}"
            );
        }
    }
}

#[test]
fn the_index_that_pandas_writes_is_no_feature() {
    let folder = folder();
    let index = r#"{"index_columns": ["__index_level_0__"], "columns": []}"#;
    let table = RecordBatch::try_from_iter([
        ("x", floats(20)),
        (
            "__index_level_0__",
            Arc::new(Int64Array::from_iter_values((0..20).map(|i| 3 * i))) as ArrayRef,
        ),
    ])
    .unwrap();
    let metadata = HashMap::from([("pandas".to_owned(), index.to_owned())]);
    let schema = Schema::clone(&table.schema()).with_metadata(metadata);
    let table = RecordBatch::try_new(Arc::new(schema), table.columns().to_vec()).unwrap();
    for name in ["t.parquet", "t.arrow"] {
        let path = folder.path().join(name);
        write(&path, &table);
        let source = open(&path);
        assert_eq!(source.features(), &columns(&["x"]), "{name}");
        let expected = "1 of 2 columns not used: '__index_level_0__' (the index of a pandas table)";
        assert_eq!(notes(source), (vec![expected.to_owned()], false), "{name}");
        // Unless it is asked for.
        let chosen = Selection {
            columns: vec!["__index_level_0__".to_owned()],
            ..Selection::default()
        };
        let source = Source::open(&path, &chosen, None).unwrap();
        assert_eq!(source.features(), &columns(&["__index_level_0__"]));
    }
    let lines: Vec<String> = (0..20)
        .map(|i| format!("{i},{}", f64::from(i).cos()))
        .collect();
    let lines = lines.join("\n");
    let source = open(&file(&folder, "t.csv", format!(",x\n{lines}")));
    assert_eq!(source.features(), &columns(&["x"]));
    let (said, _) = notes(source);
    assert!(
        said[0].contains("the column without a name (the index"),
        "{said:?}"
    );
}

#[test]
fn features_that_are_likely_no_data_are_named() {
    let folder = folder();
    let lines: Vec<String> = (0..200)
        .map(|i| format!("{},{},7,{},{}", 1000 + i, i % 2, f64::from(i).sin(), i % 13))
        .collect();
    let lines = lines.join("\n");
    let path = file(
        &folder,
        "t.csv",
        format!("customer_id,Class,zero,x,n\n{lines}"),
    );
    let (said, is_warning) = notes(open(&path));
    assert_eq!(
        said,
        [
            "'Class' has the name of a label and is used as a feature",
            "'customer_id' looks like an id (whole numbers, none of them twice) and is used as a \
             feature",
            "'zero' has one value in all rows and tells nothing apart",
        ]
    );
    assert!(!is_warning);
    let set_aside = Selection {
        ids: vec!["customer_id".to_owned()],
        label: Some("Class".to_owned()),
        exclude: vec!["zero".to_owned()],
        ..Selection::default()
    };
    let source = Source::open(&path, &set_aside, None).unwrap();
    assert_eq!(notes(source), (Vec::new(), false));
}

#[test]
fn a_first_line_of_numbers_is_said_to_be_the_header_or_is_a_row() {
    let folder = folder();
    let path = file(&folder, "t.csv", "1,2,3\n4,5,6\n7,8,10\n1,2,4\n");
    let source = open(&path);
    assert_eq!(source.n_rows_hint(), None);
    let (said, _) = notes(source);
    assert_eq!(
        said,
        ["the first line was taken as column names, though it holds only numbers: '1', '2', '3'"]
    );
    let no_header = Selection {
        no_header: true,
        ..Selection::default()
    };
    let source = Source::open(&path, &no_header, None).unwrap();
    assert_eq!(
        source.features(),
        &columns(&["column_1", "column_2", "column_3"])
    );
    let rows = source.read_all().unwrap().rows;
    assert_eq!(rows.rows().n_rows(), 4);
    assert_eq!(rows.rows().get(0), Some(&[1.0, 2.0, 3.0][..]));
    let bad = file(&folder, "bad.csv", "1,2\n3,4\n5,x\n");
    let error = Source::open(&bad, &no_header, None).and_then(Source::read_all);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("row 3, column 'column_2': found 'x'"),
        "{error}"
    );
    let path = folder.path().join("t.parquet");
    write(
        &path,
        &RecordBatch::try_from_iter([("x", floats(4))]).unwrap(),
    );
    let error = Source::open(&path, &no_header, None).unwrap_err();
    assert!(matches!(error, Error::NoHeaderHere { .. }), "{error}");
}

#[test]
fn names_are_found_without_their_outer_spaces() {
    let folder = folder();
    let path = file(&folder, "t.csv", "a,b,c\n1,2,3\n4,5,7\n");
    let spaced = Selection {
        columns: vec!["a".to_owned(), " c".to_owned()],
        ..Selection::default()
    };
    let source = Source::open(&path, &spaced, None).unwrap();
    assert_eq!(source.features(), &columns(&["a", "c"]));
}

#[test]
fn a_hundred_thousand_columns_are_matched_in_no_time() {
    let folder = folder();
    let names: Vec<String> = (0..100_000).map(|j| format!("column {j}")).collect();
    let row = vec!["1"; names.len()].join(",");
    let text = format!("{}\n{row}\n", names.join(","));
    let path = file(&folder, "t.csv", text);
    let names: Vec<&str> = names.iter().map(String::as_str).rev().collect();
    let started = Instant::now();
    let source = Source::open(&path, &Selection::default(), Some(&columns(&names))).unwrap();
    assert_eq!(source.read_all().unwrap().rows.rows().n_cols(), 100_000);
    // A search through all names for each took half a minute.
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}
