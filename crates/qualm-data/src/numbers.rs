//! Arrow columns to plain numbers.
//!
//! Conversion itself never fails: what does not fit float32 becomes infinite, and the
//! one check of the finished matrix finds it. Only then is the original looked up.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, types::Decimal256Type};
use arrow_buffer::{ArrowNativeType, ScalarBuffer};
use arrow_schema::DataType;
use qualm::{Rows, first_beyond_float32};

/// Rows that are interleaved at a time: with 64 columns they fill half of a first-level
/// cache.
const BLOCK_ROWS: usize = 64;

/// A float that numbers are converted to.
pub(crate) trait Float: ArrowNativeType {
    /// The Arrow type that holds it.
    type Arrow: ArrowPrimitiveType<Native = Self>;

    fn of_f64(value: f64) -> Self;
    fn of_f32(value: f32) -> Self;
    /// The first value that no row may hold, counted from 0.
    fn first_bad(values: &[Self]) -> Option<usize>;
    /// A total order.
    fn order(self, other: Self) -> Ordering;
}

impl Float for f32 {
    type Arrow = Float32Type;

    fn of_f64(value: f64) -> Self {
        value as Self
    }
    fn of_f32(value: f32) -> Self {
        value
    }
    fn first_bad(values: &[Self]) -> Option<usize> {
        Rows::first_not_finite(values)
    }
    fn order(self, other: Self) -> Ordering {
        self.total_cmp(&other)
    }
}

impl Float for f64 {
    type Arrow = Float64Type;

    fn of_f64(value: f64) -> Self {
        value
    }
    fn of_f32(value: f32) -> Self {
        Self::from(value)
    }
    fn first_bad(values: &[Self]) -> Option<usize> {
        first_beyond_float32(values)
    }
    fn order(self, other: Self) -> Ordering {
        self.total_cmp(&other)
    }
}

/// Whether float32 holds every number of this type exactly.
pub(crate) fn fits_float32(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float32
        | DataType::Float16
        | DataType::Int8
        | DataType::Int16
        | DataType::UInt8
        | DataType::UInt16
        | DataType::Boolean => true,
        DataType::Dictionary(_, value) => fits_float32(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            fits_float32(item.data_type())
        }
        _ => false,
    }
}

/// The numbers of `array` as floats of one type; those that are of that type already are shared,
/// not copied. Nulls give any value: the caller has refused them.
pub(crate) fn floats<F: Float>(array: &dyn Array) -> ScalarBuffer<F> {
    if let Some(same) = array.as_primitive_opt::<F::Arrow>() {
        return same.values().clone();
    }
    let mut values = vec![F::default(); array.len()];
    write(array, &mut values);
    values.into()
}

/// Columns of `n` numbers each to `n` rows.
pub(crate) fn interleave<F: Float>(columns: &[ScalarBuffer<F>], n: usize) -> Vec<F> {
    let width = columns.len().max(1);
    let mut rows = vec![F::default(); n * width];
    // Block by block: a column at a time would go through all of the rows, and through the
    // caches, once for each column.
    for (start, block) in (0..n)
        .step_by(BLOCK_ROWS)
        .zip(rows.chunks_mut(BLOCK_ROWS * width))
    {
        for (j, column) in columns.iter().enumerate() {
            let values = column.get(start..).unwrap_or_default();
            let cells = block.get_mut(j..).unwrap_or_default();
            for (cell, value) in cells.iter_mut().step_by(width).zip(values) {
                *cell = *value;
            }
        }
    }
    rows
}

