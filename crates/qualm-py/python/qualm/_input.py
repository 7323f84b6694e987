"""Conversion of arrays, frames and tables to rows of float32.

This module only chooses how something is read. Which columns are features, the checks, and the
messages about bad values are in the native half.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import _core
from ._adapt import adapt
from ._choice import Choice
from ._columns import (
    Column,
    fits_float32,
    holds_numbers,
    is_number,
    is_plain,
    read_column,
    read_values,
    with_fields,
)

_RESHAPE = (
    "Reshape your data either using array.reshape(-1, 1) if it has a single feature or "
    "array.reshape(1, -1) if it contains a single sample."
)


def rows(
    X: Any,
    features: _core.Features | None = None,
    *,
    treatment: str | None = None,
    choice: Choice | None = None,
) -> _core.Rows:
    """Rows from an array, a frame, an Arrow table or a tensor.

    With the `features` of a model, columns that have names are matched with those it was fitted
    on: their order does not matter, others are ignored, a missing one is an error. `treatment`
    says what a fit does about missing values, categories and dates, as JSON, and `choice` which
    columns it was asked to use.
    """
    if isinstance(X, _core.Rows):
        return X
    X, named = adapt(X)
    if choice is not None and choice.is_empty:
        choice = None
    if choice is not None:
        choice.check_named(X, named)
    treated = treatment is not None or (features is not None and features.treatment is not None)
    if treated:
        return _treated(X, features, named, treatment, choice)
    if isinstance(X, np.ndarray):
        _check_mask(X)
        return _from_array(np.asarray(X), None, features)
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return _from_pandas(X, features, named, choice)
    # Arrays may have Arrow's protocol as well, and give something else by it: xarray's, a long
    # table of one column.
    if hasattr(X, "__array__") and hasattr(X, "dtype"):
        return _from_array(np.asarray(X), None, features)
    if hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__"):
        return _core.Rows.from_arrow(exportable(X, choice), features, named, choice=choice)
    if hasattr(X, "__dlpack__") and not hasattr(X, "__array__"):
        return _from_array(np.from_dlpack(X), None, features)
    return _from_array(np.asarray(X), None, features)


def numbered(n: int) -> list[str]:
    """The names of the columns of an array, where they need any."""
    return [f"x{j}" for j in range(n)]


def _treated(
    X: Any,
    features: _core.Features | None,
    named: bool,
    treatment: str | None,
    choice: Choice | None,
) -> _core.Rows:
    """Rows of columns that may hold more than numbers, by a model's recipe or one to learn."""
    dates = features is not None or bool(treatment and json.loads(treatment)["dates"])
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        _check_shape(X.shape)
        asked = _asked(features if named else None, choice)
        X = with_fields(X, asked)
        labels = [str(label) for label in X.columns]
        unread = set() if choice is None else choice.unread(labels)
        if named and features is not None:
            # Others may hold what cannot be read.
            unread = set(labels).difference(asked)
        read = list(_columns(X, labels, unread, dates))
        return _core.Rows.from_columns(read, len(X), features, True, treatment, choice)
    if not isinstance(X, np.ndarray) and (
        hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__")
    ):
        table = exportable(X, choice)
        return _core.Rows.from_arrow(table, features, True, treatment, choice)
    array = np.asarray(X)
    _check_mask(X if isinstance(X, np.ma.MaskedArray) else array)
    _check_shape(array.shape)
    names = numbered(array.shape[1]) if features is None else features.columns
    if len(names) != array.shape[1]:
        raise ValueError(
            f"X has {array.shape[1]} features, but the model is expecting {len(names)} features "
            f"as input: got {array.shape[1]} columns, expected {len(names)}"
        )
    read = [(name, *read_values(array[:, j])) for j, name in enumerate(names)]
    return _core.Rows.from_columns(read, len(array), features, True, treatment)


def _asked(features: _core.Features | None, choice: Choice | None) -> list[str]:
    """The columns that a model needs, or that are asked for as features."""
    if features is not None:
        return features.columns
    return [] if choice is None else choice.features


def _columns(
    frame: Any, labels: list[Any], unread: set[Any], dates: bool = False
) -> Iterator[tuple[Any, ...]]:
    """The columns of a frame as the native half takes them.

    Of those that are not read, the name alone, for messages, and once: several that nobody asks
    for may share one.
    """
    seen = set()
    for place, label in enumerate(labels):
        name = label if isinstance(label, str) else str(place + 1)
        if label not in unread:
            yield (name, *read_column(frame.iloc[:, place], name, dates))
        elif isinstance(label, str) and label not in seen:
            seen.add(label)
            yield (name, *Column())


