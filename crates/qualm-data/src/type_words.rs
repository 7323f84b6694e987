//! Column types in words: what a reader of messages calls them, not what Arrow does.

use std::fmt;

use arrow_schema::{DataType, TimeUnit};

/// A type as messages say it.
#[derive(Debug)]
pub(crate) struct TypeWords<'a>(pub(crate) &'a DataType);

impl fmt::Display for TypeWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            DataType::Null => "nothing but nulls",
            DataType::Boolean => "bools",
            DataType::Int8 => "8-bit integers",
            DataType::Int16 => "16-bit integers",
            DataType::Int32 => "32-bit integers",
            DataType::Int64 => "64-bit integers",
            DataType::UInt8 => "8-bit integers without sign",
            DataType::UInt16 => "16-bit integers without sign",
            DataType::UInt32 => "32-bit integers without sign",
            DataType::UInt64 => "64-bit integers without sign",
            DataType::Float16 => "16-bit floats",
            DataType::Float32 => "32-bit floats",
            DataType::Float64 => "64-bit floats",
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => "decimals",
            DataType::Timestamp(unit, zone) => {
                let zone = zone.as_ref().map(|zone| format!(", {zone}"));
                let unit = unit_words(*unit);
                return write!(f, "date and time ({unit}{})", zone.unwrap_or_default());
            }
            DataType::Date32 | DataType::Date64 => "date",
            DataType::Time32(_) | DataType::Time64(_) => "time of day",
            DataType::Duration(unit) => return write!(f, "duration ({})", unit_words(*unit)),
            DataType::Interval(_) => "calendar interval",
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => "bytes",
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => {
                return write!(f, "lists of {}", Self(item.data_type()));
            }
            DataType::FixedSizeList(item, n) => {
                return write!(f, "lists of {n} {}", Self(item.data_type()));
            }
            DataType::Struct(_) => "records of several fields",
            DataType::Map(..) => "maps",
            DataType::Union(..) => "values of several types",
            // As the values that the keys stand for.
            DataType::Dictionary(_, value) => return Self(value).fmt(f),
            DataType::RunEndEncoded(_, value) => {
                return write!(f, "runs of {}", Self(value.data_type()));
            }
        };
        f.write_str(words)
    }
}

fn unit_words(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "seconds",
        TimeUnit::Millisecond => "milliseconds",
        TimeUnit::Microsecond => "microseconds",
        TimeUnit::Nanosecond => "nanoseconds",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_schema::Field;

    #[test]
    fn types_read_as_words() {
        let words = |data_type: DataType| TypeWords(&data_type).to_string();
        assert_eq!(words(DataType::Utf8View), "text");
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(words(zoned), "date and time (microseconds, UTC)");
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        assert_eq!(words(DataType::List(item)), "lists of 32-bit floats");
        let category = DataType::Dictionary(DataType::Int8.into(), DataType::LargeUtf8.into());
        assert_eq!(words(category), "text");
    }
}
