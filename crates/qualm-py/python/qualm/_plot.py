"""The histogram behind ``plot``. matplotlib is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._pyod import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 50

#: How many times a low score the largest is, where the axis is logarithmic: two decades.
_DECADES = 100.0


def histogram(scores: Floats, threshold: float, owner: str, rows: str, ax: Axes | None) -> Axes:
    """Draws the scores, ``(n,)``, of some rows, and says how many of them are above."""
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError:
            raise ImportError(
                "plot needs matplotlib, which is not installed: pip install matplotlib"
            ) from None
        _, ax = pyplot.subplots()
    # A threshold that is not above 0 has no place on a logarithmic axis.
    if threshold > 0 and spans_decades(scores):
        ax.set_xscale("log")
        edges = np.geomspace(scores.min(), scores.max(), _BINS + 1)
        # Rounding must not leave the extreme scores out.
        edges[0], edges[-1] = scores.min(), scores.max()
    else:
        edges = np.linspace(*_ends(scores), _BINS + 1)
    ax.hist(scores, bins=edges.tolist(), alpha=0.7)
    above = int((scores > threshold).sum())
    label = f"threshold {threshold:.4g}: {above:,} of {len(scores):,} above"
    ax.axvline(threshold, color="C3", linestyle="--", label=label)
    ax.set_xlabel("score (higher = more anomalous)")
    ax.set_ylabel(rows)
    ax.set_title(f"Scores of {owner}")
    ax.legend()
    return ax


def _ends(scores: Floats) -> tuple[float, float]:
    """Where a linear axis begins and ends: wide enough for bins that floats can tell apart."""
    low, high = float(scores.min()), float(scores.max())
    least = 2 * _BINS * float(np.spacing(max(abs(low), abs(high))))
    if high - low >= least:
        return low, high
    return low - max(0.5, least), high + max(0.5, least)


def spans_decades(scores: Floats) -> bool:
    """Whether scores are legible on a logarithmic axis alone; one low score does not decide."""
    if scores.min() <= 0:
        return False
    return bool(scores.max() >= _DECADES * np.percentile(scores, 1))
