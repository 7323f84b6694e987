//! Watches the values of features go by, for those that are likely no data.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use qualm::Features;
use qualm::error::Names;

use crate::column_notes::{ColumnNote, Unused};
use crate::numbers;
use crate::prepare::{Preparer, Tally};
use crate::table::Table;

/// Values that are remembered to find the first that comes twice, over all columns: some 30 MB
/// at the most. A column that needs more is not called an id.
const REMEMBERED: usize = 1 << 20;
/// Fewer rows than this say nothing about a rising column.
const RISING_ROWS: usize = 10;
/// Fewer rows than this say nothing about any other.
const DISTINCT_ROWS: usize = 100;
/// Whole numbers over a range from here on are no counts and no measurements.
const HUGE: i128 = 1_000_000_000;
/// How likely it is, at most, that whole numbers drawn from the range of a column that looks
/// like an id would all be different: `exp(-CHANCE)`.
const CHANCE: f64 = 5.0;
/// What labels are called.
const LABELS: [&str; 4] = ["label", "y", "target", "class"];

/// What is known of the columns of an input. It goes on learning as the input is read, also
/// from another place.
#[derive(Debug, Clone, Default)]
pub struct ColumnNotes(Arc<Mutex<Watch>>);

#[derive(Debug, Default)]
struct Watch {
    /// Known before the rows are read.
    at_once: Vec<ColumnNote>,
    /// One for each feature that is watched.
    columns: Vec<Column>,
    n_rows: usize,
    n_remembered: usize,
    /// What a recipe did to the values, and what there is to say of it.
    tally: Tally,
    treated: Vec<ColumnNote>,
}

impl ColumnNotes {
    /// What is known of the columns of an input before its rows are read.
    pub(crate) fn before_rows(table: &dyn Table, unused: &[Unused], features: &Features) -> Self {
        let mut watch = Watch::default();
        if table.has_numeric_header() {
            let names = table.columns().iter().map(|c| c.name.clone());
            watch.at_once.push(ColumnNote::NumericHeader {
                names: Names(names.collect()),
            });
        }
        if !unused.is_empty() {
            watch.at_once.push(ColumnNote::NotUsed {
                columns: unused.to_vec(),
                used: features.names().map_or(1, <[String]>::len),
            });
        }
        Self(Arc::new(Mutex::new(watch)))
    }

    /// The same; columns of numbers are watched from now on. `chosen`: the user asked for them by
    /// name.
    pub(crate) fn watching(self, names: &[String], chosen: bool) -> Self {
        let columns = names.iter().map(|name| Column::new(name.clone(), chosen));
        let mut watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watch.columns = columns.collect();
        drop(watch);
        self
    }

    /// Adds what is known before the rows are read.
    pub(crate) fn add(&self, notes: Vec<ColumnNote>) {
        let mut watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watch.at_once.extend(notes);
    }

    /// Adds what a recipe did to the next rows.
    pub(crate) fn tally(&self, tally: Tally, preparer: &Preparer) {
        let mut watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watch.tally.add(tally);
        watch.treated = watch.tally.notes(preparer);
    }

    /// Looks at the next rows.
    pub(crate) fn see(&self, n_rows: usize, features: &[ArrayRef]) {
        let mut watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = &mut *watch;
        watch.n_rows += n_rows;
        for (column, values) in watch.columns.iter_mut().zip(features) {
            column.see(values, &mut watch.n_remembered);
        }
    }

    /// All notes: after the last rows were read, of all rows.
    #[must_use]
    pub fn all(&self) -> Vec<ColumnNote> {
        let watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |is: &dyn Fn(&Column) -> bool| {
            let columns = watch.columns.iter().filter(|column| is(column));
            Names(columns.map(|column| column.name.clone()).collect())
        };
        let constant = |c: &Column| c.constant && c.first.is_some() && watch.n_rows > 1;
        let label = |c: &Column| {
            !c.chosen && !constant(c) && LABELS.iter().any(|l| c.name.eq_ignore_ascii_case(l))
        };
        let id = |c: &Column| !c.chosen && !label(c) && c.is_id(watch.n_rows);
        let notes = [
            ColumnNote::Label {
                columns: named(&label),
            },
            ColumnNote::Id {
                columns: named(&id),
            },
            ColumnNote::Constant {
                columns: named(&constant),
            },
        ];
        let is_filled = |note: &ColumnNote| match note {
            ColumnNote::Label { columns }
            | ColumnNote::Id { columns }
            | ColumnNote::Constant { columns } => !columns.0.is_empty(),
            _ => true,
        };
        let notes = notes.into_iter().filter(is_filled);
        let treated = watch.treated.iter().cloned();
        let at_once = watch.at_once.iter().cloned();
        at_once.chain(notes).chain(treated).collect()
    }
}

/// What is known of one column so far.
#[derive(Debug)]
struct Column {
    name: String,
    /// Whether the user asked for it by name.
    chosen: bool,
    first: Option<Value>,
    constant: bool,
    /// Whole numbers that rise from row to row.
    rising: bool,
    last: i128,
    range: Option<(i128, i128)>,
    /// Whole numbers that are all different: those seen, while they are not just rising.
    distinct: Option<HashSet<i128>>,
}

/// A value that can be compared to the last digit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Whole(i128),
    Other(f64),
}

impl Value {
    fn of(value: f64) -> Self {
        // Every whole float64 below 2^127 is an i128.
        if value.fract() == 0.0 && value.abs() < 1e38 {
            Self::Whole(value as i128)
        } else {
            Self::Other(value)
        }
    }
}

