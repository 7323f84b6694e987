//! NumPy arrays and archives.

use std::fs::File;
use std::path::Path;

use qualm::{Features, Location};
use qualm_data::Error;
use qualm_data::{Batches, Selection, Source};

use crate::{all, file, folder, npy, unused};

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
            assert_eq!(
                batch.origin.at(0),
                Location::file(&path).at_row(seen.len() + 1)
            );
            seen.extend(batch.rows.into_vec());
            n_batches += 1;
        }
        assert_eq!(seen, values);
        assert!(n_batches > 1);
    }
}

fn npz(path: &Path, arrays: &[(&str, Vec<u8>)], deflate: bool) {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
    let method = if deflate {
        zip::CompressionMethod::Deflated
    } else {
        zip::CompressionMethod::Stored
    };
    for (name, bytes) in arrays {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
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
        read_label: true,
        ..Selection::default()
    };
    let source = Source::open(&path, &labelled, None).unwrap();
    assert_eq!(source.n_rows_hint(), Some(3));
    assert_eq!(unused(&source), ["other", "names"]);
    let batch = source.read_all().unwrap();
    assert_eq!(batch.rows.rows().as_slice(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(batch.labels, Some(vec![false, true, false]));

    let wrong = Selection {
        label: Some("other".into()),
        read_label: true,
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
fn text_in_an_archive_can_be_an_id() {
    let wide = |big: bool, texts: [&str; 2]| {
        let pad = |text: &str| {
            let codes = text.chars().map(u32::from).chain([0; 4]).take(4);
            codes
                .map(move |c| {
                    if big {
                        c.to_be_bytes()
                    } else {
                        c.to_le_bytes()
                    }
                })
                .collect::<Vec<_>>()
                .concat()
        };
        texts.map(pad).concat()
    };
    let folder = folder();
    let values = [1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    for (descr, texts) in [
        ("<U4", wide(false, ["n0", "né1"])),
        (">U4", wide(true, ["n0", "né1"])),
        ("|S4", b"n0\0\0n\xC3\xA91".to_vec()),
    ] {
        let arrays = [
            ("X", npy("<f4", false, "(2, 2)", &values)),
            ("names", npy(descr, false, "(2,)", &texts)),
            ("things", npy("|O", false, "(2,)", &[0; 16])),
        ];
        let path = folder.path().join("t.npz");
        npz(&path, &arrays, true);
        let ids = |name: &str| Selection {
            ids: vec![name.to_owned()],
            ..Selection::default()
        };
        let batch = Source::open(&path, &ids("names"), None).unwrap();
        let batch = batch.read_all().unwrap();
        let expected = arrow_array::StringArray::from(vec!["n0", "né1"]);
        assert_eq!(
            batch.ids[0].as_ref(),
            &expected as &dyn arrow_array::Array,
            "{descr}"
        );
        let error = Source::open(&path, &ids("things"), None).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("column 'things': found an array of type '|O' (Python objects)"),
            "{error}"
        );
    }
    let path = folder.path().join("o.npz");
    npz(&path, &[("X", npy("|O", false, "(2, 2)", &[0; 32]))], false);
    let error = all(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("not numeric: 'X' (Python objects)"),
        "{error}"
    );
}
