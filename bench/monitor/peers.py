"""The statistics of the peers for many streams at once.

`parity.py` holds them against the packages.

Each takes references (n, r) and streams (n, t) and gives (n, t): the statistic after each row,
which alarms where it reaches a threshold. What is random comes from `rng`.
"""

from bisect import bisect_right

import numpy as np


def p_values(reference, stream, uniforms):
    """nonconform's sequential ranks, of one stream."""
    seen = sorted(reference)
    found = np.empty(len(stream))
    for t, score in enumerate(stream):
        place = bisect_right(seen, score)
        found[t] = (len(seen) - place + uniforms[t]) / (len(seen) + 1)
        seen.insert(place, score)
    return found


def restarted(ln_growth):
    """nonconform's harmonic restart mixture of martingales that grow so."""
    n, rows = ln_growth.shape
    active = np.full(n, -np.inf)
    found = np.empty((n, rows))
    for t in range(1, rows + 1):
        active = ln_growth[:, t - 1] + np.logaddexp(active, -np.log(t) - np.log(t + 1))
        found[:, t - 1] = np.logaddexp(active, -np.log(t + 1))
    return found


def jumper(p, jump=0.01):
    """Growth of its SimpleJumperMartingale, the default."""
    bets = 1 + np.array([-1.0, 0.0, 1.0])[:, None, None] * (p - 0.5)
    share = np.full((3, len(p)), 1 / 3)
    found = np.empty(p.shape)
    for t in range(p.shape[1]):
        share = ((1 - jump) * share + jump / 3) * bets[:, :, t]
        growth = share.sum(0)
        share /= growth
        found[:, t] = np.log(growth)
    return found


def power(p, epsilon=0.5):
    """Growth of its PowerMartingale."""
    return np.log(epsilon) + (epsilon - 1) * np.log(p)


def mixture(p):
    """Growth of its SimpleMixtureMartingale."""
    rows = np.arange(1, p.shape[1] + 1)
    sums = np.cumsum(np.log(p), axis=1)
    capital = np.full(p.shape, -np.inf)
    for epsilon in np.linspace(0.01, 1.0, 100):
        capital = np.logaddexp(capital, rows * np.log(epsilon) + (epsilon - 1) * sums)
    capital -= np.log(100)
    return np.diff(capital, axis=1, prepend=0.0)


def bandwidth(reference):
    """Twice the square of alibi-detect's sigma: the median of squared distances, by halving."""
    ordered = np.sort(reference)
    n = len(ordered)
    wanted = n + (n * n - n) // 2
    low, high = 0.0, ordered[-1] - ordered[0]
    for _ in range(40):
        middle = (low + high) / 2
        reach = np.searchsorted(ordered, ordered + middle, side="right")
        pairs = 2 * (reach - np.arange(n)).sum() - n
        low, high = (low, middle) if pairs >= wanted else (middle, high)
    return high * high


def mmd_parts(reference, window, rng):
    """How alibi-detect splits a reference: the rows to compare with, and the first window."""
    order = rng.permutation(len(reference))
    return reference[order[: len(reference) - 2 * window + 1]], reference[order[-window:]]


def mmd(references, streams, window, rng, splits=None, squares=None):
    """alibi-detect's MMDDriftOnline with its Gaussian kernel."""
    n, rows = streams.shape
    if squares is None:
        squares = np.array([bandwidth(reference) for reference in references])
    if splits is None:
        splits = [mmd_parts(reference, window, rng) for reference in references]
    own = np.empty(n)
    scores = np.concatenate([np.stack([first for _, first in splits]), streams], axis=1)
    beside = np.empty(scores.shape)
    for i, (kept, _) in enumerate(splits):
        kernel = np.exp(-((kept[:, None] - kept[None, :]) ** 2) / squares[i])
        own[i] = (kernel.sum() - len(kept)) / (len(kept) * (len(kept) - 1))
        # The mean kernel beside the reference is smooth: from a table, to 2e-5.
        grid = np.linspace(scores[i].min(), scores[i].max(), 512)
        table = np.exp(-((grid[:, None] - kept[None, :]) ** 2) / squares[i]).mean(1)
        beside[i] = np.interp(scores[i], grid, table)
    within = np.zeros(n)
    for t in range(window):
        new = scores[:, t : t + 1]
        within += np.exp(-((scores[:, :t] - new) ** 2) / squares[:, None]).sum(1)
    sums = np.cumsum(beside, axis=1)
    found = np.empty((n, rows))
    for t in range(rows):
        kept = scores[:, t + 1 : t + window]
        old, new = scores[:, t : t + 1], scores[:, t + window : t + window + 1]
        within += np.exp(-((kept - new) ** 2) / squares[:, None]).sum(1)
        within -= np.exp(-((kept - old) ** 2) / squares[:, None]).sum(1)
        mean = (sums[:, t + window] - sums[:, t]) / window
        found[:, t] = own + 2 * within / (window * (window - 1)) - 2 * mean
    return found


def ks(references, streams, window):
    """The distance of alibi-detect's KSDrift for one window after another.

    -inf between their ends; for scores without ties.
    """
    windows = streams.shape[1] // window
    steps = np.arange(window + 1) / window
    found = np.full(streams.shape, -np.inf)
    for i, reference in enumerate(references):
        parts = np.sort(streams[i, : windows * window].reshape(windows, window), axis=1)
        below = np.searchsorted(np.sort(reference), parts) / len(reference)
        distance = np.maximum(steps[1:] - below, below - steps[:-1]).max(1)
        found[i, window - 1 : windows * window : window] = distance
    return found


def adwin(reference, stream, delta):
    """The rows, from 1, of the alarms of river's ADWIN, which sees the reference first."""
    from river.drift import ADWIN

    detector = ADWIN(delta=delta)
    for score in reference:
        detector.update(score)
    found = []
    for row, score in enumerate(stream, start=1):
        detector.update(score)
        if detector.drift_detected:
            found.append(row)
    return found