/// Writes the numbers of `array` to `out`. Nulls give any value: the caller has refused
/// them. Returns `false` for a type that holds no numbers.
pub(crate) fn write<F: Float>(array: &dyn Array, out: &mut [F]) -> bool {
    macro_rules! each {
        ($ty:ty, $number:expr) => {{
            let number = $number;
            for (v, out) in array
                .as_primitive::<$ty>()
                .values()
                .iter()
                .zip(out.iter_mut())
            {
                *out = F::of_f64(number(*v as f64));
            }
            true
        }};
    }
    macro_rules! exact {
        ($ty:ty) => {
            each!($ty, |v: f64| v)
        };
    }
    // The scale of a decimal is a power of ten; dividing by it rounds once, as parsing
    // the printed number would.
    macro_rules! decimal {
        ($ty:ty, $scale:expr) => {{
            let unit = 10f64.powi(i32::from($scale));
            each!($ty, |v: f64| v / unit)
        }};
    }
    match array.data_type() {
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            for (v, out) in values.iter().zip(out) {
                *out = F::of_f32(*v);
            }
            true
        }
        DataType::Float64 => exact!(Float64Type),
        DataType::Float16 => {
            let values = array.as_primitive::<Float16Type>().values();
            for (v, out) in values.iter().zip(out.iter_mut()) {
                *out = F::of_f32(v.to_f32());
            }
            true
        }
        DataType::Int8 => exact!(Int8Type),
        DataType::Int16 => exact!(Int16Type),
        DataType::Int32 => exact!(Int32Type),
        DataType::Int64 => exact!(Int64Type),
        DataType::UInt8 => exact!(UInt8Type),
        DataType::UInt16 => exact!(UInt16Type),
        DataType::UInt32 => exact!(UInt32Type),
        DataType::UInt64 => exact!(UInt64Type),
        DataType::Boolean => {
            let values = array.as_boolean().values();
            for (v, out) in values.iter().zip(out.iter_mut()) {
                *out = F::of_f32(f32::from(u8::from(v)));
            }
            true
        }
        DataType::Decimal32(_, scale) => decimal!(Decimal32Type, *scale),
        DataType::Decimal64(_, scale) => decimal!(Decimal64Type, *scale),
        DataType::Decimal128(_, scale) => decimal!(Decimal128Type, *scale),
        DataType::Decimal256(..) => {
            let values = array.as_primitive::<Decimal256Type>();
            for (i, out) in out.iter_mut().enumerate().take(array.len()) {
                *out = F::of_f64(values.value_as_string(i).parse().unwrap_or(f64::NAN));
            }
            true
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            arrow_select::take::take(dictionary.values(), dictionary.keys(), None)
                .is_ok_and(|plain| write(&plain, out))
        }
        _ => false,
    }
}

/// One value as float64, however it is stored.
pub(crate) fn value_at(array: &dyn Array, row: usize) -> Option<f64> {
    let mut out = [f64::NAN];
    (row < array.len() && write(&array.slice(row, 1), &mut out)).then_some(out[0])
}

/// The first null, counting a dictionary key that points at a null value.
pub(crate) fn first_null(array: &dyn Array) -> Option<usize> {
    let nulls = array.logical_nulls()?;
    if nulls.null_count() == 0 {
        return None;
    }
    (0..array.len()).find(|&i| nulls.is_null(i))
}

/// A list column seen as one run of values: `n_rows * width` of them.
#[derive(Debug)]
pub(crate) struct Vectors {
    /// All values, row after row.
    pub(crate) values: ArrayRef,
    /// Values a row.
    pub(crate) width: usize,
}

/// Why a list column is no matrix.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotVectors {
    /// The row (from 0) whose list is shorter or longer than `expected`.
    Ragged {
        row: usize,
        found: usize,
        expected: usize,
    },
    /// Not a list column at all.
    NotAList,
}

/// Views a list column without nulls as a matrix of `width` columns, or of its first
/// row's width.
pub(crate) fn vectors(array: &dyn Array, width: Option<usize>) -> Result<Vectors, NotVectors> {
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets().iter().map(|&o| o as usize);
            flat(list.values(), offsets, width)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.value_offsets().iter().map(|&o| o as usize);
            flat(list.values(), offsets, width)
        }
        DataType::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            let size = usize::try_from(*size).unwrap_or(0);
            if let Some(expected) = width
                && expected != size
            {
                return Err(NotVectors::Ragged {
                    row: 0,
                    found: size,
                    expected,
                });
            }
            Ok(Vectors {
                values: list
                    .values()
                    .slice(list.value_offset_at(0), list.len() * size),
                width: size,
            })
        }
        _ => Err(NotVectors::NotAList),
    }
}

