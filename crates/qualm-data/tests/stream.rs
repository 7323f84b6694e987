//! Record batches that another library hands over.

use std::sync::Arc;

use arrow_array::{
    Float64Array, Int32Array, RecordBatch, RecordBatchIterator, RecordBatchReader, StringArray,
};
use qualm::Features;
use qualm_data::{Batches, Selection, Source};

fn reader(batches: Vec<RecordBatch>) -> Box<dyn RecordBatchReader + Send> {
    let schema = batches[0].schema();
    Box::new(RecordBatchIterator::new(
        batches.into_iter().map(Ok),
        schema,
    ))
}

fn batch(x: &[f64]) -> RecordBatch {
    let n = i32::try_from(x.len()).unwrap();
    let names = (0..n).map(|i| format!("row {i}"));
    RecordBatch::try_from_iter([
        ("x", Arc::new(Float64Array::from(x.to_vec())) as _),
        ("name", Arc::new(StringArray::from_iter_values(names)) as _),
        ("y", Arc::new(Int32Array::from_iter_values(0..n)) as _),
    ])
    .unwrap()
}

#[test]
fn batches_are_read_like_a_file_of_them() {
    let selection = Selection {
        ids: vec!["name".to_owned()],
        ..Selection::default()
    };
    let batches = vec![batch(&[0.5, 1.5]), batch(&[]), batch(&[2.5])];
    let source = Source::from_reader(reader(batches), &selection, None).unwrap();
    assert_eq!(
        *source.features(),
        Features::Columns(vec!["x".to_owned(), "y".to_owned()])
    );
    let all = source.read_all().unwrap();
    assert_eq!(all.rows.rows().as_slice(), [0.5, 0.0, 1.5, 1.0, 2.5, 0.0]);
    assert_eq!(all.ids[0].len(), 3);
}

#[test]
fn a_bad_value_is_named_by_its_row_over_all_batches() {
    let batches = vec![batch(&[0.5, 1.5]), batch(&[2.5, f64::INFINITY])];
    let source = Source::from_reader(reader(batches), &Selection::default(), None).unwrap();
    let message = source.read_all().unwrap_err().to_string();
    assert!(
        message.starts_with("input, row 4, column 'x': found inf"),
        "{message}"
    );
}
