//! Results files of benches: tables in CSV or Parquet, read row by row.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The first bytes of a Parquet file.
const PARQUET: &[u8] = b"PAR1";

/// The rows of a table, each by the names of its columns; what is wrong with it, otherwise. `None` for
/// what is no table.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Option<Result<Vec<Value>, String>> {
    if bytes.starts_with(PARQUET) {
        return Some(of_parquet(path).map_err(|error| error.to_string()));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let header = text.lines().next()?;
    (header.contains(',') && !header.starts_with('{'))
        .then(|| of_csv(text).map_err(|error| error.to_string()))
}

/// Rows as what they hold; where one holds something else, why.
pub(super) fn typed<T: DeserializeOwned>(rows: Vec<Value>) -> Result<Vec<T>, String> {
    let rows = rows.into_iter().zip(1..);
    rows.map(|(row, number)| {
        serde_json::from_value(row)
            .map_err(|error| format!("a table whose row {number} is: {error}"))
    })
    .collect()
}

fn of_parquet(path: &Path) -> parquet::errors::Result<Vec<Value>> {
    let reader = SerializedFileReader::new(File::open(path)?)?;
    let rows = reader.get_row_iter(None)?;
    rows.map(|row| {
        let row = row?;
        let cells = row.get_column_iter();
        let cells: Map<String, Value> = cells.map(|(name, f)| (name.clone(), value(f))).collect();
        Ok(Value::Object(cells))
    })
    .collect()
}

fn value(field: &Field) -> Value {
    match field {
        Field::Bool(v) => (*v).into(),
        Field::Byte(v) => (*v).into(),
        Field::Short(v) => (*v).into(),
        Field::Int(v) => (*v).into(),
        Field::Long(v) => (*v).into(),
        Field::UByte(v) => (*v).into(),
        Field::UShort(v) => (*v).into(),
        Field::UInt(v) => (*v).into(),
        Field::ULong(v) => (*v).into(),
        Field::Float(v) => (*v).into(),
        Field::Double(v) => (*v).into(),
        Field::Str(v) => v.as_str().into(),
        _ => Value::Null,
    }
}

fn of_csv(text: &str) -> csv::Result<Vec<Value>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers()?.clone();
    let rows = reader.records().map(|record| {
        let record = record?;
        let cells = names.iter().zip(&record);
        let cells: Map<String, Value> = cells
            .map(|(name, cell)| (name.to_owned(), cell_value(cell)))
            .collect();
        Ok(Value::Object(cells))
    });
    rows.collect()
}

/// A whole number, a number, nothing, or text.
fn cell_value(cell: &str) -> Value {
    if cell.is_empty() {
        return Value::Null;
    }
    if let Ok(whole) = cell.parse::<u64>() {
        return whole.into();
    }
    match cell.parse::<f64>() {
        Ok(number) if number.is_finite() => number.into(),
        _ => cell.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt8Array, UInt64Array};
    use parquet::arrow::ArrowWriter;

    use super::super::{Results, part, read_results};
    use super::*;

    const NUMBERS: [&str; 13] = [
        "corruption",
        "severity",
        "detector",
        "n_reference",
        "n",
        "t",
        "degrees",
        "p",
        "log10_p",
        "cohens_d",
        "auroc",
        "auroc_ci_low",
        "auroc_ci_high",
    ];

    #[test]
    fn corruptions_of_csv_and_parquet_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("r.csv");
        let text = "fog,,dum,10,12,3.5,20,0.5,-0.25,1,0.75,0.5,0.875\n\
                    fog,3,dum,10,12,,,,,,0.5,0.25,0.75\n\
                    snow,,dum,10,12,3.5,20,0.5,-0.25,1,1,0.5,1\n";
        std::fs::write(&csv, format!("{}\n{text}", NUMBERS.join(","))).unwrap();
        let numbers = |values: [Option<f64>; 3]| Arc::new(Float64Array::from(values.to_vec()));
        let words = |values: [&str; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let counts = |n: u64| Arc::new(UInt64Array::from(vec![n; 3])) as ArrayRef;
        let columns: Vec<ArrayRef> = vec![
            words(["fog", "fog", "snow"]),
            Arc::new(UInt8Array::from(vec![None, Some(3), None])),
            words(["dum", "dum", "dum"]),
            counts(10),
            counts(12),
            numbers([Some(3.5), None, Some(3.5)]),
            numbers([Some(20.0), None, Some(20.0)]),
            numbers([Some(0.5), None, Some(0.5)]),
            numbers([Some(-0.25), None, Some(-0.25)]),
            numbers([Some(1.0), None, Some(1.0)]),
            numbers([Some(0.75), Some(0.5), Some(1.0)]),
            numbers([Some(0.5), Some(0.25), Some(0.5)]),
            numbers([Some(0.875), Some(0.75), Some(1.0)]),
        ];
        let batch = RecordBatch::try_from_iter(NUMBERS.into_iter().zip(columns)).unwrap();
        let parquet = folder.path().join("r.parquet");
        let file = File::create(&parquet).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();

        let parts = [&csv, &parquet].map(|path| {
            let results = read_results(path).unwrap();
            assert!(matches!(&results, Results::Corruption { rows, .. } if rows.len() == 3));
            part("r", &results, 1)
        });
        assert_eq!(parts[0], parts[1]);
        // A point for each corruption over all severities; every row is in the table.
        assert_eq!(parts[0].figures[0].table.rows.len(), 2);
        assert_eq!(parts[0].tables[0].table.rows.len(), 3);
    }

    #[test]
    fn images_out_of_distribution_and_what_is_no_result() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.csv");
        let header = "network,kind,detector,out,group,accuracy,n_fitted,n_in,n_out,auroc,auroc_ci_low,\
                      auroc_ci_high,fpr95,fpr95_ci_low,fpr95_ci_high,aupr_in,aupr_in_ci_low,\
                      aupr_in_ci_high,aupr_out,aupr_out_ci_low,aupr_out_ci_high";
        let rest = "0.9,,5,4,0.75,0.5,1,0.5,0.25,0.75,0.5,0.5,0.5,0.5,0.5,0.5";
        let row =
            |detector, out, group| format!("net,classifier,{detector},{out},{group},{rest}\n");
        let rows = [
            row("msp", "svhn", "far"),
            row("msp", "cifar100", "near"),
            row("knn", "svhn", "far"),
        ];
        std::fs::write(&path, format!("{header}\n{}", rows.concat())).unwrap();
        let results = read_results(&path).unwrap();
        let shown = part("r", &results, 1);
        let plot = &shown.figures[0].table;
        assert_eq!(plot.columns, ["detector", "svhn", "cifar100"]);
        assert_eq!(plot.rows.len(), 2);

        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let error = read_results(&path).unwrap_err().to_string();
        assert!(error.contains("a table of something else"), "{error}");
        let broken = format!("{header}\n{}", row("msp", "svhn", "beside"));
        std::fs::write(&path, broken).unwrap();
        let error = read_results(&path).unwrap_err().to_string();
        assert!(
            error.contains("row 1 is: unknown variant `beside`"),
            "{error}"
        );
    }
}