def exportable(table: Any, choice: Choice | None = None) -> Any:
    """A table, if it is polars', without what cannot leave it: such columns become text.

    polars exports columns of nulls with a buffer, which Arrow's C interface does not allow, and
    Python's objects not at all; these stay where they are only not asked for.
    """
    polars: Any = sys.modules.get("polars")
    if not polars or not isinstance(table, polars.DataFrame):
        return table
    if polars.Null in table.dtypes:
        table = table.cast({polars.Null: polars.String})
    if choice is None or polars.Object not in table.dtypes:
        return table
    unread = choice.unread(table.columns)
    objects = [name for name in table.columns if table.schema[name] == polars.Object]
    blank = polars.lit(None, polars.String)
    return table.with_columns(blank.alias(name) for name in objects if name in unread)


def _from_pandas(
    frame: Any, features: _core.Features | None, named: bool, choice: Choice | None
) -> _core.Rows:
    _check_shape(frame.shape)
    frame = with_fields(frame, _asked(features if named else None, choice))
    labels = list(frame.columns)
    unread = set() if choice is None else choice.unread(labels)
    # Numbered columns, as DataFrame(array) makes them, are no names.
    read = [label for label in labels if label not in unread]
    texts = [isinstance(label, str) for label in read]
    if not all(texts) and (any(texts) or choice is not None):
        odd = read[texts.index(False)]
        raise TypeError(
            f"column names are of several types, here {odd!r} among texts: make all of them "
            "texts, as in frame.columns = frame.columns.astype(str)"
        )
    named = named and all(texts)
    given, features = features, features if named else None
    wanted = features.columns if features is not None else []
    found = frame.columns.is_unique and set(wanted) <= set(labels)
    if wanted and found:
        labels, frame = wanted, frame[wanted]
    kinds = set(frame.dtypes)
    # The columns of a frame to fit to are looked at one by one.
    alike = found and len(kinds) == 1 and (given is not None or not named)
    if alike and is_plain(kinds.pop()):
        return _from_array(np.asarray(frame.to_numpy()), labels if named else None, given)
    by_number = features is not None and features.names is not None
    columns = []
    for place, column in enumerate(_columns(frame, labels, unread)):
        name, values, *_ = column
        if wanted and found and (values is None or (isinstance(values, list) and by_number)):
            _refuse(frame.iloc[:, place], name)
        columns.append(column)
    return _core.Rows.from_columns(columns, len(frame), given, named, choice=choice)


def _refuse(column: Any, name: Any) -> None:
    """Says which value of a column is no number."""
    for row, value in enumerate(column, start=1):
        if not is_number(value):
            raise ValueError(
                f"input, row {row}, column '{name}': found {value!r}, expected a number"
            )


def _from_array(
    array: np.ndarray, names: list[str] | None, features: _core.Features | None
) -> _core.Rows:
    _check_shape(array.shape)
    kind = array.dtype.kind
    if kind == "c":
        raise ValueError("Complex data not supported: give real numbers")
    if kind in "mM":
        raise ValueError(
            f"found an array of type {array.dtype}, expected numbers; convert it, for example to "
            "days or seconds since a date of your choice"
        )
    if not holds_numbers(array.dtype):
        array = _converted(array)
    if fits_float32(array.dtype):
        values = np.ascontiguousarray(array, dtype=np.float32)
        return _core.Rows.from_float32(values, names)
    # What float64 cannot hold becomes infinite, and is then refused.
    with np.errstate(over="ignore"):
        doubles = np.ascontiguousarray(array, dtype=np.float64)
    return _core.Rows.from_float64(doubles, names, features)


def _converted(array: np.ndarray) -> np.ndarray:
    """An array of objects or of text as float64."""
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        for (row, place), value in np.ndenumerate(array):
            try:
                float(value)
            except (TypeError, ValueError) as error:
                raise type(error)(
                    f"input, row {row + 1}, column '{place + 1}': found {value!r}, expected a "
                    f"number: {error}"
                ) from None
        raise


def _check_mask(array: np.ndarray) -> None:
    """Refuses masked values, which NumPy would hand over as if there were no mask."""
    if np.ma.is_masked(array):
        _check_shape(array.shape)
        row, place = np.argwhere(np.ma.getmaskarray(array))[0]
        raise ValueError(
            f"input, row {row + 1}, column '{place + 1}': found a masked value, expected a "
            "number; fill it with .filled(), or remove such rows first"
        )


def _check_shape(shape: Any) -> None:
    if len(shape) != 2:
        found = "a scalar" if not shape else f"{len(shape)} dimension(s), shape {tuple(shape)}"
        raise ValueError(f"Expected a 2D array of rows and columns, found {found}. {_RESHAPE}")
    for count, unit in ((shape[1], "feature(s)"), (shape[0], "sample(s)")):
        if count == 0:
            raise ValueError(
                f"Found array with 0 {unit} (shape={tuple(shape)}) while a minimum of 1 is "
                "required."
            )
