//! Labels: which rows are outliers, as far as the user knows.

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use crate::error::{Error, Result, quoted};
use crate::numbers;
use crate::origin::Origin;
use crate::role::Role;
use crate::text::printer;
use crate::text_vectors::texts;
use crate::type_words::TypeWords;

/// Reads a label column: 1 or true for an outlier, 0 or false for the rest; or, where it is known what
/// stands for an outlier, that and anything else.
pub(crate) fn labels(
    array: &ArrayRef,
    origin: &Origin,
    name: &str,
    positive: Option<&str>,
) -> Result<Vec<bool>> {
    let bad = |row: usize, found: String| Error::BadLabel {
        at: origin.at(row).column(name),
        found,
    };
    if let Some(row) = numbers::first_null(array) {
        return Err(bad(row, String::new()));
    }
    // An (n, 1) array is a column too.
    if let DataType::FixedSizeList(_, 1) = array.data_type()
        && let Ok(column) = numbers::vectors(array, Some(1))
    {
        return labels(&column.values, origin, name, positive);
    }
    if let Some(positive) = positive
        && let Some(print) = printer(array.as_ref())
    {
        let (mut text, number) = (String::new(), positive.trim().parse::<f64>().ok());
        return (0..array.len())
            .map(|row| {
                text.clear();
                print(row, &mut text);
                let found = text.trim();
                if found.is_empty() {
                    return Err(bad(row, String::new()));
                }
                // 1 and 1.0 are one label.
                let same = number.is_some() && found.parse::<f64>().ok() == number;
                Ok(same || found == positive.trim())
            })
            .collect();
    }
    let mut values = vec![0.0; array.len()];
    if numbers::write(array, &mut values) {
        return (values.iter().enumerate())
            .map(|(row, &value)| truth(value).ok_or_else(|| bad(row, number_words(value))))
            .collect();
    }
    let Some(texts) = texts(array.as_ref()) else {
        return Err(Error::ColumnType {
            at: origin.at(0).column(name),
            role: Role::Label,
            found: TypeWords(array.data_type()).to_string().into(),
            expected: "labels: 0 or 1, false or true",
        });
    };
    (texts.iter().enumerate())
        .map(|(row, text)| {
            let text = text.unwrap_or_default();
            parse(text).ok_or_else(|| bad(row, quoted(text)))
        })
        .collect()
}

/// Reads a column of classes: whole numbers, 0 or more, or below 0 for a known outlier.
pub(crate) fn classes(array: &ArrayRef, origin: &Origin, name: &str) -> Result<Vec<i64>> {
    let bad = |row: usize, found: String| Error::BadClass {
        at: origin.at(row).column(name),
        found,
    };
    if let Some(row) = numbers::first_null(array) {
        return Err(bad(row, String::new()));
    }
    let mut values = vec![0.0; array.len()];
    if !numbers::write(array, &mut values) {
        return Err(Error::ColumnType {
            at: origin.at(0).column(name),
            role: Role::Classes,
            found: TypeWords(array.data_type()).to_string().into(),
            expected: "classes: whole numbers from 0",
        });
    }
    // What float64 holds exactly.
    let is_whole = |value: f64| value.fract() == 0.0 && value.abs() < 9e15;
    (values.iter().enumerate())
        .map(|(row, value)| {
            if is_whole(*value) {
                Ok(*value as i64)
            } else {
                Err(bad(row, number_words(*value)))
            }
        })
        .collect()
}

/// A number as it would be written down: `2`, `0.5`, `1e300`.
fn number_words(value: f64) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

#[expect(clippy::float_cmp, reason = "a label is exactly 0 or 1")]
fn truth(value: f64) -> Option<bool> {
    (value == 0.0 || value == 1.0).then_some(value == 1.0)
}

fn parse(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Some(false);
    }
    truth(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::Arc;

    use arrow_array::{BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray};

    fn read(array: impl Array + 'static) -> Result<Vec<bool>> {
        let array: ArrayRef = Arc::new(array);
        labels(&array, &Origin::file(Path::new("t.parquet"), 10), "y", None)
    }

    #[test]
    fn any_label_can_stand_for_an_outlier() {
        let read = |array: ArrayRef, positive| {
            labels(&array, &Origin::memory(0), "y", Some(positive)).unwrap()
        };
        let words: ArrayRef = Arc::new(StringArray::from(vec!["ok", "fraud ", "Fraud"]));
        assert_eq!(read(words, "fraud"), [false, true, false]);
        let signs: ArrayRef = Arc::new(Int64Array::from(vec![1, -1]));
        assert_eq!(read(signs, "-1"), [false, true]);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, -1.0]));
        assert_eq!(read(floats, "1"), [true, false]);
        let missing: ArrayRef = Arc::new(StringArray::from(vec!["ok", ""]));
        assert!(labels(&missing, &Origin::memory(0), "y", Some("ok")).is_err());
    }

    #[test]
    fn zero_one_false_true_in_any_type() {
        let expected = [true, false];
        assert_eq!(read(Int64Array::from(vec![1, 0])).unwrap(), expected);
        assert_eq!(read(Float64Array::from(vec![1.0, 0.0])).unwrap(), expected);
        assert_eq!(
            read(BooleanArray::from(vec![true, false])).unwrap(),
            expected
        );
        assert_eq!(
            read(StringArray::from(vec![" 1", "False"])).unwrap(),
            expected
        );
        assert_eq!(
            read(StringArray::from(vec!["TRUE", "0.0"])).unwrap(),
            expected
        );
        let dictionary: DictionaryArray<arrow_array::types::Int32Type> =
            ["1", "0"].into_iter().collect();
        assert_eq!(read(dictionary).unwrap(), expected);
    }

    #[test]
    fn classes_are_whole_numbers() {
        let read = |array: ArrayRef| classes(&array, &Origin::file(Path::new("t.npz"), 0), "label");
        assert_eq!(
            read(Arc::new(Int64Array::from(vec![3, -1]))).unwrap(),
            [3, -1]
        );
        assert_eq!(read(Arc::new(Float64Array::from(vec![2.0]))).unwrap(), [2]);
        for (array, said) in [
            (
                Arc::new(Float64Array::from(vec![0.0, 0.5])) as ArrayRef,
                "row 2, column 'label': found '0.5'",
            ),
            (
                Arc::new(Int64Array::from(vec![None::<i64>])),
                "row 1, column 'label': found no class",
            ),
            (
                Arc::new(StringArray::from(vec!["cat"])),
                "expected classes: whole numbers from 0",
            ),
        ] {
            let error = read(array).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn anything_else_is_named() {
        let error = read(Int64Array::from(vec![1, 2])).unwrap_err().to_string();
        assert!(
            error
                .starts_with("t.parquet, row 12, column 'y': found the label '2', expected 0 or 1"),
            "{error}"
        );
        assert!(read(StringArray::from(vec!["cat"])).is_err());
        assert!(read(Int64Array::from(vec![None::<i64>])).is_err());
        assert!(read(Float64Array::from(vec![f64::NAN])).is_err());
    }
}
