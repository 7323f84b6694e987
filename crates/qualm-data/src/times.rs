//! Columns of times: timestamps, text as ISO 8601 has it, or seconds since 1970.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};

use crate::error::{Error, Result, quoted};
use crate::numbers::first_null;
use crate::origin::Origin;
use crate::text::printer;

/// Microseconds of a second.
const MICROS: i64 = 1_000_000;

/// When each row is from, in microseconds since the beginning of 1970, UTC. `name` is what errors call the
/// column.
///
/// Text is ISO 8601: a date, or a date and a time (`2026-03-01T12:00:00.25+01:00`; a space may stand for the T).
/// Times that name no zone are taken as UTC. Numbers, also in text, are seconds. What is finer than a
/// microsecond is cut off.
///
/// # Shapes
/// Returns `(n,)`.
///
/// # Errors
/// [`Error::Blank`] and [`Error::NotATime`] naming the row.
pub fn times(array: &ArrayRef, origin: &Origin, name: &str) -> Result<Vec<i64>> {
    if let Some(row) = first_null(array) {
        return Err(Error::Blank {
            at: origin.at(row).column(name),
        });
    }
    let not_a_time = |row: usize, found: &str| Error::NotATime {
        at: origin.at(row).column(name),
        found: quoted(found),
    };
    if let DataType::Timestamp(unit, _) = array.data_type() {
        let times = instants(array, *unit).into_iter().enumerate();
        return times
            .map(|(row, time)| time.ok_or_else(|| not_a_time(row, "a time beyond all calendars")))
            .collect();
    }
    let print = printer(array).ok_or_else(|| not_a_time(0, "neither text nor number"))?;
    let mut text = String::new();
    let mut times = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        text.clear();
        print(row, &mut text);
        if text.trim().is_empty() {
            return Err(Error::Blank {
                at: origin.at(row).column(name),
            });
        }
        times.push(parse(text.trim()).ok_or_else(|| not_a_time(row, &text))?);
    }
    Ok(times)
}

/// A time of [`times`] as text: `2026-03-01T12:00:00Z`.
#[must_use]
pub fn time_text(micros: i64) -> String {
    match DateTime::from_timestamp_micros(micros) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        None => format!("{} s after 1970", micros / MICROS),
    }
}

/// Timestamps of a unit in microseconds; nothing for those too large for it.
fn instants(array: &ArrayRef, unit: TimeUnit) -> Vec<Option<i64>> {
    let scaled = |values: &[i64], by: i64| values.iter().map(|v| v.checked_mul(by)).collect();
    match unit {
        TimeUnit::Second => scaled(array.as_primitive::<TimestampSecondType>().values(), MICROS),
        TimeUnit::Millisecond => {
            let values = array.as_primitive::<TimestampMillisecondType>().values();
            scaled(values, MICROS / 1000)
        }
        TimeUnit::Microsecond => {
            scaled(array.as_primitive::<TimestampMicrosecondType>().values(), 1)
        }
        TimeUnit::Nanosecond => {
            let values = array.as_primitive::<TimestampNanosecondType>().values();
            values.iter().map(|v| Some(v.div_euclid(1000))).collect()
        }
    }
}

/// When each row is from, in days since the beginning of 1970, UTC; NaN where there is no value, which is
/// also what the texts of `na` say.
///
/// # Shapes
/// Returns `(n,)`.
///
/// # Errors
/// [`Error::NotATime`] naming the row.
pub(crate) fn days(
    array: &ArrayRef,
    na: &[String],
    origin: &Origin,
    name: &str,
) -> Result<Vec<f64>> {
    const DAY: f64 = 86_400.0 * MICROS as f64;
    let not_a_time = |row: usize, found: &str| Error::NotATime {
        at: origin.at(row).column(name),
        found: quoted(found),
    };
    let print = printer(array).ok_or_else(|| not_a_time(0, "neither text nor number"))?;
    let mut text = String::new();
    let mut days = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        text.clear();
        print(row, &mut text);
        let trimmed = text.trim();
        days.push(if trimmed.is_empty() || na.iter().any(|na| na == trimmed) {
            f64::NAN
        } else {
            let micros = parse(trimmed).ok_or_else(|| not_a_time(row, &text))?;
            micros as f64 / DAY
        });
    }
    Ok(days)
}

