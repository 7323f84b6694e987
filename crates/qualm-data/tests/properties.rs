//! What holds for any table.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float32Array, RecordBatch, StringArray};
use proptest::prelude::*;
use qualm::Rounding;
use qualm_data::{Batches, Source};

use crate::{excluding, folder, write};

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
        let source = Source::open(&path, &excluding(&[]), None).unwrap();
        let batch = source.with_rounding(&Rounding::default()).read_all().unwrap();
        let read: Vec<u32> = batch.rows.rows().as_slice().iter().map(|v| v.to_bits()).collect();
        let written: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
        prop_assert_eq!(read, written);
        prop_assert_eq!(batch.ids[0].as_ref(), &StringArray::from(texts) as &dyn Array);
    }
}
