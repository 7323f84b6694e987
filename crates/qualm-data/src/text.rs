//! Arrow values as text, for CSV and JSON lines.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions as time;
use arrow_array::types::{
    ArrowTemporalType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};

/// What a value is, for the format that prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A number or a truth value: JSON writes it bare.
    Bare,
    /// A float that JSON cannot write: NaN or an infinity.
    NotFinite,
    /// Text: JSON quotes it.
    Text,
    /// No value.
    Null,
}

/// Appends the value at a row to a string and says what it was.
pub(crate) type Printer<'a> = Box<dyn Fn(usize, &mut String) -> Class + 'a>;

/// The printer of a column, or `None` for a type that has no text form.
pub(crate) fn printer(array: &dyn Array) -> Option<Printer<'_>> {
    macro_rules! bare {
        ($ty:ty) => {
            show(array, array.as_primitive::<$ty>(), |a, i, out| {
                put(out, format_args!("{}", a.value(i)), Class::Bare)
            })
        };
    }
    macro_rules! float {
        ($ty:ty) => {
            show(array, array.as_primitive::<$ty>(), |a, i, out| {
                let v = a.value(i);
                // Debug prints the shortest text that reads back as the same value, with
                // an exponent where that is shorter.
                let class = if v.is_finite() {
                    Class::Bare
                } else {
                    Class::NotFinite
                };
                put(out, format_args!("{v:?}"), class)
            })
        };
    }
    macro_rules! decimal {
        ($ty:ty) => {
            show(array, array.as_primitive::<$ty>(), |a, i, out| {
                out.push_str(&a.value_as_string(i));
                Class::Bare
            })
        };
    }
    macro_rules! string {
        ($array:expr) => {
            show(array, $array, |a, i, out| {
                out.push_str(a.value(i));
                Class::Text
            })
        };
    }
    Some(match array.data_type() {
        DataType::Int8 => bare!(Int8Type),
        DataType::Int16 => bare!(Int16Type),
        DataType::Int32 => bare!(Int32Type),
        DataType::Int64 => bare!(Int64Type),
        DataType::UInt8 => bare!(UInt8Type),
        DataType::UInt16 => bare!(UInt16Type),
        DataType::UInt32 => bare!(UInt32Type),
        DataType::UInt64 => bare!(UInt64Type),
        DataType::Float16 => show(array, array.as_primitive::<Float16Type>(), |a, i, out| {
            let v = a.value(i).to_f32();
            let class = if v.is_finite() {
                Class::Bare
            } else {
                Class::NotFinite
            };
            put(out, format_args!("{v:?}"), class)
        }),
        DataType::Float32 => float!(Float32Type),
        DataType::Float64 => float!(Float64Type),
        DataType::Decimal32(..) => decimal!(Decimal32Type),
        DataType::Decimal64(..) => decimal!(Decimal64Type),
        DataType::Decimal128(..) => decimal!(Decimal128Type),
        DataType::Decimal256(..) => decimal!(Decimal256Type),
        DataType::Boolean => show(array, array.as_boolean(), |a, i, out| {
            put(out, format_args!("{}", a.value(i)), Class::Bare)
        }),
        DataType::Utf8 => string!(array.as_string::<i32>()),
        DataType::LargeUtf8 => string!(array.as_string::<i64>()),
        DataType::Utf8View => string!(array.as_string_view()),
        DataType::Null => Box::new(|_, _: &mut String| Class::Null),
        DataType::Date32 => temporal::<Date32Type>(array, ""),
        DataType::Date64 => temporal::<Date64Type>(array, ""),
        DataType::Time32(TimeUnit::Second) => temporal::<Time32SecondType>(array, ""),
        DataType::Time32(_) => temporal::<Time32MillisecondType>(array, ""),
        DataType::Time64(TimeUnit::Microsecond) => temporal::<Time64MicrosecondType>(array, ""),
        DataType::Time64(_) => temporal::<Time64NanosecondType>(array, ""),
        DataType::Timestamp(unit, zone) => {
            // Arrow keeps instants in UTC and the zone only for show.
            let mark = if zone.is_some() { "Z" } else { "" };
            match unit {
                TimeUnit::Second => temporal::<TimestampSecondType>(array, mark),
                TimeUnit::Millisecond => temporal::<TimestampMillisecondType>(array, mark),
                TimeUnit::Microsecond => temporal::<TimestampMicrosecondType>(array, mark),
                TimeUnit::Nanosecond => temporal::<TimestampNanosecondType>(array, mark),
            }
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            if dictionary.values().is_empty() {
                return Some(Box::new(|_, _: &mut String| Class::Null));
            }
            let inner = printer(dictionary.values().as_ref())?;
            let keys = dictionary.normalized_keys();
            let nulls = array.logical_nulls();
            Box::new(move |i, out: &mut String| match keys.get(i) {
                Some(&key) if !nulls.as_ref().is_some_and(|n| n.is_null(i)) => inner(key, out),
                _ => Class::Null,
            })
        }
        _ => return None,
    })
}

