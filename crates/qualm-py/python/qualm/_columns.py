"""The columns of pandas frames: numbers, vectors, texts, or what they hold in words."""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

#: Kinds of NumPy's types that hold one real number.
NUMBERS = "fiub"

_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}

#: What objects are, in the words of columns of files.
_WORDS = (
    (datetime.datetime, "date and time"),
    (datetime.date, "date"),
    (datetime.time, "time of day"),
    (datetime.timedelta, "duration"),
    ((bytes, bytearray), "bytes"),
    (dict, "records of several fields"),
    ((list, tuple, np.ndarray), "lists"),
    (complex, "complex numbers"),
)


class Column(NamedTuple):
    """What a column holds."""

    #: Its numbers, missing ones as NaN, or its texts, missing ones as None.
    values: np.ndarray | list[str | None] | None = None
    #: Where each row holds a vector, how many of the numbers are the row's.
    lengths: list[int | None] | None = None
    #: What it holds where that is neither.
    words: str | None = None


def is_plain(dtype: Any) -> bool:
    """Whether NumPy holds one real number a row."""
    return isinstance(dtype, np.dtype) and dtype.kind in NUMBERS


def fits_float32(dtype: np.dtype) -> bool:
    """Whether float32 holds all numbers of a type: bfloat16 and float8 of ml_dtypes as well, of
    which NumPy knows only how to convert them."""
    return np.can_cast(dtype, np.float32, "safe")


def holds_numbers(dtype: np.dtype) -> bool:
    return dtype.kind in NUMBERS or fits_float32(dtype)


def is_number(value: Any) -> bool:
    return isinstance(value, (numbers.Real, decimal.Decimal, np.bool_))


def read_values(values: np.ndarray) -> Column:
    """What a column of an array holds: numbers, texts, or something else."""
    if holds_numbers(values.dtype):
        return Column(_floats(np.ascontiguousarray(values)))
    if values.dtype.kind == "U":
        return Column([str(value) for value in values])
    if values.dtype.kind == "M":
        return Column(_iso(values))
    known = [value for value in values if not _is_missing(value)]
    if not known:
        return Column(np.full(len(values), np.nan))
    if all(map(is_number, known)):
        return Column(
            np.array([np.nan if _is_missing(value) else float(value) for value in values])
        )
    if all(isinstance(value, str) for value in known):
        return Column([None if _is_missing(value) else value for value in values])
    if all(isinstance(value, datetime.date) for value in known):
        return Column([None if _is_missing(value) else value.isoformat() for value in values])
    return Column(words=_words(next(value for value in known if not is_number(value))))


def _is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA, which is neither equal nor unequal to itself."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:
        return True


def _iso(times: np.ndarray) -> list[str | None]:
    """Times of NumPy as ISO 8601 has them; None for NaT."""
    texts = np.datetime_as_string(times)
    return [None if text == "NaT" else str(text) for text in texts]


def read_column(column: Any, name: str, dates: bool = False) -> Column:
    """What a pandas column holds; dates as text, if they are to be read.

    Text, categories of text, dates and durations have no numbers. A column of objects has some
    if all of them are numbers, or all of them vectors of numbers.
    """
    if column.dtype.kind == "c":
        raise ValueError(f"input, column '{name}': Complex data not supported: give real numbers")
    if is_plain(column.dtype):
        return Column(_floats(column.to_numpy()))
    # pandas has types of its own for numbers that may be missing, and for categories.
    values = getattr(column, "cat", column)
    kind = column.dtype.kind if values is column else values.categories.dtype.kind
    if kind in NUMBERS:
        return Column(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if kind == "M" and dates and values is column:
        there = column.notna()
        return Column([t.isoformat() if known else None for t, known in zip(column, there)])
    if kind in "mM":
        return Column(words=_time(column.dtype if values is column else values.categories.dtype))
    # Text of Arrow's type is of kind U.
    if kind not in "OU":
        return Column(words=str(column.dtype))
    there = column.notna().to_numpy()
    objects = column.to_numpy(dtype=object)
    known = objects[there]
    if not len(known):
        return Column(words="nothing but nulls")
    if dates and all(isinstance(value, datetime.date) for value in known):
        return Column([t.isoformat() if row else None for row, t in zip(there, objects)])
    if isinstance(known[0], (list, tuple, np.ndarray)):
        return _vectors(known, there)
    if all(map(is_number, known)):
        found = np.full(len(objects), np.nan)
        found[there] = known.astype(np.float64)
        return Column(found)
    if all(isinstance(value, str) for value in known):
        return Column([value if row else None for value, row in zip(objects, there)])
    return Column(words=_words(next(value for value in known if not is_number(value))))


def with_fields(frame: Any, names: Iterable[str]) -> Any:
    """A frame, and beside its columns those fields of records that are asked for, as `a.b`."""
    labels = set(frame.columns) if frame.columns.is_unique else set()
    inner = {}
    for name in names:
        parts = [] if name in labels else name.split(".")
        for n in range(1, len(parts)):
            root, path = ".".join(parts[:n]), ".".join(parts[n:])
            if root in labels:
                values = frame[root].map(partial(_field, path=path))
                if values.notna().any():
                    inner[name] = values
    return frame.assign(**inner) if inner else frame


def _field(record: Any, path: str) -> Any:
    """A field of a record, or of a record in it; None where there is none."""
    if not isinstance(record, Mapping):
        return None
    if path in record:
        return record[path]
    name, _, rest = path.partition(".")
    return _field(record.get(name), rest) if rest else None


def _vectors(known: np.ndarray, there: np.ndarray) -> Column:
    """The numbers of a column of vectors, one after another, and how many each row has."""
    for row, vector in zip(np.flatnonzero(there) + 1, known):
        if not isinstance(vector, (list, tuple, np.ndarray)):
            return Column(words=f"lists, but {_words(vector)} in row {row}")
    try:
        parts = [np.asarray(vector) for vector in known]
        values = np.concatenate(parts)
    except ValueError:
        # Lists of lists.
        return Column(words="lists")
    if values.ndim != 1 or not holds_numbers(values.dtype):
        return Column(words="lists")
    lengths = map(len, parts)
    return Column(_floats(values), [next(lengths) if row else None for row in there])


def _floats(values: np.ndarray) -> np.ndarray:
    """float32 as it is, everything else as float64."""
    return np.asarray(values, dtype=np.float32 if values.dtype == np.float32 else np.float64)


def _time(dtype: Any) -> str:
    """Dates with a time of day, and durations, with their unit."""
    what = "date and time" if dtype.kind == "M" else "duration"
    arrow = getattr(dtype, "pyarrow_dtype", None)
    if arrow is not None and not hasattr(arrow, "unit"):
        return "date"
    unit = getattr(dtype, "unit", None) or getattr(arrow, "unit", None)
    unit = unit or np.datetime_data(dtype)[0]
    zone = getattr(dtype, "tz", None) or getattr(arrow, "tz", None)
    return f"{what} ({_UNITS.get(unit, unit)}{f', {zone}' if zone else ''})"


def _words(value: Any) -> str:
    """What one object is."""
    if isinstance(value, str):
        return "text"
    for kinds, words in _WORDS:
        if isinstance(value, kinds):
            return words
    return type(value).__name__
