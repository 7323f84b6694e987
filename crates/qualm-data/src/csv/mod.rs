//! CSV and tab-separated text.
//!
//! The first thousand records decide what each column holds; after that a column of
//! numbers must stay one. Only the columns asked for are parsed.

mod fields;
mod lines;
mod text;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use csv::StringRecord;

use qualm::Location;

use self::fields::{Building, infer_type, is_data, other_separator, separator_words};
use self::text::Text;
use crate::error::{Error, Result, quoted};
use crate::follow::TextBytes;
use crate::format::{Format, SNIFF};
use crate::origin::Origin;
use crate::rejects::Reject;
use crate::table::{Chunk, Column, Kind, LOOKED_AT, Projection, Table, chunk_rows, distinct};
use crate::text_format::TextFormat;

pub(crate) use self::fields::NotANumber;

/// Records that decide the types.
const SAMPLE_ROWS: usize = LOOKED_AT;
/// Text that the sample may hold before it is cut short.
const SAMPLE_BYTES: usize = 16 << 20;
/// For how long rows of a growing input wait for more to be given out together.
const GATHER: Duration = Duration::from_millis(400);

/// How a text table is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextOptions {
    /// Whether the first line is data.
    pub(crate) no_header: bool,
    /// How numbers and fields are written.
    pub(crate) format: TextFormat,
    /// Texts that stand for a missing value.
    pub(crate) na: Vec<String>,
    /// Whether rows with something wrong are left out.
    pub(crate) skip: bool,
    /// Whether the rest is read, after something wrong, to count how much more there is.
    pub(crate) count: bool,
}

/// A table in text.
#[derive(Debug)]
pub(crate) struct CsvTable {
    file: Arc<Path>,
    reader: csv::Reader<Text>,
    columns: Vec<Column>,
    projection: Vec<Projection>,
    /// Records read to decide the types and not yet given out, with their rows.
    sample: VecDeque<(usize, StringRecord)>,
    /// Records taken from the reader so far, the header not counted.
    n_read: usize,
    record: StringRecord,
    options: TextOptions,
    /// Rows left out that were not given out yet.
    rejects: Vec<Reject>,
    has_numeric_header: bool,
}

impl CsvTable {
    /// Reads the header, if there is one, and the sample.
    pub(crate) fn open(
        path: &Path,
        format: Format,
        options: TextOptions,
        mut bytes: Box<dyn TextBytes>,
    ) -> Result<Self> {
        let at = Location::file(path);
        let head = bytes.fill_buf().map_err(|source| Error::Read {
            at: at.clone(),
            source,
        })?;
        format.check(head.get(..SNIFF).unwrap_or(head), &at)?;
        // The mark of UTF-8, which the parser would take without counting it.
        if head.starts_with(b"\xEF\xBB\xBF") {
            bytes.consume(3);
        }
        let usual = if format == Format::Tsv { b'\t' } else { b',' };
        let delimiter = options.format.delimiter.unwrap_or(usual);
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(Text::new(bytes));
        let mut table = Self {
            file: Arc::from(path),
            reader,
            columns: Vec::new(),
            projection: Vec::new(),
            sample: VecDeque::new(),
            n_read: 0,
            record: StringRecord::new(),
            options,
            rejects: Vec::new(),
            has_numeric_header: false,
        };
        let header = table.read_header(&at, delimiter)?;
        table.read_sample(header.len())?;
        if table.sample.is_empty() {
            return Err(qualm::Error::Empty { at }.into());
        }
        table.columns = (0..)
            .zip(header)
            .map(|(j, name)| infer_type(name, j, &table.sample, &table.options))
            .collect();
        distinct(&table.columns, &at)?;
        if let [first, _, ..] = &mut table.columns[..] {
            // What pandas writes before the columns, unless it is told index=False.
            first.is_index = first.name.is_empty();
        }
        Ok(table)
    }

    fn read_header(&mut self, at: &Location, delimiter: u8) -> Result<Vec<String>> {
        let mut header = StringRecord::new();
        if !self.read_record(&mut header, None)? {
            return Err(qualm::Error::Empty { at: at.clone() }.into());
        }
        let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        if let [only] = names.as_slice()
            && let Some(found) = other_separator(only, delimiter)
        {
            return Err(Error::WrongSeparator {
                at: at.clone(),
                found,
                expected: separator_words(delimiter),
            });
        }
        if self.options.no_header {
            self.n_read = 1;
            let n_fields = header.len();
            self.sample.push_back((1, header));
            return Ok((1..=n_fields).map(|j| format!("column_{j}")).collect());
        }
        if is_data(&names) {
            return Err(Error::NoHeader { at: at.clone() });
        }
        self.has_numeric_header = names.iter().all(|name| name.parse::<f64>().is_ok());
        Ok(names)
    }

    fn read_sample(&mut self, n_fields: usize) -> Result<()> {
        let mut bytes = 0;
        // Of an input that grows, the rows that are there, at least one.
        let mut wait = Wait::default();
        while self.sample.len() < SAMPLE_ROWS
            && bytes < SAMPLE_BYTES
            && (self.sample.is_empty() || self.has_more(&mut wait))
        {
            let mut record = StringRecord::new();
            if !self.read_record(&mut record, Some(n_fields))? {
                break;
            }
            bytes += record.as_slice().len();
            self.sample.push_back((self.n_read, record));
        }
        Ok(())
    }

