//! Columns whose differences float32 would lose: the same rows from every format, to fit to and to
//! score.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, UInt64Array};
use qualm::Spec;
use qualm_data::{Batches, Selection, Source, score};

use crate::{all, file, folder, npy, write};

const N: u8 = 60;

/// Seconds, whole numbers from 2^53 on, money, a small noise on 1e9, and an ordinary column; the
/// tenth row is odd in all of them.
fn columns() -> Vec<(&'static str, Vec<f64>)> {
    let column = |of: fn(f64) -> f64, odd: f64| {
        let mut values: Vec<f64> = (0..N).map(|i| of(f64::from(i))).collect();
        values[10] += odd;
        values
    };
    vec![
        ("seconds", column(|i| 1.7e9 + i, 5e3)),
        ("number", column(|i| 9_007_199_254_740_992.0 + 2.0 * i, 1e6)),
        ("cents", column(|i| 123_456_789.25 + 0.25 * i, 1e3)),
        ("noise", column(|i| 1e9 + 0.1 * (i * 0.7).sin(), 9.0)),
        ("plain", column(|i| (i * 0.3).sin(), 40.0)),
    ]
}

fn table(columns: &[(&'static str, Vec<f64>)]) -> RecordBatch {
    let floats = |(name, values): &(&'static str, Vec<f64>)| {
        (
            *name,
            Arc::new(Float64Array::from(values.clone())) as ArrayRef,
        )
    };
    RecordBatch::try_from_iter(columns.iter().map(floats)).unwrap()
}

/// The same values in the types that hold them exactly.
fn typed(columns: &[(&'static str, Vec<f64>)]) -> RecordBatch {
    let whole = |j: usize| columns[j].1.iter().map(|x| *x as i64);
    let cents = columns[2].1.iter().map(|x| (x * 100.0) as i128);
    let cents = Decimal128Array::from_iter_values(cents);
    let mut arrays: Vec<ArrayRef> = table(columns).columns().to_vec();
    arrays[0] = Arc::new(Int64Array::from_iter_values(whole(0)));
    arrays[1] = Arc::new(UInt64Array::from_iter_values(
        whole(1).map(i64::unsigned_abs),
    ));
    arrays[2] = Arc::new(cents.with_precision_and_scale(20, 2).unwrap());
    let names = columns.iter().map(|(name, _)| *name);
    RecordBatch::try_from_iter(names.zip(arrays)).unwrap()
}

#[test]
fn every_format_gives_the_same_rows_and_the_same_model_and_scores() {
    let folder = folder();
    let columns = columns();
    let mut paths = Vec::new();
    for (name, batch) in [
        ("floats.csv", table(&columns)),
        ("floats.parquet", table(&columns)),
        ("floats.arrow", table(&columns)),
        ("typed.parquet", typed(&columns)),
        ("typed.feather", typed(&columns)),
    ] {
        let path = folder.path().join(name);
        write(&path, &batch);
        paths.push(path);
    }
    let row = |i: usize| columns.iter().flat_map(move |(_, v)| v[i].to_le_bytes());
    let values: Vec<u8> = (0..usize::from(N)).flat_map(row).collect();
    paths.push(file(
        &folder,
        "t.npy",
        npy("<f8", false, "(60, 5)", &values),
    ));

    let first = all(&paths[0]).unwrap().rows;
    let rounding = first.rows().rounding();
    assert_eq!(rounding.columns().collect::<Vec<_>>(), [0, 1, 2, 3]);
    // All differences are there.
    let found = |i: usize, j: usize| f64::from(first.rows().get(i).unwrap()[j]);
    for (j, (name, values)) in columns.iter().enumerate() {
        for i in 0..usize::from(N) {
            let expected = values[i] - values[0];
            let error = (found(i, j) - found(0, j) - expected).abs();
            assert!(
                error <= 1e-6 * expected.abs() + 1e-7,
                "{name}, row {i}: {error}"
            );
        }
    }

    let spec = Spec::preset("knn", "paper").unwrap();
    let fitted = spec.fit(first.rows(), 0, &mut ()).unwrap();
    let expected = fitted.score(first.rows()).unwrap();
    let top = expected
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1));
    assert_eq!(top.map(|(row, _)| row), Some(10));
    for path in &paths {
        assert_eq!(all(path).unwrap().rows, first, "{}", path.display());
        let source = Source::open(path, &Selection::default(), None).unwrap();
        let mut source = source.with_rounding(fitted.rounding());
        let batch = source.next_batch().unwrap().unwrap();
        assert_eq!(
            score(&fitted, &batch).unwrap(),
            expected,
            "{}",
            path.display()
        );
    }
}

#[test]
fn offsets_are_chosen_from_all_rows_of_a_long_file() {
    let folder = folder();
    // More than one chunk; the first is constant.
    let value = |i: u32| {
        if i < 9000 {
            1e9
        } else {
            1e9 + f64::from(i % 7)
        }
    };
    let lines: Vec<String> = (0..20_000)
        .map(|i| format!("{},{}\n", value(i), i % 10))
        .collect();
    let path = file(&folder, "long.csv", format!("a,b\n{}", lines.concat()));
    let rows = all(&path).unwrap().rows;
    assert_eq!(rows.rows().rounding().columns().collect::<Vec<_>>(), [0]);
    for (i, row) in rows.rows().iter().enumerate() {
        let i = u32::try_from(i).unwrap();
        let expected = value(i) - rows.rows().rounding().offset(0);
        assert_eq!(f64::from(row[0]), expected);
        assert_eq!(row[1], (i % 10) as f32);
    }
}
