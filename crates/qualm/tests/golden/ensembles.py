"""Golden numbers for `iforest` and `lesinn`, written to ensembles.json.

scikit-learn gives the path lengths and isolation forests; LeSiNN is in no library, so it is
written here from the paper, in NumPy. With QUALM_DATA naming the folder of data sets, the
mean AUROC over a hundred seeds on three of them is written as well; without it the means in the
file are kept as they are.
"""

import json
import os
import pathlib

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length
from sklearn.metrics import roc_auc_score

HERE = pathlib.Path(__file__).parent
SETS = ["pima", "ionosphere", "wdbc"]
# Means over ten seeds vary by up to a point themselves.
SEEDS = range(100)


def lesinn(rows, subsamples):
    """Mean over the subsamples, given as row numbers, of the distance to the nearest row."""
    rows = rows.astype(np.float64)
    total = np.zeros(len(rows))
    for picked in subsamples:
        apart = rows[:, None, :] - rows[picked][None, :, :]
        total += np.sqrt((apart**2).sum(axis=2)).min(axis=1)
    return total / len(subsamples)


def lesinn_scores(rows, seed):
    rng = np.random.default_rng(seed)
    draw = lambda: rng.choice(len(rows), 8, replace=False)
    return lesinn(rows, [draw() for _ in range(50)])


def iforest_scores(rows, seed):
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=seed)
    return -forest.fit(rows).score_samples(rows)


def means(score):
    """Mean AUROC on each real set, and its deviation over the seeds."""
    import pandas

    out = {}
    for name in SETS:
        path = pathlib.Path(os.environ["QUALM_DATA"]) / "table2" / f"{name}.parquet"
        table = pandas.read_parquet(path)
        label = table.pop("label")
        rows = table.to_numpy(np.float32)
        aurocs = [roc_auc_score(label, score(rows, seed)) for seed in SEEDS]
        out[name] = {"mean": np.mean(aurocs), "deviation": np.std(aurocs, ddof=1)}
    return out


def write(name, golden, detectors):
    """Writes the file, with the means that it had unless there is data to renew them."""
    path = HERE / name
    if "QUALM_DATA" in os.environ:
        golden["auroc"] = {key: means(score) for key, score in detectors.items()}
    else:
        golden["auroc"] = json.loads(path.read_text())["auroc"]
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    sizes = [0, 1, 2, 3, 4, 8, 100, 255, 256, 1000, 1_000_000]
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 5)).astype(np.float32)
    subsamples = [rng.choice(40, 3, replace=False) for _ in range(6)]
    golden = {
        "average_path": [[n, c] for n, c in zip(sizes, _average_path_length(np.array(sizes)))],
        "lesinn": {
            "rows": [[float(x) for x in row] for row in rows],
            "subsamples": [[int(i) for i in picked] for picked in subsamples],
            "scores": list(lesinn(rows, subsamples)),
        },
    }
    write("ensembles.json", golden, {"iforest": iforest_scores, "lesinn": lesinn_scores})


if __name__ == "__main__":
    main()
