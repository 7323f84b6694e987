"""scikit-learn and PyOD, driven line by line as our side is.

    setup FILE.npy NAME THREADS [KEY=VALUE ..]
    fit SEED          fit and score of the fitted rows
    agree FILE ..     rank correlation with other scores (float64), the mean of several fits

NAME is library-detector, such as pyod-knn. Scores are turned so that higher = stranger.
"""

import importlib.metadata
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from contender import serve  # noqa: E402


def pyod(name, threads, keys):
    """PyOD: fit, which computes decision_scores_."""
    parallel = {"n_jobs": threads}
    if name == "knn":
        from pyod.models.knn import KNN as Model

        keys = {"n_neighbors": 5} | parallel | keys
    elif name == "lof":
        from pyod.models.lof import LOF as Model

        keys = {"n_neighbors": 20} | parallel | keys
    elif name == "abod":
        from pyod.models.abod import ABOD as Model

        keys = {"n_neighbors": 10} | parallel | keys
    elif name == "ee":
        from pyod.models.mcd import MCD as Model
    elif name == "ocsvm":
        from pyod.models.ocsvm import OCSVM as Model

        keys = {"gamma": "scale"} | keys
    elif name == "ae":
        import torch
        from pyod.models.auto_encoder import AutoEncoder as Model

        torch.set_num_threads(threads)
        keys = {"verbose": 0, "device": torch.device("cpu")} | keys
    else:
        from pyod.models.sampling import Sampling as Model
    seeded = name in ["ee", "ae", "sp"]

    def run(rows, seed):
        model = Model(**keys, **({"random_state": seed} if seeded else {}))
        return model.fit(rows).decision_scores_

    return run


def sklearn(name, threads, keys):
    """scikit-learn: fit, and whatever scores the fitted rows."""
    from joblib import parallel_config
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
    from sklearn.svm import OneClassSVM

    double = keys.pop("double", False)

    def knn(rows, _):
        model = NearestNeighbors(n_neighbors=5, n_jobs=threads, **keys).fit(rows)
        return model.kneighbors()[0][:, -1]

    def lof(rows, _):
        model = LocalOutlierFactor(n_neighbors=20, n_jobs=threads, **keys).fit(rows)
        return -model.negative_outlier_factor_

    def ocsvm(rows, _):
        model = OneClassSVM(gamma="scale", nu=0.5, **keys).fit(rows)
        return -model.decision_function(rows)

    def iforest(rows, seed):
        # Its scoring takes its threads from the context, not from n_jobs.
        with parallel_config("threading", n_jobs=threads):
            model = IsolationForest(n_jobs=threads, random_state=seed, **keys).fit(rows)
            return -model.score_samples(rows)

    run = {"knn": knn, "lof": lof, "ocsvm": ocsvm, "iforest": iforest}[name]
    return lambda rows, seed: run(rows.astype(np.float64) if double else rows, seed)


class Peer:
    """The rows, the method, and the scores since the last comparison."""

    def __init__(self, file, name, threads, *keys):
        library, _, detector = name.partition("-")
        keys = {k: value(v) for k, _, v in (key.partition("=") for key in keys)}
        self.rows = np.load(file)
        self.run = {"pyod": pyod, "sklearn": sklearn}[library](detector, int(threads), keys)
        self.scores = []

    def fit(self, seed):
        started = time.perf_counter()
        scores = self.run(self.rows, seed)
        seconds = time.perf_counter() - started
        self.scores.append(np.asarray(scores, np.float64))
        return {"seconds": seconds}

    def agree(self, files):
        from scipy.stats import spearmanr

        ours = np.mean([np.fromfile(file, np.float64) for file in files], axis=0)
        theirs = np.mean(self.scores, axis=0)
        # Half of the fits against the other half: what the seeds alone leave open.
        halves = [np.mean(self.scores[i::2], axis=0) for i in range(2) if self.scores[i::2]]
        itself = float(spearmanr(*halves).statistic) if len(halves) == 2 else ""
        self.scores = []
        if len(ours) != len(theirs):
            raise ValueError(f"{len(ours)} scores against {len(theirs)}")
        finite = np.isfinite(ours) & np.isfinite(theirs)
        spearman = spearmanr(ours[finite], theirs[finite]).statistic
        left_out = int((~finite).sum())
        return {"spearman": float(spearman), "itself": itself, "left_out": left_out}


def value(text):
    """A number or a truth value where it is one."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def kernels():
    """What multiplies matrices, and with how many threads."""
    from threadpoolctl import threadpool_info

    import scipy.linalg  # noqa: F401: brings a library of its own

    found = []
    for library in threadpool_info():
        words = [library["internal_api"], library.get("version"), library.get("architecture")]
        words = [word for word in words if word]
        found.append(f"{' '.join(words)}, {library['num_threads']} threads")
    return sorted(set(found))


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def answer(words):
    global peer
    match words:
        case ["about"]:
            packages = ["scikit-learn", "pyod", "numpy", "scipy", "numba", "torch"]
            versions = {package: version(package) for package in packages}
            versions = {package: found for package, found in versions.items() if found}
            return {"versions": versions, "kernels": kernels()}
        case ["setup", file, name, threads, *keys]:
            peer = Peer(file, name, threads, *keys)
            return {"n": len(peer.rows)}
        case ["fit", seed]:
            return peer.fit(int(seed))
        case ["agree", *files]:
            return peer.agree(files)
    raise ValueError(f"not understood: {words}")


peer = None


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(answer)
