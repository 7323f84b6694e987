"""PyOD's and scikit-learn's names and values for what our detectors have.

A name of theirs is stored under ours, so that ``get_params``, ``clone`` and a search see one
parameter and not two. A value of theirs is stored as it was given, and translated when fitting.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypedDict

from . import _core
from ._errors import warn

#: Their names of our parameters, by detector.
RENAMED: dict[str, dict[str, str]] = {
    "ae": {"epoch_num": "epochs", "hidden_neuron_list": "hidden", "lr": "learning_rate"},
    "ocsvm": {"tol": "tolerance"},
}


class _Foreign(NamedTuple):
    """A parameter of theirs that ours has not."""

    #: The values that describe what ours does anyway; None for all.
    same: tuple[Any, ...] | None
    #: What to say of other values.
    why: str
    #: Whether other values are refused, rather than ignored with a warning.
    refused: bool = False


_ALGORITHM = _Foreign(
    ("auto",), "neighbours are found exactly, by whichever search a probe finds faster"
)
_LEAVES = _Foreign((30,), "it changes how neighbours are searched, not which are found")
_METRIC_PARAMS = _Foreign((None,), "no metric has parameters here, but for 'minkowski' p", True)
_COVARIANCE = _Foreign(
    (), "metric='mahalanobis' takes a robust covariance of the fitted rows, whatever is given"
)
_SEARCH = {
    "algorithm": _ALGORITHM,
    "leaf_size": _LEAVES,
    "metric_params": _METRIC_PARAMS,
}

_FOREIGN: dict[str, dict[str, _Foreign]] = {
    "abod": _SEARCH,
    "knn": {**_SEARCH, "radius": _Foreign(None, "")},
    "lof": {**_SEARCH, "novelty": _Foreign(None, "")},
    "sp": {"metric_params": _METRIC_PARAMS},
    "iforest": {
        "behaviour": _Foreign(None, ""),
        "bootstrap": _Foreign((False,), "each tree takes its rows without replacement", True),
        "max_features": _Foreign((1.0,), "each tree may split at every column", True),
    },
    "ocsvm": {
        "cache_size": _Foreign(None, ""),
        "coef0": _Foreign(None, ""),
        "degree": _Foreign(None, ""),
        "kernel": _Foreign(("rbf",), "the kernel is RBF", True),
        "max_iter": _Foreign((-1,), "the solver ends at the tolerance"),
        "shrinking": _Foreign(None, ""),
    },
    "ee": {
        "assume_centered": _Foreign((False,), "the location is estimated too", True),
        "store_precision": _Foreign(None, ""),
    },
    "ae": {
        "batch_norm": _Foreign((False,), "the network has no batch normalisation"),
        "compile_mode": _Foreign(None, ""),
        "device": _Foreign((None, "cpu"), "it is trained on the processor"),
        "dropout_rate": _Foreign((0,), "the network has no dropout"),
        "hidden_activation_name": _Foreign(("relu",), "hidden layers end in a ReLU", True),
        "optimizer_name": _Foreign(("adam",), "the optimiser is Adam", True),
        "optimizer_params": _Foreign(({},), "only 'weight_decay' is a parameter here", True),
        "preprocessing": _Foreign((), "expected True or False", True),
        "use_compile": _Foreign(None, ""),
    },
}


def canonical(detector: str, owner: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given under other names, under ours.

    Parameters that ours has not are left out where that changes nothing. Others are named in a
    warning, or refused where the scores would be those of another method.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        ours, value = _converted(detector, name, value)
        if ours in found:
            raise TypeError(f"{owner}: {name} and another name of {ours} were given; give one")
        if ours != name:
            found[ours] = value
            continue
        foreign = _FOREIGN.get(detector, {}).get(name)
        if foreign is not None and name == "metric_params" and _is_covariance(value):
            foreign = _COVARIANCE
        if foreign is None:
            raise TypeError(f"{owner}.__init__() got an unexpected keyword argument {name!r}")
        if foreign.same is None or any(value is s or value == s for s in foreign.same):
            continue
        if foreign.refused:
            raise ValueError(f"{owner}: {name} = {value!r}: {foreign.why}")
        shown = f"{name} = {value!r}" if len(repr(value)) < 60 else name
        message = f"{shown} has no effect: {foreign.why}"
        warn(message)
    return found


def _is_covariance(metric_params: Any) -> bool:
    """Whether these are the parameters of scikit-learn's Mahalanobis distance."""
    return isinstance(metric_params, dict) and set(metric_params) in ({"V"}, {"VI"})


