"""Features, logits and labels as the native half takes them, and scores as what was given."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._adapt import from_array, from_list, from_tensor, is_tensor, what_to_do

if TYPE_CHECKING:
    from . import _core


def arrays(features: Any, logits: Any, labels: Any) -> _core.OodArrays:
    """Arrays as the native half takes them."""
    layers = features if _is_layers(features) else [features]
    vectors = [_vectors(layer, "features") for layer in layers if layer is not None]
    classes = None if labels is None else _labels(labels)
    return vectors, None if logits is None else _vectors(logits, "logits"), classes


def _is_layers(features: Any) -> bool:
    """Whether these are several arrays, one a layer, and not the rows of a single one."""
    if not isinstance(features, (list, tuple)):
        return False
    return len(features) > 0 and all(getattr(layer, "ndim", 0) == 2 for layer in features)


def _vectors(values: Any, name: str) -> npt.NDArray[np.float32]:
    array = to_numpy(values, np.float32)
    if array.ndim != 2:
        raise ValueError(
            f"{name} have shape {array.shape}, expected two dimensions, one row an item; average "
            "feature maps over their pixels first"
        )
    return np.ascontiguousarray(array)


def _labels(values: Any) -> npt.NDArray[np.int64]:
    array = to_numpy(values, None)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.number):
        raise ValueError(
            f"labels have shape {array.shape} and type {array.dtype}, expected one whole number "
            "an item"
        )
    whole = array.astype(np.int64)
    if not np.array_equal(whole, array):
        raise ValueError("labels are no whole numbers; give the class of each item")
    return np.ascontiguousarray(whole)


def to_numpy(values: Any, dtype: Any) -> npt.NDArray[Any]:
    """An array of whatever holds numbers; a tensor is taken from its graph and device.

    Rows may be in a list, or in a column of vectors.
    """
    if isinstance(values, (str, bytes, os.PathLike, Mapping)):
        raise TypeError(what_to_do(values))
    if is_tensor(values):
        values = from_tensor(values.detach().cpu())
    elif isinstance(values, (list, tuple)):
        values = from_list(values)
    with np.errstate(over="ignore"):
        return np.asarray(from_array(np.asarray(values)), dtype=dtype)


def like(given: Any, scores: npt.NDArray[np.float64]) -> Any:
    """Scores as a tensor where tensors were given."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(given, torch.Tensor):
        return scores
    return torch.from_numpy(scores)