    /// Reads one record and checks it; the header has no field count to keep to.
    fn read_record(&mut self, record: &mut StringRecord, n_fields: Option<usize>) -> Result<bool> {
        loop {
            match self.read_one(record, n_fields) {
                Err(error @ Error::Ragged { .. }) if self.options.skip => self.reject(&error),
                other => return other,
            }
        }
    }

    fn read_one(&mut self, record: &mut StringRecord, n_fields: Option<usize>) -> Result<bool> {
        let at = || match n_fields {
            Some(_) => Location::file(&self.file).at_row(self.n_read + 1),
            None => Location::file(&self.file),
        };
        match self.reader.read_record(record) {
            Ok(false) => return Ok(false),
            Ok(true) => {
                let after = self.reader.position().line();
                lines::correct(record, after, self.reader.get_ref().crlf());
            }
            Err(source) => {
                let at = at();
                return Err(match source.kind() {
                    csv::ErrorKind::Utf8 { .. } => Error::NotUtf8 { at },
                    csv::ErrorKind::Io(_) => Error::Read {
                        at,
                        source: source.into(),
                    },
                    _ => Error::Csv { at, source },
                });
            }
        }
        if record.as_slice().as_bytes().contains(&0) {
            return Err(Error::WrongFormat {
                at: at(),
                expected: "text",
                found: "a NUL byte",
            });
        }
        if let Some(expected) = n_fields {
            self.n_read += 1;
            if record.len() != expected {
                return Err(Error::Ragged {
                    at: self.at(record, self.n_read),
                    found: record.len(),
                    expected,
                });
            }
        }
        Ok(true)
    }

    /// The place of a record: its row, and its line, where that is not the row below the header.
    fn at(&self, record: &StringRecord, row: usize) -> Location {
        let at = Location::file(&self.file).at_row(row);
        match self.options.line(record, row) {
            Some(line) => at.at_line(line),
            None => at,
        }
    }

    /// Leaves a row out because of an error.
    fn reject(&mut self, error: &Error) {
        if let Some(at) = error.bad_row() {
            self.rejects
                .push(Reject::new(at.clone(), &error.to_string()));
        }
    }

    /// Whether a record, or the end, can be read without waiting longer.
    fn has_more(&mut self, wait: &mut Wait) -> bool {
        let position = self.reader.position().byte();
        let text = self.reader.get_mut();
        // The parser may hold lines that it was given before.
        if !text.bytes.grows() || text.holds_text(text.n_given.saturating_sub(position)) {
            return true;
        }
        let until = *wait.0.get_or_insert_with(|| Instant::now() + GATHER);
        text.bytes.ready(until)
    }

    /// The next record into `self.record`, and its row: from the sample first, then from the file.
    fn next_record(&mut self) -> Result<Option<usize>> {
        if let Some((row, record)) = self.sample.pop_front() {
            self.record = record;
            return Ok(Some(row));
        }
        let mut record = std::mem::take(&mut self.record);
        let more = self.read_record(&mut record, Some(self.columns.len()));
        self.record = record;
        Ok(more?.then_some(self.n_read))
    }

    /// Appends the fields of `self.record`.
    fn append(&self, row: usize, building: &mut [Building]) -> Result<()> {
        for (column, building) in self.projection.iter().zip(building) {
            let field = self.record.get(column.index).unwrap_or_default();
            match building {
                Building::Text(texts) => texts.push(field.to_owned()),
                Building::Numbers(numbers) => {
                    let value = self.options.number(field);
                    numbers.push(value.map_err(|NotANumber| Error::NotANumber {
                        at: Location {
                            column: self.columns.get(column.index).map(|c| c.name.clone()),
                            ..self.at(&self.record, row)
                        },
                        found: quoted(field),
                    })?);
                }
            }
        }
        Ok(())
    }

    /// The error, with how many more fields of `self.record` and after it are no numbers.
    fn counted(&mut self, first: Error) -> Error {
        if !self.options.count || !matches!(first, Error::NotANumber { .. }) {
            return first;
        }
        let mut count = vec![0; self.columns.len()];
        let mut complete = true;
        loop {
            for column in self.projection.iter().filter(|column| !column.verbatim) {
                let found = self.columns.get(column.index);
                let field = self.record.get(column.index).unwrap_or_default();
                if found.is_some_and(|c| c.kind == Kind::Number)
                    && self.options.number(field).is_err()
                    && let Some(count) = count.get_mut(column.index)
                {
                    *count += 1;
                }
            }
            match self.next_record() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    complete = false;
                    break;
                }
            }
        }
        first.with_more(&count, complete)
    }
}

