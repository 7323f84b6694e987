//! Features, logits and classes of a classifier, from tables and archives.

use std::io::Write;

use super::*;
use arrow_array::Int64Array;
use qualm_data::{ActivationColumns, ActivationSource, Error};

/// A table of four items: vectors `z` and `l`, a class, an id, a number, and text.
fn table() -> RecordBatch {
    let vectors = |values: Vec<f32>, width: i32| -> ArrayRef {
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let values = Arc::new(Float32Array::from(values));
        Arc::new(FixedSizeListArray::new(item, width, values, None))
    };
    let columns: [(&str, ArrayRef); 6] = [
        ("z", vectors((0..8u8).map(f32::from).collect(), 2)),
        ("l", vectors((0..12u8).map(f32::from).collect(), 3)),
        ("y", Arc::new(Int64Array::from(vec![0, 2, -1, 1]))),
        ("id", Arc::new(StringArray::from(vec!["a", "b", "c", "d"]))),
        (
            "half",
            Arc::new(Float64Array::from(vec![0.0, 0.5, 1.0, 1.0])),
        ),
        (
            "odd",
            Arc::new(BooleanArray::from(vec![false, true, false, true])),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn written(folder: &TempDir, name: &str, batch: &RecordBatch) -> PathBuf {
    let path = folder.path().join(name);
    let mut writer = ScoreWriter::create(&path, batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    path
}

fn columns() -> ActivationColumns {
    ActivationColumns {
        features: vec!["z".to_owned()],
        logits: Some("l".to_owned()),
        classes: Some("y".to_owned()),
        label: Some("odd".to_owned()),
        ids: vec!["id".to_owned()],
        ids_if_present: vec!["nobody".to_owned()],
        ..ActivationColumns::default()
    }
}

#[test]
fn arrays_come_with_their_classes_labels_and_ids() {
    let folder = folder();
    for name in ["t.parquet", "t.arrow"] {
        let path = written(&folder, name, &table());
        let source = ActivationSource::open(&path, &columns()).unwrap();
        let inputs = source.inputs();
        assert_eq!(
            (inputs.features[0].name.as_str(), inputs.features[0].width),
            ("z", 2)
        );
        assert_eq!(inputs.logits.as_ref().map(|input| input.width), Some(3));
        let names: Vec<String> = source
            .id_fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        assert_eq!(names, ["id"]);
        let batch = source.read_all().unwrap();
        let sample = batch.activations();
        assert_eq!((sample.n_rows(), sample.widths()), (4, inputs.widths()));
        assert_eq!(sample.features()[0].get(3), Some(&[6.0, 7.0][..]));
        assert_eq!(batch.classes.as_deref(), Some(&[0, 2, -1, 1][..]));
        assert_eq!(
            batch.labels.as_deref(),
            Some(&[false, true, false, true][..])
        );
        assert_eq!(batch.ids.len(), 1);
    }
}

#[test]
fn classes_are_read_where_they_are_there() {
    let folder = folder();
    let path = written(&folder, "t.parquet", &table());
    for (name, expected) in [("y", true), ("label", false), ("id", false)] {
        let asked = ActivationColumns {
            classes: None,
            classes_if_present: Some(name.to_owned()),
            ..columns()
        };
        let batch = ActivationSource::open(&path, &asked)
            .unwrap()
            .read_all()
            .unwrap();
        assert_eq!(batch.classes.is_some(), expected, "{name}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let folder = folder();
    let path = written(&folder, "t.parquet", &table());
    let refused = |change: &dyn Fn(&mut ActivationColumns)| {
        let mut asked = columns();
        change(&mut asked);
        let source = ActivationSource::open(&path, &asked);
        let read = source.and_then(ActivationSource::read_all);
        read.unwrap_err().to_string()
    };
    for (said, words) in [
        (
            refused(&|c| c.features = vec!["pool".to_owned()]),
            "t.parquet, column 'pool': no such column, asked for as features",
        ),
        (
            refused(&|c| c.features = vec!["half".to_owned()]),
            "expected one vector a row",
        ),
        (
            refused(&|c| c.logits = Some("id".to_owned())),
            "expected one vector a row",
        ),
        (
            refused(&|c| c.classes = Some("half".to_owned())),
            "row 2, column 'half': found '0.5', expected the class",
        ),
        (
            refused(&|c| c.classes = Some("id".to_owned())),
            "expected classes: whole numbers from 0",
        ),
    ] {
        assert!(said.contains(words), "{said}");
    }
    let source = ActivationSource::open(&path, &columns()).unwrap();
    let mut widths = source.inputs().widths();
    source.check_widths(&widths).unwrap();
    widths.logits = Some(10);
    let said = source.check_widths(&widths).unwrap_err().to_string();
    assert!(
        said.contains("t.parquet, column 'l': got 3 columns, expected 10"),
        "{said}"
    );
}

#[test]
fn archives_may_hold_arrays_of_other_lengths_that_are_not_asked_for() {
    let folder = folder();
    let array = |shape: &str, values: &[f32]| {
        let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        while !(header.len() + 11).is_multiple_of(64) {
            header.push(' ');
        }
        let length = u16::try_from(header.len() + 1).unwrap().to_le_bytes();
        let values: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        [
            b"\x93NUMPY\x01\x00",
            &length[..],
            header.as_bytes(),
            b"\n",
            &values,
        ]
        .concat()
    };
    let path = folder.path().join("t.npz");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, bytes) in [
        ("z", array("(2, 2)", &[1.0, 2.0, 3.0, f32::NAN])),
        ("l", array("(2, 3)", &[1.0; 6])),
        ("weight", array("(3, 2)", &[1.0; 6])),
        ("maps", array("(2, 1, 1, 1)", &[1.0; 2])),
    ] {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(&bytes).unwrap();
    }
    archive.finish().unwrap();
    let of = |features: &str| ActivationColumns {
        features: vec![features.to_owned()],
        logits: Some("l".to_owned()),
        ..ActivationColumns::default()
    };
    let error = ActivationSource::open(&path, &of("z"))
        .unwrap()
        .read_all()
        .unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("t.npz, row 2, column 'z[1]': found NaN"),
        "{said}"
    );
    let error = ActivationSource::open(&path, &of("weight")).unwrap_err();
    assert!(matches!(error, Error::RowsDiffer { .. }), "{error}");
    let said = ActivationSource::open(&path, &of("maps"))
        .unwrap_err()
        .to_string();
    assert!(said.contains("4 dimensions"), "{said}");
}
