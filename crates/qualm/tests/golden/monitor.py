"""The sequential test by plain NumPy and SciPy: tests/golden/monitor.json.

    pip install numpy scipy
    python monitor.py

Ranks are counted in a list, capitals are kept as they are, and the evidence is summed over all
starting rows, each with a jumper of its own: other ways than those of the library.
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats

JUMP = 0.01
EXPERTS = (
    [lambda p, e=e: 1 + e * (2 * p - 1) for e in (-0.9, -0.4, 0.4, 0.9)]
    + [lambda p, e=e: 1 + e * (6 * p**2 - 6 * p + 1) for e in (-0.9, -0.4, 0.4, 0.9)]
    + [lambda p: 1.0]
    + [
        stats.beta(a, b).pdf
        for a, b in (
            (0.25, 1),
            (0.5, 1),
            (0.75, 1),
            (1, 0.5),
            (0.5, 0.5),
            (0.75, 0.75),
            (3, 3),
        )
    ]
    + [lambda p: 0.9 + 10 * (p <= 0.01)]
)
WEIGHTS = np.array([1, 4, 4, 1, 1, 2, 2, 1, 8] + [1] * 8) / 32


def p_values(reference, stream, uniforms):
    edges = np.unique(reference)
    seen = list(np.searchsorted(edges, reference, side="left"))
    found = []
    for score, u in zip(stream, uniforms, strict=True):
        cell = np.searchsorted(edges, score, side="left")
        above = sum(c > cell for c in seen)
        level = sum(c == cell for c in seen)
        found.append((above + u * (level + 1)) / (len(seen) + 1))
        seen.append(cell)
    return np.array(found)


def capitals(bets):
    """What a jumper owns after each row, from 1; `bets` are those of its experts, (n, experts)."""
    capital = WEIGHTS
    found = []
    for row in bets:
        capital = (1 - JUMP) * capital + JUMP * capital.sum() * WEIGHTS
        capital = capital * row
        found.append(capital.sum())
    return np.array(found)


def tail(t):
    """The weight of the starts after row t."""
    return 1 / (1 + np.log1p(t))


def ever(starts):
    """The mixture over starting rows; what has not begun stays."""
    n = len(starts)
    weights = [tail(s) - tail(s + 1) for s in range(n)]
    begun = [sum(weights[s] * starts[s][t - s] for s in range(t + 1)) for t in range(n)]
    return np.array(begun) + tail(np.arange(1, n + 1))


def run_length(starts):
    return np.array([sum(starts[s][t - s] for s in range(t + 1)) for t in range(len(starts))])


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    reference = rng.normal(size=150).round(1)
    stream = np.concatenate([rng.normal(size=60), rng.normal(0.7, 1.4, size=60)]).round(2)
    uniforms = 1 - rng.random(len(stream))
    p = p_values(reference, stream, uniforms)
    bets = np.array([[float(f(value)) for f in EXPERTS] for value in p])
    starts = [capitals(bets[s:]) for s in range(len(bets))]
    golden = {
        "reference": reference,
        "stream": stream,
        "uniforms": uniforms,
        "p": p,
        "growth": starts[0] / np.concatenate([[1.0], starts[0][:-1]]),
        "log10_ever": np.log10(ever(starts)),
        "log10_run_length": np.log10(run_length(starts)),
    }
    path = Path(__file__).with_name("monitor.json")
    path.write_text(json.dumps({k: v.tolist() for k, v in golden.items()}) + "\n")
