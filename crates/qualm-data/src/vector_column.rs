//! A column of vectors as one run of checked numbers, and what is wrong with the first that is not.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;
use qualm::Features;

use crate::error::{Error, Result};
use crate::numbers::{self, Float, NotVectors};
use crate::origin::Origin;

/// The values of a vector column, row after row, without nulls and all finite.
///
/// `names` are the column and its width.
pub(crate) fn vector_values<F: Float>(
    array: Option<&ArrayRef>,
    names: &Features,
    origin: &Origin,
) -> Result<ScalarBuffer<F>> {
    let width = names.width();
    let array = vectors(array, names, origin)?;
    finite(origin, names, numbers::floats(&array), |row, j| {
        numbers::value_at(&array, row * width + j)
    })
}

/// A vector column as one run of values, without nulls.
fn vectors(array: Option<&ArrayRef>, names: &Features, origin: &Origin) -> Result<ArrayRef> {
    let n_cols = names.width();
    let name = match names {
        Features::Vector { name, .. } => name.as_deref().unwrap_or_default(),
        Features::Columns(_) | Features::Prepared(_) => "",
    };
    let no_vector = |row| Error::Missing {
        at: origin.at(row).column(name),
    };
    let array = array.ok_or_else(|| no_vector(0))?;
    if let Some(row) = numbers::first_null(array) {
        return Err(no_vector(row));
    }
    match numbers::vectors(array, Some(n_cols)) {
        Ok(vectors) => match numbers::first_null(&vectors.values) {
            Some(i) => Err(missing(origin, names, i / n_cols, i % n_cols)),
            None => Ok(vectors.values),
        },
        Err(NotVectors::Ragged {
            row,
            found,
            expected,
        }) => Err(Error::RaggedVector {
            at: origin.at(row).column(name),
            found,
            expected,
        }),
        Err(NotVectors::NotAList) => Err(no_vector(0)),
    }
}

/// That feature `j` of a row is missing.
pub(crate) fn missing(origin: &Origin, names: &Features, row: usize, j: usize) -> Error {
    Error::Missing {
        at: origin.at(row).column(names.name(j)),
    }
}

/// Checks values, row after row; `original` gives what the file holds at (row, column).
pub(crate) fn finite<F: Float>(
    origin: &Origin,
    names: &Features,
    values: ScalarBuffer<F>,
    original: impl Fn(usize, usize) -> Option<f64>,
) -> Result<ScalarBuffer<F>> {
    let n_cols = names.width();
    // The matrix would count rows from the start of the batch and knows no names, so
    // the first bad value is looked for here.
    let Some(i) = F::first_bad(&values) else {
        return Ok(values);
    };
    let (row, j) = (i / n_cols, i % n_cols);
    let at = origin.at(row).column(names.name(j));
    let value = original(row, j).unwrap_or(f64::NAN);
    Err(if value.is_finite() {
        Error::TooLarge { at, value }
    } else {
        qualm::Error::NotFinite { at, value }.into()
    })
}

/// The width of the first vector.
pub(crate) fn first_width(array: Option<&ArrayRef>, origin: &Origin, name: &str) -> Result<usize> {
    let missing = || Error::Missing {
        at: origin.at(0).column(name),
    };
    let array = array.ok_or_else(missing)?;
    if let DataType::FixedSizeList(_, size) = array.data_type() {
        return Ok(usize::try_from(*size).unwrap_or(0));
    }
    if array.is_null(0) {
        return Err(missing());
    }
    let vectors = numbers::vectors(&array.slice(0, 1), None).map_err(|_| missing())?;
    Ok(vectors.width)
}