/// Whether text is a date, with or without a time.
pub(crate) fn is_date(text: &str) -> bool {
    // All of them begin with the year: most other text is not looked at further.
    let text = text.trim();
    text.len() >= 8 && text.as_bytes()[..4].iter().all(u8::is_ascii_digit) && {
        text.parse::<f64>().is_err() && parse(text).is_some()
    }
}

/// A time in text; nothing for text that is none.
fn parse(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let micros = (seconds * MICROS as f64).floor();
        return (micros.abs() < 9e18).then_some(micros as i64);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    let zoned = ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"];
    let zoned = zoned
        .iter()
        .find_map(|f| DateTime::parse_from_str(text, f).ok());
    if let Some(time) = zoned {
        return Some(time.timestamp_micros());
    }
    // Without a zone, or with the mark of UTC and no seconds.
    let plain = text.strip_suffix('Z').unwrap_or(text);
    let formats = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ];
    let time = formats
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(plain, f).ok());
    let date = || {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
    };
    Some(time.or_else(date)?.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::{
        Date32Array, Float64Array, Int64Array, ListArray, StringArray, TimestampMillisecondArray,
        TimestampNanosecondArray, TimestampSecondArray,
    };

    fn of(array: impl Array + 'static) -> Result<Vec<i64>> {
        let array: ArrayRef = Arc::new(array);
        times(&array, &Origin::memory(10), "when")
    }

    #[test]
    fn one_time_in_every_form() {
        // date -u -d 2026-03-01T12:00:00 +%s
        let noon = 1_772_366_400;
        for text in [
            "2026-03-01T12:00:00Z",
            "2026-03-01T13:00:00+01:00",
            "2026-03-01 13:00:00+0100",
            "2026-03-01T12:00:00",
            "2026-03-01 12:00:00.000",
            "2026-03-01T12:00",
            "2026-03-01 12:00",
            "2026-03-01T12:00Z",
            "1772366400",
            " 1772366400.0 ",
        ] {
            assert_eq!(
                of(StringArray::from(vec![text])).unwrap(),
                [noon * MICROS],
                "{text}"
            );
        }
        assert_eq!(time_text(noon * MICROS), "2026-03-01T12:00:00Z");
        assert_eq!(
            time_text(noon * MICROS + 250_000),
            "2026-03-01T12:00:00.250Z"
        );
        assert_eq!(of(Int64Array::from(vec![noon])).unwrap(), [noon * MICROS]);
        assert_eq!(of(Float64Array::from(vec![1.5])).unwrap(), [1_500_000]);
        assert_eq!(
            of(TimestampSecondArray::from(vec![noon])).unwrap(),
            [noon * MICROS]
        );
        let zoned = TimestampMillisecondArray::from(vec![noon * 1000 + 1]);
        assert_eq!(
            of(zoned.with_timezone("Europe/Rome")).unwrap(),
            [noon * MICROS + 1000]
        );
        assert_eq!(of(TimestampNanosecondArray::from(vec![-1])).unwrap(), [-1]);
        assert_eq!(
            of(Date32Array::from(vec![20_513])).unwrap(),
            [(noon - 43_200) * MICROS]
        );
        assert_eq!(
            of(StringArray::from(vec!["2026-03-01"])).unwrap(),
            [(noon - 43_200) * MICROS]
        );
    }

    #[test]
    fn what_is_no_time_is_named() {
        let message =
            |texts: Vec<Option<&str>>| of(StringArray::from(texts)).unwrap_err().to_string();
        let found = message(vec![Some("2026-03-01"), Some("yesterday")]);
        assert!(
            found.starts_with("input, row 12, column 'when': found 'yesterday'"),
            "{found}"
        );
        for text in ["", "  "] {
            assert!(message(vec![Some(text)]).contains("row 11"), "{text:?}");
        }
        assert!(message(vec![Some("1"), None]).contains("row 12"));
        for text in ["2026-13-01", "2026-03-01T25:00:00", "12:00", "nan", "1e30"] {
            assert!(message(vec![Some(text)]).contains(text), "{text}");
        }
        assert!(of(TimestampSecondArray::from(vec![i64::MAX])).is_err());
        let lists =
            ListArray::from_iter_primitive::<arrow_array::types::Int8Type, _, _>([Some([Some(1)])]);
        assert!(matches!(of(lists), Err(Error::NotATime { .. })));
    }
}
