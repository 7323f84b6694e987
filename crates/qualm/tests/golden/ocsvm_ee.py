"""Writes ocsvm_ee.json: one-class support vector machines and robust distances from
scikit-learn, on rows made here and on real sets in $QUALM_DATA, of which only the scores
are kept."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sklearn.covariance import MinCovDet
from sklearn.covariance import _robust_covariance as robust
from sklearn.metrics import roc_auc_score
from sklearn.svm import OneClassSVM

warnings.simplefilter("ignore")


def digits(values, n=9):
    return [float(f"{v:.{n}g}") for v in np.ravel(values)]


def ocsvm(x, nu=0.5, gamma="scale"):
    """Minus the decision function of the fitted rows, solved sharply."""
    return -OneClassSVM(nu=nu, gamma=gamma, tol=1e-7).fit(x).decision_function(x)


def ee_from_subset(x, seed, support_fraction=None):
    """A subset, and the squared distances that C-steps, correction and reweighting lead to
    from there."""
    n, d = x.shape
    if support_fraction is None:
        h = min(int(np.ceil(0.5 * (n + d + 1))), n)
    else:
        h = int(support_fraction * n)
    subset = np.random.RandomState(seed).permutation(n)[:h]

    def from_subset(x, **_):
        found = robust.c_step(x, h, random_state=np.random.RandomState(seed))
        location, covariance, _, support, distances = found
        return location, covariance, support, distances

    whole = robust.fast_mcd
    robust.fast_mcd = from_subset
    try:
        model = MinCovDet(support_fraction=support_fraction).fit(x)
    finally:
        robust.fast_mcd = whole
    return sorted(int(i) for i in subset), model.dist_


def one_column(x):
    return MinCovDet(random_state=0).fit(x[:, :1]).dist_


def made():
    rng = np.random.default_rng(4)
    mix = rng.standard_normal((4, 4))
    x = rng.standard_normal((200, 4)) @ mix + [0, 10, -3, 100]
    x[:20] += rng.standard_normal((20, 4)) * 6
    x = x.round(3).astype(np.float32).astype(float)
    subset, distances = ee_from_subset(x, 0)
    wide, wide_distances = ee_from_subset(x, 1, 0.75)
    return {
        "d": 4,
        "rows": digits(x),
        "ocsvm": [
            {"nu": nu, "gamma": gamma, "scores": digits(ocsvm(x, nu, gamma))}
            for nu, gamma in [(0.5, "scale"), (0.1, "scale"), (0.5, 0.3), (0.9, 0.01)]
        ],
        "ee": [
            {"support_fraction": None, "subset": subset, "scores": digits(distances, 12)},
            {"support_fraction": 0.75, "subset": wide, "scores": digits(wide_distances, 12)},
        ],
        "one_column": digits(one_column(x), 12),
    }


def real(name):
    table = pq.read_table(Path(os.environ["QUALM_DATA"]) / f"table2/{name}.parquet")
    labels = np.asarray(table["label"]).astype(int)
    x = table.drop_columns("label").to_pandas().to_numpy(np.float32).astype(float)
    scores = ocsvm(x)
    # scikit-learn takes no C-step where a column is constant.
    varying = x[:, x.std(0) > 0]
    subset, distances = ee_from_subset(varying, 0)
    seeds = [
        roc_auc_score(labels, MinCovDet(random_state=seed).fit(varying).dist_)
        for seed in range(10)
    ]
    return {
        "name": name,
        "ocsvm": digits(scores, 7),
        "ocsvm_auroc": roc_auc_score(labels, scores),
        "ee": digits(distances, 9),
        "ee_subset": subset,
        "ee_auroc_mean": float(np.mean(seeds)),
    }


if __name__ == "__main__":
    golden = {"made": made(), "real": [real(n) for n in ("pima", "ionosphere", "wdbc")]}
    text = json.dumps(golden, separators=(",", ":")) + "\n"
    (Path(__file__).parent / "ocsvm_ee.json").write_text(text)
    for r in golden["real"]:
        print(r["name"], r["ocsvm_auroc"], r["ee_auroc_mean"])
