"""What is no table, made one where its meaning is plain, or refused with the line that does it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ._errors import warn

_EXPECTED = "Expected a 2D array of rows and columns, found"


def adapt(X: Any) -> tuple[Any, bool]:
    """Something that can be read as rows, and whether its columns have names.

    Columns of vectors (a Series, an Arrow array, an array of arrays) are rows, tensors are
    detached and, where NumPy lacks their type, converted to float32.
    """
    if isinstance(X, np.ndarray):
        return from_array(X), True
    if isinstance(X, (list, tuple)):
        return from_list(X), True
    if X is None or isinstance(X, (str, bytes, os.PathLike, Mapping)):
        raise TypeError(what_to_do(X))
    kind = type(X)
    root = kind.__module__.partition(".")[0]
    if root == "polars" and hasattr(X, "collect"):
        return X.collect(), True
    late = _LATE.get(root)
    # An array of dask computes itself when NumPy asks for it.
    if late and hasattr(X, late) and (hasattr(X, "to_frame") or not _is_array(X)):
        raise TypeError(f"a {root} {kind.__name__} holds no rows yet: give X.{late}() instead")
    if is_tensor(X):
        return from_tensor(X), True
    if not hasattr(X, "__array__") and not _is_on_cpu(X):
        raise TypeError(f"a {root} {kind.__name__} is not in the memory of the CPU: copy it there")
    if hasattr(X, "__cuda_array_interface__") and hasattr(X, "get"):
        raise TypeError(f"a {root} {kind.__name__} on a GPU cannot be read: give X.get() instead")
    if root == "polars" and hasattr(X, "to_frame"):
        if str(X.dtype) == "Object":
            return from_array(X.to_numpy()), True
        return _from_series(X, X.name)
    if hasattr(X, "iloc") and hasattr(X, "to_frame") and not hasattr(X, "columns"):
        return _from_series(X, X.name)
    if root == "pyarrow" and not hasattr(X, "schema"):
        pyarrow: Any = sys.modules["pyarrow"]
        if isinstance(X, (pyarrow.Array, pyarrow.ChunkedArray)):
            held = getattr(X.type, "storage_type", X.type)
            # Older ones of pyarrow do not count lists of a fixed size as nested.
            nested = pyarrow.types.is_nested(held) or pyarrow.types.is_fixed_size_list(held)
            _check_vectors(nested, f"a pyarrow {kind.__name__}", "pyarrow.table({'name': X})")
            return pyarrow.table({"vectors": X}), False
    protocols = ("__arrow_c_stream__", "__arrow_c_array__")
    if root in ("polars", "pyarrow") and hasattr(X, "schema") and not _has_any(X, protocols):
        # NumPy would read it, without the names of its columns.
        raise TypeError(
            f"this {root} {kind.__name__} lacks the Arrow PyCapsule interface: update {root} "
            "(polars 1.5 and pyarrow 15 have it), or give X.to_pandas() instead"
        )
    if _is_one_by_one(X):
        raise TypeError(
            f"{_EXPECTED} a {kind.__name__}, which gives its items one by one: collect them "
            "first, as in numpy.stack(list(X)) for rows, numpy.column_stack(list(X)) for columns, "
            "or numpy.concatenate(list(X)) for batches of rows"
        )
    return X, True


#: How those who compute late are made to.
_LATE = {"dask": "compute", "dask_expr": "compute", "pyspark": "toPandas"}

#: What reads a file, by how its name ends.
_READERS = {
    "csv": "pandas.read_csv({})",
    "tsv": "pandas.read_csv({}, sep='\\t')",
    "parquet": "pandas.read_parquet({})",
    "pq": "pandas.read_parquet({})",
    "feather": "pandas.read_feather({})",
    "arrow": "pandas.read_feather({})",
    "jsonl": "pandas.read_json({}, lines=True)",
    "npy": "numpy.load({})",
    "npz": "numpy.load({})['NAME']",
}


def what_to_do(X: Any) -> str:
    """Why something holds no rows, and the line that makes them of it."""
    if X is None:
        return f"{_EXPECTED} None"
    if isinstance(X, Mapping):
        return (
            f"{_EXPECTED} a {type(X).__name__}: make a frame of its columns, as in "
            "pandas.DataFrame(X) or polars.DataFrame(X), or an array, as in "
            "numpy.column_stack(list(X.values()))"
        )
    if isinstance(X, bytes):
        return f"{_EXPECTED} bytes: read them first, as in numpy.frombuffer(X).reshape(-1, 64)"
    path = os.fspath(X)
    shown = repr(path if len(path) <= 60 else f"{path[:57]}...")
    reader = _READERS.get(str(path).lower().rpartition(".")[2])
    as_in = "numpy.load, pandas.read_csv or polars.read_parquet"
    return f"{_EXPECTED} {shown}: read the file first, as in " + (
        reader.format(shown) if reader else as_in
    )


def _has_any(X: Any, names: tuple[str, ...]) -> bool:
    return any(hasattr(X, name) for name in names)


def _is_array(X: Any) -> bool:
    return hasattr(X, "__array__") and hasattr(X, "dtype")


def _is_one_by_one(X: Any) -> bool:
    """Whether there is nothing to do with it but to iterate, as with a generator."""
    arrays = ("__array__", "__array_interface__", "__dlpack__", "__getitem__")
    frames = ("__arrow_c_stream__", "__arrow_c_array__", "iloc")
    return isinstance(X, Iterable) and not _has_any(X, (*arrays, *frames))


# ---- tensors ------------------------------------------------------------------------------


def is_tensor(X: Any) -> bool:
    """Whether it is a tensor of torch, or of what has its protocol."""
    return all(hasattr(X, name) for name in ("detach", "numpy", "requires_grad", "device"))


def from_tensor(tensor: Any) -> np.ndarray:
    """The array of a tensor on the CPU, which lies where the tensor does if it is of float32."""
    if getattr(tensor, "is_sparse", False) or "sparse" in str(getattr(tensor, "layout", "")):
        raise TypeError("a sparse tensor cannot be read: give X.to_dense() instead")
    if getattr(tensor.device, "type", tensor.device) != "cpu":
        raise TypeError(f"a tensor on {tensor.device} cannot be read: give X.cpu() instead")
    if tensor.requires_grad:
        warn(
            "the tensor requires a gradient and is detached: scores have none; give X.detach() to "
            "say so"
        )
        tensor = tensor.detach()
    # NumPy has none of these types; float32 holds all of their numbers.
    if str(tensor.dtype).rpartition(".")[2].startswith(("bfloat", "float8", "float4")):
        tensor = tensor.float()
    array: np.ndarray = tensor.numpy()
    return array


def _is_on_cpu(X: Any) -> bool:
    """Whether DLPack, if it has that, finds it in memory that the CPU reads."""
    if not hasattr(X, "__dlpack_device__"):
        return True
    # The CPU's own, and what CUDA and ROCm pin for it or share with it.
    return X.__dlpack_device__()[0] in (1, 3, 11, 13)


# ---- vectors ------------------------------------------------------------------------------


def from_array(array: np.ndarray) -> np.ndarray:
    """An array as it is; one of arrays or lists as the rows that these are."""
    if array.dtype != object or array.ndim != 1 or not len(array):
        return array
    if not isinstance(next((v for v in array if v is not None), None), (list, tuple, np.ndarray)):
        return array
    return from_list(list(array))


def from_list(rows: Sequence[Any]) -> np.ndarray:
    """The array of a list of rows."""
    first = rows[0] if rows else None
    if isinstance(first, Mapping):
        raise TypeError(
            f"{_EXPECTED} a {type(rows).__name__} of {type(first).__name__}: make a frame of it, "
            "as in pandas.DataFrame(X) or polars.DataFrame(X)"
        )
    if is_tensor(first):
        rows = [from_tensor(row) if is_tensor(row) else row for row in rows]
    try:
        return np.asarray(rows)
    except ValueError:
        _refuse_ragged(rows)
        raise


def _refuse_ragged(rows: Sequence[Any]) -> None:
    """Says which row is the first that is none, or of another length, if it is that."""
    expected = next((len(row) for row in rows if _is_row(row)), 0)
    for number, row in enumerate(rows, start=1):
        if not _is_row(row):
            found = "a missing value" if row is None else repr(row)
        elif len(row) != expected:
            found = f"{len(row)} value{'' if len(row) == 1 else 's'}"
        else:
            continue
        raise ValueError(
            f"input, row {number}: found {found}, expected a row of {expected} values; all rows "
            "need the same length, these are inhomogeneous"
        ) from None


def _is_row(row: Any) -> bool:
    return hasattr(row, "__len__") and not isinstance(row, (str, bytes, Mapping))


def _from_series(series: Any, name: Any) -> tuple[Any, bool]:
    """A Series of vectors as a frame of one column."""
    known = series.dropna() if hasattr(series, "dropna") else series.drop_nulls()
    first = next(iter(known), None)
    nested = getattr(series.dtype, "is_nested", lambda: False)()
    # CSV files have vectors as text.
    written = isinstance(first, str) and first.lstrip().startswith("[")
    vectors = nested or written or isinstance(first, (list, tuple, np.ndarray))
    _check_vectors(vectors, f"a Series of {series.dtype}", "X.to_frame()")
    named = isinstance(name, str) and bool(name)
    return series.rename(name if named else "vectors").to_frame(), named


def _check_vectors(vectors: bool, what: str, frame: str) -> None:
    if not vectors:
        raise ValueError(
            f"{_EXPECTED} {what}, one value a row: if it is a single feature, make a frame of it, "
            f"as in {frame}"
        )
