"""Write distances.json: scores of knn, lof, abod and sp under metrics other than the Euclidean.

    pip install numpy scikit-learn pyod
    python distances.py

Of knn by PyOD, of lof by scikit-learn; of abod and sp, which have no metric there, by their
definition from scikit-learn's neighbours. The robust covariance of `mahalanobis` is computed
here as `docs/method.md` describes it, with a (d, d) matrix also where there are fewer rows than
columns. Rows are float32, computed with in float64.
"""

import json
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
from pyod.models.knn import KNN
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

K = 6


def robust(x: np.ndarray) -> np.ndarray:
    """The inverse of the shrunken covariance that C-steps lead to."""
    n, d = x.shape
    kept = np.arange(n)
    for step in range(4):
        part = x[kept]
        centre = part.mean(axis=0)
        covariance = (part - centre).T @ (part - centre) / len(part)
        ridge = (0.003 + 0.3 * d / len(part)) * np.trace(covariance) / d
        inverse = np.linalg.inv(covariance + ridge * np.eye(d))
        distances = np.einsum("ij,jk,ik->i", x - centre, inverse, x - centre)
        kept = np.argsort(distances, kind="stable")[: int(np.ceil(0.7 * n))]
    return inverse


def angles(row: np.ndarray, others: np.ndarray) -> float:
    """Minus the variance of the weighted angles between pairs of others."""
    sides = others - row
    sides /= (sides**2).sum(axis=1, keepdims=True)
    return -np.var([a @ b for a, b in combinations(sides, 2)])


def scores(x: np.ndarray, new: np.ndarray, metric: str, p: float) -> dict:
    keys = {"metric": metric}
    image = lambda rows: rows  # noqa: E731
    if metric == "minkowski":
        keys["p"] = p
    if metric == "mahalanobis":
        inverse = robust(x)
        keys["metric_params"] = {"VI": inverse}
        root = np.linalg.cholesky(inverse)
        image = lambda rows: rows @ root  # noqa: E731
    if metric == "cosine":
        image = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    near = NearestNeighbors(n_neighbors=K, algorithm="brute", **keys).fit(x)
    fitted, found = near.kneighbors()[0], near.kneighbors(new)[0]
    out = {"knn": [fitted[:, -1], found[:, -1]]}
    if metric in ("manhattan", "chebyshev", "minkowski"):
        model = KNN(n_neighbors=K, **keys).fit(x)
        for ours, theirs in zip(
            out["knn"], [model.decision_scores_, model.decision_function(new)]
        ):
            assert np.allclose(ours, theirs, rtol=1e-12), metric
    out["mean"] = [fitted.mean(axis=1), found.mean(axis=1)]
    lof = dict(n_neighbors=K, algorithm="brute", **keys)
    factors = -LocalOutlierFactor(**lof).fit(x).negative_outlier_factor_
    novelty = LocalOutlierFactor(novelty=True, **lof).fit(x)
    out["lof"] = [factors, -novelty.score_samples(new)]
    # A fitted row is one of its own neighbours, and forms no angle.
    at, to = near.kneighbors(n_neighbors=K - 1)[1], near.kneighbors(new)[1]
    images = image(x)
    out["abod"] = [
        [angles(row, images[i]) for row, i in zip(images, at)],
        [angles(row, images[i]) for row, i in zip(image(new), to)],
    ]
    return {name: [list(map(float, part)) for part in parts] for name, parts in out.items()}


def main() -> None:
    random = np.random.default_rng(8)
    result = {"k": K, "sets": []}
    for n, d in [(90, 4), (30, 40)]:
        mixed = random.normal(size=(n + 15, d)) @ random.normal(size=(d, d))
        mixed[: n // 10] *= 6.0
        mixed = (mixed + random.normal(size=d)).astype(np.float32)
        x, new = mixed[:n].astype(np.float64), mixed[n:].astype(np.float64)
        metrics = [
            ("cosine", 2.0),
            ("manhattan", 2.0),
            ("chebyshev", 2.0),
            ("minkowski", 1.5),
            ("minkowski", 7.0),
            ("mahalanobis", 2.0),
        ]
        result["sets"].append(
            {
                "d": d,
                "rows": [float(v) for v in mixed[:n].ravel()],
                "new": [float(v) for v in mixed[n:].ravel()],
                "metrics": [
                    {"metric": metric, "p": p, "scores": scores(x, new, metric, p)}
                    for metric, p in metrics
                ],
            }
        )
    zero = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0], [-3.0, 1.0]])
    result["cosine_with_zero"] = pairwise_distances(zero, metric="cosine").tolist()
    path = Path(__file__).with_name("distances.json")
    path.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
