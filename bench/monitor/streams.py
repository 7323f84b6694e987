"""Streams of scores that change: ten kinds, four strengths, fixed before anything was measured.

Scores without a change are standard normal; a reference of 1,000 comes before each stream of
5,000.
"""

import zlib

import numpy as np

REFERENCE = 1000
ROWS = 5000
SHIFTS = [0.25, 0.5, 1.0, 2.0]


def _outliers(rng, scores, size):
    hit = rng.random(scores.shape) < 0.1
    return np.where(hit, scores + size, scores)


def _gradual(rng, scores, size):
    ramp = np.minimum(np.arange(1, scores.shape[1] + 1) / 1000, 1.0)
    return scores + size * ramp


def _recurring(rng, scores, size):
    return scores + size * (np.arange(scores.shape[1]) // 100 % 2 == 0)


def _shifted(rng, scores, size):
    return scores + size


#: Kind: the row of the change, its strengths, and what it makes of the scores from there on.
KINDS = {
    "higher": (500, SHIFTS, _shifted),
    "lower": (500, SHIFTS, lambda rng, scores, size: scores - size),
    "wider": (500, [1.25, 1.5, 2.0, 3.0], lambda rng, scores, size: scores * size),
    "narrower": (500, [0.8, 0.67, 0.5, 0.33], lambda rng, scores, size: scores * size),
    "10 % outliers": (500, [2.0, 3.0, 4.0, 6.0], _outliers),
    "heavier tail": (500, [5, 3, 2, 1], lambda rng, scores, df: rng.standard_t(df, scores.shape)),
    "gradual": (500, [0.5, 1.0, 1.5, 2.0], _gradual),
    "recurring": (500, [0.5, 1.0, 1.5, 2.0], _recurring),
    "late": (3000, SHIFTS, _shifted),
    "at once": (0, SHIFTS, _shifted),
}


def null(n, seed):
    """References (n, 1000) and streams (n, 5000) without a change."""
    rng = np.random.default_rng([seed, 0])
    return rng.normal(size=(n, REFERENCE)), rng.normal(size=(n, ROWS))


def changed(kind, strength, n, seed):
    """The same with a change."""
    row, _, change = KINDS[kind]
    rng = np.random.default_rng([seed, 1, zlib.crc32(f"{kind} {strength}".encode())])
    reference, stream = rng.normal(size=(n, REFERENCE)), rng.normal(size=(n, ROWS))
    stream[:, row:] = change(rng, stream[:, row:], strength)
    return reference, stream
