//! Columns of a Parquet file by name, and their values as text.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, Schema};
use qualm::Location;
use qualm::error::Names;

use crate::error::{Error, Result};

/// The name of the labels where none is given.
pub(super) const LABEL: &str = "label";
/// The names of a column of paths, the first of them that is there.
pub(super) const PATHS: [&str; 4] = ["path", "image", "file", "filename"];

/// The place of a column that was asked for.
pub(super) fn asked(names: &[String], name: &str, at: &Location) -> Result<usize> {
    let place = names.iter().position(|known| known == name);
    place.ok_or_else(|| Error::NoSuchPart {
        at: at.clone().column(name),
        kind: "column",
        known: Names(names.to_vec()),
    })
}

/// The names of all columns.
pub(super) fn names(schema: &Schema) -> Vec<String> {
    let fields = schema.fields().iter();
    fields.map(|field| field.name().clone()).collect()
}

/// Whether values of this type can be labels.
fn is_label(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Utf8 | DataType::Boolean)
}

/// The place of the labels: of the column asked for, or of one named `label` of a fitting type.
pub(super) fn label(
    schema: &Schema,
    asked_for: Option<&str>,
    at: &Location,
) -> Result<Option<usize>> {
    let Some(name) = asked_for else {
        let fits =
            |field: &&std::sync::Arc<Field>| field.name() == LABEL && is_label(field.data_type());
        return Ok(schema.fields().iter().position(|field| fits(&field)));
    };
    let place = asked(&names(schema), name, at)?;
    let found = schema.field(place).data_type();
    if is_label(found) {
        Ok(Some(place))
    } else {
        Err(Error::ImageColumnType {
            at: at.clone().column(name),
            found: found.to_string(),
            expected: "integers, bools or text",
        })
    }
}

/// A value as text; `None` for a missing one. Integers, bools and text have one.
pub(super) fn text(values: &ArrayRef, row: usize) -> Option<String> {
    fn number<T: ArrowPrimitiveType>(values: &ArrayRef, row: usize) -> String
    where
        T::Native: ToString,
    {
        values.as_primitive::<T>().value(row).to_string()
    }
    if values.is_null(row) {
        return None;
    }
    Some(match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().value(row).to_owned(),
        DataType::Boolean => values.as_boolean().value(row).to_string(),
        DataType::Int8 => number::<Int8Type>(values, row),
        DataType::Int16 => number::<Int16Type>(values, row),
        DataType::Int32 => number::<Int32Type>(values, row),
        DataType::Int64 => number::<Int64Type>(values, row),
        DataType::UInt8 => number::<UInt8Type>(values, row),
        DataType::UInt16 => number::<UInt16Type>(values, row),
        DataType::UInt32 => number::<UInt32Type>(values, row),
        DataType::UInt64 => number::<UInt64Type>(values, row),
        _ => return None,
    })
}
