//! Rows that cannot be scored are named by their place in the input.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch};
use qualm::{Features, Fitted, Location, Matrix, Spec};
use qualm_data::{Batches, Selection, Source, score};
use serde_json::json;

use crate::{folder, write};

#[path = "../../qualm/tests/common/sealed.rs"]
mod sealed;

/// More rows than one batch holds.
const N: usize = 20_000;

/// A table of two columns of zeros, but for a row (from 1) that the model cannot score.
fn table(n: usize, far: Option<usize>) -> RecordBatch {
    let values = (1..=n).map(|row| if far == Some(row) { 100.0 } else { 0.0 });
    let column = Arc::new(Float32Array::from_iter_values(values)) as ArrayRef;
    RecordBatch::try_from_iter([("a", column.clone()), ("b", column)]).unwrap()
}

/// A model that cannot score a row of hundreds.
fn model() -> Fitted {
    let keys = json!({
        "space": "identity", "hidden": 16, "epochs": 1, "min_steps": 40, "max_steps": 40,
        // Rows as they are, not moved to the edge of the fitted ones: zeros stay zeros.
        "extrapolation": "none",
    });
    let spec = Spec::preset("dum", "mlp")
        .unwrap()
        .with(keys.as_object().unwrap().clone());
    let rows = (0..400).map(|i| ((i * 31) % 97) as f32 / 97.0).collect();
    let rows = Matrix::new(rows, 2).unwrap();
    let fitted = spec.unwrap().fit(rows.rows(), 0, &mut ()).unwrap();
    let features = Features::Columns(vec!["a".to_owned(), "b".to_owned()]);
    let bytes = fitted.with_features(features).unwrap().to_bytes().unwrap();
    Fitted::from_bytes(&sealed::overflowing(&bytes)).unwrap()
}

/// Where the error about the first row without a score is.
fn place(source: &mut Source, fitted: &Fitted) -> Location {
    while let Some(batch) = source.next_batch().unwrap() {
        match score(fitted, &batch) {
            Ok(_) => {}
            Err(qualm_data::Error::Core(qualm::Error::ScoreNotFinite { at, .. })) => return at,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("every row has a score")
}

#[test]
fn a_row_of_any_batch_is_counted_from_the_first_of_the_file() {
    let (folder, fitted) = (folder(), model());
    for (name, row) in [("t.csv", 1), ("t.parquet", 8193), ("t.arrow", N)] {
        let path = folder.path().join(name);
        write(&path, &table(N, Some(row)));
        let open = || Source::open(&path, &Selection::default(), None).unwrap();
        let expected = Location::file(&path).at_row(row);
        assert_eq!(place(&mut open(), &fitted), expected);
        // All at once, and drawn from them.
        let all = open().read_all().unwrap();
        let error = score(&fitted, &all).unwrap_err().to_string();
        assert!(error.starts_with(&expected.to_string()), "{error}");
        let drawn = all.sample(N - 5, 1).unwrap();
        if let Err(error) = score(&fitted, &drawn) {
            assert!(
                error.to_string().starts_with(&expected.to_string()),
                "{error}"
            );
        }
    }
}

#[test]
fn in_a_folder_of_parts_the_part_and_its_row_are_named() {
    let (folder, fitted) = (folder(), model());
    write(&folder.path().join("a.parquet"), &table(9000, None));
    let last = folder.path().join("b.parquet");
    write(&last, &table(9000, Some(8500)));
    let open = || Source::open(folder.path(), &Selection::default(), None).unwrap();
    let expected = Location::file(&last).at_row(8500);
    assert_eq!(place(&mut open(), &fitted), expected);
    let all = open().read_all().unwrap();
    assert_eq!(all.origin.at(9000 + 8499), expected);
    let error = score(&fitted, &all).unwrap_err().to_string();
    assert!(error.starts_with(&expected.to_string()), "{error}");
}
