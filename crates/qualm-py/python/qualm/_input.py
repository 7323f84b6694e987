"""What users hand over, as rows of float32.

Everything here decides *how* something is read; reading, checking and naming bad values is the
native half's work.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core

_RESHAPE = (
    "Reshape your data either using array.reshape(-1, 1) if it has a single feature or "
    "array.reshape(1, -1) if it contains a single sample."
)


def rows(X: Any, model: _core.Model | None = None) -> _core.Rows:
    """Rows from an array, a frame, an Arrow table or a tensor.

    With a `model`, columns that have names are matched with those it was fitted on: their order
    does not matter, others are ignored, a missing one is an error.
    """
    if isinstance(X, _core.Rows):
        return X
    if isinstance(X, np.ndarray):
        return _from_array(np.asarray(X), None)
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return _from_pandas(X, model)
    if hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__"):
        return _core.Rows.from_arrow(X, model)
    if hasattr(X, "toarray"):
        raise TypeError(
            f"a sparse matrix of type {type(X).__name__} was passed, but dense rows are "
            "required; convert it with .toarray()"
        )
    if hasattr(X, "__dlpack__") and not hasattr(X, "__array__"):
        return _from_array(np.from_dlpack(X), None)
    return _from_array(np.asarray(X), None)


def _from_pandas(frame: Any, model: _core.Model | None) -> _core.Rows:
    names = list(frame.columns)
    if not names:
        _check_shape(frame.shape)
    if not all(isinstance(name, str) for name in names):
        # Numbered columns, as DataFrame(array) makes them, are no names.
        return _from_array(_numbers(frame, names), None)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"input, column '{twice[0]}': the name stands more than once")
    expected = model.names if model is not None else None
    if expected is not None:
        missing = [name for name in expected if name not in set(names)]
        if missing:
            raise ValueError(
                f"input: {len(missing)} of the columns needed are missing: "
                f"{', '.join(map(repr, missing))}; the frame has {', '.join(map(repr, names))}; "
                "add or rename them"
            )
        names = expected
        frame = frame[names]
    return _from_array(_numbers(frame, names), names)


def _numbers(frame: Any, names: list[Any]) -> np.ndarray:
    """A pandas frame as an array, its missing values as NaN."""
    if all(kind.kind in "fiub" and isinstance(kind, np.dtype) for kind in frame.dtypes):
        return np.asarray(frame.to_numpy())
    columns = []
    for name in names:
        column = frame[name]
        try:
            columns.append(column.to_numpy(dtype=np.float64, na_value=np.nan))
        except (TypeError, ValueError):
            _refuse(column, name)
            raise
    return np.column_stack(columns)


def _refuse(column: Any, name: Any) -> None:
    """Says which value of a column is no number."""
    for row, value in enumerate(column, start=1):
        try:
            float(value)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"input, row {row}, column '{name}': found {value!r}, expected a number: {error}"
            ) from None


def _from_array(array: np.ndarray, names: list[str] | None) -> _core.Rows:
    _check_shape(array.shape)
    kind = array.dtype.kind
    if kind == "c":
        raise ValueError("Complex data not supported: give real numbers")
    if kind not in "fiub":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            for place in range(array.shape[1]):
                _refuse(array[:, place], place + 1)
            raise
    # What float32 cannot hold becomes infinite, and is then refused with its value.
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(array, dtype=np.float32)
    return _core.Rows.from_numpy(values, names, None if values is array else array)


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