def _converted(detector: str, name: str, value: Any) -> tuple[str, Any]:
    """Our name and value, where there are such."""
    if detector == "ae" and name == "preprocessing" and isinstance(value, bool):
        return "space", "standardise" if value else "identity"
    if detector == "ae" and name == "optimizer_params" and set(value) == {"weight_decay"}:
        return "weight_decay", value["weight_decay"]
    if name == "metric_params" and isinstance(value, dict) and set(value) == {"p"}:
        return "p", value["p"]
    return RENAMED.get(detector, {}).get(name, name), value


def is_synonym(detector: str, name: str) -> bool:
    """Whether it is a name of theirs."""
    return name in RENAMED.get(detector, {}) or name in _FOREIGN.get(detector, {})


def by_rows(detector: str, keys: dict[str, Any], n_rows: int, n_columns: int) -> dict[str, Any]:
    """The hyper-parameters in our values, now that the rows are known.

    ``(n_rows, n_columns)`` is the shape of the rows to fit to.
    """
    counts = _counts(detector)
    found = dict(keys)
    for name, value in keys.items():
        if name in ("max_samples", "subset_size"):
            found[name] = _sample(name, value, n_rows)
        elif name in counts and isinstance(value, float) and value.is_integer():
            found[name] = int(value)
    if detector == "iforest" and found.get("max_samples") == "auto":
        found["max_samples"] = min(256, n_rows)
    if detector == "ocsvm" and found.get("gamma") == "auto":
        found["gamma"] = 1 / n_columns
    if found.get("metric", "euclidean") == "euclidean" and found.get("p", 2) != 2:
        # Their default metric has a power, which is 2.
        found["metric"] = "minkowski"
    if detector == "abod" and found.get("method") == "default":
        found["method"] = "exact"
    return found


@functools.cache
def _counts(detector: str) -> frozenset[str]:
    """The hyper-parameters that are whole numbers."""
    keys: Iterable[tuple[str, Any]] = json.loads(_core.preset(detector, "default")).items()
    return frozenset(name for name, value in keys if type(value) is int)


def _sample(name: str, value: Any, n_rows: int) -> Any:
    """The size of a sample; a float is a share of the rows."""
    if not isinstance(value, float):
        return value
    if 0 < value <= 1:
        return max(1, int(value * n_rows))
    if value > 1 and value.is_integer():
        return int(value)
    raise ValueError(
        f"{name} = {value:g}: expected a whole number of rows, or a share of them above 0 and at "
        "most 1"
    )


# ---- for type checkers: what each constructor takes beside its own parameters ----------------


class _Search(TypedDict, total=False):
    algorithm: str
    leaf_size: int
    metric_params: dict[str, Any] | None


class KNNNames(_Search, total=False):
    """PyOD's and scikit-learn's names for KNN."""

    radius: float


class LOFNames(_Search, total=False):
    """PyOD's and scikit-learn's names for LOF."""

    novelty: bool


class ABODNames(_Search, total=False):
    """PyOD's names for ABOD."""


class SPNames(TypedDict, total=False):
    """PyOD's names for SP."""

    metric_params: dict[str, Any] | None


class IForestNames(TypedDict, total=False):
    """PyOD's and scikit-learn's names for IForest."""

    behaviour: str
    bootstrap: bool
    max_features: float


class OCSVMNames(TypedDict, total=False):
    """PyOD's and scikit-learn's names for OCSVM."""

    cache_size: float
    coef0: float
    degree: int
    kernel: str
    max_iter: int
    shrinking: bool
    tol: float


class EllipticEnvelopeNames(TypedDict, total=False):
    """PyOD's and scikit-learn's names for EllipticEnvelope."""

    assume_centered: bool
    store_precision: bool


class AutoEncoderNames(TypedDict, total=False):
    """PyOD's names for AutoEncoder."""

    batch_norm: bool
    compile_mode: str
    device: str | None
    dropout_rate: float
    epoch_num: int
    hidden_activation_name: str
    hidden_neuron_list: list[int] | tuple[int, ...]
    lr: float
    optimizer_name: str
    optimizer_params: dict[str, Any]
    preprocessing: bool
    use_compile: bool
