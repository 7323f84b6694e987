//! The values of a column before a recipe is applied: numbers, days or texts, or nothing.

use arrow_array::{Array, ArrayRef};

use super::Reading;
use crate::error::{Error, Result};
use crate::numbers;
use crate::origin::Origin;
use crate::role::Role;
use crate::text::printer;
use crate::times::days;
use crate::type_words::TypeWords;

/// The values of some rows of a column.
#[derive(Debug)]
pub(super) enum Raw {
    /// Numbers, or days since 1970; NaN where there is none.
    Numbers(Vec<f64>),
    /// Texts without the spaces around them; nothing where there is none.
    Texts(Vec<Option<String>>),
}

/// The numbers among the texts that stand for a missing value.
pub(super) fn numbers_of_na(na: &[String]) -> Vec<f64> {
    na.iter().filter_map(|text| text.parse().ok()).collect()
}

impl Raw {
    /// Reads a column.
    ///
    /// # Errors
    /// [`Error::NotATime`]; [`Error::ColumnType`] for what holds no values of the kind.
    pub(super) fn read(
        array: &ArrayRef,
        reading: Reading,
        na: &[String],
        na_numbers: &[f64],
        origin: &Origin,
        name: &str,
    ) -> Result<Self> {
        let no_values = |expected| Error::ColumnType {
            at: origin.at(0).column(name),
            role: Role::Feature,
            found: TypeWords(array.data_type()).to_string().into(),
            expected,
        };
        match reading {
            Reading::Number => {
                let mut values = vec![f64::NAN; array.len()];
                if !numbers::write(array.as_ref(), &mut values) {
                    return Err(no_values("numbers, one a row"));
                }
                blank(array.as_ref(), &mut values);
                if !na_numbers.is_empty() {
                    for value in values.iter_mut().filter(|v| na_numbers.contains(v)) {
                        *value = f64::NAN;
                    }
                }
                Ok(Self::Numbers(values))
            }
            Reading::Date => Ok(Self::Numbers(days(array, na, origin, name)?)),
            Reading::Category => {
                let print = printer(array.as_ref());
                let print = print.ok_or_else(|| no_values("text or numbers, one a row"))?;
                let is_float = array.data_type().is_floating();
                let mut text = String::new();
                let texts = (0..array.len()).map(|row| {
                    text.clear();
                    print(row, &mut text);
                    // A category that is a whole number is written so, whatever holds it.
                    let text = match text.strip_suffix(".0") {
                        Some(whole) if is_float => whole,
                        _ => text.trim(),
                    };
                    let there = !text.is_empty() && !na.iter().any(|na| na == text);
                    there.then(|| text.to_owned())
                });
                Ok(Self::Texts(texts.collect()))
            }
        }
    }
}

/// Puts NaN where there is no value.
fn blank(array: &dyn Array, values: &mut [f64]) {
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    for (row, value) in values.iter_mut().enumerate() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            *value = f64::NAN;
        }
    }
}
