"""PyOD's consensus of three detectors, driven line by line as our side is.

    read FILE.npy all
    fit NAME SEED         fits the detectors
    scores FILE [NEW.npy] mean of the ranks of the fitted rows, or of those of NEW, as float64

NAME is `pyod/consensus` (isolation forest, ECOD and KNN) or `pyod/engine`: whichever three
`ADEngine.investigate` would choose by its rules. In PyOD 3.6.7 these are isolation forest, ECOD
and KNN for 20 columns or more; for fewer columns KNN, isolation forest and LOF below 5,000 rows,
and isolation forest, ECOD and INNE from there on. Detectors, their keys and the mean of ranks are
PyOD's own; new rows, for which it makes no consensus, are ranked among themselves.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
from pyod.utils._quality_metrics import compute_consensus
from pyod.utils.ad_engine import ADEngine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from contender import serve  # noqa: E402

THREE = ["IForest", "ECOD", "KNN"]


class Consensus:
    """The rows, and the detectors that were fitted to them."""

    def __init__(self):
        self.rows, self.results = None, []

    def fit(self, name, seed):
        """Fits what `ADEngine` plans, or the three."""
        engine = ADEngine(random_state=seed)
        if name == "pyod/consensus":
            plan = engine.make_plan(THREE)
        else:
            plan = engine.plan_detection(engine.profile_data(self.rows))
        started = time.perf_counter()
        plans = [plan, *plan["alternatives"]]
        self.results = [engine.run_detection(self.rows, one) for one in plans]
        return {"seconds": time.perf_counter() - started}

    def scores(self, new=None):
        """The mean of ranks; labels, which it also counts, are not looked at."""
        results = self.results
        if new is not None:
            scored = [one["detector"].decision_function(new) for one in results]
            nobody = np.zeros(len(new), int)
            results = [{"scores_train": each, "labels_train": nobody} for each in scored]
        return compute_consensus(results)["scores"]


def rows(file):
    """As PyOD's users have them."""
    return np.load(file).astype(np.float64)


def answer(words):
    """Takes one command."""
    match words:
        case ["read", file, "all"]:
            consensus.rows = rows(file)
            return {"n": len(consensus.rows)}
        case ["fit", name, seed]:
            return consensus.fit(name, int(seed))
        case ["scores", file, *new]:
            scores = consensus.scores(*map(rows, new))
            scores.astype(np.float64).tofile(file)
            return {"n": len(scores)}
    raise ValueError(f"not understood: {words}")


consensus = Consensus()

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(answer)
