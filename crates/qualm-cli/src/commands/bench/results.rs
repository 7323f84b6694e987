//! The results file: one row a run, written whole after each.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use qualm::Spec;
use qualm_data::ScoreWriter;
use serde::Serialize;

use crate::interrupt;

/// The status of a run that went well.
pub(super) const OK: &str = "ok";
/// The status of a run that was ended for its time.
pub(super) const TIMEOUT: &str = "timeout";

/// A run and what came of it. Serialises to the fields that `bench --json` promises.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    #[serde(skip)]
    pub(super) suite: String,
    pub(super) dataset: String,
    /// As it was asked for: with its preset, where that was named.
    pub(super) detector: String,
    pub(super) seed: u64,
    /// Rows fitted; none where the set could not be read.
    pub(super) n: Option<u64>,
    pub(super) d: Option<u64>,
    pub(super) n_outliers: Option<u64>,
    pub(super) auroc: Option<f64>,
    pub(super) auroc_unoriented: Option<f64>,
    pub(super) aupr: Option<f64>,
    pub(super) fit_seconds: Option<f64>,
    pub(super) score_seconds: Option<f64>,
    pub(super) peak_memory_bytes: Option<u64>,
    pub(super) status: String,
}

impl Row {
    pub(super) fn is_ok(&self) -> bool {
        self.status == OK
    }

    /// Whether it is of the same suite, set, detector and seed.
    fn same_run(&self, other: &Self) -> bool {
        (&self.suite, &self.dataset, &self.detector, self.seed)
            == (&other.suite, &other.dataset, &other.detector, other.seed)
    }
}

/// Name and type of each column.
fn schema() -> SchemaRef {
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, false);
    let maybe = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        field("suite", DataType::Utf8),
        field("dataset", DataType::Utf8),
        field("detector", DataType::Utf8),
        field("seed", DataType::UInt64),
        maybe("n", DataType::UInt64),
        maybe("d", DataType::UInt64),
        maybe("n_outliers", DataType::UInt64),
        maybe("auroc", DataType::Float64),
        maybe("auroc_unoriented", DataType::Float64),
        maybe("aupr", DataType::Float64),
        maybe("fit_seconds", DataType::Float64),
        maybe("score_seconds", DataType::Float64),
        maybe("peak_memory_bytes", DataType::UInt64),
        field("status", DataType::Utf8),
    ]))
}

/// A results file.
#[derive(Debug)]
pub(super) struct Results {
    path: PathBuf,
    rows: Vec<Row>,
}

impl Results {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// When what stands there is something else: it must not be overwritten.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let rows = if path.exists() {
            let rows = read(path)?;
            rows.with_context(|| {
                format!(
                    "{}: is no results file of `qualm bench`, and is not overwritten; \
                     choose another --output",
                    path.display()
                )
            })?
        } else {
            Vec::new()
        };
        Ok(Self {
            path: path.to_owned(),
            rows,
        })
    }

    /// The row of a run on so many rows.
    pub(super) fn find(&self, run: &Row) -> Option<&Row> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.same_run(run) && row.n == run.n)
    }

    /// Puts a row in the place of that of the same run, and writes the file.
    pub(super) fn put(&mut self, row: Row) -> Result<()> {
        // A row without `n` only says that the set could not be read.
        self.rows
            .retain(|old| !(old.same_run(&row) && (old.n == row.n || old.n.is_none())));
        self.rows.push(row);
        self.rows.sort_by(|a, b| order(a).cmp(&order(b)));
        self.write()
    }

    /// All rows of a suite.
    pub(super) fn of(&self, suite: &str) -> Vec<&Row> {
        let rows = self.rows.iter();
        rows.filter(|row| row.suite == suite).collect()
    }

    fn write(&self) -> Result<()> {
        let mut writer = ScoreWriter::create(&self.path, schema())?;
        interrupt::remove_on_exit(writer.temporary());
        writer.write(&batch(&self.rows)?)?;
        Ok(writer.finish()?)
    }
}

/// Whether a file is a results file.
pub(super) fn is_results(path: &Path) -> bool {
    matches!(read(path), Ok(Some(_)))
}

/// Rows in the file go by suite, set, detector as the library lists them, and seed.
fn order(row: &Row) -> (&str, &str, Option<u64>, usize, &str, u64) {
    let name = row.detector.split(':').next().unwrap_or_default();
    let place = Spec::DETECTORS.iter().position(|d| *d == name);
    (
        &row.suite,
        &row.dataset,
        row.n,
        place.unwrap_or(usize::MAX),
        &row.detector,
        row.seed,
    )
}

fn batch(rows: &[Row]) -> Result<RecordBatch> {
    fn text<'a>(rows: &'a [Row], of: impl Fn(&'a Row) -> &'a str) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    }
    fn count(rows: &[Row], of: impl Fn(&Row) -> Option<u64>) -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<UInt64Array>())
    }
    fn number(rows: &[Row], of: impl Fn(&Row) -> Option<f64>) -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float64Array>())
    }
    let columns = vec![
        text(rows, |r| &r.suite),
        text(rows, |r| &r.dataset),
        text(rows, |r| &r.detector),
        count(rows, |r| Some(r.seed)),
        count(rows, |r| r.n),
        count(rows, |r| r.d),
        count(rows, |r| r.n_outliers),
        number(rows, |r| r.auroc),
        number(rows, |r| r.auroc_unoriented),
        number(rows, |r| r.aupr),
        number(rows, |r| r.fit_seconds),
        number(rows, |r| r.score_seconds),
        count(rows, |r| r.peak_memory_bytes),
        text(rows, |r| &r.status),
    ];
    RecordBatch::try_new(schema(), columns).context("cannot assemble the results")
}

