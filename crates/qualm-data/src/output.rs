//! Tables out: scores with their ids, in the format that the extension names.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use qualm::{AtomicFile, write_error};

use crate::error::{Error, Result};
use crate::text::{Class, has_text, printers};
use crate::type_words::TypeWords;

const KNOWN: &str = ".csv, .tsv, .parquet, .jsonl, .ndjson, .arrow, .feather";

/// Bytes of a row group of Parquet, which is kept in memory until it is written.
const ROW_GROUP: usize = 64 << 20;

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// Comma-separated text with a header.
    Csv,
    /// Tab-separated text with a header.
    Tsv,
    /// One JSON object a line.
    JsonLines,
    /// Parquet, compressed with Snappy.
    Parquet,
    /// The Arrow IPC file format.
    Arrow,
}

/// The format that a path's extension names, in any case.
///
/// # Errors
/// [`Error::UnknownFormat`], listing those that are known.
pub fn format_for(path: &Path) -> Result<OutputFormat> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("csv") => Ok(OutputFormat::Csv),
        Some("tsv") => Ok(OutputFormat::Tsv),
        Some("jsonl" | "ndjson") => Ok(OutputFormat::JsonLines),
        Some("parquet") => Ok(OutputFormat::Parquet),
        Some("arrow" | "feather") => Ok(OutputFormat::Arrow),
        _ => Err(Error::UnknownFormat {
            path: path.to_owned(),
            known: KNOWN,
        }),
    }
}

/// A table being written, batch by batch.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use arrow_array::{ArrayRef, Float64Array, RecordBatch};
/// use qualm_data::ScoreWriter;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("scores.jsonl");
/// let scores: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1e-9]));
/// let batch = RecordBatch::try_from_iter([("score", scores)])?;
///
/// let mut writer = ScoreWriter::create(&path, batch.schema())?;
/// writer.write(&batch)?;
/// writer.finish()?;
/// assert_eq!(std::fs::read_to_string(&path)?, "{\"score\":0.5}\n{\"score\":1e-9}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ScoreWriter<W: Write + Send = AtomicFile> {
    path: PathBuf,
    temporary: Option<PathBuf>,
    schema: SchemaRef,
    encoder: Encoder<W>,
}

impl<W: Write + Send> std::fmt::Debug for ScoreWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScoreWriter")
            .field("path", &self.path)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

enum Encoder<W: Write + Send> {
    Csv(Box<csv::Writer<W>>),
    Json(W),
    Parquet(Box<ArrowWriter<W>>),
    Arrow(Box<FileWriter<W>>),
}

impl ScoreWriter {
    /// Opens a file for a table of these columns. Nothing stands under its name until
    /// [`ScoreWriter::finish`].
    ///
    /// # Errors
    /// [`Error::UnknownFormat`], [`Error::NoTextForm`] for a column that text cannot
    /// hold, and those of [`AtomicFile::create`].
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self> {
        let format = format_for(path)?;
        check_text(format, path, &schema)?;
        let file = AtomicFile::create(path)?;
        let temporary = file.temporary().map(Path::to_owned);
        let writer = Self::open(format, path, file, schema)?;
        Ok(Self {
            temporary,
            ..writer
        })
    }

    /// See [`AtomicFile::temporary`].
    #[must_use]
    pub fn temporary(&self) -> Option<&Path> {
        self.temporary.as_deref()
    }

    /// Completes the table and gives the file its name.
    ///
    /// # Errors
    /// [`qualm::Error::DiskFull`], [`qualm::Error::Write`]; an old file is whole after either.
    pub fn finish(self) -> Result<()> {
        Ok(self.into_inner()?.commit()?)
    }
}

impl<W: Write + Send> ScoreWriter<W> {
    /// Writes a table of these columns to a stream, such as standard output; `name` is what
    /// errors call it.
    ///
    /// # Errors
    /// [`Error::NoTextForm`] for a column that text cannot hold, [`qualm::Error::Write`].
    pub fn to_writer(
        format: OutputFormat,
        name: &str,
        writer: W,
        schema: SchemaRef,
    ) -> Result<Self> {
        let path = Path::new(name);
        check_text(format, path, &schema)?;
        Self::open(format, path, writer, schema)
    }

