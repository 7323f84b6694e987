"""What stands beside the features of rows: ids, classes, texts, the other columns of a frame."""

from __future__ import annotations

import decimal
import numbers
from collections.abc import Iterable
from typing import Any, Union

import numpy as np

from . import _core
from ._columns import NUMBERS, is_plain
from ._input import exportable

#: Values of a column, as the native half takes them.
Values = Union[np.ndarray, "list[str | None]"]


def split(X: Any, features: _core.Features) -> tuple[Any, _core.Beside]:
    """The rows of a table, or what they are still to be read from, and the columns beside them.

    Those are the columns that are no features of the model that `features` belong to. Only frames
    and tables have any.
    """
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return X, _core.Beside().with_columns(_of_pandas(X, features))
    # An array of Arrow, or a Series, is a column and no table.
    is_arrow = hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__")
    if is_arrow and (hasattr(X, "schema") or hasattr(X, "columns")):
        return _core.Beside.from_arrow(exportable(X), features)
    return X, _core.Beside()


def index(X: Any) -> list[str | None] | None:
    """The index of a pandas frame as texts, unless it only numbers the rows."""
    if not (hasattr(X, "iloc") and hasattr(X, "columns")):
        return None
    found = X.index
    if found.dtype.kind in "iu" and np.array_equal(found.to_numpy(), np.arange(len(X))):
        return None
    # Of an index of several levels, the labels of all of them.
    return [str(label) if isinstance(label, tuple) else written(label) for label in found]


def with_given(
    beside: _core.Beside, what: str, given: Any, n_rows: int
) -> tuple[_core.Beside, str | None]:
    """The columns with one more, and its name: `given` is its values, or the name of one there is.

    `what` is the parameter that it was given as.
    """
    if given is None:
        return beside, None
    known = beside.names
    if isinstance(given, str):
        if given in known:
            return beside, given
        there = f"there are {', '.join(known)}" if known else "X has none"
        raise ValueError(
            f"{what} = {given!r}: expected the name of a column of X that is no feature "
            f"({there}), or the values themselves, one for each row"
        )
    values = list(given)
    if len(values) != n_rows:
        raise ValueError(f"{what} has {len(values)} values, expected {n_rows}: one for each row")
    name = what
    while name in known:
        name += "_"
    return beside.with_columns([(name, texts(values))]), name


def texts(values: Iterable[Any]) -> list[str | None]:
    """Values as texts; None for those that are missing, or have no text."""
    return [written(value) for value in values]


def written(value: Any) -> str | None:
    """A value as text, as columns of files have it; None for a missing one, and for lists, bytes
    and the like."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, numbers.Integral):
        return str(int(value))
    try:
        # NaN, NaT, and pandas' NA, which says neither.
        if value is None or value != value:
            return None
    except (TypeError, ValueError):
        return None
    if isinstance(value, numbers.Real):
        return repr(float(value))
    if isinstance(value, (decimal.Decimal, np.datetime64)):
        return str(value)
    if not hasattr(value, "isoformat"):
        return None
    # Files have milliseconds where these say all.
    text = str(value.isoformat())
    return text[:-3] if "." in text and text.endswith("000") else text


def _of_pandas(frame: Any, features: _core.Features) -> list[tuple[str, Values]]:
    """The columns of a frame that are no features, and hold one value a row."""
    names = [str(label) for label in frame.columns]
    wanted = set(features.columns)
    named = all(isinstance(label, str) for label in frame.columns)
    others = [
        (name, frame.iloc[:, place])
        for place, name in enumerate(names)
        if not (named and name in wanted)
    ]
    firsts = [_first(column) for _, column in others]
    vectors = [isinstance(first, (list, tuple, np.ndarray)) for first in firsts]
    # A model without names takes the vectors, or else all numbers.
    by_place = features.names is None or not named
    takes_numbers = by_place and not any(vectors) and not (named and wanted & set(names))
    return [
        (name, _values(column))
        for (name, column), first in zip(others, firsts)
        if not isinstance(first, (list, tuple, np.ndarray, dict, bytes, bytearray))
        and not (takes_numbers and getattr(column.dtype, "kind", "O") in NUMBERS)
    ]


def _first(column: Any) -> Any:
    """The first value of a column that may hold anything; None of one of numbers."""
    if is_plain(column.dtype):
        return None
    known = column.dropna()
    return known.iloc[0] if len(known) else None


def _values(column: Any) -> Values:
    if not is_plain(column.dtype):
        return texts(column)
    array: np.ndarray = column.to_numpy()
    if array.dtype.kind == "b" or array.dtype in (np.float32, np.float64):
        return np.ascontiguousarray(array)
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype=np.float64)
    if array.dtype == np.uint64:
        return texts(array)
    return np.ascontiguousarray(array, dtype=np.int64)
