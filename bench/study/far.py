"""What detectors say of rows that are grossly wrong, fitted to clean rows: FAR.md.

    QUALM_DATA=DIR python3 bench/study/far.py

Every detector at its defaults and every preset of the Deep Uncertainty Model (`paper` with 256
units and 20 epochs) is fitted with `reference = "clean"` to half of the usual rows of a set and asked
for p-values of new rows: the other half as they are and spoiled in several ways. On standard
normal rows it is asked for rows with every coordinate at z.
"""

import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import Contender, Refused, between_marks, build, machine, table  # noqa: E402

from sets import sets, split  # noqa: E402

DETECTORS = "iforest lof ocsvm sp ee knn abod ae lesinn repen ecod".split()
PRESETS = ["default", "embedding", "mlp", "sphere", "clusters", "features", "paper"]
SHORT = {"paper": ["hidden=256", "epochs=20"]}
# The rate that a row is flagged at.
RATE = 0.05
MOST = 1000
COLUMNS = [1, 3, 8, 64]
DISTANCES = [4.0, 10.0, 1e6, 1e30]


def contenders():
    for preset in PRESETS:
        yield f"dum {preset}", f"dum/{preset}", SHORT.get(preset, [])
    for name in DETECTORS:
        yield name, name, []


class Model:
    """A fitted detector that is asked for p-values."""

    def __init__(self, ours, folder, rows, detector, keys):
        self.ours, self.folder = ours, Path(folder)
        np.save(self.folder / "rows.npy", rows)
        ours.ask("read", self.folder / "rows.npy", "all")
        ours.ask("fit", detector, 0, "reference=clean", *keys)
        self.reference = np.sort(self.scores())

    def scores(self, *new):
        self.ours.ask("scores", self.folder / "scores.f64", *new)
        return np.fromfile(self.folder / "scores.f64", np.float64)

    def p(self, rows):
        """Conformal p-values of rows."""
        np.save(self.folder / "new.npy", rows.astype(np.float32))
        n = len(self.reference)
        above = n - np.searchsorted(self.reference, self.scores(self.folder / "new.npy"))
        return (1 + above) / (1 + n)


def normal(ours, folder):
    """Largest p-value at each distance, and the share of usual rows flagged, by columns."""
    found = defaultdict(dict)
    for d in COLUMNS:
        random = np.random.default_rng(d)
        rows = random.normal(size=(1000, d)).astype(np.float32)
        usual = random.normal(size=(4000, d))
        for name, detector, keys in contenders():
            try:
                model = Model(ours, folder, rows, detector, keys)
            except Refused as reason:
                print(f"{d} columns: {name}: {reason}", flush=True)
                continue
            far = [max(model.p(np.full((1, d), s * z))[0] for s in [1, -1]) for z in DISTANCES]
            found[name][d] = [*far, (model.p(usual) <= RATE).mean()]
        print(f"normal, {d} columns", flush=True)
    lines = []
    for name, by in found.items():
        cells = ["; ".join(f"{v:.3f}" for v in by[d]) if d in by else "–" for d in COLUMNS]
        lines.append([name, *cells])
    return table(["contender", *(f"{d} columns" for d in COLUMNS)], lines)


def spoiled(rows, fitted, random):
    """Ways to be wrong, each of all rows."""
    deviation = fitted.std(axis=0)
    live = np.flatnonzero(deviation > 0)
    at = random.choice(live, len(rows))
    one = np.arange(len(rows)), at
    yield "as they are", rows
    moved = rows.copy()
    moved[one] *= 1000
    # A thousand times nothing is nothing.
    yield "one column x1000", moved[rows[one] != 0]
    moved = rows.copy()
    moved[one] += 50 * deviation[at]
    yield "one column + 50 deviations", moved
    yield "all x1000", rows * 1000
    yield "zeros", np.zeros_like(rows)
    yield "constant", np.full_like(rows, np.abs(fitted).mean())
    yield "noise", random.normal(fitted.mean(), fitted.std(), rows.shape)
    yield "shuffled columns", np.array([random.permutation(row) for row in rows])


def real(ours, folder, kind):
    """The share of new rows flagged, the mean over the sets of a kind."""
    found = defaultdict(lambda: defaultdict(list))
    for one in sets(os.environ["QUALM_DATA"], kind):
        parts = split(one, "clean")
        rows, usual = parts.fitted[:MOST].astype(np.float64), parts.new[~parts.outlier]
        usual = usual[:MOST].astype(np.float64)
        if len(rows) < 100:
            continue
        for name, detector, keys in contenders():
            if kind == "embeddings" and name == "dum paper":
                continue
            try:
                model = Model(ours, folder, rows.astype(np.float32), detector, keys)
            except Refused:
                continue
            for what, wrong in spoiled(usual, rows, np.random.default_rng(0)):
                if len(wrong):
                    found[name][what].append((model.p(wrong) <= RATE).mean())
        print(one.name, flush=True)
    ways = list(found["dum default"])
    lines = []
    for name, by in found.items():
        cells = [f"{np.mean(by[w]):.2f}" if by[w] else "–" for w in ways]
        lines.append([name, max(map(len, by.values())), *cells])
    return table(["contender", "sets", *ways], lines)


def main():
    if "QUALM_DATA" not in os.environ:
        raise SystemExit("QUALM_DATA names no folder")
    with tempfile.TemporaryDirectory() as folder, Contender([build()], os.cpu_count()) as ours:
        text = f"{machine(os.cpu_count())}.\n\n## Normal rows\n\n{normal(ours, folder)}\n"
        for kind in ["tables", "embeddings"]:
            text += f"## {kind.capitalize()}\n\n{real(ours, folder, kind)}\n"
    between_marks(HERE / "FAR.md", text)


if __name__ == "__main__":
    main()