/// The rows of a file; nothing where it is no results file.
///
/// # Errors
/// When the operating system will not have it read.
fn read(path: &Path) -> Result<Option<Vec<Row>>> {
    let name = || path.display().to_string();
    if path.is_dir() {
        bail!("{}: is a folder; give a file name", name());
    }
    let file = File::open(path).with_context(name)?;
    // The Arrow crates panic on some damaged files.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).ok()?;
        let (expected, found) = (schema(), reader.schema().clone());
        let columns = found.fields().iter().map(|f| (f.name(), f.data_type()));
        if !columns.eq(expected.fields().iter().map(|f| (f.name(), f.data_type()))) {
            return None;
        }
        let mut rows = Vec::new();
        for batch in reader.build().ok()? {
            rows.extend(rows_of(&batch.ok()?)?);
        }
        Some(rows)
    }));
    Ok(read.ok().flatten())
}

/// The rows of a batch of our columns; nothing where a value is missing that may not be.
fn rows_of(batch: &RecordBatch) -> Option<Vec<Row>> {
    let columns = batch.columns();
    let text = |j: usize, i: usize| {
        let column = columns.get(j)?.as_string_opt::<i32>()?;
        column.is_valid(i).then(|| column.value(i).to_owned())
    };
    let count = |j: usize, i: usize| {
        let column = columns.get(j)?.as_primitive_opt::<UInt64Type>()?;
        column.is_valid(i).then(|| column.value(i))
    };
    let number = |j: usize, i: usize| {
        let column = columns.get(j)?.as_primitive_opt::<Float64Type>()?;
        column.is_valid(i).then(|| column.value(i))
    };
    let row = |i| {
        Some(Row {
            suite: text(0, i)?,
            dataset: text(1, i)?,
            detector: text(2, i)?,
            seed: count(3, i)?,
            n: count(4, i),
            d: count(5, i),
            n_outliers: count(6, i),
            auroc: number(7, i),
            auroc_unoriented: number(8, i),
            aupr: number(9, i),
            fit_seconds: number(10, i),
            score_seconds: number(11, i),
            peak_memory_bytes: count(12, i),
            status: text(13, i)?,
        })
    };
    (0..batch.num_rows()).map(row).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run that went well, with round numbers.
    pub(in super::super) fn row(dataset: &str, detector: &str, seed: u64, auroc: f64) -> Row {
        Row {
            suite: "table2".to_owned(),
            dataset: dataset.to_owned(),
            detector: detector.to_owned(),
            seed,
            n: Some(1000),
            d: Some(8),
            n_outliers: Some(20),
            auroc: Some(auroc),
            auroc_unoriented: Some(auroc.max(1.0 - auroc)),
            aupr: Some(0.5),
            fit_seconds: Some(1.5),
            score_seconds: Some(0.25),
            peak_memory_bytes: Some(3 << 20),
            status: OK.to_owned(),
        }
    }

    /// The same, gone wrong.
    pub(in super::super) fn failed(row: Row, status: &str) -> Row {
        Row {
            auroc: None,
            auroc_unoriented: None,
            aupr: None,
            fit_seconds: None,
            score_seconds: None,
            peak_memory_bytes: None,
            status: status.to_owned(),
            ..row
        }
    }

    #[test]
    fn rows_come_back_and_a_run_has_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.parquet");
        let mut results = Results::open(&path).expect("nothing there yet");
        let first = row("b", "sp", 0, 0.75);
        let unread = Row {
            n: None,
            ..failed(row("a", "sp", 0, 0.0), "cannot be read")
        };
        results.put(first.clone()).expect("written");
        results.put(unread.clone()).expect("written");
        results.put(row("b", "dum", 1, 0.5)).expect("written");
        let again = Results::open(&path).expect("ours");
        assert_eq!(again.rows, results.rows);
        let names = again.rows.iter().map(|r| r.detector.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["sp", "dum", "sp"]);
        assert_eq!(again.find(&first), Some(&first));
        // Of another size it is another run; the row that could not be read is replaced.
        assert_eq!(
            again.find(&Row {
                n: Some(5),
                ..first
            }),
            None
        );
        results.put(row("a", "sp", 0, 0.9)).expect("written");
        assert_eq!(results.find(&unread), None);
        assert_eq!(results.of("table2").len(), 3);
        assert!(is_results(&path));
    }

    #[test]
    fn another_file_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.parquet");
        for bytes in [&b""[..], b"PAR1", b"PAR1 and more that is no table PAR1"] {
            std::fs::write(&path, bytes).expect("written");
            let message = Results::open(&path).expect_err("not ours").to_string();
            assert!(message.contains("no results file"), "{message}");
            assert_eq!(std::fs::read(&path).expect("there"), bytes);
        }
        assert!(Results::open(folder.path()).is_err());
    }
}
