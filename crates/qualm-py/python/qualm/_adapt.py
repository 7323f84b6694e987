"""What is no table, made one where its meaning is plain, or refused with the line that does it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np


def adapt(X: Any) -> tuple[Any, bool]:
    """Something that can be read as rows, and whether its columns have names.

    Columns of vectors (a Series, an Arrow array) are rows, tensors are detached and, where NumPy
    lacks their type, converted to float32.
    """
    if isinstance(X, (np.ndarray, list, tuple)):
        return X, True
    if X is None or isinstance(X, (str, bytes, os.PathLike, Mapping)):
        raise TypeError(_what_to_do(X))
    kind = type(X)
    root = kind.__module__.partition(".")[0]
    late = _LAZY.get(root)
    # An array of dask computes itself when NumPy asks for it.
    if late and hasattr(X, late) and not (hasattr(X, "__array__") and hasattr(X, "dtype")):
        raise TypeError(
            f"a {root} {kind.__name__} holds no rows yet: pass what its .{late}() gives"
        )
    if root == "torch":
        return _from_torch(X), True
    if root == "pandas" and hasattr(X, "to_frame") and not hasattr(X, "columns"):
        return _from_series(X, X.name)
    if root == "polars" and hasattr(X, "to_frame"):
        return _from_series(X, X.name)
    if root == "pyarrow" and not hasattr(X, "schema"):
        pyarrow: Any = sys.modules["pyarrow"]
        if isinstance(X, (pyarrow.Array, pyarrow.ChunkedArray)):
            _check_vectors(pyarrow.types.is_nested(X.type), f"a pyarrow {kind.__name__}")
            return pyarrow.table({"vectors": X}), False
    return X, True


#: How those who compute late are made to.
_LAZY = {"dask": "compute", "dask_expr": "compute", "polars": "collect", "pyspark": "toPandas"}


def _what_to_do(X: Any) -> str:
    if X is None:
        return "Expected a 2D array of rows and columns, found None"
    if isinstance(X, Mapping):
        return (
            "Expected a 2D array of rows and columns, found a dict: make a frame of its columns, "
            "as in pandas.DataFrame(columns) or polars.DataFrame(columns)"
        )
    return (
        f"Expected a 2D array of rows and columns, found {str(X)[:60]!r}: read the file first, as "
        "in numpy.load, pandas.read_csv or polars.read_parquet"
    )


def _from_torch(tensor: Any) -> Any:
    torch: Any = sys.modules["torch"]
    if not isinstance(tensor, torch.Tensor):
        return tensor
    if tensor.is_sparse or tensor.device.type != "cpu":
        where = "sparse" if tensor.is_sparse else f"on {tensor.device}"
        method = "to_dense" if tensor.is_sparse else "cpu"
        raise TypeError(f"a tensor {where} cannot be read: pass what its .{method}() gives")
    tensor = tensor.detach()
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor


def _from_series(series: Any, name: Any) -> tuple[Any, bool]:
    """A Series of vectors as a frame of one column."""
    known = series.dropna() if hasattr(series, "dropna") else series.drop_nulls()
    first = known.iloc[0] if hasattr(known, "iloc") and len(known) else None
    nested = getattr(series.dtype, "is_nested", lambda: False)()
    vectors = nested or isinstance(first, (list, tuple, np.ndarray))
    _check_vectors(vectors, f"a Series of {series.dtype}")
    named = isinstance(name, str) and bool(name)
    return series.rename(name if named else "vectors").to_frame(), named


def _check_vectors(vectors: bool, what: str) -> None:
    if not vectors:
        raise ValueError(
            f"Expected a 2D array of rows and columns, found {what}, one value a row: if it is a "
            "single feature, make a frame of it"
        )