fn flat(
    values: &ArrayRef,
    mut offsets: impl Iterator<Item = usize>,
    mut width: Option<usize>,
) -> Result<Vectors, NotVectors> {
    let start = offsets.next().unwrap_or(0);
    let mut end = start;
    for (row, next) in offsets.enumerate() {
        let found = next - end;
        let expected = *width.get_or_insert(found);
        if found != expected {
            return Err(NotVectors::Ragged {
                row,
                found,
                expected,
            });
        }
        end = next;
    }
    Ok(Vectors {
        values: values.slice(start, end - start),
        width: width.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::{
        BooleanArray, Decimal128Array, Decimal256Array, DictionaryArray, FixedSizeListArray,
        Float32Array, Int64Array, ListArray, PrimitiveArray, UInt64Array, types::Int8Type as Key,
    };
    use arrow_schema::Field;
    use half::f16;

    fn f64s(array: &dyn Array) -> Vec<f64> {
        let mut out = vec![0.0; array.len()];
        assert!(write(array, &mut out));
        out
    }

    #[test]
    fn every_numeric_type_converts() {
        assert_eq!(
            f64s(&Int64Array::from(vec![-3, i64::MAX])),
            [-3.0, i64::MAX as f64]
        );
        assert_eq!(f64s(&UInt64Array::from(vec![u64::MAX])), [u64::MAX as f64]);
        assert_eq!(f64s(&BooleanArray::from(vec![true, false])), [1.0, 0.0]);
        let half = PrimitiveArray::<Float16Type>::from_iter_values([f16::from_f32(1.5)]);
        assert_eq!(f64s(&half), [1.5]);
        let decimal = Decimal128Array::from(vec![12345])
            .with_precision_and_scale(10, 2)
            .unwrap();
        assert_eq!(f64s(&decimal), [123.45]);
        let wide = Decimal256Array::from_iter_values([arrow_array_i256(-25)])
            .with_precision_and_scale(40, 1)
            .unwrap();
        assert_eq!(f64s(&wide), [-2.5]);
        let keys = PrimitiveArray::<Key>::from(vec![1, 0, 1]);
        let values: ArrayRef = Arc::new(Float32Array::from(vec![0.5, 2.0]));
        assert_eq!(f64s(&DictionaryArray::new(keys, values)), [2.0, 0.5, 2.0]);
    }

    fn arrow_array_i256(v: i128) -> <Decimal256Type as arrow_array::ArrowPrimitiveType>::Native {
        <Decimal256Type as arrow_array::ArrowPrimitiveType>::Native::from_i128(v)
    }

    #[test]
    fn columns_interleave_to_rows() {
        for (n, width) in [(1, 1), (1, 5), (63, 3), (64, 2), (200, 7)] {
            let column = |j: usize| (0..n).map(|i| (10 * i + j) as f32).collect();
            let columns: Vec<ScalarBuffer<f32>> = (0..width).map(column).collect();
            let rows = interleave(&columns, n);
            assert_eq!(rows.len(), n * width);
            for (k, value) in rows.iter().enumerate() {
                assert_eq!(*value, (10 * (k / width) + k % width) as f32);
            }
        }
    }

    #[test]
    fn float32_is_shared_and_the_rest_converted() {
        let array = Float32Array::from(vec![1.0, 2.0, 3.0]);
        let tail = array.slice(1, 2);
        assert_eq!(floats::<f32>(&tail).as_ptr(), array.values()[1..].as_ptr());
        assert_eq!(
            floats::<f32>(&Int64Array::from(vec![4, -5])).as_ref(),
            [4.0, -5.0]
        );
    }

    #[test]
    fn sliced_lists_are_seen_from_their_own_start() {
        let list = ListArray::from_iter_primitive::<Float32Type, _, _>([
            Some(vec![Some(1.0), Some(2.0)]),
            Some(vec![Some(3.0), Some(4.0)]),
            Some(vec![Some(5.0)]),
        ]);
        let two = vectors(&list.slice(1, 1), None).unwrap();
        assert_eq!((two.width, f64s(&two.values)), (2, vec![3.0, 4.0]));
        assert_eq!(
            vectors(&list, None).unwrap_err(),
            NotVectors::Ragged {
                row: 2,
                found: 1,
                expected: 2
            }
        );
        let fixed = FixedSizeListArray::new(
            Arc::new(Field::new("item", DataType::Float32, false)),
            2,
            Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0, 4.0])),
            None,
        );
        assert_eq!(
            f64s(&vectors(&fixed.slice(1, 1), Some(2)).unwrap().values),
            [3.0, 4.0]
        );
        assert!(vectors(&fixed, Some(3)).is_err());
    }

    #[test]
    fn nulls_behind_dictionary_keys_count() {
        let values: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.0), None]));
        let dictionary = DictionaryArray::new(PrimitiveArray::<Key>::from(vec![0, 1]), values);
        assert_eq!(first_null(&dictionary), Some(1));
        assert_eq!(value_at(&dictionary, 0), Some(1.0));
    }
}
