//! JSON lines: one object a line.
//!
//! The keys of the first thousand objects are the columns, in the order in which they appear; those of
//! objects in objects are called `a.b`. A key that an object lacks, and `null`, are a missing value.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, StringArray};
use arrow_schema::DataType;
use qualm::Location;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::csv::{NotANumber, TextOptions};
use crate::error::{Error, Result, quoted};
use crate::follow::TextBytes;
use crate::format::{Format, SNIFF};
use crate::origin::Origin;
use crate::rejects::Reject;
use crate::table::{
    Chunk, Column, FirstText, Kind, LOOKED_AT, Projection, Table, chunk_rows, distinct,
};
use crate::times::is_date;

/// The longest line.
const LINE_BYTES: u64 = 256 << 20;
/// Text that the first objects may take before they are given out.
const SAMPLE_BYTES: usize = 16 << 20;
/// For how long rows of a growing input wait for more to be given out together.
const GATHER: Duration = Duration::from_millis(400);

/// An object with its place.
#[derive(Debug)]
struct Row {
    /// Its row, from 1.
    number: usize,
    /// From 1.
    line: usize,
    /// In the order of the line.
    values: Vec<(String, Value)>,
}

impl Row {
    /// The value of a column, which mostly stands at its own place.
    fn value(&self, place: usize, name: &str) -> &Value {
        let here = self.values.get(place).filter(|(key, _)| key == name);
        let found = here.or_else(|| self.values.iter().find(|(key, _)| key == name));
        found.map_or(&Value::Null, |(_, value)| value)
    }
}

/// A table of JSON lines.
pub(crate) struct JsonTable {
    file: Arc<Path>,
    bytes: Box<dyn TextBytes>,
    columns: Vec<Column>,
    projection: Vec<Projection>,
    /// Objects read to know the columns and not yet given out.
    sample: VecDeque<Row>,
    n_lines: usize,
    n_rows: usize,
    options: TextOptions,
    rejects: Vec<Reject>,
}

