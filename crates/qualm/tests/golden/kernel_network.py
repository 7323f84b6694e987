"""Write kernel_network.json: scores of kernel networks, by NumPy.

    pip install numpy
    python kernel_network.py

Columns are standardised as they are (`euclidean`) or as normal scores (`normal`). The kernel of rows
x and y is (1 + |x - y|^2 / b^2)^-p with b a multiple of the median distance. The weights of the
anchors, all fitted rows, are the share of the others that are less certain, to the power of the
rows of a bag but one, found by eight sweeps from equal ones; in the sweeps, and in the scores of the fitted rows, a
row is left out of its own sum. Everything is computed as it is written, in float64.
"""

import json
from pathlib import Path
from statistics import NormalDist

import numpy as np

SWEEPS = 8


def normal_scores(column: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The scores of new values of a column."""
    fitted = np.sort(column)
    n = len(fitted)
    knots, first, count = np.unique(fitted, return_index=True, return_counts=True)
    ranks = (first + (count + 1) / 2) / (n + 1)
    scores = [NormalDist().inv_cdf(rank) for rank in ranks]
    quarter, median, last = (fitted[int(np.floor((n - 1) * s + 0.5))] for s in (0.25, 0.5, 0.75))
    spread = (last - quarter) / 1.349 or fitted.std() or 1.0
    u = (new - median) / spread
    beyond = np.sign(u) * np.log1p(np.maximum(np.abs(u) - 3, 0) / 3)
    return np.interp(new, knots, scores) + beyond


def vectors(rows: np.ndarray, new: np.ndarray, metric: str) -> np.ndarray:
    """New rows as the kernel sees them."""
    if metric == "normal":
        columns = range(rows.shape[1])
        new = np.column_stack([normal_scores(rows[:, j], new[:, j]) for j in columns])
        rows = np.column_stack([normal_scores(rows[:, j], rows[:, j]) for j in columns])
    return (new - rows.mean(axis=0)) / rows.std(axis=0)


def scores(rows, new, metric, bandwidth, exponent, bag_size):
    """Log-uncertainties of the fitted rows and of the new ones."""
    n, d = rows.shape
    anchors = vectors(rows, rows, metric)
    distances = np.linalg.norm(anchors[:, None] - anchors[None], axis=2)
    pairs = np.sort(distances[np.triu_indices(n, 1)])
    b = bandwidth * pairs[len(pairs) // 2]
    kernel = (1 + (distances / b) ** 2) ** -exponent
    np.fill_diagonal(kernel, 0.0)
    weights = np.ones(n)

    def own():
        return -np.log(kernel @ weights / (weights.sum() - weights)) / exponent

    for _ in range(SWEEPS):
        s = own()
        less = (s[None] > s[:, None]).sum(axis=1) + 0.5 * (s[None] == s[:, None]).sum(axis=1)
        weights = (less / n) ** (bag_size - 1)
    found = vectors(rows, new, metric)
    distances = np.linalg.norm(found[:, None] - anchors[None], axis=2)
    others = (1 + (distances / b) ** 2) ** -exponent
    s = -np.log(others @ weights / weights.sum()) / exponent
    # The norm of a covariance with the same variance d times.
    return own() + 0.5 * np.log(d), s + 0.5 * np.log(d)


def main() -> None:
    random = np.random.default_rng(31)
    n, d = 90, 4
    rows = random.normal(size=(n + 12, d)) @ random.normal(size=(d, d))
    rows[:, 1] = np.round(2 * rows[:, 1])
    rows[:, 2] = np.exp(rows[:, 2])
    rows[: n // 10] *= 5.0
    rows[n:] *= 10.0 ** random.integers(-1, 4, size=(12, 1))
    rows = rows.astype(np.float32)
    fitted, new = rows[:n].astype(np.float64), rows[n:].astype(np.float64)
    cases = []
    for keys in [
        {"metric": "euclidean", "bandwidth": 0.5, "exponent": 1.0, "bag_size": 2},
        {"metric": "euclidean", "bandwidth": 0.1, "exponent": 2.5, "bag_size": 4},
        {"metric": "normal", "bandwidth": 0.5, "exponent": 1.0, "bag_size": 2},
        {"metric": "normal", "bandwidth": 0.2, "exponent": 6.0, "bag_size": 3},
    ]:
        own, others = scores(fitted, new, **keys)
        cases.append({"keys": keys, "fitted": own.tolist(), "new": others.tolist()})
    values = {"rows": rows[:n].ravel().tolist(), "new": rows[n:].ravel().tolist()}
    path = Path(__file__).with_name("kernel_network.json")
    path.write_text(json.dumps({"d": d, **values, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
