"""Sparse matrices, which every detector needs dense: in blocks where it can be done in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._errors import warn

#: Bytes of a dense block.
_BLOCK = 1 << 26


def is_sparse(X: Any) -> bool:
    """Whether it is a matrix or array of ``scipy.sparse``."""
    return hasattr(X, "tocsr") and hasattr(X, "toarray")


def whole(X: Any) -> np.ndarray:
    """All of it, dense; a warning says how much memory that takes."""
    _check(X)
    size = X.shape[0] * X.shape[1] * X.dtype.itemsize
    warn(
        f"a sparse matrix of {X.shape[0]} x {X.shape[1]} is made dense, which takes "
        f"{size / 2**20:.1f} MiB: for fewer columns give scikit-learn's TruncatedSVD a try"
    )
    try:
        dense: np.ndarray = X.toarray()
    except MemoryError:
        raise MemoryError(
            f"a sparse matrix of {X.shape[0]} x {X.shape[1]} has no room as a dense one of "
            f"{size / 2**30:.1f} GiB; reduce its columns first, for example with scikit-learn's "
            "TruncatedSVD"
        ) from None
    return dense


def blocks(X: Any) -> Iterator[np.ndarray]:
    """Its rows, dense, a few at a time."""
    _check(X)
    rows = X.tocsr()
    step = max(1, _BLOCK // max(1, X.shape[1] * X.dtype.itemsize))
    for start in range(0, max(1, X.shape[0]), step):
        yield rows[start : start + step].toarray()


def _check(X: Any) -> None:
    """Refuses bad values by row and column, which a block of rows would count from its start."""
    if X.ndim != 2:
        raise ValueError(f"Expected a 2D array of rows and columns, found {X.ndim} dimension(s)")
    if X.dtype.kind != "f":
        return
    found = X.tocoo()
    bad = np.flatnonzero(~np.isfinite(found.data))
    if len(bad):
        first = min(bad, key=lambda i: (found.row[i], found.col[i]))
        value = "NaN" if np.isnan(found.data[first]) else f"{found.data[first]}"
        raise ValueError(
            f"input, row {found.row[first] + 1}, column '{found.col[first] + 1}': found {value}, "
            "expected a finite number; fill or remove such rows first"
        )