impl Column {
    fn new(name: String, chosen: bool) -> Self {
        Self {
            name,
            chosen,
            first: None,
            constant: true,
            rising: true,
            last: i128::MIN,
            range: None,
            distinct: Some(HashSet::new()),
        }
    }

    fn see(&mut self, array: &ArrayRef, n_remembered: &mut usize) {
        // An ordinary column is done with after its first few values.
        if self.is_done() {
            return;
        }
        if let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            let mut values = vec![0.0; array.len()];
            if numbers::write(array, &mut values) {
                let there = values.into_iter().enumerate();
                let there = there.filter(|(row, _)| nulls.is_valid(*row));
                self.take(there.map(|(_, value)| Value::of(value)), n_remembered);
            }
            return;
        }
        match array.data_type() {
            // Float64 would make one value of neighbours above 2^53.
            DataType::Int64 => {
                let values = array.as_primitive::<Int64Type>().values().iter();
                self.take(values.map(|&v| Value::Whole(v.into())), n_remembered);
            }
            DataType::UInt64 => {
                let values = array.as_primitive::<UInt64Type>().values().iter();
                self.take(values.map(|&v| Value::Whole(v.into())), n_remembered);
            }
            _ => {
                let mut values = vec![0.0; array.len()];
                if numbers::write(array, &mut values) {
                    self.take(values.into_iter().map(Value::of), n_remembered);
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        !self.constant && !self.rising && self.distinct.is_none()
    }

    fn take(&mut self, values: impl Iterator<Item = Value>, n_remembered: &mut usize) {
        for value in values {
            let first = *self.first.get_or_insert(value);
            self.constant &= first == value;
            match value {
                Value::Whole(value) => self.take_whole(value, n_remembered),
                Value::Other(_) => {
                    self.rising = false;
                    self.distinct = None;
                }
            }
            if self.is_done() {
                return;
            }
        }
    }

    fn take_whole(&mut self, value: i128, n_remembered: &mut usize) {
        self.rising &= value > self.last;
        self.last = value;
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
        if let Some(seen) = &mut self.distinct {
            *n_remembered += 1;
            if !seen.insert(value) || *n_remembered > REMEMBERED {
                *n_remembered = n_remembered.saturating_sub(seen.len());
                self.distinct = None;
            }
        }
    }

    /// Whether it is likely an id: whole numbers, each there once, that rise from row to row, or
    /// that would not all be different by chance.
    fn is_id(&self, n_rows: usize) -> bool {
        let Some((low, high)) = self.range else {
            return false;
        };
        if self.rising {
            return n_rows >= RISING_ROWS;
        }
        let Some(seen) = &self.distinct else {
            return false;
        };
        let (n, range) = (n_rows as f64, high.saturating_sub(low));
        let unlikely = n * n / (2.0 * range as f64) > CHANCE;
        n_rows >= DISTINCT_ROWS && seen.len() == n_rows && (unlikely || range >= HUGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int64Array, UInt64Array};

    /// What is said of columns whose rows come in two parts.
    fn notes(columns: &[(&str, ArrayRef)]) -> Vec<String> {
        let names: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let notes = ColumnNotes::default().watching(&names, false);
        for part in 0..2 {
            let half = columns[0].1.len() / 2;
            let part = columns.iter().map(|(_, c)| c.slice(part * half, half));
            notes.see(half, &part.collect::<Vec<_>>());
        }
        notes.all().iter().map(ToString::to_string).collect()
    }

    fn floats(value: impl Fn(u32) -> f64) -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..1000).map(value)))
    }

    /// Numbers below a bound that look random.
    fn drawn(below: u64) -> ArrayRef {
        let mut state = 7_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) % below
        };
        Arc::new(UInt64Array::from_iter_values((0..1000).map(|_| next())))
    }

    #[test]
    fn ids_are_whole_and_all_different() {
        let shuffled = floats(|i| f64::from(i * 7919 % 1009));
        let large: ArrayRef = Arc::new(Int64Array::from_iter_values(
            (0..1000).map(|i| 9_007_199_254_740_992_000 + i),
        ));
        let said = notes(&[
            ("rising", floats(|i| f64::from(3 * i))),
            ("shuffled", shuffled),
            ("large", large),
            ("hash", drawn(u64::MAX >> 11)),
        ]);
        assert_eq!(
            said,
            [
                "'rising', 'shuffled', 'large', 'hash' look like an id (whole numbers, none of \
                 them twice) and are used as a feature"
            ]
        );
    }

    #[test]
    fn data_is_not_called_an_id() {
        let said = notes(&[
            ("float", floats(|i| f64::from(i) + 0.5)),
            ("count", drawn(50)),
            // All different by chance, or nearly so.
            ("cents", drawn(20_000_000)),
            (
                "late",
                floats(|i| if i == 999 { 0.25 } else { f64::from(i) }),
            ),
            (
                "again",
                floats(|i| if i == 999 { 5.0 } else { f64::from(i) }),
            ),
        ]);
        assert!(said.is_empty(), "{said:?}");
    }

    #[test]
    fn labels_and_constants_are_named() {
        let said = notes(&[
            ("Target", floats(|i| f64::from(i % 2))),
            ("zero", floats(|_| 0.0)),
            ("x", floats(|i| f64::from(i).sin())),
            ("late", floats(|i| f64::from(u8::from(i == 999)))),
        ]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].starts_with("'Target' has the name of a label"),
            "{said:?}"
        );
        assert!(
            said[1].starts_with("'zero' has one value in all rows"),
            "{said:?}"
        );
    }

    #[test]
    fn columns_that_were_asked_for_are_features() {
        let watched = ColumnNotes::default().watching(&["y".to_owned()], true);
        watched.see(1000, &[floats(f64::from)]);
        assert!(watched.all().is_empty());
    }
}