impl fmt::Debug for JsonTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonTable")
            .field("file", &self.file)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl JsonTable {
    /// Reads the first objects.
    pub(crate) fn open(
        path: &Path,
        options: TextOptions,
        mut bytes: Box<dyn TextBytes>,
    ) -> Result<Self> {
        let at = Location::file(path);
        let head = bytes.fill_buf().map_err(|source| Error::Read {
            at: at.clone(),
            source,
        })?;
        Format::Json.check(head.get(..SNIFF).unwrap_or(head), &at)?;
        let mut table = Self {
            file: Arc::from(path),
            bytes,
            columns: Vec::new(),
            projection: Vec::new(),
            sample: VecDeque::new(),
            n_lines: 0,
            n_rows: 0,
            options,
            rejects: Vec::new(),
        };
        let mut n_bytes = 0;
        let mut until = None;
        while table.sample.len() < LOOKED_AT
            && n_bytes < SAMPLE_BYTES
            && (table.sample.is_empty() || table.ready(&mut until))
            && let Some((row, n)) = table.read_row()?
        {
            n_bytes += n;
            table.sample.push_back(row);
        }
        if table.sample.is_empty() {
            return Err(qualm::Error::Empty { at }.into());
        }
        table.columns = columns_of(&table.sample, &table.options);
        distinct(&table.columns, &at)?;
        Ok(table)
    }

    /// Whether a line, or the end, can be read without waiting longer.
    fn ready(&mut self, until: &mut Option<Instant>) -> bool {
        let until = *until.get_or_insert_with(|| Instant::now() + GATHER);
        self.bytes.ready(until)
    }

    /// The next object and the length of its line; what is none is an error or left out.
    fn read_row(&mut self) -> Result<Option<(Row, usize)>> {
        loop {
            let Some(text) = self.read_line()? else {
                return Ok(None);
            };
            if text.trim_ascii().is_empty() {
                continue;
            }
            self.n_rows += 1;
            let (row, line) = (self.n_rows, self.n_lines);
            match self.parse(&text) {
                Ok(values) => {
                    let row = Row {
                        number: row,
                        line,
                        values,
                    };
                    return Ok(Some((row, text.len())));
                }
                Err(error) if self.options.skip => self.reject(&error),
                Err(error) => return Err(error),
            }
        }
    }

    fn read_line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut self.bytes, LINE_BYTES);
        let read = limited.read_until(b'\n', &mut line);
        let n = read.map_err(|source| Error::Read {
            at: Location::file(&self.file).at_row(self.n_rows + 1),
            source,
        })?;
        self.n_lines += 1;
        Ok((n > 0).then_some(line))
    }

    fn parse(&self, line: &[u8]) -> Result<Vec<(String, Value)>> {
        let at = || self.place(self.n_rows, self.n_lines);
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        match serde_json::from_slice(line) {
            Ok(Node::Object(entries)) => {
                let mut values = Vec::with_capacity(entries.len());
                flatten("", entries, &mut values);
                Ok(values)
            }
            Ok(Node::Value(_)) => Err(Error::NotAnObject { at: at() }),
            Err(source) => Err(Error::JsonLine { at: at(), source }),
        }
    }

    fn place(&self, row: usize, line: usize) -> Location {
        let at = Location::file(&self.file).at_row(row);
        if line == row { at } else { at.at_line(line) }
    }

    fn reject(&mut self, error: &Error) {
        if let Some(at) = error.bad_row() {
            self.rejects
                .push(Reject::new(at.clone(), &error.to_string()));
        }
    }

    /// The value of a column in a row, as the column holds it.
    fn append(&self, row: &Row, building: &mut [Building]) -> Result<()> {
        for (column, building) in self.projection.iter().zip(building) {
            let Some(found) = self.columns.get(column.index) else {
                continue;
            };
            let value = row.value(column.index, &found.name);
            match building {
                Building::Text(texts) => texts.push(text(value)),
                Building::Numbers(numbers) => {
                    let number = number(value, &self.options);
                    numbers.push(number.map_err(|NotANumber| Error::NotANumber {
                        at: self.place(row.number, row.line).column(&found.name),
                        found: quoted(&text(value).unwrap_or_default()),
                    })?);
                }
            }
        }
        Ok(())
    }

    /// The error, with how many more values of this object and of those after it are no numbers.
    fn counted(&mut self, first: Error, row: Row) -> Error {
        if !self.options.count || !matches!(first, Error::NotANumber { .. }) {
            return first;
        }
        let (mut count, mut complete) = (vec![0; self.columns.len()], true);
        let mut next = Some(row);
        while let Some(row) = next {
            for projected in self.projection.iter().filter(|p| !p.verbatim) {
                if let Some(column) = self.columns.get(projected.index)
                    && column.kind == Kind::Number
                    && number(row.value(projected.index, &column.name), &self.options).is_err()
                    && let Some(count) = count.get_mut(projected.index)
                {
                    *count += 1;
                }
            }
            next = match self.sample.pop_front() {
                Some(row) => Some(row),
                None => self.read_row().map_or_else(
                    |_| {
                        complete = false;
                        None
                    },
                    |row| row.map(|(row, _)| row),
                ),
            };
        }
        first.with_more(&count, complete)
    }
}

