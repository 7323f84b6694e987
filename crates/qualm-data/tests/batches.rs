//! Batches that no reader of ours makes go through the same pipeline.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt8Type};
use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::{DataType, Field};
use qualm::{Features, Fitted, Matrix, Spec};
use qualm_data::{Batch, Batches, Error, Origin, Result, score, scored};

/// Points on a line, with their numbers as ids; one batch has three rows.
struct Line {
    features: Features,
    n_rows: usize,
    n_given: usize,
}

fn line(n_rows: usize) -> Line {
    Line {
        features: Features::Columns(vec!["x".to_owned(), "y".to_owned()]),
        n_rows,
        n_given: 0,
    }
}

impl Batches for Line {
    fn features(&self) -> &Features {
        &self.features
    }

    fn id_fields(&self) -> Vec<Field> {
        vec![Field::new("number", DataType::Int64, false)]
    }

    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let rows = self.n_given..self.n_rows.min(self.n_given + 3);
        if rows.is_empty() {
            return Ok(None);
        }
        self.n_given = rows.end;
        let values = rows.clone().flat_map(|i| [i as f32, 2.0 * i as f32 + 1.0]);
        let ids: Int64Array = rows.clone().map(|i| i64::try_from(i).ok()).collect();
        Ok(Some(Batch {
            rows: Matrix::new(values.collect(), 2)?,
            ids: vec![Arc::new(ids) as ArrayRef],
            labels: Some(rows.clone().map(|i| i % 2 == 0).collect()),
            origin: Origin::memory(rows.start),
        }))
    }
}

fn fitted() -> Fitted {
    let rows = line(50).read_all().unwrap().rows;
    let spec = Spec::preset("sp", "default").unwrap();
    spec.fit(rows.rows(), 0, &mut ()).unwrap()
}

#[test]
fn all_rows_of_any_source_become_one_batch() {
    let batch = line(7).read_all().unwrap();
    let rows = batch.rows.rows();
    assert_eq!((rows.n_rows(), rows.get(6)), (7, Some(&[6.0, 13.0][..])));
    let ids = batch.ids[0].as_primitive::<Int64Type>().values();
    assert_eq!(ids, &[0, 1, 2, 3, 4, 5, 6]);
    let labels = batch.labels.unwrap();
    assert_eq!(labels, [true, false, true, false, true, false, true]);
    assert_eq!(batch.origin, Origin::memory(0));
    let none = line(0).read_all().unwrap_err();
    assert!(matches!(none, Error::Core(qualm::Error::Empty { .. })));
}

/// The scores of the table are those of all rows at once, whoever gives the batches.
fn table_of(mut input: impl Batches, fitted: &Fitted) -> Vec<f64> {
    assert_eq!(input.n_rows_hint(), None);
    let columns = scored::columns(input.id_fields(), Some("far"), 0).unwrap();
    let mut scores = Vec::new();
    while let Some(batch) = input.next_batch().unwrap() {
        let new = score(fitted, &batch).unwrap();
        let table = scored::assemble(&columns, fitted, &batch, new, 0).unwrap();
        let column = |name| table.rows.column_by_name(name).unwrap();
        let first = column("number").as_primitive::<Int64Type>().value(0);
        assert_eq!(usize::try_from(first).unwrap(), scores.len());
        let far = column("far").as_primitive::<UInt8Type>().value(0);
        assert_eq!(usize::from(far), (scores.len() + 1) % 2);
        scores.extend(column("score").as_primitive::<Float64Type>().values());
    }
    scores
}

#[test]
fn batches_from_memory_are_scored_like_a_file() {
    let fitted = fitted();
    let scores = table_of(line(11), &fitted);
    let all = line(11).read_all().unwrap();
    assert_eq!(scores, score(&fitted, &all).unwrap());
    // The trait can be used as an object.
    let mut boxed: Box<dyn Batches> = Box::new(line(2));
    assert_eq!(boxed.next_batch().unwrap().unwrap().rows.rows().n_rows(), 2);
}
