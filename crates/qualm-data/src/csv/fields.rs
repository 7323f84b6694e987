//! What the fields of text hold: numbers, dates, vectors or other text.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray};
use arrow_schema::DataType;
use csv::StringRecord;

use super::TextOptions;
use crate::error::quoted;
use crate::table::{Column, FirstText, Kind};
use crate::text_vectors::is_vector;
use crate::times::is_date;

/// A column under construction.
pub(super) enum Building {
    Text(Vec<String>),
    Numbers(Vec<Option<f64>>),
}

impl Building {
    pub(super) fn truncate(&mut self, n_rows: usize) {
        match self {
            Self::Text(texts) => texts.truncate(n_rows),
            Self::Numbers(numbers) => numbers.truncate(n_rows),
        }
    }

    pub(super) fn finish(self) -> ArrayRef {
        match self {
            Self::Text(texts) => Arc::new(StringArray::from(texts)),
            Self::Numbers(numbers) => Arc::new(Float64Array::from(numbers)),
        }
    }
}

/// That a field is no number.
pub(crate) struct NotANumber;

impl TextOptions {
    /// The line that a record begins on, where that is not the one of its row below the header.
    pub(super) fn line(&self, record: &StringRecord, row: usize) -> Option<usize> {
        let line = usize::try_from(record.position()?.line()).ok()?;
        (line != row + usize::from(!self.no_header)).then_some(line)
    }

    /// A field as a number; nothing for one that stands for no value. True and false are 1 and 0.
    pub(crate) fn number(&self, field: &str) -> Result<Option<f64>, NotANumber> {
        let field = field.trim();
        if field.is_empty() {
            return Ok(None);
        }
        if let Some(value) = self.format.number(field) {
            return Ok(Some(value));
        }
        if field.eq_ignore_ascii_case("true") {
            Ok(Some(1.0))
        } else if field.eq_ignore_ascii_case("false") {
            Ok(Some(0.0))
        } else if self.na.iter().any(|na| na == field) {
            Ok(None)
        } else {
            Err(NotANumber)
        }
    }
}

/// What separates the fields of a header that has but one by the separator that was expected.
pub(super) fn other_separator(only: &str, expected: u8) -> Option<&'static str> {
    let known = [
        (b';', "semicolons"),
        (b'\t', "tabs (the extension for which is .tsv)"),
        (b'|', "bars"),
        (b',', "commas (the extension for which is .csv)"),
    ];
    let found = known.into_iter().filter(|(byte, _)| *byte != expected);
    let mut found = found.filter(|(byte, _)| only.contains(char::from(*byte)));
    found.next().map(|(_, words)| words)
}

pub(super) fn separator_words(delimiter: u8) -> &'static str {
    match delimiter {
        b',' => "commas",
        b'\t' => "tabs",
        b';' => "semicolons",
        b'|' => "bars",
        _ => "the separator that was asked for",
    }
}

/// Decides what a column holds: numbers, unless at least half of the sampled fields
/// that are not empty are something else.
pub(super) fn infer_type(
    name: String,
    j: usize,
    sample: &VecDeque<(usize, StringRecord)>,
    options: &TextOptions,
) -> Column {
    let (mut filled, mut not_numbers, mut vectors, mut dates) = (0, 0, 0, 0);
    let mut first = None;
    for (row, record) in sample {
        let field = record.get(j).unwrap_or_default();
        match options.number(field) {
            Ok(None) => {}
            Ok(Some(_)) => filled += 1,
            Err(NotANumber) => {
                filled += 1;
                not_numbers += 1;
                vectors += usize::from(is_vector(field));
                dates += usize::from(is_date(field));
                first.get_or_insert_with(|| {
                    let first = FirstText::new(*row, quoted(field));
                    first.at_line(options.line(record, *row))
                });
            }
        }
    }
    let text = not_numbers > 0 && 2 * not_numbers >= filled;
    let mut column = Column::new(
        name,
        if text {
            DataType::Utf8
        } else {
            DataType::Float64
        },
    );
    if vectors > 0 && 2 * vectors >= filled {
        column.kind = Kind::Vector;
    }
    if text {
        column.not_a_number = first;
        column.holds_dates = dates > 0 && 2 * dates >= filled;
    }
    column
}

/// Whether a header is in truth a row of data: all numbers, not all of them whole (as
/// the names `0,1,2` are) and not in rising order (as wavelengths are).
pub(super) fn is_data(names: &[String]) -> bool {
    let numbers: Vec<f64> = names.iter().map_while(|n| n.parse().ok()).collect();
    numbers.len() == names.len()
        && numbers.iter().any(|v| v.fract() != 0.0 || *v < 0.0)
        && (numbers.len() == 1 || !numbers.is_sorted())
}
