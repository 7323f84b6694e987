//! Vectors written as text: `[0.1, 0.2]`, as pandas and polars write a column of lists into a
//! CSV file, or `[0.1 0.2]`, as NumPy prints an array.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Float64Array, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};

use crate::error::{Error, Result, quoted};
use crate::origin::Origin;

/// Whether a column of this type holds text.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

/// Appends the numbers of a vector in text; says whether it is one.
fn parse(text: &str, numbers: &mut Vec<f64>) -> bool {
    let start = numbers.len();
    let inside = text.trim().strip_prefix('[');
    let Some(inside) = inside.and_then(|text| text.strip_suffix(']')) else {
        return false;
    };
    let mut add = |word: &str| {
        // Within a list NumPy's numbers say what they are.
        let bare = word.strip_prefix("np.float64(");
        let bare = bare.or_else(|| word.strip_prefix("np.float32("));
        let word = bare.and_then(|w| w.strip_suffix(')')).unwrap_or(word);
        word.parse().map(|number| numbers.push(number)).is_ok()
    };
    let whole = if inside.contains(',') {
        inside.split(',').all(|word| add(word.trim()))
    } else {
        inside.split_ascii_whitespace().all(&mut add)
    };
    let whole = whole && numbers.len() > start;
    if !whole {
        numbers.truncate(start);
    }
    whole
}

/// Whether text is a vector.
pub(crate) fn is_vector(text: &str) -> bool {
    // Most text is none: do not look further than its first character.
    text.trim_start().starts_with('[') && parse(text, &mut Vec::new())
}

/// The text of each row; nothing for a null.
pub(crate) fn texts(array: &dyn Array) -> Option<Vec<Option<&str>>> {
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().collect(),
        DataType::Utf8View => array.as_string_view().iter().collect(),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let values = texts(dictionary.values().as_ref())?;
            if values.is_empty() {
                return Some(vec![None; array.len()]);
            }
            let nulls = array.logical_nulls();
            let keys = dictionary.normalized_keys().into_iter().enumerate();
            keys.map(|(i, key)| {
                let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(i));
                values.get(key).copied().flatten().filter(|_| !is_null)
            })
            .collect()
        }
        _ => return None,
    })
}

/// A column of text as a column of lists; any other column as it is.
///
/// # Errors
/// [`Error::NotAVector`] for text that is none; [`Error::Missing`] for an empty one.
pub(crate) fn read(array: &ArrayRef, origin: &Origin, name: &str) -> Result<ArrayRef> {
    let Some(texts) = texts(array.as_ref()) else {
        return Ok(Arc::clone(array));
    };
    let (mut numbers, mut lengths) = (Vec::new(), Vec::with_capacity(texts.len()));
    for (row, text) in texts.into_iter().enumerate() {
        let at = || origin.at(row).column(name);
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            return Err(Error::Missing { at: at() });
        };
        let before = numbers.len();
        if !parse(text, &mut numbers) {
            return Err(Error::NotAVector {
                at: at(),
                found: quoted(text),
            });
        }
        lengths.push(numbers.len() - before);
    }
    let item = Arc::new(Field::new("item", DataType::Float64, false));
    let (offsets, values) = (
        OffsetBuffer::from_lengths(lengths),
        Float64Array::from(numbers),
    );
    Ok(Arc::new(ListArray::new(
        item,
        offsets,
        Arc::new(values),
        None,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_told_from_text() {
        let numbers = |text| {
            let mut numbers = vec![7.0];
            parse(text, &mut numbers).then(|| numbers.split_off(1))
        };
        for text in [
            "[1,-2.5,1e3]",
            " [ 1 , -2.5 , 1e3 ] ",
            "[ 1.  -2.5\n 1e3]",
            "[np.float64(1.0), np.float64(-2.5), np.float32(1e3)]",
        ] {
            assert_eq!(numbers(text), Some(vec![1.0, -2.5, 1e3]), "{text}");
        }
        assert_eq!(numbers("[5]"), Some(vec![5.0]));
        for text in [
            "",
            "[]",
            "1,2",
            "[1,2",
            "[1, x]",
            "[1 2 ... 9]",
            "[1,,2]",
            "[[1,2]]",
        ] {
            assert_eq!(numbers(text), None, "{text}");
        }
    }
}