impl Table for CsvTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn has_numeric_header(&self) -> bool {
        self.has_numeric_header
    }

    fn project(&mut self, projection: &[Projection]) -> Result<()> {
        self.projection = projection.to_vec();
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let limit = chunk_rows(self.projection.len() * size_of::<f64>());
        let mut building: Vec<Building> = self
            .projection
            .iter()
            .map(|column| {
                let found = self.columns.get(column.index);
                // Vectors are taken apart by whoever reads them.
                if column.verbatim || found.is_some_and(|c| c.kind == Kind::Vector) {
                    Building::Text(Vec::new())
                } else {
                    Building::Numbers(Vec::new())
                }
            })
            .collect();
        let mut origin: Option<Origin> = None;
        // The row that follows, and how far the line of the last was below it.
        let (mut n_rows, mut next_row, mut last_shift) = (0, 0, 0);
        let header = usize::from(!self.options.no_header);
        let mut wait = Wait::default();
        while n_rows < limit
            && (n_rows == 0 || !self.sample.is_empty() || self.has_more(&mut wait))
            && let Some(row) = self.next_record()?
        {
            match self.append(row, &mut building) {
                Ok(()) => {}
                Err(error) if self.options.skip => {
                    self.reject(&error);
                    for column in &mut building {
                        column.truncate(n_rows);
                    }
                    continue;
                }
                Err(error) => return Err(self.counted(error)),
            }
            let line = self.record.position().map_or(0, csv::Position::line) as usize;
            let shift = line.wrapping_sub(row);
            // A new run after rows that were left out, and after empty lines and fields of several lines.
            if row != next_row || shift != last_shift {
                last_shift = shift;
                let run = Origin::line(Arc::clone(&self.file), row - 1, line, header);
                match &mut origin {
                    Some(all) => all.append(n_rows, &run),
                    all => *all = Some(run),
                }
            }
            next_row = row + 1;
            n_rows += 1;
        }
        Ok((n_rows > 0 || !self.rejects.is_empty()).then(|| Chunk {
            origin: origin.unwrap_or_else(|| Origin::file(Arc::clone(&self.file), 0)),
            n_rows,
            columns: building.into_iter().map(Building::finish).collect(),
            rejects: std::mem::take(&mut self.rejects),
        }))
    }
}

/// Until when to wait for more, from the first wait on.
#[derive(Debug, Default)]
struct Wait(Option<Instant>);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    use crate::table::FirstText;

    fn open(text: &[u8]) -> Result<CsvTable> {
        CsvTable::open(
            Path::new("t.csv"),
            Format::Csv,
            TextOptions::default(),
            Box::new(BufReader::new(std::io::Cursor::new(text.to_vec()))),
        )
    }

    fn message(text: &[u8]) -> String {
        open(text).unwrap_err().to_string()
    }

    #[test]
    fn columns_are_judged_by_their_first_rows() {
        let table =
            open(b"\xEF\xBB\xBFa,b,c,d,e\r\n1,x,true,,1\r\n2e3,y,FALSE,,z\r\n\r\n").unwrap();
        let kinds: Vec<_> = table.columns.iter().map(|c| c.kind).collect();
        assert_eq!(
            table.columns[0].name, "a",
            "the byte order mark is no part of the name"
        );
        assert_eq!(
            kinds,
            [
                Kind::Number,
                Kind::Other,
                Kind::Number,
                Kind::Number,
                Kind::Other
            ]
        );
        let first = FirstText::new(2, "z".into());
        assert_eq!(table.columns[4].not_a_number, Some(first));
    }

    #[test]
    fn broken_text_is_named_by_row() {
        let ragged = message(b"a,b\n1,2\n3\n");
        assert!(
            ragged.starts_with("t.csv, row 2: found 1 field, expected 2"),
            "{ragged}"
        );
        assert!(message(b"a,b\n1,\xFF\n").starts_with("t.csv, row 1: not valid UTF-8"));
        assert!(message(b"a\xFF,b\n1,2\n").starts_with("t.csv: not valid UTF-8"));
        assert!(message(b"a,a\n1,2\n").contains("column 'a'"));
        let empty = |text| matches!(open(text), Err(Error::Core(qualm::Error::Empty { .. })));
        assert!(empty(b"a,b\n") && empty(b"\n\n"));
        assert!(matches!(
            open(b"a;b\n1;2\n"),
            Err(Error::WrongSeparator { .. })
        ));
        assert!(matches!(
            open(b"0.3,-1\n0.1,2\n"),
            Err(Error::NoHeader { .. })
        ));
        assert!(open(b"0,1,2\n0.1,2,3\n").is_ok());
        assert!(open(b"400.5,401,401.5\n0.1,2,3\n").is_ok());
        let mut late = b"a\n".to_vec();
        late.extend(std::iter::repeat_n(b"1\n", 600).flatten());
        late.extend(b"\0\n");
        assert!(message(&late).contains("row 601: expected text, found a NUL byte"));
    }

    #[test]
    fn text_in_a_numeric_column_is_named() {
        let mut table = open(b"a,b\n1,2\n3,4\n5,oops\n").unwrap();
        table
            .project(&[Projection {
                index: 1,
                verbatim: false,
            }])
            .unwrap();
        let error = table.next_chunk().unwrap_err().to_string();
        assert!(error.starts_with("t.csv, row 3, column 'b': found 'oops', expected a number"));
    }
}
