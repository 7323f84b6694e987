"""Write whitened.json: distances in the space `robust`, by NumPy.

    pip install numpy
    python whitened.py

Columns are standardised, then whitened by the inverse of the Cholesky factor of the shrunken
covariance that `docs/method.md` describes, with a (d, d) matrix also where there are fewer rows
than columns. `mixed` takes four covariances, the last three of the 70% of the rows nearest in the
one before; `clean` takes that of all rows. A score is the mean distance to the K nearest fitted
rows. Rows are float32, computed with in float64.
"""

import json
from pathlib import Path

import numpy as np

K = 5


def whitening(x: np.ndarray, steps: int) -> np.ndarray:
    """W with W'W the inverse of the shrunken covariance."""
    n, d = x.shape
    kept = np.arange(n)
    for _ in range(steps):
        part = x[kept]
        centre = part.mean(axis=0)
        covariance = np.cov(part, rowvar=False, bias=True)
        ridge = (0.003 + 0.3 * d / len(part)) * np.trace(covariance) / d
        root = np.linalg.inv(np.linalg.cholesky(covariance + ridge * np.eye(d)))
        distances = (((x - centre) @ root.T) ** 2).sum(axis=1)
        kept = np.argsort(distances, kind="stable")[: int(np.ceil(0.7 * n))]
    return root


def main() -> None:
    random = np.random.default_rng(23)
    sets = []
    for n, d in [(80, 5), (25, 40)]:
        mixed = random.normal(size=(n + 10, d)) @ random.normal(size=(d, d))
        mixed *= 10.0 ** random.integers(-4, 5, size=d)
        mixed[: n // 10] *= 7.0
        mixed = (mixed + random.normal(size=d)).astype(np.float32)
        x, new = mixed[:n].astype(np.float64), mixed[n:].astype(np.float64)
        scores = {}
        for reference, steps in [("mixed", 4), ("clean", 1)]:
            standard = (x - x.mean(axis=0)) / x.std(axis=0)
            root = whitening(standard, steps)
            fitted = standard @ root.T
            found = ((new - x.mean(axis=0)) / x.std(axis=0)) @ root.T
            distances = np.linalg.norm(found[:, None] - fitted[None], axis=2)
            scores[reference] = np.sort(distances, axis=1)[:, :K].mean(axis=1).tolist()
        rows, others = mixed[:n].ravel(), mixed[n:].ravel()
        sets.append({"d": d, "rows": rows.tolist(), "new": others.tolist(), "scores": scores})
    path = Path(__file__).with_name("whitened.json")
    path.write_text(json.dumps({"k": K, "sets": sets}) + "\n")


if __name__ == "__main__":
    main()
