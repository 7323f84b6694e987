"""How `ecod` should score values beyond the fitted ones; docs/detectors.md has the numbers.

    QUALM_DATA=DIR python3 bench/study/tails.py

Fits the tails of every table of the study to usual rows (`clean`) with NumPy, with three ways of
going on beyond the fitted values: not at all, by a power and exponentially. Prints the mean AUROC
over the sets, the paired difference from the first way, and how many rows the threshold of a
false-positive rate of .05 flags: new usual rows, and these with one column moved by 50 standard
deviations. Needs numpy, scipy and pyarrow.
"""

import os
from collections import defaultdict
from statistics import fmean

import numpy as np
from paired import paired
from sets import auroc, sets, split

BEYOND = {"none": np.zeros_like, "power": np.log1p, "exponential": lambda z: z}
# New usual rows that are moved, and columns in which they are, one at a time.
ROWS, COLUMNS = 300, 5


def tails(fitted, new):
    """Scores of new rows, by the way of going on."""
    n, scores = len(fitted), {way: np.zeros(len(new)) for way in BEYOND}
    for values, column in zip(np.sort(fitted, axis=0).T, new.T):
        at_most = np.searchsorted(values, column, "right")
        rows = np.minimum(at_most, n - np.searchsorted(values, column, "left"))
        beyond = np.maximum(np.maximum(values[0] - column, column - values[-1]), 0)
        deviations = beyond / (values.std() or np.inf)
        within = np.where(rows > 0, np.log(n / np.maximum(rows, 1)), np.log(n + 1))
        for way, more in BEYOND.items():
            scores[way] += within + more(deviations)
    return scores


def main():
    if "QUALM_DATA" not in os.environ:
        raise SystemExit("QUALM_DATA names no folder")
    found, flagged, moved = (defaultdict(list) for _ in range(3))
    for one in (
        one for kind in ["tables", "oddbench"] for one in sets(os.environ["QUALM_DATA"], kind)
    ):
        parts = split(one, "clean")
        if not parts.outlier.any():
            continue
        fitted, new = parts.fitted.astype(float), parts.new.astype(float)
        threshold = np.quantile(tails(fitted, fitted)["none"], 0.95)
        usual = new[~parts.outlier][:ROWS]
        varying = np.flatnonzero(fitted.std(axis=0) > 0)
        picked = np.random.default_rng(0).permutation(varying)[:COLUMNS]
        shifts = [np.eye(fitted.shape[1])[j] * 50 * fitted[:, j].std() for j in picked]
        for way, scores in tails(fitted, new).items():
            found[way].append(100 * auroc(parts.outlier, scores))
        for way, scores in tails(fitted, usual).items():
            flagged[way].append((scores > threshold).mean())
        far = [tails(fitted, usual + shift) for shift in shifts]
        for way in BEYOND:
            moved[way].append(fmean((scores[way] > threshold).mean() for scores in far))
    for way in BEYOND:
        apart = paired(a - b for a, b in zip(found[way], found["none"]))
        print(f"{way}: AUROC {fmean(found[way]):.2f} ({apart.mean:+.2f}, standard error", end=" ")
        print(
            f"{apart.error:.2f}, {apart.sets} sets); flagged {fmean(flagged[way]):.3f}", end=", "
        )
        print(f"moved by 50 deviations {fmean(moved[way]):.3f}")


if __name__ == "__main__":
    main()
