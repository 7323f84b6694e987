"""The sequential test by plain NumPy: tests/golden/monitor.json.

    pip install numpy
    python monitor.py

Ranks are counted in a list, capitals are kept as they are, and the evidence is summed over all
starting rows, each with a martingale of its own growth: other ways than those of the library.
"""

import json
from pathlib import Path

import numpy as np

JUMP = 0.01
EXPERTS = (
    [lambda p, e=e: 1 + e * (2 * p - 1) for e in (-0.9, -0.5, 0.5, 0.9)]
    + [lambda p, e=e: 1 + e * (6 * p**2 - 6 * p + 1) for e in (-0.9, -0.45, 0.45, 0.9)]
    + [lambda p: 1.0]
    + [lambda p, e=e: e * p ** (e - 1) for e in (0.25, 0.5, 0.75)]
)


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


def growths(p):
    capital = np.full(len(EXPERTS), 1 / len(EXPERTS))
    found, before = [], 1.0
    for value in p:
        capital = (1 - JUMP) * capital + JUMP * capital.sum() / len(capital)
        capital = capital * [f(value) for f in EXPERTS]
        found.append(capital.sum() / before)
        before = capital.sum()
    return np.array(found)


def ever(growth):
    """The mixture over starting rows s with weights 1 / (s (s + 1)); what has not begun stays."""
    found = []
    for t in range(1, len(growth) + 1):
        started = sum(np.prod(growth[s - 1 : t]) / (s * (s + 1)) for s in range(1, t + 1))
        found.append(started + 1 / (t + 1))
    return np.array(found)


def run_length(growth):
    return np.array(
        [sum(np.prod(growth[s:t]) for s in range(t)) for t in range(1, len(growth) + 1)]
    )


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    reference = rng.normal(size=150).round(1)
    stream = np.concatenate([rng.normal(size=60), rng.normal(0.7, 1.4, size=60)]).round(2)
    uniforms = 1 - rng.random(len(stream))
    p = p_values(reference, stream, uniforms)
    growth = growths(p)
    golden = {
        "reference": reference,
        "stream": stream,
        "uniforms": uniforms,
        "p": p,
        "growth": growth,
        "log10_ever": np.log10(ever(growth)),
        "log10_run_length": np.log10(run_length(growth)),
    }
    path = Path(__file__).with_name("monitor.json")
    path.write_text(json.dumps({k: v.tolist() for k, v in golden.items()}) + "\n")
