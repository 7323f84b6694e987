//! Tables out.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use qualm_data::Error;
use qualm_data::{OutputFormat, ScoreWriter, format_for};

use crate::{file, folder, table};

#[test]
fn streams_get_csv_or_json_lines() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id \"x\"",
            Arc::new(StringArray::from(vec![Some("a,\"b\""), None])),
        ),
        ("score", Arc::new(Float64Array::from(vec![0.1, f64::NAN]))),
        ("outlier", Arc::new(Int32Array::from(vec![1, 0]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let print = |format| {
        let (name, schema) = ("standard output", batch.schema());
        let mut writer = ScoreWriter::to_writer(format, name, Vec::new(), schema).unwrap();
        writer.write(&batch).unwrap();
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    };
    assert_eq!(
        print(OutputFormat::Csv),
        "\"id \"\"x\"\"\",score,outlier\n\"a,\"\"b\"\"\",0.1,1\n,NaN,0\n"
    );
    assert_eq!(
        print(OutputFormat::JsonLines),
        "{\"id \\\"x\\\"\":\"a,\\\"b\\\"\",\"score\":0.1,\"outlier\":1}\n\
         {\"id \\\"x\\\"\":null,\"score\":null,\"outlier\":0}\n"
    );
}

#[test]
fn outputs_that_cannot_be_are_refused_before_any_work() {
    let folder = folder();
    assert_eq!(
        format_for(Path::new("a.NDJSON")).unwrap(),
        OutputFormat::JsonLines
    );
    assert!(matches!(
        format_for(Path::new("a.xlsx")),
        Err(Error::UnknownFormat { .. })
    ));
    let error = ScoreWriter::create(&folder.path().join("t.csv"), table().schema()).unwrap_err();
    assert!(matches!(error, Error::NoTextForm { column, .. } if column == "emb"));
    let schema = Arc::new(Schema::new(vec![Field::new(
        "score",
        DataType::Float64,
        false,
    )]));
    let nowhere = folder.path().join("no/t.csv");
    assert!(matches!(
        ScoreWriter::create(&nowhere, schema.clone()),
        Err(Error::Core(qualm::Error::NoOutputFolder { .. }))
    ));
    let path = file(&folder, "old.parquet", "old");
    drop(ScoreWriter::create(&path, schema).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

struct Closed;

impl std::io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_pipe_is_told_apart() {
    let batch = table().project(&[0, 1]).unwrap();
    for format in [OutputFormat::Csv, OutputFormat::JsonLines] {
        let (name, schema) = ("standard output", batch.schema());
        let mut writer = ScoreWriter::to_writer(format, name, Closed, schema).unwrap();
        let written = writer.write(&batch);
        let error = written.and_then(|()| writer.into_inner().map(drop));
        let error = error.unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        let Error::Core(qualm::Error::Write { source, .. }) = error else {
            panic!("{error}");
        };
        assert_eq!(source.kind(), std::io::ErrorKind::BrokenPipe);
    }
}