/// The value of a column at a row as text; empty where it is missing or has no text, such as a list.
#[must_use]
pub fn text_at(values: &ArrayRef, row: usize) -> String {
    let mut text = String::new();
    if row < values.len() {
        printer(values).map(|print| print(row, &mut text));
    }
    text
}

/// Whether columns of this type can be printed.
pub(crate) fn has_text(data_type: &DataType) -> bool {
    printer(&arrow_array::new_empty_array(data_type)).is_some()
}

/// Printers of several columns; a column without text form prints nothing.
pub(crate) fn printers(columns: &[ArrayRef]) -> Vec<Printer<'_>> {
    let nothing = || Box::new(|_: usize, _: &mut String| Class::Null);
    columns
        .iter()
        .map(|column| printer(column.as_ref()).unwrap_or_else(|| nothing()))
        .collect()
}

fn show<'a, A: Array>(
    array: &'a dyn Array,
    typed: &'a A,
    print: impl Fn(&'a A, usize, &mut String) -> Class + 'a,
) -> Printer<'a> {
    Box::new(move |i, out| {
        if array.is_null(i) {
            Class::Null
        } else {
            print(typed, i, out)
        }
    })
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>, class: Class) -> Class {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
    class
}

/// ISO 8601, whatever the unit; the bare number for an instant outside the calendar.
fn temporal<'a, T>(array: &'a dyn Array, mark: &'static str) -> Printer<'a>
where
    T: ArrowTemporalType,
    i64: From<T::Native>,
{
    let typed: &PrimitiveArray<T> = array.as_primitive();
    show(array, typed, move |a, i, out| {
        let value = i64::from(a.value(i));
        let written = match T::DATA_TYPE {
            DataType::Date32 | DataType::Date64 => {
                time::as_date::<T>(value).map(|v| put(out, format_args!("{v}"), Class::Text))
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                time::as_time::<T>(value).map(|v| put(out, format_args!("{v}"), Class::Text))
            }
            _ => time::as_datetime::<T>(value)
                .map(|v| put(out, format_args!("{v:?}{mark}"), Class::Text)),
        };
        written.unwrap_or_else(|| put(out, format_args!("{value}"), Class::Text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::{
        BinaryArray, Date32Array, DictionaryArray, Float32Array, Float64Array, StringViewArray,
        Time32SecondArray, TimestampMicrosecondArray, types::Int8Type as Key,
    };

    fn text(array: &dyn Array, i: usize) -> (String, Class) {
        let mut out = String::new();
        let class = printer(array).unwrap()(i, &mut out);
        (out, class)
    }

    #[test]
    fn values_print_as_people_and_parsers_expect() {
        let floats = Float64Array::from(vec![0.1, 1e300, 1.0, f64::NAN]);
        assert_eq!(text(&floats, 0), ("0.1".into(), Class::Bare));
        assert_eq!(text(&floats, 1), ("1e300".into(), Class::Bare));
        assert_eq!(text(&floats, 2), ("1.0".into(), Class::Bare));
        assert_eq!(text(&floats, 3), ("NaN".into(), Class::NotFinite));
        assert_eq!(text(&Float32Array::from(vec![0.1]), 0).0, "0.1");
        assert_eq!(text(&Date32Array::from(vec![19723]), 0).0, "2024-01-01");
        assert_eq!(text(&Time32SecondArray::from(vec![3661]), 0).0, "01:01:01");
        let instant = TimestampMicrosecondArray::from(vec![1_704_067_200_500_000]);
        assert_eq!(text(&instant, 0).0, "2024-01-01T00:00:00.500");
        let zoned = instant.with_timezone("Europe/Rome");
        assert_eq!(text(&zoned, 0).0, "2024-01-01T00:00:00.500Z");
        let views = StringViewArray::from(vec![Some("a"), None]);
        assert_eq!(text(&views, 0), ("a".into(), Class::Text));
        assert_eq!(text(&views, 1), (String::new(), Class::Null));
        let keys = PrimitiveArray::<Key>::from(vec![Some(1), None]);
        let dictionary =
            DictionaryArray::new(keys, Arc::new(StringViewArray::from(vec!["p", "q"])));
        assert_eq!(text(&dictionary, 0).0, "q");
        assert_eq!(text(&dictionary, 1).1, Class::Null);
        assert!(printer(&BinaryArray::from(vec![&b"x"[..]])).is_none());
    }
}