impl Table for JsonTable {
    fn columns(&self) -> &[Column] {
        &self.columns
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
            .map(|column| match self.columns.get(column.index) {
                Some(c) if !column.verbatim && c.kind == Kind::Number => {
                    Building::Numbers(Vec::new())
                }
                _ => Building::Text(Vec::new()),
            })
            .collect();
        let mut origin: Option<Origin> = None;
        let mut n_rows = 0;
        let mut until = None;
        while n_rows < limit && (n_rows == 0 || !self.sample.is_empty() || self.ready(&mut until)) {
            let row = match self.sample.pop_front() {
                Some(row) => row,
                None => match self.read_row()? {
                    Some((row, _)) => row,
                    None => break,
                },
            };
            match self.append(&row, &mut building) {
                Ok(()) => {}
                Err(error) if self.options.skip => {
                    self.reject(&error);
                    for column in &mut building {
                        column.truncate(n_rows);
                    }
                    continue;
                }
                Err(error) => return Err(self.counted(error, row)),
            }
            let run = Origin::line(Arc::clone(&self.file), row.number - 1, row.line, 0);
            match &mut origin {
                Some(all) => all.append(n_rows, &run),
                all => *all = Some(run),
            }
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

enum Building {
    Text(Vec<Option<String>>),
    Numbers(Vec<Option<f64>>),
}

impl Building {
    fn truncate(&mut self, n_rows: usize) {
        match self {
            Self::Text(texts) => texts.truncate(n_rows),
            Self::Numbers(numbers) => numbers.truncate(n_rows),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text(texts) => Arc::new(StringArray::from(texts)),
            Self::Numbers(numbers) => Arc::new(Float64Array::from(numbers)),
        }
    }
}

/// A value as a number; nothing for one that stands for no value. True and false are 1 and 0; text is
/// read as a field of CSV is.
fn number(value: &Value, options: &TextOptions) -> Result<Option<f64>, NotANumber> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(f64::from(u8::from(*value)))),
        Value::Number(value) => Ok(value.as_f64()),
        Value::String(text) => options.number(text),
        Value::Array(_) | Value::Object(_) => Err(NotANumber),
    }
}

/// A value as text: that of lists is a vector in text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A value of JSON, an object with its keys in order.
enum Node {
    Object(Vec<(String, Node)>),
    Value(Value),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0));
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Object(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Node::Value(Value::Array(values)))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Value(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Value(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Value(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Value(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Value(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Value(Value::Null))
    }
}

/// An object without objects in it: `{"a": {"b": 1}}` becomes `{"a.b": 1}`.
fn flatten(prefix: &str, entries: Vec<(String, Node)>, out: &mut Vec<(String, Value)>) {
    for (key, node) in entries {
        let name = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        match node {
            Node::Value(value) => out.push((name, value)),
            Node::Object(inner) => flatten(&name, inner, out),
        }
    }
}

/// What is known of a column from the first objects.
#[derive(Default)]
struct Seen {
    n_filled: usize,
    n_numbers: usize,
    n_vectors: usize,
    n_dates: usize,
    /// The first that is no number.
    not_a_number: Option<FirstText>,
}

/// The columns of the first objects, in the order in which their keys appear.
fn columns_of(sample: &VecDeque<Row>, options: &TextOptions) -> Vec<Column> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut seen: Vec<(&str, Seen)> = Vec::new();
    for row in sample {
        for (key, value) in &row.values {
            let place = *places.entry(key).or_insert_with(|| {
                seen.push((key, Seen::default()));
                seen.len() - 1
            });
            let Some((_, seen)) = seen.get_mut(place) else {
                continue;
            };
            match number(value, options) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    seen.n_filled += 1;
                    seen.n_numbers += 1;
                }
                Err(NotANumber) => {
                    seen.n_filled += 1;
                    let list = value.as_array();
                    let is_vector =
                        list.is_some_and(|l| !l.is_empty() && l.iter().all(Value::is_number));
                    seen.n_vectors += usize::from(is_vector);
                    seen.n_dates += usize::from(value.as_str().is_some_and(is_date));
                    seen.not_a_number.get_or_insert_with(|| {
                        let found = quoted(&text(value).unwrap_or_default());
                        let line = (row.line != row.number).then_some(row.line);
                        FirstText::new(row.number, found).at_line(line)
                    });
                }
            }
        }
    }
    let column = |(name, seen): (&str, Seen)| {
        // As in CSV: numbers, unless at least half of what is there is something else.
        let is_text = seen.n_numbers < seen.n_filled && 2 * seen.n_numbers <= seen.n_filled;
        let data_type = if is_text {
            DataType::Utf8
        } else {
            DataType::Float64
        };
        let mut column = Column::new(name, data_type);
        if seen.n_vectors > 0 && 2 * seen.n_vectors >= seen.n_filled {
            column.kind = Kind::Vector;
        }
        if is_text {
            column.not_a_number = seen.not_a_number;
            column.holds_dates = seen.n_dates > 0 && 2 * seen.n_dates >= seen.n_filled;
        }
        column
    };
    seen.into_iter().map(column).collect()
}