    fn open(format: OutputFormat, path: &Path, sink: W, schema: SchemaRef) -> Result<Self> {
        let encoder = match format {
            OutputFormat::Csv | OutputFormat::Tsv => {
                let tabs = format == OutputFormat::Tsv;
                let mut writer = csv::WriterBuilder::new()
                    .delimiter(if tabs { b'\t' } else { b',' })
                    .from_writer(sink);
                writer
                    .write_record(schema.fields().iter().map(|f| f.name()))
                    .map_err(|e| csv_error(path, e))?;
                Encoder::Csv(Box::new(writer))
            }
            OutputFormat::JsonLines => Encoder::Json(sink),
            OutputFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::SNAPPY)
                    .set_max_row_group_bytes(Some(ROW_GROUP))
                    .set_key_value_metadata(entries(&schema))
                    .build();
                ArrowWriter::try_new(sink, schema.clone(), Some(properties))
                    .map(|writer| Encoder::Parquet(Box::new(writer)))
                    .map_err(|e| parquet_error(path, e))?
            }
            OutputFormat::Arrow => FileWriter::try_new(sink, &schema)
                .map(|writer| Encoder::Arrow(Box::new(writer)))
                .map_err(|e| arrow_error(path, e))?,
        };
        Ok(Self {
            path: path.to_owned(),
            temporary: None,
            schema,
            encoder,
        })
    }

    /// Writes some rows, `(n,)` a column, in the order of the schema.
    ///
    /// # Errors
    /// [`qualm::Error::DiskFull`], [`qualm::Error::Write`]; [`Error::WriteParquet`] and
    /// [`Error::WriteArrow`] for columns that do not fit the schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let path = &self.path;
        match &mut self.encoder {
            Encoder::Csv(writer) => write_csv(writer, batch).map_err(|e| csv_error(path, e)),
            Encoder::Json(sink) => {
                Ok(write_json(sink, &self.schema, batch).map_err(|e| write_error(path, e))?)
            }
            Encoder::Parquet(writer) => writer.write(batch).map_err(|e| parquet_error(path, e)),
            Encoder::Arrow(writer) => writer.write(batch).map_err(|e| arrow_error(path, e)),
        }
    }

    /// Hands text that was written so far to the stream, and flushes it. Binary formats wait for more rows.
    ///
    /// # Errors
    /// [`qualm::Error::DiskFull`], [`qualm::Error::Write`].
    pub fn flush(&mut self) -> Result<()> {
        let flushed = match &mut self.encoder {
            Encoder::Csv(writer) => writer.flush(),
            Encoder::Json(sink) => sink.flush(),
            Encoder::Parquet(_) | Encoder::Arrow(_) => Ok(()),
        };
        Ok(flushed.map_err(|e| write_error(&self.path, e))?)
    }

    /// Completes the table and gives the stream back, flushed.
    ///
    /// # Errors
    /// [`qualm::Error::DiskFull`], [`qualm::Error::Write`].
    pub fn into_inner(self) -> Result<W> {
        let path = self.path;
        let mut sink = match self.encoder {
            Encoder::Csv(writer) => writer
                .into_inner()
                .map_err(|e| write_error(&path, e.into_error()))?,
            Encoder::Json(sink) => sink,
            Encoder::Parquet(writer) => writer.into_inner().map_err(|e| parquet_error(&path, e))?,
            Encoder::Arrow(mut writer) => {
                writer.finish().map_err(|e| arrow_error(&path, e))?;
                writer.into_inner().map_err(|e| arrow_error(&path, e))?
            }
        };
        sink.flush().map_err(|e| write_error(&path, e))?;
        Ok(sink)
    }
}

/// Refuses columns that a text format cannot hold, before any work.
fn check_text(format: OutputFormat, path: &Path, schema: &SchemaRef) -> Result<()> {
    if matches!(format, OutputFormat::Parquet | OutputFormat::Arrow) {
        return Ok(());
    }
    match schema.fields().iter().find(|f| !has_text(f.data_type())) {
        Some(field) => Err(Error::NoTextForm {
            path: path.to_owned(),
            column: field.name().clone(),
            found: TypeWords(field.data_type()).to_string(),
        }),
        None => Ok(()),
    }
}

/// What a schema says besides its columns, for readers of Parquet that know nothing of Arrow.
fn entries(schema: &SchemaRef) -> Option<Vec<KeyValue>> {
    let mut entries: Vec<KeyValue> = schema
        .metadata()
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    // The same file for the same table.
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    (!entries.is_empty()).then_some(entries)
}

fn write_csv<W: Write>(writer: &mut csv::Writer<W>, batch: &RecordBatch) -> csv::Result<()> {
    let printers = printers(batch.columns());
    let mut field = String::new();
    for row in 0..batch.num_rows() {
        for print in &printers {
            field.clear();
            print(row, &mut field);
            writer.write_field(&field)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

fn write_json(sink: &mut impl Write, schema: &SchemaRef, batch: &RecordBatch) -> io::Result<()> {
    let printers = printers(batch.columns());
    let keys: Vec<String> = schema
        .fields()
        .iter()
        .map(|f| serde_json::to_string(f.name()))
        .collect::<Result<_, _>>()?;
    let mut lines = Vec::new();
    let mut value = String::new();
    for row in 0..batch.num_rows() {
        for (j, (key, print)) in keys.iter().zip(&printers).enumerate() {
            value.clear();
            let class = print(row, &mut value);
            lines.push(if j == 0 { b'{' } else { b',' });
            lines.extend_from_slice(key.as_bytes());
            lines.push(b':');
            match class {
                Class::Bare => lines.extend_from_slice(value.as_bytes()),
                Class::NotFinite | Class::Null => lines.extend_from_slice(b"null"),
                Class::Text => serde_json::to_writer(&mut lines, &value)?,
            }
        }
        lines.extend_from_slice(b"}\n");
    }
    sink.write_all(&lines)
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    let source = match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        // The only other failure of a writer, unequal lengths, cannot come from a batch.
        _ => io::ErrorKind::InvalidInput.into(),
    };
    write_error(path, source).into()
}

fn arrow_error(path: &Path, error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, source) => write_error(path, source).into(),
        source => Error::WriteArrow {
            path: path.to_owned(),
            source,
        },
    }
}

fn parquet_error(path: &Path, error: ParquetError) -> Error {
    let path = path.to_owned();
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(source) => write_error(&path, *source).into(),
            Err(inner) => Error::WriteParquet {
                path,
                source: ParquetError::External(inner),
            },
        },
        source => Error::WriteParquet { path, source },
    }
}
