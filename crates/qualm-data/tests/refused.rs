//! Input that is refused, and the messages that say why.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, ListArray, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use qualm_data::{Batches, Selection, Source};

use crate::{all, file, folder, npy, refused, write};

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
        ragged.contains("row 2, column 'v': found a vector of 1 value, expected 2"),
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
            "t.csv, row 1, column 'b': found 1e39, too large",
        ),
        (
            "a,b\n1,2\nx,2\n3,4\n",
            "t.csv, row 2, column 'a': found 'x', expected a number",
        ),
        (
            "a,b\nx,2\n1,2\n3,4\n",
            "t.csv, row 1, column 'a': found 'x', expected a number",
        ),
        ("a,b\n1,2\n3\n", "t.csv, row 2: found 1 field, expected 2"),
        ("a,b\n", "t.csv: no rows"),
        ("", "t.csv: the file is empty"),
        (
            "a,a\n1,2\n",
            "t.csv, column 'a': the name stands more than once",
        ),
        (
            "a\nx\ny\n",
            "t.csv: no numeric column to use as a feature; not numeric: 'a' (text such as 'x' in \
             row 1)",
        ),
        (
            "a,e\n1,\"[1, 2]\"\n2,\"[1 2 ... 9]\"\n",
            "t.csv, row 2, column 'e': found '[1 2 ... 9]', expected a vector such as [0.1, 0.2]",
        ),
        (
            "a,e\n1,\"[1, 2]\"\n2,\n",
            "t.csv, row 2, column 'e': missing value",
        ),
        (
            "a,e\n1,\"[1, 2]\"\n2,[3]\n",
            "t.csv, row 2, column 'e': found a vector of 1 value, expected 2",
        ),
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
                read_label: true,
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
            "column 'a' is asked for twice as a feature",
        ),
        (
            Selection {
                columns: names(&["a"]),
                label: Some("a".into()),
                read_label: true,
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
            "column 'a' is asked for as a feature beside the vector column 'b'",
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
                read_label: true,
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
fn content_that_has_to_be_converted_first_says_how() {
    let folder = folder();
    for (name, bytes, expected) in [
        (
            "t.csv",
            &b"\x1F\x8B\x08\0"[..],
            "found gzip-compressed data; decompress it first (gunzip)",
        ),
        (
            "t.csv.xz",
            b"\xFD7zXZ",
            "the extension .xz; decompress it first; known are .csv",
        ),
        (
            "t.csv",
            b"\xFF\xFEa\0,\0",
            "found UTF-16 text; convert it to UTF-8 first",
        ),
    ] {
        let error = all(&file(&folder, name, bytes)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for shape in ["(3, 0)", "(1, 0)"] {
        let path = file(&folder, "t.npy", npy("<f4", false, shape, &[]));
        let error = all(&path).unwrap_err().to_string();
        assert!(error.contains("each row holds 0 values"), "{error}");
    }
}

#[test]
fn types_are_named_in_words() {
    let folder = folder();
    let times = TimestampMicrosecondArray::from(vec![1, 2, 3]);
    let texts = StringViewArray::from(vec!["x", "y", "z"]);
    let batch = RecordBatch::try_from_iter([
        ("when", Arc::new(times) as ArrayRef),
        ("what", Arc::new(texts) as ArrayRef),
    ]);
    let path = folder.path().join("t.arrow");
    write(&path, &batch.unwrap());
    let message = |selection: Selection| {
        let error = Source::open(&path, &selection, None).and_then(Source::read_all);
        error.unwrap_err().to_string()
    };
    let error = message(Selection::default());
    assert!(
        error.ends_with(
            "not numeric: 'when' (date and time (microseconds)), 'what' (text such as 'x' in row 1)"
        ),
        "{error}"
    );
    let columns = vec!["when".to_owned()];
    let error = message(Selection {
        columns,
        ..Selection::default()
    });
    assert!(
        error.contains("found a column of type date and time (microseconds)"),
        "{error}"
    );
}
