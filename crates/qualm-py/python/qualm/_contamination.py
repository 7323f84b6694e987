"""The threshold that `contamination` asks for: a share, a rule, or a thresholder of PyThresh."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from ._errors import warn
from ._values import number

#: What is fitted with where the scores decide afterwards.
_MEANWHILE = 0.1


def share(contamination: Any) -> float:
    """The share of outliers, or a stand-in where :func:`threshold` will find the threshold."""
    return _MEANWHILE if _by_scores(contamination) else number("contamination", contamination)


def threshold(contamination: Any, scores: npt.NDArray[np.float64], detector: str) -> float | None:
    """The threshold that the scores of the fitted rows decide, ``None`` where a share does."""
    if not _by_scores(contamination):
        return None
    if isinstance(contamination, str):
        return _automatic(scores, detector)
    return _cut(_labels(contamination, scores), scores, type(contamination).__name__)


def _by_scores(contamination: Any) -> bool:
    if isinstance(contamination, str) and contamination == "auto":
        return True
    return hasattr(contamination, "eval") or hasattr(contamination, "fit")


def _automatic(scores: npt.NDArray[np.float64], detector: str) -> float:
    """Tukey's fence around the scores, on a scale that is open upwards.

    The scores of DUM and ABOD end where their outliers are, one a logarithm that is bounded, the
    other a negative variance. The fence is put around the exponential and the logarithm of them.
    """
    if detector == "dum":
        middle, spread = np.median(scores), np.std(scores)
        return float(middle + spread * np.log(_fence(np.exp((scores - middle) / spread))))
    if detector == "abod":
        negative = np.minimum(scores, -np.finfo(float).tiny)
        return float(-np.exp(-_fence(-np.log(-negative))))
    return _fence(scores)


def _fence(scores: npt.NDArray[np.float64]) -> float:
    """One and a half interquartile ranges above the third quartile (J. W. Tukey, 'Exploratory
    data analysis', 1977)."""
    first, third = np.percentile(scores, [25, 75])
    return float(third + 1.5 * (third - first))


def _labels(thresholder: Any, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    # A parameter is not changed by fitting, and a thresholder keeps what it found.
    thresholder = copy.deepcopy(thresholder)
    if hasattr(thresholder, "eval"):
        labels = thresholder.eval(scores.copy())
    else:
        labels = thresholder.fit(scores.copy()).labels_
    labels = np.asarray(labels)
    if labels.shape != scores.shape or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"contamination = {thresholder!r}: its labels have shape {labels.shape}, expected "
            f"{len(scores)} of 0 and 1"
        )
    return labels.astype(bool)


def _cut(outliers: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64], name: str) -> float:
    """The score above which these rows lie, or as many rows where no score divides them."""
    count = int(outliers.sum())
    if count == len(scores):
        return float(np.nextafter(scores.min(), -np.inf))
    ordered = np.sort(scores)
    found = float(ordered[len(scores) - 1 - count])
    if not np.array_equal(scores > found, outliers):
        warn(
            f"the rows that {name} flags are not those of the highest scores: the threshold "
            f"flags {int((scores > found).sum())} rows, where {name} flags {count}"
        )
    return found
