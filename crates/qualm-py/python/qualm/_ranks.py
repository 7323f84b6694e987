"""How alike two rankings of the same rows are: all of them, or their strangest."""

from __future__ import annotations

import numpy as np

from ._pyod import Floats


def spearman(a: Floats, b: Floats) -> float:
    """Spearman's correlation of two score vectors, ``(n,)`` each, in [-1, 1].

    Equal scores share their mean rank. Scores that are all equal have no ranking: their
    correlation with any others is 0, as in the diagnostics of a fit.
    """
    return float(np.clip(_ranks(a) @ _ranks(b), -1.0, 1.0))


def overlap(a: Floats, b: Floats, k: int) -> float:
    """The share of the k strangest rows by one score vector that are so by the other, too.

    Where equal scores compete for the last of the k places, it is what is expected if these are
    drawn among them: with n rows that are all equal, k / n.
    """
    return float(_places(a, k) @ _places(b, k) / k)


def _ranks(scores: Floats) -> Floats:
    """Ranks, ``(n,)``, with mean 0 and length 1; zeros where all scores are equal."""
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - counts / 2
    centred: Floats = (ranks - len(scores) / 2)[group]
    length = float(np.sqrt(centred @ centred))
    return centred / length if length > 0 else centred


def _places(scores: Floats, k: int) -> Floats:
    """The probability of each row, ``(n,)``, to be among the k strangest; their sum is k."""
    last = np.partition(scores, -k)[-k]
    above, tied = scores > last, scores == last
    places: Floats = above.astype(np.float64)
    places[tied] = (k - above.sum()) / tied.sum()
    return places
