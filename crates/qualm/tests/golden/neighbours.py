"""Write neighbours.safetensors: scores of knn and abod by PyOD, of lof by scikit-learn.

    pip install numpy pandas pyarrow scikit-learn pyod safetensors
    QUALM_DATA=... python neighbours.py

The synthetic rows are in the file. Of the real sets, whose folder QUALM_DATA names, only the
scores are. Rows are float32, computed with in float64.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from pyod.models.abod import ABOD
from pyod.models.knn import KNN
from safetensors.numpy import save_file
from sklearn.neighbors import LocalOutlierFactor

SETS = [("pima", 768), ("ionosphere", 351), ("covertype", 2000)]


def knn(x: np.ndarray, new: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    model = KNN(n_neighbors=5, method=method).fit(x)
    return model.decision_scores_, model.decision_function(new)


def lof(x: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fitted = -LocalOutlierFactor(n_neighbors=20).fit(x).negative_outlier_factor_
    novelty = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(x)
    return fitted, -novelty.score_samples(new)


def abod(x: np.ndarray, new: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    model = ABOD(n_neighbors=10, method=method).fit(x)
    return model.decision_scores_, model.decision_function(new)


def both(tensors: dict, name: str, scores: tuple[np.ndarray, np.ndarray]) -> None:
    tensors[f"{name}.fitted"], tensors[f"{name}.new"] = scores


def synthetic(tensors: dict) -> None:
    """Two clusters of unlike density and a few rows outside; ten rows stand there twice."""
    random = np.random.default_rng(4)
    dense = random.normal(0.0, 1.0, (120, 5))
    loose = random.normal(8.0, 3.0, (60, 5))
    outside = random.uniform(-20.0, 20.0, (10, 5))
    rows = np.concatenate([dense, loose, outside, dense[:10]]).astype(np.float32)
    new = random.uniform(-6.0, 14.0, (50, 5)).astype(np.float32)
    new[:5] = rows[[0, 50, 130, 185, 199]]
    tensors["rows"], tensors["new"] = rows, new
    x, new = rows.astype(np.float64), new.astype(np.float64)
    for method in ["largest", "mean", "median"]:
        both(tensors, f"knn.{method}", knn(x, new, method))
    both(tensors, "lof", lof(x, new))
    # Without copies: those of a row use up its places there, and not with us.
    both(tensors, "abod.fast", abod(x[:190], new, "fast"))
    both(tensors, "abod.exact", abod(x[100:190], new, "default"))


def real(tensors: dict, name: str, n: int, folder: Path) -> None:
    table = pd.read_parquet(folder / "table2" / f"{name}.parquet").iloc[:n]
    x = table.drop(columns="label").to_numpy(np.float64)
    # A second set of rows to score: some of the same, moved a little.
    new = (x[:100] + 0.125).astype(np.float32).astype(np.float64)
    both(tensors, f"{name}.knn", knn(x, new, "largest"))
    both(tensors, f"{name}.lof", lof(x, new))
    both(tensors, f"{name}.abod", abod(x, new, "fast"))


def main() -> None:
    warnings.simplefilter("error")
    tensors: dict[str, np.ndarray] = {}
    synthetic(tensors)
    for name, n in SETS:
        real(tensors, name, n, Path(os.environ["QUALM_DATA"]))
    assert all(np.isfinite(t).all() for t in tensors.values())
    save_file(tensors, Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
